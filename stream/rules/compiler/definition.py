"""One definition, or one mapping within it: its keys, and what all kinds of values have in common.

Reading never stops at an error: it notes the finding and answers None, so that one run finds them all.
Tested by tests/rules/test_compiler.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TypeVar

from stream.diagnostics import Code, Diagnostic, Location
from stream.hints import did_you_mean, foreign, unseen
from stream.rules import forms
from stream.rules.compiler.allowances import Allowances
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Written
from stream.rules.key_slips import meant

T = TypeVar("T")

NAME = re.compile(forms.NAME)
VARIABLE = re.compile(forms.VARIABLE)


# Functions of traits as others call them.
_MEANT = {
    **dict.fromkeys(("avg", "average"), "write `mean`"),
    **dict.fromkeys(("count_distinct", "distinct_count", "unique", "nunique", "uniq"), "write `distinct`"),
    **dict.fromkeys(("latest", "newest", "most_recent"), "write `last`"),
    **dict.fromkeys(("earliest", "oldest"), "write `first`"),
    **dict.fromkeys(("mode", "most_frequent", "most_common"), "write `top`"),
    **dict.fromkeys(("total", "add"), "write `sum`"),
    **dict.fromkeys(("maximum", "highest"), "write `max`"),
    **dict.fromkeys(("minimum", "lowest"), "write `min`"),
}


class Findings:
    """What has been found wrong so far, but for the warnings that are allowed."""

    def __init__(self, found: list[Diagnostic], allowances: Allowances) -> None:
        self.all, self.allowances = list(found), allowances

    def add(self, code: Code, at: Location, message: str, hint: str | None = None) -> None:
        if code.severity == "error" or not self.allowances.allows(code, at):
            if "(U+" not in f"{message}{hint}" and (odd := unseen(message) or foreign(message)):
                hint = f"{f'{hint}; ' if hint else ''}mind the {odd}"
            self.all.append(Diagnostic(code, at, message, hint))

    @property
    def refused(self) -> bool:
        """Whether there is an error among them, not only warnings."""
        return any(each.severity == "error" for each in self.all)


class Definition:
    """A mapping with the keys that it may have. `what` names it in messages: rule `x`. `instead` says what to
    write for a key that it does not have, before one that is spelt alike is proposed.
    """

    def __init__(
        self,
        what: str,
        at: Location,
        body: Written,
        findings: Findings,
        *,
        keys: Collection[str],
        open_ended: bool = False,
        instead: Callable[[str], str | None] | None = None,
    ) -> None:
        self.what, self.at, self.findings = what, at, findings
        self.entries = dict(body.entries) if isinstance(body, Mapped) else {}
        self.broken = not isinstance(body, Mapped)
        if self.broken:
            findings.add(
                Code.WRONG_TYPE,
                body.location,
                f"{what} must be a mapping",
                f"its keys are: {', '.join(keys)}",
            )
        for entry in self.entries.values():
            if entry.key not in keys and (not open_ended or entry.key == "<<"):
                code = Code.YAML_1_1 if _is_trap(entry.key, keys) else Code.UNKNOWN_KEY
                hint = (instead and instead(entry.key)) or _meant(entry.key, keys)
                findings.add(code, entry.location, f"unknown key `{entry.key}`", hint)

    def need(self, key: str, hint: str | None = None) -> Entry | None:
        """The entry of a key that must be there."""
        entry = self.entries.get(key)
        if entry is None and not self.broken:
            self.findings.add(Code.MISSING_KEY, self.at, f"{self.what} needs `{key}`", hint)
        return entry

    def either(self, one: str, other: str) -> None:
        """Of two keys at most one may be there."""
        first, second = self.entries.get(one), self.entries.get(other)
        if first is None or second is None:
            return
        for entry, elsewhere in ((first, second), (second, first)):
            message = f"{self.what} has `{one}` and `{other}`"
            hint = f"leave one of them out; `{elsewhere.key}` stands at {elsewhere.location}"
            self.findings.add(Code.ONE_OR_THE_OTHER, entry.location, message, hint)

    def forbid(self, key: str, why: str, hint: str, code: Code = Code.KEY_OUT_OF_PLACE) -> None:
        """A key that has no place in this definition."""
        if entry := self.entries.get(key):
            self.findings.add(code, entry.location, why, hint)

    def items(self, key: str, most: int) -> tuple[Written, ...]:
        """The items of a list."""
        entry = self.entries.get(key)
        if entry is None:
            return ()
        if not isinstance(entry.value, Sequence):
            message, hint = f"`{key}` must be a list", "put `- ` in front of each item"
            self.findings.add(Code.WRONG_TYPE, entry.value.location, message, hint)
            return ()
        if len(entry.value.items) > most:
            message = f"`{key}` has {len(entry.value.items):,} items, at most {most:,} are allowed"
            self.findings.add(Code.WRONG_LIST, entry.value.location, message)
        return entry.value.items[:most]

    def text(self, key: str) -> str | None:
        scalar = self.scalar(self.entries.get(key))
        return str(scalar.value) if scalar else None

    def name(self, key: str, choices: Collection[str], kind: str) -> str | None:
        """One of `choices`."""
        return self._name(self.entries.get(key), choices, kind)

    def names(self, key: str, choices: Collection[str], kind: str, most: int) -> tuple[str, ...]:
        """One of `choices` or a list of them, in the order given, each once."""
        entry = self.entries.get(key)
        if entry is None:
            return ()
        items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        if not 1 <= len(items) <= most:
            message = f"`{key}` must have 1 to {most} names"
            self.findings.add(Code.WRONG_LIST, entry.value.location, message)
        found: dict[str, Written] = {}
        for item in items[:most]:
            name = self._name(Entry(key, entry.location, item), choices, kind)
            if name in found:
                message, hint = f"the {kind} `{name}` stands twice", f"also at {found[name].location}"
                self.findings.add(Code.WRONG_LIST, item.location, message, hint)
            elif name is not None:
                found[name] = item
        return tuple(found)

    def _name(self, entry: Entry | None, choices: Collection[str], kind: str) -> str | None:
        scalar = self.scalar(entry)
        if scalar is None or scalar.value in choices:
            return str(scalar.value) if scalar else None
        known = f"there are: {', '.join(choices)}" if choices else f"no {kind} is defined"
        hint = _MEANT.get(str(scalar.value).lower()) if kind == "function" else None
        hint = hint or did_you_mean(str(scalar.value), choices) or known
        self.findings.add(Code.UNKNOWN_NAME, scalar.location, f"unknown {kind} `{scalar.value}`", hint)
        return None

    def new_name(self, key: str, pattern: re.Pattern[str] = NAME) -> str | None:
        """A name that is given here."""
        hint = "small letters, digits and `_`, a letter first"
        hint += "" if pattern is VARIABLE else "; also `-`"
        return self.parsed(Code.WRONG_NAME, key, matching(pattern), "a name", hint)

    def scalar(self, entry: Entry | None) -> Scalar | None:
        if entry is None:
            return None
        scalar = entry.value
        if isinstance(scalar, Scalar) and isinstance(scalar.value, str) and scalar.value:
            return scalar
        wanted = f"`{entry.key}` must be a text"
        if isinstance(scalar, Scalar) and not scalar.written:
            self.findings.add(Code.WRONG_TYPE, entry.location, f"{wanted}, and not empty")
        else:
            quotes = isinstance(scalar, Scalar) and not isinstance(scalar.value, str)
            hint = "put it in quotes" if quotes else None
            self.findings.add(Code.WRONG_TYPE, scalar.location, wanted, hint)
        return None

    def parsed(self, code: Code, key: str, parser: Callable[[str], T], what: str, hint: str) -> T | None:
        """What a parser makes of a text; its ValueError says what is wrong with it."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        if not isinstance(entry.value, Scalar):
            self.findings.add(code, entry.value.location, f"`{key}` must be {what}", hint)
            return None
        try:
            parsed = parser(entry.value.written)
        except ValueError as error:
            shown = entry.value.written if len(entry.value.written) <= 40 else "…"
            self.findings.add(
                code, entry.value.location, f"`{key}` must be {what}, `{shown}` is {error}", hint
            )
            return None
        if not isinstance(entry.value.value, str):
            self.findings.add(code, entry.value.location, f"`{key}` must be {what}", "put it in quotes")
            return None
        return parsed


