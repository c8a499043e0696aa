"""Draw a story as SVG: the counter, the usage that the meter counts, and a table of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import groupby, pairwise
from typing import Final

from cards.meter import Restart
from cards.meter_limits import GAP
from cards.quota import Balance
from cards.usage_bounds import Bounds
from lab.metering_pictures.playing import Frame, play
from lab.metering_pictures.stories import Story

WIDTH: Final = 760
LEFT: Final = 142
RIGHT: Final = 12
# The upper edges of the two panels, and of the table below them.
COUNTER_TOP: Final = 56
USAGE_TOP: Final = 160
PANEL: Final = 90
TABLE_TOP: Final = 276
ROW: Final = 18
# A panel begins at 0, unless all values are at least this share of the largest one.
ZOOM_SHARE: Final = Decimal("0.9")
# A value this much larger than all others is drawn at the upper edge.
CLIP_FACTOR: Final = 50

COUNTER, USAGE, INK, GREY = "#417690", "#c2410c", "#16323f", "#5b6b75"
HELD, UNCERTAIN = "#f7e7b0", "#e9e3f5"
FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'

# Amounts are stored with three decimals.
_STORED: Final = Decimal("0.001")

Row = Callable[[Frame], str]


@dataclass(frozen=True)
class Panel:
    """A part of the picture with a vertical scale of its own."""

    top: int
    least: Decimal
    most: Decimal

    @classmethod
    def of(cls, top: int, values: Sequence[Decimal]) -> "Panel":
        """Return the panel that shows `values`."""
        *others, most = sorted(set(values)) or [Decimal(0)]
        if others and most > others[-1] * CLIP_FACTOR > 0:
            most = others[-1] * 2
        least = min(values) if min(values) >= most * ZOOM_SHARE and others else Decimal(0)
        return cls(top, least, most)

    def y(self, value: Decimal) -> float:
        """Return the vertical position of a value. Values beyond the scale are at its upper edge."""
        span = self.most - self.least or Decimal(1)
        share = min(Decimal(1), (value - self.least) / span)
        return round(self.top + PANEL - float(share) * PANEL, 1)


def draw(story: Story) -> str:
    """Return the SVG of a story."""
    frames = list(play(story))
    rows = _rows(story, frames)
    width = (WIDTH - LEFT - RIGHT) / len(frames)
    centres = [round(LEFT + width * (place + 0.5), 1) for place in range(len(frames))]
    height = TABLE_TOP + ROW * (len(rows) + 2)
    return "\n".join(
        [
            *head(story.title, _description(frames), height),
            *_shades(frames, width),
            *_boundaries(frames, width),
            *_counter(frames, centres),
            *_usage(frames, centres, width, story.quota_mb),
            *_table(frames, centres, rows),
            "</svg>",
            "",
        ]
    )


def head(title: str, description: str, height: int) -> list[str]:
    """Return the first lines of a picture with a white background."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]


def text(x: float, y: float, words: str, colour: str = INK, anchor: str = "middle") -> str:
    """Return one line of text."""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def _number(amount: Decimal) -> str:
    return f"{amount.quantize(_STORED).normalize():,f}"


def _description(frames: Sequence[Frame]) -> str:
    steps = (f"{_number(frame.reading.raw_mb)} gives {_number(frame.meter.used_mb)}" for frame in frames)
    return f"Counter and usage of the month in MB, reading by reading: {', '.join(steps)}."


def _rows(story: Story, frames: Sequence[Frame]) -> Mapping[str, Row]:
    """Return label -> the row of the table. Rows that would be empty are left out."""
    rows: dict[str, Row] = {
        "counter": lambda frame: _number(frame.reading.raw_mb),
        "this month": lambda frame: _number(frame.meter.used_mb),
        "between": lambda frame: (
            f"{_number(frame.meter.low_mb)} to {_number(frame.meter.high_mb)}"
            if frame.meter.uncertainty
            else ""
        ),
        "last month": lambda frame: _if_any(frame.meter.last_month_total_mb),
        "last month between": _last_between,
    }
    if story.with_records:
        rows["record"] = lambda frame: _change(frame.step.delta_mb)
        rows["record, last month"] = lambda frame: _change(frame.step.last_delta_mb)
        rows["reason"] = lambda frame: (frame.step.reason or "").replace("_", " ")
    quota = story.quota_mb
    if quota is not None:
        rows["certain"] = lambda frame: str(_balance(frame, quota).state.label)
        rows["perhaps"] = lambda frame: _possible_state(frame, quota)
    return {label: row for label, row in rows.items() if any(row(frame) for frame in frames)}


def _if_any(amount: Decimal) -> str:
    return _number(amount) if amount else ""


def _change(amount: Decimal) -> str:
    return f"{amount.quantize(_STORED).normalize():+,f}".replace("-", "\N{MINUS SIGN}") if amount else ""


def _last_between(frame: Frame) -> str:
    meter = frame.meter
    if not (meter.last_over_mb or meter.last_under_mb):
        return ""
    total = meter.last_month_total_mb
    return f"{_number(total - meter.last_over_mb)} to {_number(total + meter.last_under_mb)}"


