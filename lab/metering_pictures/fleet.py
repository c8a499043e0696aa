"""Draw what the cards of a carrier show together: the hours at which their counters restart, and the finding."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from cards.counter_findings import Evidence, find, message
from cards.meter import Meter, Reading, Restart
from cards.metering import advance
from lab.metering_pictures.drawing import COUNTER, GREY, INK, LEFT, RIGHT, WIDTH, head, text
from lab.metering_pictures.stories import PER_CYCLE

CARDS: Final = 40
RESTARTS_AFTER: Final = timedelta(hours=8)
READ_EVERY: Final = timedelta(minutes=90)
HOURS: Final = range(-2, 13)
BOTTOM: Final = 150
HEIGHT: Final = 214
DOT: Final = 7


def draw_fleet() -> str:
    """Return the SVG of a fleet whose carrier restarts all counters at midnight in UTC."""
    begins = PER_CYCLE.calendar.start_of(PER_CYCLE.calendar.cycle_of(datetime(2026, 6, 2, tzinfo=UTC)))
    delays = sorted(_delay(number, begins) for number in range(CARDS))
    evidence = Evidence(
        is_lifetime=False,
        begins=begins,
        cards=CARDS,
        restarted=CARDS,
        awaited=0,
        late_restarts=CARDS,
        earliest_restart=delays[CARDS // 10 - 1],
        median_restart=delays[CARDS // 2 - 1],
    )
    [found] = find(evidence, now=begins + timedelta(hours=12))
    words = message(found.kind, "the carrier", found.details)
    return "\n".join(
        [
            *head("When the counters of a carrier's cards restart", words, HEIGHT),
            *_dots(delays, words),
            "</svg>",
            "",
        ]
    )


def _delay(number: int, begins: datetime) -> timedelta:
    """Return how long after the declared boundary the meter of a card sees the restart of its counter."""
    at = begins - timedelta(hours=2) + READ_EVERY * number / CARDS
    meter: Meter | None = None
    while True:
        raw = Decimal(900) if at < begins + RESTARTS_AFTER else Decimal(1)
        meter = advance(meter, Reading(raw, at), PER_CYCLE).meter
        if at > begins and meter.restart is Restart.SEEN:
            return at - begins
        at += READ_EVERY


def _dots(delays: Sequence[timedelta], words: str) -> list[str]:
    step = (WIDTH - LEFT - RIGHT) / len(HOURS)

    def x(hours: float) -> float:
        return round(LEFT + (hours - HOURS.start) * step, 1)

    lines = [
        f'<path d="M{x(0):g} 30V{BOTTOM}" stroke="{INK}" stroke-dasharray="3 3"/>',
        text(x(0), 22, "declared boundary"),
        f'<path d="M{LEFT} {BOTTOM}H{WIDTH - RIGHT}" stroke="{GREY}"/>',
        text(LEFT - 12, BOTTOM - 50, "restarts seen", COUNTER, "end"),
    ]
    lines += [text(x(hour), BOTTOM + 18, f"{hour:+d} h" if hour else "0", GREY) for hour in HOURS[::2]]
    stacked: Counter[int] = Counter()
    for delay in delays:
        quarter = delay // timedelta(minutes=15)
        stacked[quarter] += 1
        y = BOTTOM + 1 - stacked[quarter] * DOT
        lines.append(f'<circle cx="{x(quarter / 4 + 0.125):g}" cy="{y}" r="3" fill="{COUNTER}"/>')
    lines.append(text(WIDTH / 2, HEIGHT - 16, words))
    return lines
