"""One run of a drill: inject faults into a working engine, then judge which promises the engine kept.

`lab/drill/injected_faults.py` lists all faults.
"""

import time
from collections import Counter
from collections.abc import Callable
from random import Random

import psycopg
from redis.exceptions import RedisError

from cards.models import CheckType
from lab.benchmark.extent import FULL
from lab.benchmark.run import Run
from lab.drill import tables
from lab.drill.findings import Findings
from lab.drill.injected_faults import InjectedFault
from lab.drill.judging import Course, judge
from lab.drill.plan import BATCH_SIZE, GATEWAY_LIMIT, LATENCY_MS, LIMIT, REST_SECONDS, TYPE, Plan
from lab.drill.registry import Drill
from lab.drill.stored_usage import usage_by_card
from lab.stack.stack import private_stack
from polling.policy.defaults import LIMITS
from polling.schedule.backoff import NEIGHBOURS, phase

Say = Callable[[str], object]


def drill(chosen: Drill, plan: Plan, say: Say) -> Findings:
    """Create a fleet, start the engine, inject faults for as long as planned, and return the findings.

    `say` is called with one line of text at each step.
    """
    with private_stack() as stack:
        run = Run(stack, FULL, plan.seed)
        say(f"Creating {plan.cards:,} cards")
        run.make_fleet(plan.cards)
        interval = plan.interval(len(tables.wanting(stack)))
        _promise(run, interval)
        stack.simulator.fault(path="/c/", kind="latency", milliseconds=LATENCY_MS)
        before = usage_by_card(stack)
        run.engine_on()
        run.allow(TYPE, CheckType.PACKAGE, slots={**LIMITS, TYPE: LIMIT})
        say(f"Each card is promised a reading every {interval} s")
        begun = run.now()
        course = Course(chosen, plan, interval, before, begun=begun, ended=begun)
        faults = _inject_faults(run, course, say)
        course.ended = run.now()
        rest = _rest_seconds(course)
        say(f"Waiting {rest:.0f} s, so that dead processes lose their slots and a forgotten card shows")
        run.wait(rest)
        course.calls += run.new_calls()
        say("Judging")
        return judge(run, course, faults)


def _rest_seconds(course: Course) -> float:
    """Return how many seconds to wait after the last fault.

    After this wait, the slots of dead processes are free again, and a card that the engine forgot at the
    first fault has gone without an answer for long enough to be noticed.
    """
    spent = (course.ended - course.begun).total_seconds()
    return max(REST_SECONDS, course.plan.longest_gap(course.interval) + REST_SECONDS - spent)


def _promise(run: Run, interval: int) -> None:
    """Schedule a usage check of each card every `interval` seconds, and no other calls.

    Spread the due times evenly over the interval, but keep cards with neighbouring ids together, as in a
    fleet that has been in operation for a long time.
    """
    ((last,),) = run.stack.rows("SELECT max(id) FROM cards_card")
    blocks = range(last // NEIGHBOURS + 1)
    ages = ",".join(f"({block}, {interval * phase(block * NEIGHBOURS)})" for block in blocks)
    run.stack.rows(
        "UPDATE cards_checkstate SET checked_at = now() - age * interval '1 second' "
        f"FROM (VALUES {ages}) AS neighbours (block, age) "
        f"WHERE card_id / {NEIGHBOURS} = block AND type = '{TYPE.value}' RETURNING cards_checkstate.id"
    )
    # The first `run.plan()` creates the configs. The second applies the changes that are made in between.
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


def _inject_faults(run: Run, course: Course, say: Say) -> Counter[str]:
    """Inject faults in random order until the time is up, and return how often each fault was injected.

    Every fault has its turn once before any fault is repeated.
    """
    chance, faults, injected = Random(course.plan.seed), course.drill.faults, Counter[str]()
    order: list[InjectedFault] = []
    ends_at = time.monotonic() + course.plan.seconds
    while time.monotonic() < ends_at:
        order = order or chance.sample(faults, len(faults))
        fault = order.pop()
        say(fault.what)
        injected[fault.what] += fault.inject(run.stack, chance)
        try:
            run.wait(course.plan.every)
        finally:
            # Undo the fault even after an interruption, because a frozen process would outlive the stack.
            fault.heal(run.stack)
        course.calls += run.new_calls()
    run.stack.wait_until(lambda: _is_answering(run), seconds=60, what="PostgreSQL and Redis answer")
    return injected


def _is_answering(run: Run) -> bool:
    try:
        return bool(run.now() and run.stack.redis.ping())
    except (psycopg.OperationalError, RedisError):
        return False
