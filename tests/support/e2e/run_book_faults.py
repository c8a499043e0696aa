"""The faults of docs/operations.md, each with how to provoke it, what `doctor` says, and how to fix it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

from polling.schedule import keys
from tests.faults.conftest import Stack

NORTHWIND = "name LIKE 'Northwind%'"
Act = Callable[[Stack], object]


class Kept:
    """What must be kept until a fault is fixed: the open connections and the original credentials."""

    crowd = ExitStack()
    credentials = ""


kept = Kept()


def correct_zone(stack: Stack) -> None:
    stack.rows(
        "UPDATE carriers_carrier SET time_zone = 'America/New_York' WHERE code = 'suncoast' RETURNING id"
    )
    for check_type in ("carddata", "package"):
        # If configs were out of force, the cards that have failed are not in the schedule yet.
        stack.wait_until(partial(is_planned, stack, check_type), seconds=60, what="all cards are planned")
        stack.make_all_due(check_type)


def is_planned(stack: Stack, check_type: str) -> bool:
    wanted = int(stack.redis.hget(keys.WANTED, check_type) or 0)
    return 0 < wanted == stack.redis.zcard(keys.queue(check_type))


def rename_items(*, back: bool) -> Act:
    """Return what lets each run fail: a table that it needs has another name."""
    names = ("polling_manualitem", "polling_away")
    old, new = reversed(names) if back else names

    def rename(stack: Stack) -> None:
        with psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True) as admin:
            admin.execute(f"ALTER TABLE {old} RENAME TO {new}".encode())
        # A run that claims nothing succeeds.
        stack.make_all_due()

    return rename


@dataclass(frozen=True)
class Fault:
    """A documented fault.

    `says` is a part of the line that `doctor` prints. `mend` fixes the fault; by default it does nothing,
    because the supervisor restarts killed processes.
    """

    title: str
    provoke: Act
    says: str
    mend: Act = lambda _: None


def dead(name: str) -> Act:
    return lambda stack: stack.kill(name)


def sql(statement: str) -> Act:
    return lambda stack: stack.rows(statement + " RETURNING id")


def hang(stack: Stack) -> None:
    os.killpg(stack.supervisor.process("worker-checks").pid, signal.SIGSTOP)


def stop_planning(stack: Stack) -> None:
    stack.kill("worker-background")
    stack.redis.delete(keys.SEEDER)
    stack.redis.set(keys.EPOCH, "seeding:99")


def call_fails(stack: Stack) -> None:
    stack.simulator.fault(path="/c/northwind", kind="error", share=1)


def calls_succeed(stack: Stack) -> None:
    stack.simulator.fault(path="/c/northwind", kind="error", share=0)


def nothing_succeeds(stack: Stack) -> None:
    forget_counts(stack)
    stack.make_all_due()
    stack.wait_until(
        lambda: int(stack.redis.hget(keys.stats("carddata"), "failed") or 0) > 20,
        seconds=60,
        what="calls fail",
    )


def forget_counts(stack: Stack) -> None:
    """Delete the counts of the last minutes, so that `doctor` sees only checks made after this call."""
    for key in stack.redis.scan_iter("polling:minute:*"):
        stack.redis.delete(key)


def pause_by_limit(stack: Stack) -> None:
    stack.rows(
        "UPDATE polling_concurrencylimit SET max_concurrency = 0 WHERE task_type = 'realname' RETURNING id"
    )
    # Publish the limit at once, as the admin does, instead of waiting for the next tick.
    stack.redis.set(keys.limit("realname"), 0)


def longest_due(stack: Stack, check_type: str) -> None:
    for card in stack.scheduled(check_type):
        stack.redis.zadd(keys.queue(check_type), {str(card): stack.redis.time()[0] - 500})


def park(stack: Stack) -> None:
    card = min(stack.scheduled("carddata"))
    stack.rows(
        f"UPDATE cards_checkstate SET parked_at = now() WHERE card_id = {card} AND type = 'carddata' RETURNING id"
    )
    stack.redis.zrem(keys.queue("carddata"), str(card))
    stack.redis.zadd(keys.parked("carddata"), {str(card): 1})


def lose_cards(stack: Stack) -> None:
    for card in sorted(stack.scheduled("package"))[:5]:
        stack.redis.zrem(keys.queue("package"), str(card))


def unknown_card(stack: Stack) -> None:
    ((card,),) = stack.rows(
        "UPDATE cards_card SET iccid = '12345678901234567890' WHERE id = (SELECT max(card_id) FROM cards_checkstate "
        "JOIN cards_card AS card ON card.id = card_id WHERE type = 'carddata' AND iccid LIKE '898600%') RETURNING id"
    )
    stack.redis.zadd(keys.queue("carddata"), {str(card): 1})
    stack.wait_until(
        lambda: stack.rows("SELECT 1 FROM cards_checkstate WHERE failing_since IS NOT NULL"),
        seconds=60,
        what="the unknown card fails",
    )


def known_card(stack: Stack) -> None:
    ((card,),) = stack.rows(
        "UPDATE cards_card SET iccid = '89860099999999999999' WHERE iccid = '12345678901234567890' RETURNING id"
    )
    for check_type in ("carddata", "realname"):
        stack.redis.zadd(keys.queue(check_type), {str(card): 1}, xx=True)


def lose_partition(stack: Stack) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True) as database:
        database.execute(f"DROP TABLE cards_usagerecord_{tomorrow:%Y%m%d}".encode())
    stack.rows(
        "INSERT INTO cards_usagerecord (card_id, recorded_at, measured_at, raw_mb, used_mb, delta_mb) "
        f"VALUES (1, '{tomorrow}', '{tomorrow}', 1, 1, 1) RETURNING card_id"
    )


def make_partition(stack: Stack) -> None:
    """Create the missing partition. Try up to five times, because writes to the table can get in the way."""
    stray = "SELECT 1 FROM cards_usagerecord_default LIMIT 1"
    for _ in range(5):
        call_for_partitions(stack)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if not stack.rows(stray):
                return
            time.sleep(0.2)


def call_for_partitions(stack: Stack) -> None:
    subprocess.run(
        (sys.executable, "-m", "celery", "--app=config.celery", "call", "cards.make_usage_partitions"),
        env={**os.environ, **stack.variables}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def crowd(stack: Stack) -> None:
    ((used, maximum),) = stack.rows(
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
        "WHERE backend_type = 'client backend'"
    )
    for _ in range(int(maximum * 0.92) - used):
        kept.crowd.enter_context(psycopg.connect(stack.variables["DATABASE_URL"]))


def lose_key(stack: Stack) -> None:
    """Make a gateway's credentials name an encryption key that is not in the environment."""
    ((kept.credentials,),) = stack.rows(f"SELECT credentials FROM carriers_gateway WHERE {NORTHWIND}")
    lost = kept.credentials.replace("$", "$another-", 1)
    stack.rows(f"UPDATE carriers_gateway SET credentials = '{lost}' WHERE {NORTHWIND} RETURNING id")


