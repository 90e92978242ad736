"""What an author probably meant."""

from __future__ import annotations

import difflib
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
