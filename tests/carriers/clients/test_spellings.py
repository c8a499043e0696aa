import pytest

from carriers.clients.spellings import Spellings
from carriers.iccids import check_digit

NINETEEN = "8986112233445566778"
CHECK = check_digit(NINETEEN)
OTHER = str((int(CHECK) + 1) % 10)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (NINETEEN, NINETEEN),
        (NINETEEN, NINETEEN + "F"),
        (NINETEEN, NINETEEN + "f"),
        (NINETEEN, NINETEEN + CHECK),
        (NINETEEN + CHECK, NINETEEN),
        (NINETEEN + CHECK, NINETEEN + "F"),
        (NINETEEN + "F", NINETEEN + CHECK),
        (NINETEEN + CHECK, f"8986 1122 3344 5566 778{CHECK}"),
        (NINETEEN + CHECK, f"8986-1122-3344-5566-778{CHECK}"),
        ("898611ABCDEF5566778", "898611abcdef5566778"),
    ],
)
def test_other_spelling_means_the_card_that_was_asked_for(asked: str, answered: str) -> None:
    assert Spellings(["89490000000000000001", asked]).meant_by(answered) == asked


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([NINETEEN + CHECK], NINETEEN + OTHER),
        ([NINETEEN], NINETEEN + OTHER),
        ([NINETEEN + OTHER], NINETEEN),
        ([NINETEEN], NINETEEN[:18]),
        ([NINETEEN], NINETEEN[:18] + "9"),
        ([NINETEEN], ""),
        # Either of both could be meant.
        ([NINETEEN, NINETEEN + CHECK], NINETEEN + "F"),
    ],
)
def test_other_card_is_not_mistaken_for_one_of_these(asked: list[str], answered: str) -> None:
    assert Spellings(asked).meant_by(answered) is None


def test_exact_spelling_is_never_ambiguous() -> None:
    assert Spellings([NINETEEN, NINETEEN + CHECK]).meant_by(NINETEEN) == NINETEEN
    assert Spellings([NINETEEN, NINETEEN + CHECK]).meant_by(NINETEEN + CHECK) == NINETEEN + CHECK
