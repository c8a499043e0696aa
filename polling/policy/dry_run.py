"""Compute what a draft of a config would change if it were saved.

The counts come from the census. Only the samples are read from the card table.
"""

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
    """The decisions about one check: without the draft (`before`) and with it (`after`)."""

    check_type: CheckType
    before: Decision
    after: Decision

    @property
    def is_effective(self) -> bool:
        """Return whether the draft changes the interval, or makes a different config decide."""
        return _deciding(self.before) != _deciding(self.after)


@dataclass(frozen=True)
class Move:
    """An effective change, and the number of cards that it affects."""

    change: Change
    cards: int


@dataclass(frozen=True)
class Sample:
    """A card that the draft affects or matches, with one Change for each check type."""

    card_id: int
    iccid: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Load:
    """The load of a check type at a gateway, without and with the draft."""

    before: Demand
    after: Demand


@dataclass(frozen=True)
class DryRun:
    """What would change if the draft were in force."""

    matched_cards: int
    moves: tuple[Move, ...]
    loads: tuple[Load, ...]
    samples: tuple[Sample, ...]


def dry_run(draft: PollingConfig) -> DryRun:
    """Return what would change if `draft` were saved.

    The draft is an unsaved config: a new one, or an edited version of an existing one.
    """
    before = tuple(PollingConfig.objects.in_force())
    after = with_draft(before, draft)
    counted = census.cards_by_group()
    moves = moved(counted, before, after)
    snapshot = ConfigSnapshot.read()
    return DryRun(
        matched_cards=matched_cards(draft, counted),
        moves=tuple(moves),
        loads=_loads(demand(counted, before, snapshot), demand(counted, after, snapshot)),
        samples=_samples(draft, counted, before, after),
    )


def with_draft(configs: Sequence[PollingConfig], draft: PollingConfig) -> tuple[PollingConfig, ...]:
    """Return the configs that would be in force with the draft, in the order in which they decide."""
    others = [config for config in configs if draft.pk is None or config.pk != draft.pk]
    drafted = [draft] if draft.is_enabled else []
    # A new config will get the largest id, so it decides last among configs of equal priority.
    return tuple(sorted((*others, *drafted), key=lambda config: (config.priority, config.pk or inf)))


def matched_cards(config: PollingConfig, counted: Mapping[Group, int]) -> int:
    """Return how many polled cards meet the conditions of a config."""
    return sum(
        cards for (profile, _), cards in counted.items() if profile.is_polled and matches(config, profile)
    )


def moved(
    counted: Mapping[Group, int], before: Sequence[PollingConfig], after: Sequence[PollingConfig]
) -> list[Move]:
    """Return the effective changes and how many cards each of them affects, largest number first."""
    change_by_key: dict[tuple[object, ...], Change] = {}
    cards: Counter[tuple[object, ...]] = Counter()
    for (profile, _), count in counted.items():
        for change in filter(attrgetter("is_effective"), changes(profile, before, after)):
            key = (change.check_type, *_deciding(change.before), *_deciding(change.after))
            change_by_key.setdefault(key, change)
            cards[key] += count
    return [Move(change_by_key[key], count) for key, count in cards.most_common() if count]


def changes(
    profile: CardProfile, before: Sequence[PollingConfig], after: Sequence[PollingConfig]
) -> tuple[Change, ...]:
    """Return one Change for each check type: how the configs `before` and the configs `after` decide."""
    return tuple(
        Change(check_type, decide(profile, check_type, before), decide(profile, check_type, after))
        for check_type in CHECKS
    )


def _deciding(decision: Decision) -> tuple[object, ...]:
    return decision.interval, decision.config and decision.config.pk, decision.config is None


def _loads(before: Sequence[Demand], after: Sequence[Demand]) -> tuple[Load, ...]:
    pairs: dict[tuple[CheckType, Gateway | None], dict[str, Demand]] = defaultdict(dict)
    for when, demands in (("before", before), ("after", after)):
        for load in demands:
            pairs[load.check_type, load.gateway][when] = load
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
    """Return up to SAMPLES cards whose checks would change, from the profiles with the most cards.

    If no check would change, return cards that match the draft.
    """
    cards: Counter[CardProfile] = Counter()
    for (profile, _), count in counted.items():
        cards[profile] += count
    largest = [profile for profile, count in cards.most_common() if count]
    changing = [
        profile
        for profile in largest
        if any(change.is_effective for change in changes(profile, before, after))
    ]
    matching = [profile for profile in largest if profile.is_polled and matches(draft, profile)]
    chosen = (changing or matching)[:SAMPLES]
    by_profile: dict[CardProfile, list[Sample]] = {profile: [] for profile in chosen}
    for iccid, card_id, profile in card_reader.samples(chosen, count=SAMPLES):
        by_profile[profile].append(Sample(card_id, iccid, changes(profile, before, after)))
    # Take one card from each profile in turn. When a small profile runs out, the larger ones fill the sample.
    in_turn = chain.from_iterable(zip_longest(*by_profile.values()))
    return tuple(sample for sample in in_turn if sample)[:SAMPLES]
