"""`known` of a test: what traits hold when it begins, as single occurrences of what they count.

A trait keeps windows, not a value: so what is said must tell what happened, if only in number and amount.
Of some functions one value tells it, of others each that there was, of a `gap` none (`aggregates.told`).
Tested by tests/rules/test_compiler.py
and tests/authoring/rule_tests/test_plays.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from stream.diagnostics import Code
from stream.hints import did_you_mean
from stream.rules import keys
from stream.rules.aggregates import AGGREGATES
from stream.rules.compiler.compilation import Compilation
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Text, Written, plain_value
from stream.rules.testcases import Known

MAX_TEXT = 1024  # bytes that the engine keeps of one
MAX_VALUES, MAX_NESTED = 1_000, 100  # that it keeps of a trait, and of one with `per`

Value = bool | int | float | str


def read_known(run: Compilation, entry: Entry | None) -> tuple[Known, ...]:
    if entry is None:
        return ()
    if not isinstance(entry.value, Mapped) or not entry.value.entries:
        message, hint = "`known` must map traits to values", "write e.g. {spend_90d: 520}"
        run.findings.add(Code.WRONG_TYPE, entry.value.location, message, hint)
        return ()
    return tuple(each for trait in entry.value.entries.values() for each in _trait(run, trait))


def _trait(run: Compilation, entry: Entry) -> Iterator[Known]:
    name = entry.key
    if name not in run.traits:
        hint = did_you_mean(name, run.traits) or _there_are(run)
        run.error(Code.UNKNOWN_TRAIT, entry, f"unknown trait `{name}`", hint)
        return
    shape = run.traits[name]
    if shape.function is None:
        return  # a finding of its own
    function = AGGREGATES[shape.function]
    if function.told is None:
        message = f"`{name}` is a `{function.name}`, which no value tells: it is made of the times of events"
        hint = "play the events, in `events` or in a file that `history` names"
        run.error(Code.NOT_FOR_THIS_FUNCTION, entry, message, hint)
        return
    form = _FORMS[function.takes, function.told]
    if not shape.per:
        if isinstance(entry.value, Mapped):
            _refuse(
                run, entry.value, f"`{name}` has no `per`, so it has one value", f"write e.g. {form.example}"
            )
            return
        yield from _known(run, name, form, entry, None, MAX_VALUES)
        return
    if not isinstance(entry.value, Mapped):
        message = f"`{name}` has `per`, so it has a value for each key"
        _refuse(run, entry.value, message, f"write e.g. {{shoes: {form.example}}}")
        return
    if len(entry.value.entries) > MAX_VALUES:
        _refuse(run, entry.value, f"`{name}` has more than {MAX_VALUES:,} keys, which nobody keeps", "")
        return
    for each, key in zip(entry.value.entries.values(), _keys(entry.value), strict=True):
        yield from _known(run, f"{name}[{each.key}]", form, each, key, MAX_NESTED, trait=name)


def _known(
    run: Compilation,
    what: str,
    form: _Form,
    entry: Entry,
    key: str | int | bool | None,
    most: int,
    trait: str | None = None,
) -> Iterator[Known]:
    values = form.read(entry.value, most)
    if values is None:
        hint = form.hint if not form.is_list else f"{form.hint}, e.g. {form.example}"
        _refuse(run, entry.value, f"`{what}` must be {form.words(most)}", hint)
    else:
        yield Known(trait or what, values, key, entry.location)


def _refuse(run: Compilation, at: Written, message: str, hint: str) -> None:
    run.findings.add(Code.WRONG_TYPE, at.location, message, hint or None)


def _there_are(run: Compilation) -> str:
    return f"there are: {', '.join(run.traits)}" if run.traits else "no trait is defined"


def _keys(body: Mapped) -> Iterator[str | int | bool]:
    """The keys of a mapping as values: 4711 without quotes is a number, as it is in an event."""
    text = next((text for each in body.entries.values() for text in _texts(each)), None)
    lines = text.content.split("\n") if text else []
    for each in body.entries.values():
        line = lines[each.location.line - 1] if lines else ""
        quoted = line[each.location.column - 1 : each.location.column] in ('"', "'", "")
        value = each.key if quoted or not each.key else plain_value(each.key)
        yield value if isinstance(value, int) and -(2**63) <= value < 2**64 else each.key


def _texts(entry: Entry) -> Iterator[Text]:
    items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    return (each.text for each in items if isinstance(each, Scalar))


# ---- what each function takes ----


class _Form(NamedTuple):
    """What says a trait's value: `read` gives its occurrences, None where it is something else."""

    read: Callable[[Written, int], tuple[Value | None, ...] | None]
    describe: str
    example: str
    hint: str = "without quotes"
    is_list: bool = False

    def words(self, most: int) -> str:
        return f"a list of {self.describe}, at most {most:,}" if self.is_list else self.describe


def _number(value: Written) -> float | None:
    if not isinstance(value, Scalar) or isinstance(value.value, bool | str | None):
        return None
    return float(value.value) if abs(value.value) < 1e308 and math.isfinite(value.value) else None


def _key(value: Written) -> bool | int | str | None:
    found = value.value if isinstance(value, Scalar) else None
    if isinstance(found, str):
        return found if len(found.encode()) <= MAX_TEXT else None
    return found if isinstance(found, int) and -(2**63) <= found < 2**64 else None


def _scalar(value: Written) -> Value | None:
    found = _key(value)
    return _number(value) if found is None else found


def _count(value: Written, most: int) -> tuple[None, ...] | None:
    found = value.value if isinstance(value, Scalar) else None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= keys.MAX_KNOWN:
        return None
    return (None,) * found


def _one(read: Callable[[Written], Value | None]) -> Callable[[Written, int], tuple[Value, ...] | None]:
    def read_one(value: Written, most: int) -> tuple[Value, ...] | None:
        found = read(value)
        return None if found is None else (found,)

    return read_one


def _list(read: Callable[[Written], Value | None]) -> Callable[[Written, int], tuple[Value, ...] | None]:
    def read_list(value: Written, most: int) -> tuple[Value, ...] | None:
        if not isinstance(value, Sequence) or len(value.items) > most:
            return None
        found = [each for each in map(read, value.items) if each is not None]
        return tuple(found) if len(found) == len(value.items) else None

    return read_list


_KEYS = "texts, whole numbers, true or false"
_EACH = "give each value, as often as it was"
_FORMS: Mapping[tuple[str | None, str], _Form] = {  # by what the function takes, and how it is told
    (None, "one"): _Form(_count, f"a whole number from 0 to {keys.MAX_KNOWN:,}", "3"),
    ("number", "one"): _Form(_one(_number), "a number", "520"),
    ("scalar", "one"): _Form(
        _one(_scalar), f"a text of at most {MAX_TEXT:,} bytes, a number, true or false", "shoes", ""
    ),
    ("number", "each"): _Form(_list(_number), "numbers", "[40, 50]", _EACH, is_list=True),
    ("key", "each"): _Form(_list(_key), _KEYS, "[shoes, shoes, bags]", _EACH, is_list=True),
}
