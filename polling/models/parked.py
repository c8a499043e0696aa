"""The ParkedCheck model. A parked check is skipped until an operator releases it."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cards.models import CheckState
from cards.models.check_state import CheckStateQuerySet


class ParkedCheckManager(models.Manager["CheckState"]):
    """Manager that returns only parked check states."""

    def get_queryset(self) -> CheckStateQuerySet:
        return CheckStateQuerySet(self.model, using=self._db).parked()

    def visible_to(self, user: Any) -> CheckStateQuerySet:
        """Return the parked check states that `user` may see."""
        return self.get_queryset().visible_to(user)


class ParkedCheck(CheckState):
    """A check that repeatedly crashed its worker on one card.

    This check is skipped for the card until an operator releases it. Other checks of the card continue.
    """

    objects: ClassVar[Any] = ParkedCheckManager()

    class Meta:
        proxy = True
        verbose_name = _("parked card")
        verbose_name_plural = _("parked cards")
