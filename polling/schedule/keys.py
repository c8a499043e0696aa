"""The names of all Redis keys that polling uses. Operators read some of them: see docs/redis.md."""

from typing import Final

EPOCH: Final = "polling:epoch"
EPOCH_SERVER: Final = "polling:epoch-server"
LAST_CLAIM: Final = "polling:last-claim"
WAKE_UP_PENDING: Final = "polling:wake-up-pending"
RUN_FAILURES: Final = "polling:run-failures"
RUN_RESTS: Final = "polling:run-rests"
SEEDER: Final = "polling:seeder"
RECONCILER: Final = "polling:replanner"
PROGRESS: Final = "polling:init:progress"
WANTED: Final = "polling:wanted"
REPAIRED: Final = "polling:repaired"
# A hash: quota state -> number of subscriptions in force.
QUOTA_STATES: Final = "polling:quota-states"
# A hash: gateway id -> when its failure was last logged (unix s).
FAILING_GATEWAYS: Final = "polling:failing-gateways"
CENSUS_CHANGES: Final = "polling:census:changes"
CENSUS_COUNTED: Final = "polling:census:counted"
CENSUS_RESTS: Final = "polling:census:rests"
LATENESS_RESTS: Final = "polling:lateness-rests"
TICKED_AT: Final = "polling:ticked-at"


def queue(check_type: str) -> str:
    """Return the key of a sorted set: card -> due time (unix s).

    A claimed card has the end of its claim as its due time.
    """
    return f"polling:queue:{check_type}"


def claims(check_type: str) -> str:
    """Return the key of a hash: card -> `token|end of the claim (unix s)|holder`.

    If the card was rescheduled during its claim, `|due time` is appended.
    """
    return f"polling:claims:{check_type}"


def lost(check_type: str) -> str:
    """Return the key of a hash: card -> number of its claims that expired. Normally the hash is empty."""
    return f"polling:lost:{check_type}"


def suspects(check_type: str) -> str:
    """Return the key of a set: cards that have lost several claims. Each of them is claimed alone."""
    return f"polling:suspects:{check_type}"


def again(check_type: str) -> str:
    """Return the key of a set: cards that were triggered during a claim. Each is checked once more."""
    return f"polling:again:{check_type}"


def forgotten(check_type: str) -> str:
    """Return the key of a set: the tokens of claims whose cards left the schedule during the claim."""
    return f"polling:forgotten:{check_type}"


def manual(check_type: str) -> str:
    """Return the key of a list: ids of triggered cards, as hints (see `ManualQueue`)."""
    return f"polling:manual:{check_type}"


def parked(check_type: str) -> str:
    """Return the key of a sorted set: card -> parked since (unix s), a copy of the PostgreSQL rows."""
    return f"polling:parked:{check_type}"


def tokens(check_type: str) -> str:
    """Return the key of a string: the number of claims in this epoch.

    This number is the lower half of the last token.
    """
    return f"polling:tokens:{check_type}"


def stats(check_type: str) -> str:
    """Return the key of a hash: the totals since the last flush (success, failed, total_duration_ms).

    The hash also has avg_duration_ms, the mean duration of a check over the last five minutes.
    """
    return f"polling:stats:{check_type}"


def counters(check_type: str) -> str:
    """Return the key of a hash: the counts since Redis was emptied, for Prometheus."""
    return f"polling:counters:{check_type}"


def minute(check_type: str) -> str:
    """Return the prefix of the keys of buckets. A bucket is a hash with the counts of one minute.

    Its key is this prefix followed by the number of the minute (unix time / 60).
    """
    return f"polling:minute:{check_type}:"


def lateness(check_type: str) -> str:
    """Return the key of a hash: the last measured lateness (see `observe.lateness.Lateness`)."""
    return f"polling:lateness:{check_type}"


def slots(task_type: str) -> str:
    """Return the key of a sorted set: the slots that are taken, holder#n -> expiry (unix ms)."""
    return f"polling:seats:{task_type}"


def limit(task_type: str) -> str:
    """Return the key of a string: the limit, the number of slots that may be taken at once."""
    return f"polling:concurrency:config:{task_type}"


def current(task_type: str) -> str:
    """Return the key of a string: the number of slots that are taken."""
    return f"polling:concurrency:current:{task_type}"
