"""The names of all Redis keys of polling. Operators read some of them: see docs/redis.md."""

from typing import Final

EPOCH: Final = "polling:epoch"
EPOCH_SERVER: Final = "polling:epoch-server"
LAST_CLAIM: Final = "polling:last-claim"
WAKE_UP_PENDING: Final = "polling:wake-up-pending"
SEEDER: Final = "polling:seeder"
RECONCILER: Final = "polling:replanner"
PROGRESS: Final = "polling:init:progress"
WANTED: Final = "polling:wanted"
REPAIRED: Final = "polling:repaired"
CENSUS_CHANGES: Final = "polling:census:changes"
CENSUS_COUNTED: Final = "polling:census:counted"
CENSUS_RESTS: Final = "polling:census:rests"
LATENESS_RESTS: Final = "polling:lateness-rests"
TICKED_AT: Final = "polling:ticked-at"


def queue(check_type: str) -> str:
    """Name the sorted set card -> due time (unix s); while the card is claimed, the end of the claim."""
    return f"polling:queue:{check_type}"


def claims(check_type: str) -> str:
    """Name the hash card -> token|end of the claim (unix s)|holder, and |due if rescheduled meanwhile."""
    return f"polling:claims:{check_type}"


def lost(check_type: str) -> str:
    """Name the hash card -> number of its claims that expired; normally empty."""
    return f"polling:lost:{check_type}"


def suspects(check_type: str) -> str:
    """Name the set of cards that lost claims, so that each is claimed alone."""
    return f"polling:suspects:{check_type}"


def again(check_type: str) -> str:
    """Name the set of cards in flight that were triggered during their claim: each is checked once more."""
    return f"polling:again:{check_type}"


def manual(check_type: str) -> str:
    """Name the list of manually triggered cards. Its entries are hints; the rows decide."""
    return f"polling:manual:{check_type}"


def parked(check_type: str) -> str:
    """Name the sorted set card -> parked since (unix s), a copy of the rows with `parked_at`."""
    return f"polling:parked:{check_type}"


def tokens(check_type: str) -> str:
    """Name the number of claims made in this epoch, the lower half of a token. String."""
    return f"polling:tokens:{check_type}"


def stats(check_type: str) -> str:
    """Name the hash of success, failed, total_duration_ms since the last flush, avg_duration_ms of 5 min."""
    return f"polling:stats:{check_type}"


def counters(check_type: str) -> str:
    """Name the hash of what claims and settlements have counted since Redis was emptied; for Prometheus."""
    return f"polling:counters:{check_type}"


def minute(check_type: str) -> str:
    """Return the prefix of the names of the minutes' buckets; the minute (unix time / 60) follows. Hashes."""
    return f"polling:minute:{check_type}:"


def lateness(check_type: str) -> str:
    """Name the hash of the age of last good answers, divided by the promised intervals."""
    return f"polling:lateness:{check_type}"


def slots(task_type: str) -> str:
    """Name the sorted set of slots: holder#n -> expiry (unix ms)."""
    return f"polling:seats:{task_type}"


def limit(task_type: str) -> str:
    """Name the limit: how many slots there are. String."""
    return f"polling:concurrency:config:{task_type}"


def current(task_type: str) -> str:
    """Name the number of slots that are taken. String."""
    return f"polling:concurrency:current:{task_type}"
