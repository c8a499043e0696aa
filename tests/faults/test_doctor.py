"""Every fault of docs/operations.md, played: provoked, named by `doctor`, mended by its steps, and gone."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from polling.store import keys
from tests.faults.conftest import MakeStack, Stack

pytestmark = pytest.mark.faults
MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
CARDS = 300
NORTHWIND = "name LIKE 'Northwind%'"
Act = Callable[[Stack], object]


class Kept:
    """What provoking a fault keeps for mending it."""

    crowd = ExitStack()
    credentials = ""


kept = Kept()


@dataclass(frozen=True)
class Fault:
    """`says` is what the doctor's line must contain. No `mend`: what was killed is started again."""

    title: str
    provoke: Act
    says: str
    mend: Act = lambda _: None


def doctor(stack: Stack) -> tuple[int, str]:
    """Its exit code, and what it prints."""
    done = subprocess.run(
        (sys.executable, "manage.py", "doctor"),
        env={**os.environ, **stack.variables}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


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
        seconds=20,
        what="calls fail",
    )


def forget_counts(stack: Stack) -> None:
    """As five minutes do."""
    for key in stack.redis.scan_iter("polling:minute:*"):
        stack.redis.delete(key)


def pause_by_limit(stack: Stack) -> None:
    stack.rows(
        "UPDATE polling_concurrencylimit SET max_concurrency = 0 WHERE task_type = 'realname' RETURNING id"
    )
    # As the admin does it: in force at once, and not with the next tick.
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
        seconds=20,
        what="it fails",
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
    subprocess.run(
        (sys.executable, "-m", "celery", "--app=config.celery", "call", "cards.make_usage_partitions"),
        env={**os.environ, **stack.variables}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def crowd(stack: Stack) -> None:
    ((used, most),) = stack.rows(
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity"
    )
    for _ in range(int(most * 0.92) - used):
        kept.crowd.enter_context(psycopg.connect(stack.variables["DATABASE_URL"]))


def lose_key(stack: Stack) -> None:
    """The key of a gateway's credentials is not among those of the environment any more."""
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
    Fault("A limit is missing in Redis", lambda _: None, "none is in Redis: it is closed"),
]
HANGING = [
    Fault("A worker hangs", hang, fails("checks"), dead("worker-checks")),
    Fault("The planning has stopped", stop_planning, "and nobody goes on"),
]
ROWS = [
    Fault(
        "A check is paused by its limit",
        pause_by_limit,
        "0: it is paused",
        sql("UPDATE polling_concurrencylimit SET max_concurrency = 50 WHERE task_type = 'realname'"),
    ),
    Fault(
        "Cards are due for long",
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
        "1 parked: those crashed",
        lambda stack: stack.manage("release_parked", "--all"),
    ),
    Fault(
        "Cards are missing in the schedule",
        lose_cards,
        "want it",
        lambda stack: stack.manage("rebuild_schedule"),
    ),
    Fault("A card fails", unknown_card, "checks that fail: 1", known_card),
    Fault("A gateway does not answer", call_fails, "the gateway answered with status 500", calls_succeed),
    Fault("Most checks fail", nothing_succeeds, "-> see the gateways above", forget_counts),
    Fault("Usage records have no partition", lose_partition, "in the DEFAULT partition", make_partition),
    Fault(
        "PostgreSQL has too many connections", crowd, "raise max_connections", lambda _: kept.crowd.close()
    ),
    Fault(
        "Redis throws keys away",
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
]
POSTGRESQL = [Fault("PostgreSQL does not answer", dead("postgresql"), "PostgreSQL does not answer")]
REDIS = [Fault("Redis does not answer", dead("valkey"), "Redis does not answer")]
GROUPS: Sequence[Sequence[Fault]] = (PROCESSES, HANGING, ROWS, SETTINGS, POSTGRESQL, REDIS)


def titles() -> Iterator[str]:
    faults = MANUAL.read_text().partition("\n## Faults\n")[2].partition("\n## ")[0]
    yield from re.findall(r"^### (.+)$", faults, re.MULTILINE)


def test_every_fault_of_the_manual_is_played() -> None:
    assert sorted(titles()) == sorted(fault.title for group in GROUPS for fault in group)


def test_the_doctor_names_each_fault_and_is_content_when_it_is_mended(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, own_servers=True, POLLING_SEED_RAMP_SECONDS="0")
    stack.start_engine(with_background=True)

    def is_content() -> bool:
        code, said = doctor(stack)
        return code == 0 and "note " not in said.replace("lateness", "")

    stack.wait_until(is_content, seconds=60, what="the doctor is content")
    for group in GROUPS:
        play(stack, group, is_content)


def play(stack: Stack, group: Sequence[Fault], is_content: Callable[[], bool]) -> None:
    for fault in group:
        fault.provoke(stack)
    # Limits are published every ten seconds, ticks are stale after ten.
    deadline, missing = datetime.now(UTC) + timedelta(seconds=25), list(group)
    said = ""
    while missing and datetime.now(UTC) < deadline:
        code, said = doctor(stack)
        missing = [fault for fault in missing if fault.says not in said]
        assert code == 1 or missing
    assert [fault.title for fault in missing] == [], said
    for fault in group:
        fault.mend(stack)
    stack.wait_until(is_content, seconds=90, what=f"mended: {[fault.title for fault in group]}")
