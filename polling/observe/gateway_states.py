"""The state of every gateway in words: whether it works, since when it fails, and why it is not called."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from carriers.breakers import Breakers, Rest
from carriers.gateway_calls import CallRecord, GatewayCalls
from carriers.models import Gateway
from common import database
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.models import Pause

# Fewer failures in a row may be due to a single card or a short disturbance.
FAILING_AFTER = 3
# A gateway that asks for rest after rest, without an answer between, fails.
MAX_REFUSING = timedelta(minutes=5)


class State(StrEnum):
    """What a gateway does, or why it is not called."""

    WORKING = "working"
    FAILING = "failing"
    LEFT_ALONE = "left_alone"
    PAUSED = "paused"
    DISABLED = "disabled"
    UNREADABLE = "credentials_unreadable"
    UNCALLED = "not_called_yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class GatewayStatus:
    """The state of a gateway: `since` and `until` when it lasts, as far as that is known, and why.

    `is_called` is whether calls go out. `paused_by` is the owner of a pause. `trouble` is the last trouble, which
    may be over. `words` is one sentence without the gateway's name.
    """

    gateway: Gateway
    state: State
    words: str
    is_called: bool = True
    since: datetime | None = None
    until: datetime | None = None
    paused_by: str = ""
    trouble: str = ""
    trouble_at: datetime | None = None
    calls: CallRecord = field(default_factory=CallRecord)

    @property
    def public_words(self) -> str:
        """Return the state in words that owners of cards may read: without reasons, names or troubles."""
        return {
            State.PAUSED: f"is paused until {_date(self.until)}" if self.until else "is paused",
            State.FAILING: f"has failed since {_date(self.since)}" if self.since else "fails",
            State.LEFT_ALONE: "has asked for no calls for a while",
            State.DISABLED: "is disabled",
        }.get(self.state, "cannot be called")

    @property
    def is_trouble(self) -> bool:
        """Return whether the gateway needs attention. A pause, for example, was set on purpose."""
        return self.state in {State.FAILING, State.UNREADABLE}


def read(gateways: Collection[Gateway]) -> dict[int, GatewayStatus]:
    """Return the status of each gateway by its id. Without Redis, states that come from it are UNKNOWN."""
    ids = [gateway.pk for gateway in gateways]
    rests: dict[int, Rest] = {}
    records: dict[int, CallRecord] = {}
    with degraded_without_redis("the states of gateways are not shown") as degraded:
        redis = for_web()
        rests, records = Breakers(redis).rests(ids), GatewayCalls(redis).read(ids)
    now = database.now()
    pauses = list(Pause.objects.in_force_at(now).select_related("owner").order_by("until"))
    return {
        gateway.pk: status(
            gateway,
            pause=_pause_of(gateway, pauses),
            rest=rests.get(gateway.pk),
            record=None if degraded.is_on else records[gateway.pk],
            now=now,
        )
        for gateway in gateways
    }


def status(
    gateway: Gateway, *, pause: Pause | None, rest: Rest | None, record: CallRecord | None, now: datetime
) -> GatewayStatus:
    """Return the status of a gateway. `pause` is its own or its carrier's; `record` is None without Redis."""
    if closed := _closed(gateway, pause, now):
        found = closed
    elif record is None:
        found = GatewayStatus(gateway, State.UNKNOWN, "not known, because Redis does not answer")
    else:
        found = _by_calls(gateway, record, rest, now)
    calls = record or CallRecord()
    failed_at = None if calls.failed_at is None else _moment(calls.failed_at, now)
    return replace(found, trouble=calls.trouble, trouble_at=failed_at, calls=calls)


def _closed(gateway: Gateway, pause: Pause | None, now: datetime) -> GatewayStatus | None:
    """Return the status of a gateway that is not called, whatever it does; None if it may be called."""
    if not gateway.is_enabled:
        return GatewayStatus(gateway, State.DISABLED, "disabled", is_called=False)
    if pause:
        return GatewayStatus(
            gateway,
            State.PAUSED,
            f"paused until {_date(pause.until)} by {pause.owner}: {pause.reason}",
            is_called=False,
            since=pause.created_at,
            until=pause.until,
            paused_by=str(pause.owner),
        )
    if gateway.paused_until and gateway.paused_until > now:
        words = f"paused until {_date(gateway.paused_until)}: {gateway.pause_reason or 'no reason given'}"
        return GatewayStatus(gateway, State.PAUSED, words, is_called=False, until=gateway.paused_until)
    if reason := gateway.unusable_reason():
        return GatewayStatus(gateway, State.UNREADABLE, reason, is_called=False)
    return None


def _by_calls(gateway: Gateway, calls: CallRecord, rest: Rest | None, now: datetime) -> GatewayStatus:
    """Return the status of a gateway that may be called, from its last calls."""
    until = now + rest.left if rest else None
    since = _moment(calls.failing_since, now) if calls.failing_since else None
    if rest and not rest.is_open and (since is None or now - since < MAX_REFUSING):
        words = f"it asked for no calls for another {rest.left.total_seconds():.0f} s"
        return GatewayStatus(gateway, State.LEFT_ALONE, words, is_called=False, until=until)
    if rest:
        trial = f"; the next call is in {rest.left.total_seconds():.0f} s"
        words = f"{_failing(since, calls.trouble)}{trial}"
        return GatewayStatus(gateway, State.FAILING, words, is_called=False, since=since, until=until)
    if since and calls.failed_in_a_row >= FAILING_AFTER:
        return GatewayStatus(gateway, State.FAILING, _failing(since, calls.trouble), since=since)
    if calls.answered_at is None:
        return GatewayStatus(gateway, State.UNCALLED, "not called yet")
    return GatewayStatus(gateway, State.WORKING, "works")


def _failing(since: datetime | None, trouble: str) -> str:
    when = f"failing since {_date(since)}" if since else "failing"
    return f"{when}: {trouble}" if trouble else when


def _pause_of(gateway: Gateway, pauses: Collection[Pause]) -> Pause | None:
    """Return the pause of the gateway or of its carrier that ends last. `pauses` are sorted by their ends."""
    own = [
        pause for pause in pauses if gateway.pk == pause.gateway_id or gateway.carrier_id == pause.carrier_id
    ]
    return own[-1] if own else None


def _moment(seconds: float, now: datetime) -> datetime:
    # Redis' clock may have been set back since.
    return min(datetime.fromtimestamp(seconds, UTC), now)


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
