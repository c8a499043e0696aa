"""The Card model: the numbers, owner and states of a SIM card."""

from collections.abc import Iterable
from typing import Any, Final, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Func, Q, TextField
from django.db.models.functions import Right
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent
from accounts.scoping import ScopedQuerySet
from cards.models.device import Device
from carriers.iccids import DIGITS, plain, sim_of
from carriers.models import Carrier, Gateway

# The check digit is not validated, because some carriers use ICCIDs with letters and without a check digit.
ICCID_PATTERN = r"^[0-9A-F]{18,22}$"
# How many characters at the end of an ICCID people read from a card to find it.
SHORT_END = 6


class SimOf(Func):
    """An SQL expression: what the ICCIDs of one SIM card have in common, see `carriers.iccids.sim_of`."""

    function = "cards_sim_of"
    output_field = TextField()


class CardQuerySet(ScopedQuerySet["Card"]):
    """Cards, filtered by state and by user."""

    def present(self) -> Self:
        """Return the cards that are not deleted."""
        return self.filter(deleted_at__isnull=True)

    def deleted(self) -> Self:
        """Return the deleted cards, whose history is kept."""
        return self.filter(deleted_at__isnull=False)

    def of_sims(self, iccids: Iterable[str]) -> Self:
        """Return the cards whose SIM card one of `iccids`, in any spelling, names."""
        return self.alias(sim=SimOf("iccid")).filter(sim__in={sim_of(iccid) for iccid in iccids})

    def found_by(self, term: str) -> Self:
        """Return the cards that a search finds.

        `term` is the beginning of an ICCID or MSISDN, or the last six characters of an ICCID, in any spelling.
        """
        wanted = plain(term).removeprefix("+")
        found = Q(iccid__startswith=wanted) | Q(msisdn__startswith=wanted)
        if len(wanted) > DIGITS:
            # Longer than the spelling of a card that has no check digit.
            found |= Q(iccid__startswith=wanted[:DIGITS]) & Q(sim=sim_of(wanted))
        if len(wanted) == SHORT_END:
            found |= Q(end=wanted)
        return self.alias(sim=SimOf("iccid"), end=Right("iccid", SHORT_END)).filter(found)

    def visible_to(self, user: Any) -> Self:
        """Return the cards that `user` may see, without deleted cards."""
        return self.known_to(user).present()

    def known_to(self, user: Any) -> Self:
        """Return the cards that `user` may see, including deleted cards, because their history is kept."""
        return super().visible_to(user)


