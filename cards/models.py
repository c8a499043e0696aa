"""The truth about a card: what it is, what its checks found, and what it has used."""

from typing import Any, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent, User
from accounts.roles import Role
from carriers.models import Carrier, Gateway

# Some carriers' ICCIDs carry letters and no check digit, so a wrong check digit is never refused.
ICCID_PATTERN = r"^[0-9A-F]{18,22}$"


def megabytes(label: Any, **options: Any) -> "models.DecimalField[Any, Any]":
    """A column of megabytes (10^6 bytes)."""
    return models.DecimalField(label, max_digits=18, decimal_places=3, **options)


class CheckType(models.TextChoices):
    """What is asked of a card for ever. The values are the wire names."""

    REAL_NAME = "realname", _("real-name verification")
    DATA_USAGE = "carddata", _("data usage")
    PACKAGE = "package", _("package")


class CardQuerySet(models.QuerySet["Card"]):
    """Cards, by state and by who asks."""

    def present(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, user: Any) -> Self:
        """The cards that `user` may see; none for strangers."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.role in Role.of_staff():
            return self.present()
        if user.role is Role.AGENT and user.agent:
            return self.present().filter(agent__path__startswith=user.agent.path)
        return self.none()


class Card(models.Model):
    """One SIM card. It changes rarely; what each check writes is in `CheckState` and `CardUsage`."""

    class Category(models.TextChoices):
        """Whether the card is exempt from real-name verification."""

        NORMAL = "normal", _("normal")
        INDUSTRY = "industry", _("industry (M2M)")

    class Status(models.IntegerChoices):
        """Where the card is in its life."""

        IN_STOCK = 1, _("in stock")
        DISTRIBUTED = 2, _("distributed")
        ACTIVATED = 3, _("activated")
        DEACTIVATED = 4, _("deactivated")

    class RealNameStatus(models.TextChoices):
        """Whether the holder's identity is verified."""

        UNVERIFIED = "unverified", _("unverified")
        VERIFIED = "verified", _("verified")
        UNKNOWN = "unknown", _("unknown")

    class NetworkStatus(models.TextChoices):
        """Whether the carrier lets the card use its network."""

        ONLINE = "online", _("online")
        STOPPED = "stopped", _("stopped")
        UNKNOWN = "unknown", _("unknown")

    iccid = models.CharField(
        _("ICCID"), max_length=22, validators=[RegexValidator(ICCID_PATTERN, _("18 to 22 of 0-9 and A-F"))]
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
        help_text=_("empty: the default of the carrier"),
    )
    agent = models.ForeignKey(Agent, models.PROTECT, db_index=False, verbose_name=_("agent"))
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
    network_checked_at = models.DateTimeField(_("network checked at"), null=True, blank=True, editable=False)
    enable_polling = models.BooleanField(_("polled"), default=True)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

    objects = CardQuerySet.as_manager()

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = (
            # Also serves prefix searches: text_pattern_ops works under any collation.
            models.UniqueConstraint(
                fields=["iccid"],
                condition=Q(deleted_at__isnull=True),
                opclasses=["text_pattern_ops"],
                name="card_iccid_unique",
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
            # `visible_to` an agent, in the order of pages.
            models.Index(fields=["agent", "id"], name="card_agent_page"),
            # The admin's search by number.
            models.Index(
                fields=["msisdn"],
                opclasses=["text_pattern_ops"],
                condition=Q(msisdn__isnull=False),
                name="card_msisdn",
            ),
            # The admin's filters, partial where nearly all cards have the other value.
            models.Index(fields=["carrier", "id"], name="card_carrier_page"),
            models.Index(fields=["status", "id"], name="card_status_page"),
            models.Index(fields=["id"], condition=Q(network_status="stopped"), name="card_stopped"),
            models.Index(fields=["id"], condition=Q(category="industry"), name="card_industry"),
            models.Index(fields=["id"], condition=Q(enable_polling=False), name="card_not_polled"),
        )

    def __str__(self) -> str:
        return self.iccid


class CheckState(models.Model):
    """What the last check of one type found of one card: narrow, because every check writes it.

    `token` is the claim that wrote last; an older one is refused. `failing_since` and `error` are of the
    present row of failures, empty after a good answer.
    """

    card = models.ForeignKey(
        Card, models.CASCADE, related_name="check_states", db_index=False, verbose_name=_("card")
    )
    type = models.CharField(_("check"), max_length=8, choices=CheckType.choices)
    token = models.BigIntegerField(_("token"), default=0)
    checked_at = models.DateTimeField(_("last good answer at"), null=True, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = models.CharField(_("error"), max_length=200, blank=True, default="")
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    parked_at = models.DateTimeField(_("parked at"), null=True, blank=True)
    parked_where = models.CharField(_("parked by"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("check state")
        verbose_name_plural = _("check states")
        constraints = (
            models.UniqueConstraint(fields=["card", "type"], name="checkstate_one_per_card_and_type"),
            models.CheckConstraint(condition=Q(type__in=CheckType.values), name="checkstate_type_known"),
        )
        indexes = (
            # The walk and the admin ask for the few that are parked.
            models.Index(
                fields=["type", "card"], condition=Q(parked_at__isnull=False), name="checkstate_parked"
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} of {self.card_id}"


class CardUsage(models.Model):
    """Metering's memory of one card. `cards.metering` says what the fields mean."""

    card = models.OneToOneField(Card, models.CASCADE, related_name="usage", verbose_name=_("card"))
    cycle_start = models.DateField(_("cycle began on"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    last_month_total_mb = megabytes(_("used in the cycle before (MB)"), default=0)
    raw_mb = megabytes(_("counter (MB)"))
    measured_at = models.DateTimeField(_("measured at"))
    suspect_raw_mb = megabytes(_("suspicious counter (MB)"), null=True, blank=True)
    suspect_since = models.DateTimeField(_("suspicious since"), null=True, blank=True)

    class Meta:
        verbose_name = _("card usage")
        verbose_name_plural = _("card usage")
        constraints = (
            models.CheckConstraint(
                condition=Q(used_mb__gte=0, raw_mb__gte=0, last_month_total_mb__gte=0),
                name="cardusage_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(suspect_raw_mb__isnull=True, suspect_since__isnull=True)
                | Q(suspect_raw_mb__isnull=False, suspect_since__isnull=False),
                name="cardusage_suspicion_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.used_mb} MB since {self.cycle_start}"


class UsageRecord(models.Model):
    """One reading that told something new. Partitioned by day of `recorded_at`; see `cards.usage_partitions`.

    The database's key is (id, recorded_at). There is no foreign key: the table is written by the million.
    """

    card_id = models.BigIntegerField(_("card"))
    recorded_at = models.DateTimeField(_("recorded at"))
    measured_at = models.DateTimeField(_("measured at"))
    raw_mb = megabytes(_("counter (MB)"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    delta_mb = megabytes(_("increase (MB)"))

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")

    def __str__(self) -> str:
        return f"{self.used_mb} MB of {self.card_id}"
