"""The name of every Redis key of polling. Operators read some of them: see docs/redis.md."""

from typing import Final

EPOCH: Final = "polling:epoch"
EPOCH_SERVER: Final = "polling:epoch-server"
LAST_CLAIM: Final = "polling:last-claim"
WAKE_UP_PENDING: Final = "polling:wake-up-pending"
SEEDER: Final = "polling:seeder"
REPLANNER: Final = "polling:replanner"
PROGRESS: Final = "polling:init:progress"
WANTED: Final = "polling:wanted"
REPAIRED: Final = "polling:repaired"
CENSUS_CHANGES: Final = "polling:census:changes"
CENSUS_COUNTED: Final = "polling:census:counted"
CENSUS_RESTS: Final = "polling:census:rests"
LATENESS_RESTS: Final = "polling:lateness-rests"
TICKED_AT: Final = "polling:ticked-at"


def queue(check_type: str) -> str:
    """Sorted set: card -> due time (unix s); while it is claimed, the end of the claim."""
    return f"polling:queue:{check_type}"


def claims(check_type: str) -> str:
    """Hash: card -> token|end of the claim (unix s)|holder, and |due when it was planned anew meanwhile."""
    return f"polling:claims:{check_type}"


def lost(check_type: str) -> str:
    """Hash: card -> claims that ran out. Empty in normal life."""
    return f"polling:lost:{check_type}"


def suspects(check_type: str) -> str:
    """Set: cards that lost claims, to be handed out alone."""
    return f"polling:suspects:{check_type}"


def again(check_type: str) -> str:
    """Set: cards in flight that are wanted once more."""
    return f"polling:again:{check_type}"


def manual(check_type: str) -> str:
    """List: cards triggered by hand; hints, the rows decide."""
    return f"polling:manual:{check_type}"


def parked(check_type: str) -> str:
    """Sorted set: card -> since (unix s); a copy of rows."""
    return f"polling:parked:{check_type}"


def tokens(check_type: str) -> str:
    """String: the number of claims made, the lower half of a token."""
    return f"polling:tokens:{check_type}"


def stats(check_type: str) -> str:
    """Hash: success, failed and total_duration_ms since the last flush, avg_duration_ms of five minutes."""
    return f"polling:stats:{check_type}"


def counters(check_type: str) -> str:
    """Hash: what settling and claiming have counted since Redis was emptied; for Prometheus."""
    return f"polling:counters:{check_type}"


def minute(check_type: str) -> str:
    """The beginning of the name of a minute's bucket; the minute (unix time / 60) follows."""
    return f"polling:minute:{check_type}:"


def lateness(check_type: str) -> str:
    """Hash: the age of last good answers against the promised intervals, in percent."""
    return f"polling:lateness:{check_type}"


def slots(task_type: str) -> str:
    """Sorted set: holder#n -> expiry (unix ms)."""
    return f"polling:seats:{task_type}"


def limit(task_type: str) -> str:
    """String: how many slots there are."""
    return f"polling:concurrency:config:{task_type}"


def current(task_type: str) -> str:
    """String: how many slots are taken."""
    return f"polling:concurrency:current:{task_type}"
