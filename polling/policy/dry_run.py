"""What a draft of a config would change, before it is saved. It counts classes of cards; only the samples read cards."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import inf
from operator import attrgetter

from cards.models import CheckType
from carriers.models import Gateway
from polling.checks.card_profile import CardProfile
from polling.checks.registry import CHECKS
from polling.models import PollingConfig
from polling.policy import card_reader, census
from polling.policy.card_reader import Group
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.demand import Demand, demand
from polling.policy.matching import Decision, decide, matches

SAMPLES = 10


@dataclass(frozen=True)
class Change:
    """What is decided of one check before and after."""

    check_type: CheckType
    before: Decision
    after: Decision

    @property
    def is_effective(self) -> bool:
        """Whether another config decides, or the same one otherwise."""
        return _deciding(self.before) != _deciding(self.after)


@dataclass(frozen=True)
class Move:
    """So many cards whose check is decided by another config, or by the same one with another interval."""

    change: Change
    cards: int


@dataclass(frozen=True)
class Sample:
    """A card that the draft concerns, with what would become of its checks."""

    card_id: int
    iccid: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Load:
    """What a check type asks of a gateway, before and after."""

    before: Demand
    after: Demand


@dataclass(frozen=True)
class DryRun:
    """What would happen if the draft were in force."""

    matched_cards: int
    moves: tuple[Move, ...]
    loads: tuple[Load, ...]
    samples: tuple[Sample, ...]


def dry_run(draft: PollingConfig) -> DryRun:
    """Hold a config that is not saved, a new one or another version of one that exists, against the census."""
    before = tuple(PollingConfig.objects.in_force())
    after = with_draft(before, draft)
    counted = census.counted()
    moves = moved(counted, before, after)
    snapshot = ConfigSnapshot.read()
    return DryRun(
        matched_cards=matched_cards(draft, counted),
        moves=tuple(moves),
        loads=_loads(demand(counted, before, snapshot), demand(counted, after, snapshot)),
        samples=_samples(draft, counted, before, after),
    )


def with_draft(configs: Sequence[PollingConfig], draft: PollingConfig) -> tuple[PollingConfig, ...]:
    """The configs in force if the draft were saved, in the order in which they decide."""
    others = [config for config in configs if draft.pk is None or config.pk != draft.pk]
    drafted = [draft] if draft.is_enabled else []
    # One that is not saved yet gets the largest id.
    return tuple(sorted((*others, *drafted), key=lambda config: (config.priority, config.pk or inf)))


def matched_cards(config: PollingConfig, counted: Mapping[Group, int]) -> int:
    """How many cards that are polled at all meet the conditions of a config."""
    return sum(cards for (card, _), cards in counted.items() if card.is_polled and matches(config, card))


def moved(
    counted: Mapping[Group, int], before: Sequence[PollingConfig], after: Sequence[PollingConfig]
) -> list[Move]:
    """The cards whose checks are decided differently, most of them first."""
    found: dict[tuple[object, ...], Change] = {}
    cards: Counter[tuple[object, ...]] = Counter()
    for (card, _), count in counted.items():
        for change in filter(attrgetter("is_effective"), changes(card, before, after)):
            key = (change.check_type, *_deciding(change.before), *_deciding(change.after))
            found.setdefault(key, change)
            cards[key] += count
    return [Move(found[key], count) for key, count in cards.most_common() if count]


def changes(
    card: CardProfile, before: Sequence[PollingConfig], after: Sequence[PollingConfig]
) -> tuple[Change, ...]:
    """What is decided of each check of a class."""
    return tuple(Change(one, decide(card, one, before), decide(card, one, after)) for one in CHECKS)


def _deciding(decision: Decision) -> tuple[object, ...]:
    return decision.interval, decision.config and decision.config.pk, decision.config is None


def _loads(before: Sequence[Demand], after: Sequence[Demand]) -> tuple[Load, ...]:
    pairs: dict[tuple[CheckType, Gateway | None], dict[str, Demand]] = defaultdict(dict)
    for when, demands in (("before", before), ("after", after)):
        for one in demands:
            pairs[one.check_type, one.gateway][when] = one
    return tuple(
        Load(pair.get("before", Demand(check_type, gateway)), pair.get("after", Demand(check_type, gateway)))
        for (check_type, gateway), pair in pairs.items()
    )


def _samples(
    draft: PollingConfig,
    counted: Mapping[Group, int],
    before: Sequence[PollingConfig],
    after: Sequence[PollingConfig],
) -> tuple[Sample, ...]:
    """Cards that would move, of the largest classes first; where none would, cards that the draft matches."""
    cards: Counter[CardProfile] = Counter()
    for (card, _), count in counted.items():
        cards[card] += count
    largest = [card for card, count in cards.most_common() if count]
    moving = [card for card in largest if any(one.is_effective for one in changes(card, before, after))]
    chosen = (moving or [card for card in largest if card.is_polled and matches(draft, card)])[:SAMPLES]
    by_class: dict[CardProfile, list[Sample]] = {card: [] for card in chosen}
    for iccid, card_id, card in card_reader.samples(chosen, count=SAMPLES):
        by_class[card].append(Sample(card_id, iccid, changes(card, before, after)))
    # One of each class, then another one of each: a large class makes up for a small one.
    dealt = chain.from_iterable(zip_longest(*by_class.values()))
    return tuple(sample for sample in dealt if sample)[:SAMPLES]