class Card(models.Model):
    """A SIM card. Its row rarely changes, because checks write to `CheckState` and `CardUsage` instead."""

    class Category(models.TextChoices):
        """Whether the card needs real-name verification. Industry cards are exempt."""

        NORMAL = "normal", _("normal")
        INDUSTRY = "industry", _("industry (M2M)")

    class Status(models.IntegerChoices):
        """The stage of the card's life cycle."""

        IN_STOCK = 1, _("in stock")
        DISTRIBUTED = 2, _("distributed")
        ACTIVATED = 3, _("activated")
        DEACTIVATED = 4, _("deactivated")

    class RealNameStatus(models.TextChoices):
        """Whether the holder's identity has been verified."""

        UNVERIFIED = "unverified", _("unverified")
        VERIFIED = "verified", _("verified")
        UNKNOWN = "unknown", _("unknown")

    class NetworkStatus(models.TextChoices):
        """Whether the carrier lets the card use its network."""

        ONLINE = "online", _("online")
        STOPPED = "stopped", _("stopped")
        UNKNOWN = "unknown", _("unknown")

    iccid = models.CharField(
        _("ICCID"),
        max_length=22,
        validators=[RegexValidator(ICCID_PATTERN, _("18 to 22 characters, 0-9 and A-F"))],
    )
    imsi = models.CharField(_("IMSI"), max_length=15, null=True, blank=True)  # noqa: DJ001 (null = not known)
    msisdn = models.CharField(_("MSISDN"), max_length=15, null=True, blank=True)  # noqa: DJ001
    carrier = models.ForeignKey(Carrier, models.PROTECT, db_index=False, verbose_name=_("carrier"))
    gateway = models.ForeignKey(
        Gateway,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("gateway"),
        help_text=_("Empty: the carrier's default gateway."),
    )
    agent = models.ForeignKey(Agent, models.PROTECT, db_index=False, verbose_name=_("agent"))
    device = models.ForeignKey(
        Device, models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("device")
    )
    category = models.CharField(
        _("category"), max_length=8, choices=Category.choices, default=Category.NORMAL
    )
    status = models.PositiveSmallIntegerField(_("status"), choices=Status.choices, default=Status.IN_STOCK)
    real_name_status = models.CharField(
        _("real-name status"), max_length=10, choices=RealNameStatus.choices, default=RealNameStatus.UNKNOWN
    )
    network_status = models.CharField(
        _("network status"), max_length=7, choices=NetworkStatus.choices, default=NetworkStatus.UNKNOWN
    )
    network_checked_at = models.DateTimeField(
        _("network status since"), null=True, blank=True, editable=False
    )
    enable_polling = models.BooleanField(_("polled"), default=True)
    suspended_by = models.ForeignKey(
        "cards.ServiceOrder",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        db_index=False,
        related_name="+",
        verbose_name=_("suspended by"),
    )
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

    objects = CardQuerySet.as_manager()

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = (
            # text_pattern_ops lets the index also serve prefix searches under any collation.
            models.UniqueConstraint(
                fields=["iccid"],
                condition=Q(deleted_at__isnull=True),
                opclasses=["text_pattern_ops"],
                name="card_iccid_unique",
            ),
            # One SIM card is one card, whatever the spelling of its ICCID.
            models.UniqueConstraint(
                SimOf("iccid"), condition=Q(deleted_at__isnull=True), name="card_sim_unique"
            ),
            models.CheckConstraint(condition=Q(iccid__regex=ICCID_PATTERN), name="card_iccid_shape"),
            models.CheckConstraint(
                condition=Q(imsi__isnull=True) | Q(imsi__regex=r"^[0-9]{6,15}$"), name="card_imsi_shape"
            ),
            models.CheckConstraint(
                condition=Q(msisdn__isnull=True) | Q(msisdn__regex=r"^[0-9]{5,15}$"), name="card_msisdn_shape"
            ),
            models.CheckConstraint(
                condition=Q(category__in=["normal", "industry"]), name="card_category_known"
            ),
            models.CheckConstraint(condition=Q(status__range=(1, 4)), name="card_status_known"),
            models.CheckConstraint(
                condition=Q(real_name_status__in=["unverified", "verified", "unknown"]),
                name="card_real_name_status_known",
            ),
            models.CheckConstraint(
                condition=Q(network_status__in=["online", "stopped", "unknown"]),
                name="card_network_status_known",
            ),
        )
        indexes = (
            # For listing the cards of an agent, ordered by id.
            models.Index(fields=["agent", "id"], name="card_agent_page"),
            # For the admin's search by MSISDN.
            models.Index(
                fields=["msisdn"],
                opclasses=["text_pattern_ops"],
                condition=Q(msisdn__isnull=False),
                name="card_msisdn",
            ),
            # For the admin's filters, so that filtering by a rare value or an unused value is fast. The
            # conditions leave out the value that nearly all cards have.
            models.Index(fields=["carrier", "id"], name="card_carrier_page"),
            models.Index(fields=["status", "id"], name="card_status_page"),
            models.Index(
                fields=["real_name_status", "id"],
                condition=~Q(real_name_status="verified"),
                name="card_not_verified",
            ),
            models.Index(
                fields=["network_status", "id"],
                condition=~Q(network_status="online"),
                name="card_not_online",
            ),
            models.Index(fields=["id"], condition=Q(category="industry"), name="card_industry"),
            models.Index(fields=["id"], condition=Q(enable_polling=False), name="card_not_polled"),
            # For searching deleted cards by ICCID, to show their history.
            models.Index(
                fields=["iccid"],
                opclasses=["text_pattern_ops"],
                condition=Q(deleted_at__isnull=False),
                name="card_iccid_deleted",
            ),
            # For searching by the end of an ICCID.
            models.Index(Right("iccid", SHORT_END), name="card_iccid_end"),
            # For finding the cards that have their own gateway, and the cards of a device.
            models.Index(fields=["gateway"], condition=Q(gateway__isnull=False), name="card_gateway"),
            models.Index(fields=["device"], condition=Q(device__isnull=False), name="card_device"),
        )

    def __str__(self) -> str:
        return self.iccid


# Only cards with one of these statuses are checked.
POLLED_STATUSES: Final = (Card.Status.DISTRIBUTED, Card.Status.ACTIVATED)
