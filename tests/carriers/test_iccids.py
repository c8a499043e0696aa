"""The spellings of an ICCID, in Python and in SQL."""

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from carriers.iccids import check_digit, plain, sim_of

NINETEEN = "8986112233445566778"
TWENTY = NINETEEN + check_digit(NINETEEN)


@pytest.mark.parametrize(
    "spelling",
    [
        NINETEEN,
        NINETEEN + "F",
        NINETEEN + "f",
        TWENTY,
        f" {TWENTY} ",
        "8986 1122 3344 5566 778",
        "8986-1122-3344-5566-778f",
        "8986\u00a01122\u20103344\u20145566:778",
        "\uff18\uff19\uff18\uff16112233445566778",
    ],
)
def test_all_spellings_name_one_sim(spelling: str) -> None:
    assert sim_of(spelling) == NINETEEN


@pytest.mark.parametrize(
    "other",
    [NINETEEN[:18], NINETEEN[:18] + "9", NINETEEN + "E", NINETEEN + str(9 - int(TWENTY[-1])), TWENTY + "F"],
)
def test_other_numbers_name_other_sims(other: str) -> None:
    assert sim_of(other) != NINETEEN


def test_plain_keeps_check_digit_and_filling() -> None:
    assert plain("8986 1122 3344 5566 778 f") == NINETEEN + "F"


@pytest.mark.parametrize(("digits", "digit"), [("7992739871", "3"), ("0", "0"), ("18", "2"), ("12A", "")])
def test_check_digit_is_that_of_luhn(digits: str, digit: str) -> None:
    assert check_digit(digits) == digit


@pytest.mark.django_db
@given(
    st.lists(
        st.one_of(
            st.text("0123456789ABCDEF", min_size=18, max_size=22),
            st.text("0123456789", min_size=19, max_size=19).map(lambda digits: digits + check_digit(digits)),
            st.text("0123456789", min_size=19, max_size=20),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_sql_function_agrees(iccids: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cards_sim_of(iccid) FROM unnest(%s::text[]) WITH ORDINALITY AS t(iccid, n)", [iccids]
        )
        found = [sim for (sim,) in cursor.fetchall()]

    assert found == [sim_of(iccid) for iccid in iccids]
