"""What faults of carriers' counters make of readings. Apart from the last tests, the simulated time stands still."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.simulator.clock import Clock
from lab.simulator.counter_faults import COUNTER_KINDS, CounterFault, CounterFaultKind, CounterFaults
from lab.simulator.gateway import SimulatedGateway
from tests.lab.simulator.test_faults import USAGE, call
from tests.support.gateway import running_simulator

# A card of northwind that uses 2 MB an hour in May. Its counter restarts each month at 16:00 UTC.
CARD = "89860000000000002300"
# A card of bluepeak that uses 2 MB an hour from June 15 on, with a lifetime counter.
LIFETIME_CARD = "89490000000000001997"
CARDS = [f"898600{number:014d}" for number in range(1000)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


@dataclass
class StillGateway:
    """The simulated gateways at a simulated time that stands still until it is set."""

    seed: int = 0
    gateway: SimulatedGateway = field(init=False)

    def __post_init__(self) -> None:
        clock = Clock(machine=lambda: moment("01-01T00:00"))
        self.gateway = SimulatedGateway(clock=clock, counter_faults=CounterFaults(seed=self.seed))

    def turn_on(self, kind: str, at: str, *, share: float = 1, hours: float = 0) -> None:
        fault = CounterFault("/c/", CounterFaultKind(kind), share, hours)
        self.gateway.counter_faults.put(fault, now=moment(at))

    def usage(self, *cards: str, at: str) -> list[dict[str, str]]:
        self.gateway.clock.set(moment(at))
        code = "bluepeak" if LIFETIME_CARD in cards else "northwind"
        found: list[dict[str, str]] = self.gateway.answer(code, "/v1/usage", {"iccids": [*cards]})["data"]
        return found

    def said(self, at: str, card: str = CARD) -> tuple[str, str]:
        """Return the value of the counter, and the time stamp as month, day, hour and minute in UTC."""
        (entry,) = self.usage(card, at=at)
        assert entry["measured_at"].endswith(":00+00:00")
        return entry["used_mb"], entry["measured_at"][5:16]

    def hit(self, at: str = "05-10T16:00") -> set[str]:
        """Return the cards that do not say the true figure."""
        entries = self.usage(*CARDS[:500], at=at) + self.usage(*CARDS[500:], at=at)
        truths = [self.gateway.truth(card, at=moment(at)) or {} for card in CARDS]
        return {
            entry["iccid"]
            for entry, truth in zip(entries, truths, strict=True)
            if entry["used_mb"] != truth["used_mb"]
        }


def test_every_documented_counter_kind_is_implemented() -> None:
    words = "zero absurd unit wrap swap late_restart lag frozen day_stamps"

    assert [kind.value for kind in CounterFaultKind] == words.split()
    assert set(COUNTER_KINDS) == set(CounterFaultKind)


@pytest.mark.parametrize(
    ("kind", "hours", "said"),
    [
        ("zero", 0, ("0", "05-10T22:00")),
        ("absurd", 0, ("999999999", "05-10T22:00")),
        ("unit", 0, ("492000.000", "05-10T22:00")),
        ("lag", 6, ("480.000", "05-10T22:00")),
        ("frozen", 0, ("480.000", "05-10T16:00")),
        ("day_stamps", 0, ("492.000", "05-10T16:00")),
        ("swap", 0, ("12.000", "05-10T22:00")),
        ("wrap", 0, ("492.000", "05-10T22:00")),
        ("late_restart", 8, ("492.000", "05-10T22:00")),
    ],
)
def test_fault_changes_what_is_said_in_mid_cycle(kind: str, hours: float, said: tuple[str, str]) -> None:
    gateway = StillGateway()
    before = gateway.said("05-10T16:00")

    gateway.turn_on(kind, "05-10T16:00", hours=hours)

    assert before == ("480.000", "05-10T16:00")
    assert gateway.said("05-10T22:00") == said


def test_wrap_counts_modulo_2_to_the_32_bytes() -> None:
    gateway = StillGateway()
    before = gateway.said("06-15T22:00", LIFETIME_CARD)

    gateway.turn_on("wrap", "06-15T22:00")

    assert before == ("41808.000", "06-15T22:00")
    assert gateway.said("06-15T22:00", LIFETIME_CARD) == ("3153.294", "06-15T22:00")


@pytest.mark.parametrize(
    ("at", "used_mb"),
    [
        ("04-30T15:00", "1485.933"),
        ("04-30T16:00", "1487.999"),
        ("05-01T00:00", "1503.999"),
        ("05-01T02:00", "0.000"),
        ("05-01T04:00", "4.000"),
        ("05-31T15:00", "1466.000"),
        ("05-31T17:00", "1470.065"),
        ("06-01T02:00", "0.000"),
    ],
)
def test_late_restart_counts_on_from_the_previous_cycle(at: str, used_mb: str) -> None:
    gateway = StillGateway()

    gateway.turn_on("late_restart", "04-20T00:00", hours=10)

    assert gateway.said(at)[0] == used_mb


def test_late_restart_does_not_undo_an_earlier_restart() -> None:
    gateway = StillGateway()

    gateway.turn_on("late_restart", "04-30T17:00", hours=10)

    assert gateway.said("05-01T00:00")[0] == "16.000"


def test_late_restart_spares_lifetime_counters() -> None:
    gateway = StillGateway()

    gateway.turn_on("late_restart", "06-01T00:00", hours=100)

    assert gateway.said("06-15T22:00", LIFETIME_CARD)[0] == "41808.000"


def test_swapped_lifetime_counter_counts_on_in_the_next_cycle() -> None:
    gateway = StillGateway()

    gateway.turn_on("swap", "06-14T22:00")

    assert gateway.said("06-15T22:00", LIFETIME_CARD)[0] == "48.000"


def test_swapped_counter_restarts_with_the_next_cycle() -> None:
    gateway = StillGateway()

    gateway.turn_on("swap", "04-30T15:00")

    assert gateway.said("05-01T00:00")[0] == "16.000"


def test_fault_of_cards_hits_the_same_cards_each_time() -> None:
    gateway = StillGateway()

    gateway.turn_on("lag", "05-01T00:00", share=0.3, hours=24)
    first, second = gateway.hit("05-10T16:00"), gateway.hit("05-12T16:00")

    assert first == second
    assert 250 <= len(first) <= 350


def test_seed_decides_which_cards_are_hit() -> None:
    gateways = [StillGateway(seed) for seed in (1, 1, 2)]
    for gateway in gateways:
        gateway.turn_on("swap", "05-01T00:00", share=0.3)
    first, same, other = (gateway.hit() for gateway in gateways)

    assert first == same
    assert first != other


def test_larger_share_adds_cards_to_those_hit_before() -> None:
    gateway = StillGateway()
    gateway.turn_on("swap", "05-01T00:00", share=0.1)
    few = gateway.hit()

    gateway.turn_on("swap", "05-01T00:00", share=0.5)

    assert few < gateway.hit()


@pytest.mark.parametrize("kind", ["zero", "absurd", "unit"])
def test_fault_of_readings_hits_other_cards_each_time(kind: str) -> None:
    gateway = StillGateway()

    gateway.turn_on(kind, "05-01T00:00", share=0.3)
    first, second = gateway.hit(), gateway.hit()

    assert first != second
    assert 250 <= len(first) <= 350


def test_seed_decides_which_readings_are_hit() -> None:
    hits = []
    for _ in range(2):
        gateway = StillGateway(seed=7)
        gateway.turn_on("zero", "05-01T00:00", share=0.3)
        hits.append([gateway.hit(), gateway.hit()])

    assert hits[0] == hits[1]


def test_faults_apply_in_the_order_in_which_they_are_turned_on() -> None:
    gateway = StillGateway()

    gateway.turn_on("lag", "05-01T00:00", hours=6)
    gateway.turn_on("unit", "05-01T00:00")

    assert gateway.said("05-10T22:00") == ("480000.000", "05-10T22:00")


def test_unknown_card_stays_unknown() -> None:
    gateway = StillGateway()

    gateway.turn_on("zero", "05-01T00:00")

    assert gateway.usage("89860", at="05-10T16:00") == [{"iccid": "89860", "error": "invalid"}]


@pytest.mark.parametrize("kind", CounterFaultKind)
def test_truth_and_log_do_not_show_the_fault(kind: str) -> None:
    at = moment("05-10T16:00")

    with running_simulator() as simulator:
        before = simulator.truth(CARD, at)
        simulator.fault(path="/c/", kind=kind)
        call(simulator, USAGE, iccids=[CARD])
        after, (logged,) = simulator.truth(CARD, at), simulator.calls()

    assert before == after
    assert before["used_mb"] == "480.000"
    assert logged["fault"] is None


def said_by(path: str, **fault: Any) -> dict[str, Any]:
    """Turn a fault on, and return the entry of a call to northwind."""
    with running_simulator() as simulator:
        simulator.fault(path=path, kind="absurd")
        if fault:
            simulator.fault(path=path, **fault)
        entry: dict[str, Any] = call(simulator, USAGE, iccids=[CARD])[1]["data"][0]
    return entry


@pytest.mark.parametrize("path", ["/", "/c/", "/c/northwind", USAGE])
def test_fault_hits_calls_below_its_path(path: str) -> None:
    assert said_by(path)["used_mb"] == "999999999"


@pytest.mark.parametrize("path", ["/c/bluepeak", "/c/northwind/v1/status"])
def test_fault_spares_other_paths(path: str) -> None:
    assert said_by(path)["used_mb"] != "999999999"


def test_share_of_0_turns_the_fault_off() -> None:
    assert said_by("/c/", kind="absurd", share=0)["used_mb"] != "999999999"


def test_frozen_reading_dates_from_the_set_clock() -> None:
    with running_simulator() as simulator:
        simulator.set_clock(moment("05-10T16:00"))
        simulator.fault(path="/c/", kind="frozen")
        simulator.set_clock(moment("05-12T16:00"))
        first = call(simulator, USAGE, iccids=[CARD])[1]["data"]
        second = call(simulator, USAGE, iccids=[CARD])[1]["data"]

    assert first == second
    measured_at = datetime.fromisoformat(first[0]["measured_at"])
    assert (measured_at.tzinfo, f"{measured_at:%m-%dT%H:%M}") == (UTC, "05-10T16:00")


@pytest.mark.parametrize(
    ("kind", "hours", "used_mb"),
    [("lag", {}, "480.000"), ("lag", {"hours": 12.5}, "467.000"), ("late_restart", {}, "476.000")],
)
def test_hours_have_defaults_and_can_be_set(kind: str, hours: dict[str, float], used_mb: str) -> None:
    at = moment("05-10T22:00")

    with running_simulator() as simulator:
        simulator.set_clock(moment("04-20T00:00"))
        simulator.fault(path="/c/", kind=kind, **hours)
        simulator.set_clock(at)
        entry = call(simulator, USAGE, iccids=[CARD])[1]["data"][0]

    # The clock runs on for a moment before the call.
    assert float(entry["used_mb"]) == pytest.approx(float(used_mb), abs=0.01)
