"""ICCIDs, the numbers of SIM cards, in all their spellings. Sources: ITU-T E.118, ISO/IEC 7812-1.

An ICCID has 19 digits. Some systems add a check digit or a filling F as the 20th character, others group the
digits, or write letters small.
"""

import re
import unicodedata
from typing import Final

DIGITS: Final = 19
_SEPARATORS: Final = re.compile(r"[\s\u2010-\u2015:-]+")


def plain(spelling: str) -> str:
    """Return an ICCID without blanks, hyphens and colons, in capitals and ASCII digits.

    Example::

        plain("8986-0012 3456 7890 123f")  # "8986001234567890123F"
    """
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", spelling)).upper()


def sim_of(iccid: str) -> str:
    """Return what the ICCIDs of one SIM card have in common: the ICCID without check digit and filling F.

    The SQL function `cards_sim_of` returns the same for an ICCID as it is stored.
    """
    joined = plain(iccid)
    is_longer = len(joined) == DIGITS + 1
    return joined[:DIGITS] if is_longer and joined[DIGITS] in {"F", check_digit(joined[:DIGITS])} else joined


def check_digit(digits: str) -> str:
    """Return the check digit of a number (Luhn, ISO/IEC 7812-1); empty if it does not consist of digits."""
    if not (digits.isascii() and digits.isdecimal()):
        return ""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)
