"""What an author probably meant, and what is in a text that they do not see."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from zoneinfo import available_timezones


def did_you_mean(name: str, choices: Iterable[str]) -> str | None:
    """`did you mean \\`…\\`?` if one of `choices` is close to `name`."""
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None


def did_you_mean_zone(written: str) -> str | None:
    """The same of a time zone, which may lack its continent: `Berlin` for `Europe/Berlin`."""
    names = sorted(available_timezones())
    cities = {_plainly(name.rpartition("/")[2]): name for name in reversed(names)}
    if (exact := cities.get(_plainly(written))) is not None:
        return f"did you mean `{exact}`?"
    near = difflib.get_close_matches(_plainly(written), cities, n=1, cutoff=0.8)
    return f"did you mean `{cities[near[0]]}`?" if near else did_you_mean(written, names)


def _plainly(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


_JOINERS = "\u200c\u200d"  # of emoji, and of letters in some languages
_BESIDE_LATIN = ("CYRILLIC", "GREEK")


def unseen(text: str, *, blanks: bool = True) -> str | None:
    """The first character that nobody sees, or takes for another: `zero width space (U+200B)`.

    Not what joins letters or emoji, and not what turns the direction of letters that are written from right
    to left. `blanks`: also what looks like a space.
    """
    if text.isascii():
        return None
    leftward = any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)
    for at, char in enumerate(text):
        category = unicodedata.category(char)
        is_blank = blanks and category in ("Zs", "Zl", "Zp") and char != " "
        joins = char in _JOINERS and not (text[at - 1 : at].isascii() or text[at + 1 : at + 2].isascii())
        if is_blank or (category == "Cf" and not joins and not leftward):
            return _named(char)
    return None


def foreign(text: str) -> str | None:
    """A letter of another alphabet within a word of Latin ones: `cyrillic small letter a (U+0430)`."""
    for word in () if text.isascii() else re.findall(r"\w+", text):
        if re.search("[A-Za-z]", word):
            for char in word:
                if unicodedata.name(char, "").startswith(_BESIDE_LATIN):
                    return _named(char)
    return None


def _named(char: str) -> str:
    return f"{unicodedata.name(char, 'control character').lower()} (U+{ord(char):04X})"
