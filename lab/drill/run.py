"""One drill: an engine at work is harmed, and what is left of it is held against what was promised."""

import time
from collections import Counter
from collections.abc import Callable
from random import Random

import psycopg
from redis.exceptions import RedisError

from lab.benchmark.extent import FULL
from lab.benchmark.run import Run
from lab.drill import tables
from lab.drill.books import books
from lab.drill.findings import Findings
from lab.drill.harm import Blow
from lab.drill.judging import Course, judge
from lab.drill.plan import BATCH_SIZE, GATEWAY_LIMIT, LATENCY_MS, LIMIT, REST_SECONDS, TYPE, Plan
from lab.drill.registry import Drill
from lab.stack.stack import private_stack
from polling.models import TaskType
from polling.policy.defaults import LIMITS
from polling.schedule.backoff import NEIGHBOURS, phase

Say = Callable[[str], object]


def drill(chosen: Drill, plan: Plan, say: Say) -> Findings:
    """Make a fleet, let it be watched, strike at it again and again, and judge."""
    with private_stack() as stack:
        run = Run(stack, FULL, plan.seed)
        say(f"Making {plan.cards:,} cards")
        run.make_fleet(plan.cards)
        interval = plan.interval(len(tables.wanting(stack)))
        _promise(run, interval)
        stack.simulator.fault(path="/c/", kind="latency", milliseconds=LATENCY_MS)
        before = books(stack)
        run.engine_on()
        run.allow(TYPE, TaskType.PACKAGE, slots={**LIMITS, TYPE: LIMIT})
        say(f"Each card is promised a reading every {interval} s")
        begun = run.now()
        course = Course(chosen, plan, interval, before, begun=begun, ended=begun)
        blows = _harm(run, course, say)
        course.ended = run.now()
        rest = _rest_seconds(course)
        say(
            f"Waiting for {rest:.0f} s, until what the dead held is free and a forgotten card would be missed"
        )
        run.wait(rest)
        course.calls += run.new_calls()
        say("Judging")
        return judge(run, course, blows)


def _rest_seconds(course: Course) -> float:
    """Until no slot of the dead is left, and until a card that was forgotten in the beginning would be missed."""
    spent = (course.ended - course.begun).total_seconds()
    return max(REST_SECONDS, course.plan.longest_gap(course.interval) + REST_SECONDS - spent)


def _promise(run: Run, interval: int) -> None:
    """Usage is read every `interval` seconds; nothing else is asked of the gateways, so that the log is about it.

    The fleet has been read for long: its cards fall due evenly over the interval, neighbours together.
    """
    ((last,),) = run.stack.rows("SELECT max(id) FROM cards_card")
    blocks = range(last // NEIGHBOURS + 1)
    ages = ",".join(f"({block}, {interval * phase(block * NEIGHBOURS)})" for block in blocks)
    run.stack.rows(
        "UPDATE cards_checkstate SET checked_at = now() - age * interval '1 second' "
        f"FROM (VALUES {ages}) AS neighbours (block, age) "
        f"WHERE card_id / {NEIGHBOURS} = block AND type = '{TYPE.value}' RETURNING cards_checkstate.id"
    )
    # The first walk makes the configs.
    run.plan()
    run.stack.rows(
        f"UPDATE polling_pollingconfig SET carddata_check_interval = {interval} "
        "WHERE carddata_check_interval > 0 RETURNING id"
    )
    run.stack.rows("UPDATE polling_pollingconfig SET realname_check_interval = NULL RETURNING id")
    run.stack.rows(
        f"UPDATE carriers_gateway SET batch_size = {BATCH_SIZE}, max_concurrency = {GATEWAY_LIMIT} RETURNING id"
    )
    run.plan()


def _harm(run: Run, course: Course, say: Say) -> Counter[str]:
    """Each blow comes once before any comes again; returns how often each has struck."""
    chance, blows, struck = Random(course.plan.seed), course.drill.blows, Counter[str]()
    order: list[Blow] = []
    ends_at = time.monotonic() + course.plan.seconds
    while time.monotonic() < ends_at:
        order = order or chance.sample(blows, len(blows))
        blow = order.pop()
        say(blow.what)
        struck[blow.what] += blow.strike(run.stack, chance)
        try:
            run.wait(course.plan.every)
        finally:
            # Also when the drill is interrupted: what is frozen would outlive the stack.
            blow.heal(run.stack)
        course.calls += run.new_calls()
    run.stack.wait_until(lambda: _is_answering(run), seconds=60, what="PostgreSQL and Redis answer")
    return struck


def _is_answering(run: Run) -> bool:
    try:
        return bool(run.now() and run.stack.redis.ping())
    except (psycopg.OperationalError, RedisError):
        return False
