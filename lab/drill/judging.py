"""The judge: the gateways' log, the tables, and whether what Redis holds agrees with them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from lab.benchmark.run import Run
from lab.drill import call_log, tables
from lab.drill.books import Book, books, has_used, miscounted
from lab.drill.findings import Findings
from lab.drill.plan import GATEWAY_LIMIT, LIMIT, Plan
from lab.drill.registry import Drill

# The blows cost some time; what they keep from being done is done later.
KEPT_SHARE = 0.9


@dataclass
class Course:
    """How a drill went: from `begun` to `ended` there was harm; `calls` is the gateways' log, `before` what was metered."""

    drill: Drill
    plan: Plan
    interval: int
    before: Mapping[int, Book]
    begun: datetime
    ended: datetime
    calls: list[dict[str, Any]] = field(default_factory=list)


def judge(run: Run, course: Course, blows: Counter[str]) -> Findings:
    """Hold what is left against what was promised."""
    findings = Findings(blows)
    _judge_schedule(run, findings)
    _judge_freshness(run, course, findings)
    _judge_calls(course, findings)
    _judge_values(run, course, findings)
    claimed, lost = tables.claims(run.stack)
    findings.about |= {
        "interval_seconds": course.interval,
        "calls": len(course.calls),
        "claims": claimed,
        "claims_lost": lost,
    }
    findings.at_least("blows that struck", 0.7 * course.plan.seconds / course.plan.every, blows.total())
    return findings


def _judge_schedule(run: Run, findings: Findings) -> None:
    stack = run.stack
    findings.at_most(
        "cards that are not where they belong: scheduled, or not wanted", 0, tables.astray(stack)
    )
    findings.at_most("cards parked, though none did any harm", 0, tables.parked(stack))
    findings.at_most("slots of the dead", 0, tables.orphaned_slots(stack))


def _judge_freshness(run: Run, course: Course, findings: Findings) -> None:
    """Of all cards, but those of a gateway that was made sick."""
    now, gap = run.now(), course.plan.longest_gap(course.interval)
    judged = tables.wanting(run.stack, without=course.drill.sick)
    longest = call_log.longest_gap(course.calls, set(judged.values()), begin=course.begun, end=now)
    findings.at_most("longest time without an answer about a card, by the log", gap, longest, "s")
    oldest = tables.oldest_answer_seconds(run.stack, now, begun=course.begun, without=course.drill.sick)
    findings.at_most("age of the oldest last answer, by the rows", gap, oldest, "s")
    pace, promised = _pace(course, set(judged.values())), len(judged) / course.interval
    findings.about |= {"answers_per_second": round(pace, 1), "promised_per_second": round(promised, 1)}
    # Before lost claims have run out, a shorter one tells how much the blows have delayed, not what they cost.
    if course.plan.seconds > gap:
        findings.at_least("cards answered for a second", KEPT_SHARE * promised, pace)


def _pace(course: Course, cards: Collection[str]) -> float:
    """Answers about these cards for each second of harm."""
    harmed = [call for call in course.calls if datetime.fromisoformat(call["end"]) <= course.ended]
    return call_log.answers(harmed, cards) / (course.ended - course.begun).total_seconds()


def _judge_calls(course: Course, findings: Findings) -> None:
    others = [call for call in course.calls if call_log.gateway_of(call) != course.drill.sick]
    findings.at_most("calls at once", LIMIT, call_log.most_at_once(others))
    if course.drill.sick:
        # The call that finds out whether a gateway answers again takes a slot there, and none of its type.
        most = call_log.most_at_once(course.calls)
        findings.at_most("calls at once, with those that probe the sick gateway", LIMIT + 1, most)
    most = call_log.most_at_one_gateway(course.calls)
    findings.at_most("calls at once at one gateway", GATEWAY_LIMIT, most)
    twice = call_log.asked_twice_at_once(course.calls)
    findings.at_most("calls about a card beside another one", 0, len(twice))
    if twice:
        findings.about["beside_each_other"] = [dict(call) for call in twice[0]]


def _judge_values(run: Run, course: Course, findings: Findings) -> None:
    compared, wrong = tables.compare_values(run.stack, course.begun, Random(course.plan.seed))
    findings.at_least(
        "stored values compared with the carrier's", min(tables.SAMPLE, course.plan.cards / 4), compared
    )
    findings.at_most("of these, values that are not the carrier's", 0, wrong)
    now = books(run.stack)
    used = sum(has_used(book, now[card]) for card, book in course.before.items())
    findings.at_least("cards that have used something", course.plan.cards / 4, used)
    wrong_sums = miscounted(course.before, now)
    findings.at_most(
        "cards whose meter, history or plan grew otherwise than their counter", 0, len(wrong_sums)
    )
    findings.at_most("readings recorded twice", 0, tables.recorded_twice(run.stack, course.begun))
