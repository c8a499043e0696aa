"""Carriers (network operators) and their gateways (HTTP endpoints)."""

from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import validate_time_zone
from accounts.scoping import SharedQuerySet, StaffQuerySet
from carriers.clients.base import CredentialsError, GatewayAddress, GatewayClient
from carriers.clients.registry import ADAPTERS, client_of
from carriers.cycles import BillingCalendar, calendar_from
from common.crypto import DecryptionError
from common.fields import EncryptedTextField, Sealed
from common.http import guard
from common.http.outgoing import Outgoing

MAX_TIMEOUT_SECONDS = 10
MAX_BATCH_SIZE = 500
# The pattern rejects a user name and a password in the URL, because credentials have their own field.
BASE_URL_PATTERN = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"


def validate_callable(base_url: str) -> None:
    """Raise ValidationError if `base_url` has an IP address or a port that no call may go to.

    A host name passes, because it may lead elsewhere tomorrow. Calls to it are checked one by one.
    """
    try:
        url = urlsplit(base_url)
        port = url.port or {"https": 443}.get(url.scheme, 80)
    except ValueError:
        raise ValidationError(_("The port must be 1 to 65535."), code="invalid") from None
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname or ""
    try:
        guard.check(
            host, port=port, is_encrypted=url.scheme == "https", allowed=settings.COMMON.gateway_networks
        )
    except guard.AddressRefusedError as error:
        text = _("This address cannot be called: %(reason)s (see GATEWAY_ALLOWED_NETWORKS).")
        raise ValidationError(text, params={"reason": error}, code="forbidden_address") from None
    except ValueError:
        # It is a name.
        return


class Counter(models.TextChoices):
    """Whether a carrier counts a card's data usage per billing cycle or over the card's lifetime."""

    PER_CYCLE = "per_cycle", _("restarts at zero each billing cycle")
    LIFETIME = "lifetime", _("never restarts")


class StampGrain(models.TextChoices):
    """How precise the time stamps of a carrier's figures are. A coarse stamp is the start of its hour or day."""

    EXACT = "exact", _("exact")
    HOUR = "hour", _("hours")
    DAY = "day", _("days")


GRAINS = {
    StampGrain.EXACT: timedelta(),
    StampGrain.HOUR: timedelta(hours=1),
    StampGrain.DAY: timedelta(days=1),
}
MAX_DELAY_MINUTES = 3 * 24 * 60
# Without a declared delay and grain of time stamps, figures may be this old.
MAX_FIGURES_AGE = timedelta(hours=6)
CHANGE_FIELDS = ("calendar_changed_at", "changed_in_cycle", "time_zone_before")


class CarrierQuerySet(SharedQuerySet["Carrier"]):
    """Queries for carriers."""


