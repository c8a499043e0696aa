import pytest

from carriers.clients.spellings import Spellings

NINETEEN = "8986112233445566778"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (NINETEEN, NINETEEN),
        (NINETEEN, NINETEEN + "F"),
        (NINETEEN, NINETEEN + "f"),
        (NINETEEN, NINETEEN + "4"),
        (NINETEEN + "4", NINETEEN),
        (NINETEEN + "4", NINETEEN + "F"),
        (NINETEEN + "F", NINETEEN + "4"),
        (NINETEEN + "4", "8986 1122 3344 5566 7784"),
        (NINETEEN + "4", "8986-1122-3344-5566-7784"),
        ("898611ABCDEF5566778", "898611abcdef5566778"),
    ],
)
def test_other_spelling_means_the_card_that_was_asked_for(asked: str, answered: str) -> None:
    assert Spellings(["89490000000000000001", asked]).meant_by(answered) == asked


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([NINETEEN + "4"], NINETEEN + "5"),
        ([NINETEEN], NINETEEN[:18]),
        ([NINETEEN], NINETEEN[:18] + "9"),
        ([NINETEEN], ""),
        # Either of both could be meant.
        ([NINETEEN + "4", NINETEEN + "5"], NINETEEN),
        ([NINETEEN + "4", NINETEEN + "5"], NINETEEN + "F"),
    ],
)
def test_other_card_is_not_mistaken_for_one_of_these(asked: list[str], answered: str) -> None:
    assert Spellings(asked).meant_by(answered) is None


def test_exact_spelling_is_never_ambiguous() -> None:
    assert Spellings([NINETEEN, NINETEEN + "4"]).meant_by(NINETEEN) == NINETEEN
    assert Spellings([NINETEEN, NINETEEN + "4"]).meant_by(NINETEEN + "4") == NINETEEN + "4"