def enter_again(stack: Stack) -> None:
    stack.rows(
        f"UPDATE carriers_gateway SET credentials = '{kept.credentials}' WHERE {NORTHWIND} RETURNING id"
    )


def evict(stack: Stack) -> None:
    stack.redis.config_set("maxmemory", 10**9)
    stack.redis.config_set("maxmemory-policy", "allkeys-lru")


def fails(name: str) -> str:
    return f"no worker answers on the queue {name}"


PROCESSES = [
    Fault("No worker takes ticks", dead("worker-ticks"), fails("ticks")),
    Fault("No worker takes checks", dead("worker-checks"), fails("checks")),
    Fault("No worker takes background work", dead("worker-background"), fails("background")),
    Fault("Beat does not run", dead("beat"), "beat does not run"),
    Fault("There is no schedule", lambda stack: stack.redis.flushdb(), "there is none: nothing is claimed"),
    Fault(
        "A limit is missing in Redis",
        lambda stack: stack.redis.delete(keys.limit("realname")),
        "missing in Redis: no call may begin",
    ),
]
HANGING = [
    Fault("A worker hangs", hang, fails("checks"), dead("worker-checks")),
    Fault("Seeding has stopped", stop_planning, "and no process continues it"),
]
ROWS = [
    Fault(
        "A check is paused by its limit",
        pause_by_limit,
        "0: its calls are paused",
        sql("UPDATE polling_concurrencylimit SET max_concurrency = 50 WHERE task_type = 'realname'"),
    ),
    Fault(
        "Cards are overdue",
        lambda stack: longest_due(stack, "realname"),
        "cards are due, the longest for 5",
    ),
    Fault(
        "A pause is in force",
        sql(
            "INSERT INTO polling_pause (task_type, reason, owner_id, until) SELECT 'package', 'works', min(id), "
            "now() + interval '1 hour' FROM accounts_user"
        ),
        "by admin: works",
        sql("DELETE FROM polling_pause"),
    ),
    Fault(
        "A gateway is disabled",
        sql("UPDATE carriers_gateway SET is_enabled = false WHERE name LIKE 'Bluepeak%'"),
        "disabled: its cards wait",
        sql("UPDATE carriers_gateway SET is_enabled = true"),
    ),
    Fault(
        "A gateway is paused",
        sql(
            "UPDATE carriers_gateway SET paused_until = now() + interval '1 hour', pause_reason = 'asked for' "
            "WHERE name LIKE 'Suncoast%'"
        ),
        "UTC: asked for",
        sql("UPDATE carriers_gateway SET paused_until = NULL"),
    ),
    Fault(
        "Cards are parked",
        park,
        "1 parked: those cards crashed",
        lambda stack: stack.manage("release_parked", "--all"),
    ),
    Fault(
        "Cards are missing from the schedule",
        lose_cards,
        "want the check",
        lambda stack: stack.manage("rebuild_schedule", "--wait"),
    ),
    Fault("A card fails", unknown_card, "checks that fail: 1", known_card),
    Fault("A gateway does not answer", call_fails, "the gateway answered with status 500", calls_succeed),
    Fault("Most checks fail", nothing_succeeds, "-> see the gateways above", forget_counts),
    Fault("Usage records have no partition", lose_partition, "in the DEFAULT partition", make_partition),
    Fault(
        "PostgreSQL has too many connections", crowd, "raise max_connections", lambda _: kept.crowd.close()
    ),
    Fault(
        "Redis evicts keys",
        evict,
        "throws keys away (allkeys-lru)",
        lambda stack: stack.redis.config_set("maxmemory-policy", "noeviction"),
    ),
]
SETTINGS = [
    Fault(
        "No config is in force",
        sql("UPDATE polling_pollingconfig SET is_enabled = false"),
        "no card wants any check",
        sql("UPDATE polling_pollingconfig SET is_enabled = true"),
    ),
    Fault(
        "A gateway's credentials cannot be used",
        lose_key,
        "the credentials cannot be opened",
        enter_again,
    ),
    Fault(
        "A carrier has no default gateway",
        sql("UPDATE carriers_gateway SET is_default = false WHERE name LIKE 'Sun%'"),
        "but no default gateway",
        sql("UPDATE carriers_gateway SET is_default = true"),
    ),
    Fault(
        "A carrier's time zone cannot be read",
        sql("UPDATE carriers_carrier SET time_zone = 'Nowhere/Land' WHERE code = 'suncoast'"),
        "cannot be read: its cards fail",
        correct_zone,
    ),
]
# Alone, because a run that claims nothing succeeds.
RUNS = [Fault("Runs fail", rename_items(back=False), "in a row, ", rename_items(back=True))]
POSTGRESQL = [Fault("PostgreSQL does not answer", dead("postgresql"), "PostgreSQL does not answer")]
REDIS = [Fault("Redis does not answer", dead("valkey"), "Redis does not answer")]
# Nothing but these can be examined.
ENDING = (POSTGRESQL, REDIS)
GROUPS: Sequence[Sequence[Fault]] = (PROCESSES, HANGING, ROWS, SETTINGS, RUNS, POSTGRESQL, REDIS)