class Carrier(models.Model):
    """A network operator and its billing calendar."""

    code = models.SlugField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Asia/Shanghai", validators=[validate_time_zone]
    )
    billing_day = models.PositiveSmallIntegerField(
        _("billing day"), default=1, validators=[MinValueValidator(1), MaxValueValidator(28)]
    )
    counter = models.CharField(
        _("counter"), max_length=16, choices=Counter.choices, default=Counter.PER_CYCLE
    )
    stamp_grain = models.CharField(
        _("grain of time stamps"), max_length=8, choices=StampGrain.choices, default=StampGrain.EXACT
    )
    figures_delay_minutes = models.PositiveSmallIntegerField(
        _("delay of figures (min)"),
        default=0,
        validators=[MaxValueValidator(MAX_DELAY_MINUTES)],
        help_text=_("how much later than the usage the carrier's figures are known to be"),
    )
    max_mbit_per_second = models.PositiveIntegerField(
        _("fastest card (Mbit/s)"),
        default=320,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text=_("a counter that rises faster is not believed"),
    )
    calendar_changed_at = models.DateTimeField(
        _("time zone or billing day changed at"), null=True, editable=False
    )
    changed_in_cycle = models.DateField(_("cycle of that change"), null=True, editable=False)
    time_zone_before = models.CharField(
        _("time zone of that cycle"), max_length=64, blank=True, editable=False
    )

    objects = CarrierQuerySet.as_manager()

    class Meta:
        verbose_name = _("carrier")
        verbose_name_plural = _("carriers")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(billing_day__range=(1, 28)), name="carrier_billing_day_in_every_month"
            ),
            models.CheckConstraint(condition=Q(counter__in=Counter.values), name="carrier_counter_known"),
            models.CheckConstraint(
                condition=Q(stamp_grain__in=StampGrain.values), name="carrier_stamp_grain_known"
            ),
            models.CheckConstraint(
                condition=Q(figures_delay_minutes__lte=MAX_DELAY_MINUTES), name="carrier_delay_at_most_3_days"
            ),
            models.CheckConstraint(
                condition=Q(max_mbit_per_second__range=(1, 100_000)), name="carrier_speed_possible"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        """Save the carrier. If its calendar has changed, note when, and in which cycle."""
        stored = Carrier.objects.filter(pk=self.pk).first()
        is_changed = stored and (stored.time_zone, stored.billing_day) != (self.time_zone, self.billing_day)
        if stored and is_changed and stored.calendar.is_readable:
            change = stored.calendar.change_at(timezone.now())
            self.calendar_changed_at, self.changed_in_cycle = change.at, change.running_cycle
            self.time_zone_before = change.time_zone
            if options.get("update_fields"):
                options["update_fields"] = {*options["update_fields"], *CHANGE_FIELDS}
        super().save(*args, **options)

    @property
    def calendar(self) -> BillingCalendar:
        """The carrier's billing calendar. A changed one applies from its next boundary on."""
        return calendar_from(
            self.time_zone,
            self.billing_day,
            self.calendar_changed_at,
            self.changed_in_cycle,
            self.time_zone_before,
        )

    @property
    def stamp_grain_duration(self) -> timedelta:
        """By how much a figure can be newer than its time stamp."""
        return GRAINS[StampGrain(self.stamp_grain)]

    @property
    def figures_delay(self) -> timedelta:
        """How much later than the usage the carrier's figures are known to be."""
        return timedelta(minutes=self.figures_delay_minutes)

    @property
    def max_figures_age(self) -> timedelta:
        """How much older than an answer its figures may be before they count as stale."""
        return MAX_FIGURES_AGE + self.stamp_grain_duration + self.figures_delay


class GatewayQuerySet(StaffQuerySet["Gateway"]):
    """Queries for gateways."""

    def open_at(self, now: datetime) -> Self:
        """Return the gateways that are enabled and not paused at `now`."""
        return self.filter(Q(paused_until__isnull=True) | Q(paused_until__lte=now), is_enabled=True)


class Gateway(models.Model):
    """An account at a carrier's HTTP endpoint.

    A carrier may have several gateways, each with its own limits.
    """

    carrier = models.ForeignKey(Carrier, models.PROTECT, related_name="gateways", verbose_name=_("carrier"))
    name = models.CharField(_("name"), max_length=100, unique=True)
    adapter = models.CharField(_("adapter"), max_length=32, choices=[(name, name) for name in ADAPTERS])
    # Don't use a URLField: it rejects host names without a dot, which are common on private networks.
    base_url = models.CharField(
        _("base URL"),
        max_length=200,
        validators=[
            RegexValidator(BASE_URL_PATTERN, _("https://host or http://host, without a query")),
            validate_callable,
        ],
        help_text=_("without the path of a call, e.g. https://gateway.example"),
    )
    credentials = EncryptedTextField(
        _("credentials"), help_text=_('JSON, e.g. {"app_id": "...", "secret": "..."}; write-only')
    )
    timeout_seconds = models.PositiveSmallIntegerField(
        _("timeout (s)"),
        default=MAX_TIMEOUT_SECONDS,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
    )
    batch_size = models.PositiveSmallIntegerField(
        _("cards per call"), default=50, validators=[MinValueValidator(1), MaxValueValidator(MAX_BATCH_SIZE)]
    )
    max_concurrency = models.PositiveIntegerField(
        _("concurrent calls"), default=50, validators=[MinValueValidator(1)]
    )
    calls_per_second = models.PositiveIntegerField(
        _("calls per second"),
        null=True,
        blank=True,
        help_text=_("empty for no limit"),
        validators=[MinValueValidator(1)],
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    pause_reason = models.CharField(_("reason for the pause"), max_length=200, blank=True)
    is_default = models.BooleanField(_("default gateway of its carrier"), default=False)

    objects = GatewayQuerySet.as_manager()

    class Meta:
        verbose_name = _("gateway")
        verbose_name_plural = _("gateways")
        ordering = ("carrier", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["carrier"], condition=Q(is_default=True), name="gateway_one_default"
            ),
            models.CheckConstraint(
                condition=Q(timeout_seconds__range=(1, 10)), name="gateway_timeout_bounded"
            ),
            models.CheckConstraint(
                condition=Q(batch_size__range=(1, MAX_BATCH_SIZE)), name="gateway_batch_size_bounded"
            ),
            models.CheckConstraint(
                condition=Q(max_concurrency__gt=0), name="gateway_max_concurrency_positive"
            ),
            models.CheckConstraint(
                condition=Q(calls_per_second__isnull=True) | Q(calls_per_second__gt=0),
                name="gateway_calls_per_second_positive",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def client(self, outgoing: Outgoing) -> GatewayClient:
        """Return a client for this gateway. Raise CredentialsError when it cannot be called as it is stored."""
        return client_of(self.adapter)(self._address(), outgoing)

    def unusable_reason(self) -> str | None:
        """Return why the stored adapter, credentials or base URL cannot be used; None if they can.

        The reason contains no secret.
        """
        try:
            client_of(self.adapter).check(self._address())
        except CredentialsError as error:
            return str(error)
        return None

    def _address(self) -> GatewayAddress:
        sealed = self.credentials
        try:
            credentials = sealed.open() if isinstance(sealed, Sealed) else sealed
        except DecryptionError as error:
            raise CredentialsError(f"the credentials cannot be opened: {error}") from None
        return GatewayAddress(self.base_url, credentials, self.timeout_seconds)
