"""Parked cards: checks that are not made until an operator releases them."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cards.models import CheckState
from cards.models.check_state import CheckStateQuerySet


class ParkedCheckManager(models.Manager["CheckState"]):
    """Parked check states only."""

    def get_queryset(self) -> CheckStateQuerySet:
        return CheckStateQuerySet(self.model, using=self._db).parked()

    def visible_to(self, user: Any) -> CheckStateQuerySet:
        """Return the parked check states that `user` may see."""
        return self.get_queryset().visible_to(user)


class ParkedCheck(CheckState):
    """A check of a card that repeatedly crashed its workers. It is not made until an operator releases it.

    The other checks of the card continue.
    """

    objects: ClassVar[Any] = ParkedCheckManager()

    class Meta:
        proxy = True
        verbose_name = _("parked card")
        verbose_name_plural = _("parked cards")
