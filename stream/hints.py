"""What an author probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, choices: Iterable[str]) -> str | None:
    """`did you mean \\`…\\`?` if one of `choices` is close to `name`."""
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None
