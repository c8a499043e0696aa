"""The spellings of an ICCID. A gateway may answer in its own spelling of a card that it was asked for.

An ICCID has 19 digits, the last of which may be a check digit (ITU-T E.118). Some systems add a check digit or a
filling F as the 20th character, others group the digits or write letters small.
"""

from collections import defaultdict
from collections.abc import Sequence

DIGITS = 19


class Spellings:
    """Finds the ICCID, among some that were asked for, that another spelling means.

    Example::

        Spellings(["8986 0000 0000 0000 001"]).meant_by("8986000000000000001F")
    """

    def __init__(self, iccids: Sequence[str]) -> None:
        self._exact = frozenset(iccids)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for iccid in iccids:
            self._alike[_plain(iccid)[:DIGITS]].append(iccid)

    def meant_by(self, spelling: str) -> str | None:
        """Return the ICCID that `spelling` means; None if it means none of them, or possibly several."""
        if spelling in self._exact:
            return spelling
        found = _plain(spelling)
        meant = [iccid for iccid in self._alike.get(found[:DIGITS], ()) if _are_alike(_plain(iccid), found)]
        return meant[0] if len(meant) == 1 else None


def _plain(iccid: str) -> str:
    """Return the ICCID without blanks, hyphens and the filling F, in capitals."""
    joined = "".join(iccid.replace("-", " ").split()).upper()
    return joined[:DIGITS] if joined[DIGITS:] == "F" else joined


def _are_alike(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    # Any other 20th digit belongs to another card.
    return one == other or (len(shorter) == DIGITS and longer == shorter + check_digit(shorter))


def check_digit(digits: str) -> str:
    """Return the check digit of a number (Luhn, ISO/IEC 7812-1); empty if it does not consist of digits."""
    if not (digits.isascii() and digits.isdecimal()):
        return ""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)
