"""Checks of cards that were set aside."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cards.models import CheckState
from cards.models.check_state import CheckStateQuerySet


class ParkedCheckManager(models.Manager["CheckState"]):
    """Parked ones only."""

    def get_queryset(self) -> CheckStateQuerySet:
        """A card is parked for one check, and goes on with the others."""
        return CheckStateQuerySet(self.model, using=self._db).parked()

    def visible_to(self, user: Any) -> CheckStateQuerySet:
        """Those that `user` may see."""
        return self.get_queryset().visible_to(user)


class ParkedCheck(CheckState):
    """A check of a card that crashed its workers again and again: it is not made until somebody releases it."""

    objects: ClassVar[Any] = ParkedCheckManager()

    class Meta:
        proxy = True
        verbose_name = _("parked card")
        verbose_name_plural = _("parked cards")
