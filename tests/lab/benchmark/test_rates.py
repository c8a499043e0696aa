"""The benchmark's rates, percentiles and costs are computed correctly from times and amounts."""

from datetime import UTC, datetime, timedelta

import pytest

from lab.benchmark.rates import Shift, Window, per_thousand, percentile, smaller, steady_rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_rate_leaves_out_first_and_last_tenth_of_work() -> None:
    slow_start = [(at(0), 10)]
    steady = [(at(10 + second), 10) for second in range(9)]

    assert steady_rate(slow_start + steady) == pytest.approx(80 / 17)
    assert steady_rate([*slow_start, *steady, (at(900), 5)]) == pytest.approx(80 / 8)


@pytest.mark.parametrize("done", [[], [(NOON, 500)]])
def test_work_done_at_one_moment_has_no_rate(done: list[tuple[datetime, int]]) -> None:
    assert steady_rate(done) is None


def test_window_includes_its_begin_and_excludes_its_end() -> None:
    window = Window(at(0), at(10)).after(timedelta(seconds=4))

    assert window.seconds == 6
    assert window.amount([(at(3), 1), (at(4), 2), (at(9), 4), (at(10), 8)]) == 6


def test_shift_takes_its_rate_from_its_own_window() -> None:
    work = [(at(second), 10) for second in range(11)]
    stragglers = [(at(second), 1) for second in range(100, 200, 10)]
    shift = Shift(Window(at(0), at(11)), planned_seconds=11)

    assert shift.rate([(at(-50), 100), *work, *stragglers]) == pytest.approx(steady_rate(work))
    assert shift.shortage == ""


@pytest.mark.parametrize(("lasted", "is_too_short"), [(4.9, True), (5.0, False)])
def test_shift_that_ran_out_early_has_no_rate(lasted: float, *, is_too_short: bool) -> None:
    shift = Shift(Window(at(0), at(lasted)), planned_seconds=10, ran_out=True)

    rate = shift.rate([(at(second / 10), 10) for second in range(40)])

    assert (rate is None) is shift.is_too_short is is_too_short
    assert shift.shortage == f"the cards ran out after {lasted:.1f} of 10.0 s"


def test_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]


def test_cost_is_spent_seconds_per_thousand() -> None:
    assert per_thousand({"workers": 1.0}, {"workers": 3.0}, 500) == {"workers": 4.0}


def test_nothing_done_has_no_cost() -> None:
    assert per_thousand({"workers": 1.0}, {"workers": 3.0}, 0) is None


def test_smaller_figure_counts_and_none_if_one_is_missing() -> None:
    assert smaller(3.0, 2.0) == 2.0
    assert smaller(3.0, None) is None
