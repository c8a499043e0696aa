"""What the tests of cards share."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def told() -> Iterator[list[list[int]]]:
    """What receivers of `cards_changed` heard."""
    from cards.events import cards_changed

    heard: list[list[int]] = []

    def hear(card_ids: list[int], **_: Any) -> None:
        heard.append(card_ids)

    cards_changed.connect(hear)
    yield heard
    cards_changed.disconnect(hear)