def _balance(frame: Frame, quota: Decimal) -> Balance:
    meter = frame.meter
    # While a restart is awaited, all growth may belong to the cycle before. `cards.usage_bounds` has the same
    # rule in SQL.
    is_provisional = meter.restart is Restart.AWAITED and not meter.uncertainty
    over = meter.used_mb if is_provisional else meter.over_mb
    return Balance(meter.used_mb, quota, Bounds(over, meter.under_mb))


def _possible_state(frame: Frame, quota: Decimal) -> str:
    possible = _balance(frame, quota).possible_state
    return str(possible.label) if possible else ""


def _flag(frame: Frame) -> tuple[str, str]:
    """Return the shade of a frame and the words above it."""
    if frame.meter.is_suspect:
        return HELD, "held"
    if frame.meter.doubt:
        return UNCERTAIN, frame.meter.doubt.value.replace("_", " ")
    return "", ""


def _shades(frames: Sequence[Frame], width: float) -> list[str]:
    lines, place = [], 0
    for (shade, words), group in groupby(frames, _flag):
        count = len(list(group))
        if shade:
            x = LEFT + width * place
            height = USAGE_TOP + PANEL - COUNTER_TOP + 16
            lines.append(
                f'<rect x="{x:.1f}" y="{COUNTER_TOP - 8}" width="{width * count:.1f}" height="{height}" fill="{shade}"/>'
            )
            lines.append(text(round(x + width * count / 2, 1), COUNTER_TOP - 14, words, GREY))
        place += count
    return lines


def _boundaries(frames: Sequence[Frame], width: float) -> list[str]:
    lines = []
    for place, frame in enumerate(frames):
        if frame.begins_cycle:
            x = round(LEFT + width * place, 1)
            lines.append(
                f'<path d="M{x:g} 18V{USAGE_TOP + PANEL + 8}" stroke="{INK}" stroke-dasharray="3 3"/>'
            )
            lines.append(text(x, 13, f"{frame.meter.cycle_start.day} {frame.meter.cycle_start:%B}"))
    return lines


def _line(points: Sequence[tuple[float, float]], colour: str, style: str = "") -> str:
    path = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{style}/>'


def _counter(frames: Sequence[Frame], centres: Sequence[float]) -> list[str]:
    panel = Panel.of(COUNTER_TOP, [frame.reading.raw_mb for frame in frames])
    points = [(x, panel.y(frame.reading.raw_mb)) for x, frame in zip(centres, frames, strict=True)]
    lines = [text(LEFT - 12, COUNTER_TOP + PANEL / 2, "counter", COUNTER, "end")]
    for (one, before), (two, after) in pairwise(zip(points, frames, strict=True)):
        is_gap = after.reading.measured_at - before.reading.measured_at > GAP
        lines.append(_line((one, two), COUNTER, ' stroke-dasharray="2 4"' if is_gap else ""))
    for (x, y), frame in zip(points, frames, strict=True):
        fill = COUNTER if frame.is_believed else "#ffffff"
        lines.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{fill}" stroke="{COUNTER}"/>')
        if frame.note:
            lines.append(text(x, 28, frame.note, COUNTER))
    return lines


def _usage(
    frames: Sequence[Frame], centres: Sequence[float], width: float, quota: Decimal | None
) -> list[str]:
    values = [frame.meter.used_mb for frame in frames] + [frame.meter.high_mb for frame in frames]
    panel = Panel.of(USAGE_TOP, [Decimal(0), *values, *([quota] if quota else [])])
    lines = [text(LEFT - 12, USAGE_TOP + PANEL / 2, "counted usage", USAGE, "end")]
    for x, frame in zip(centres, frames, strict=True):
        if frame.meter.uncertainty:
            high, low = panel.y(frame.meter.high_mb), panel.y(frame.meter.low_mb)
            lines.append(
                f'<rect x="{x - width / 2:.1f}" y="{high:g}" width="{width:.1f}" height="{max(low - high, 1):.1f}" '
                f'fill="{USAGE}" opacity="0.25"/>'
            )
    if quota is not None:
        y = panel.y(quota)
        lines.append(_line(((LEFT, y), (WIDTH - RIGHT, y)), GREY, ' stroke-dasharray="6 3"'))
        lines.append(text(LEFT - 12, y + 4, "quota", GREY, "end"))
    points = [(x, panel.y(frame.meter.used_mb)) for x, frame in zip(centres, frames, strict=True)]
    for one, (two, after) in pairwise(zip(points, frames, strict=True)):
        if not after.begins_cycle:
            lines.append(_line((one[0], two), USAGE))
    lines += [f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{USAGE}"/>' for x, y in points]
    return lines


def _table(frames: Sequence[Frame], centres: Sequence[float], rows: Mapping[str, Row]) -> list[str]:
    colours = {"counter": COUNTER, "this month": USAGE, "between": USAGE}
    lines = []
    for x, frame in zip(centres, frames, strict=True):
        at = frame.local_time
        lines += [
            text(x, TABLE_TOP, f"{at.day} {at:%b}", GREY),
            text(x, TABLE_TOP + ROW - 3, f"{at:%H:%M}", GREY),
        ]
    for number, (label, row) in enumerate(rows.items(), start=2):
        y, colour = TABLE_TOP + ROW * number, colours.get(label, INK)
        lines.append(text(LEFT - 12, y, label, colour, "end"))
        lines += [
            text(x, y, row(frame), colour) for x, frame in zip(centres, frames, strict=True) if row(frame)
        ]
    return lines