def check_name(entry: Entry, kind: str, findings: Findings) -> None:
    """The name of a definition; a trait's must also be one that conditions can say."""
    if kind in ("trait", "segment") and not VARIABLE.fullmatch(entry.key):
        hint = f"small letters, digits and `_`, a letter first: conditions say {kind}s.NAME"
        findings.add(Code.WRONG_NAME, entry.location, f"`{entry.key}` cannot be a {kind}'s name", hint)
    elif not NAME.fullmatch(entry.key):
        hint = "small letters, digits, `_` and `-`, a letter first, at most 128"
        findings.add(Code.WRONG_NAME, entry.location, f"`{entry.key}` cannot be the name of a {kind}", hint)


def matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """A parser of texts that match all of a pattern."""

    def check(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError("none")

    return check


def _is_trap(key: str, keys: Collection[str]) -> bool:
    """Whether a key that is none comes from YAML 1.1: a merge, or `on` as it was taken for a boolean."""
    return key == "<<" or (key in ("true", "True") and "on" in keys)


def _meant(key: str, keys: Collection[str]) -> str:
    """What to write in place of a key that is none."""
    if _is_trap(key, keys):
        merging = "merging is YAML 1.1: write the keys out, or give the whole value an anchor"
        return merging if key == "<<" else "a tool that takes YAML 1.1 made this of `on`: write `on`"
    return meant(key, keys) or f"there are: {', '.join(keys)}"
