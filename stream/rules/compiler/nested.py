"""Attributes that a test, or a source of profiles, has one level too deep: `attributes: {attributes: …}`.

Such a customer has an object of that name, and none of what is in it: conditions, texts and addresses find
nothing. So of consents that are written among the attributes. Tested by tests/rules/test_nested.py.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from stream.diagnostics import Code
from stream.rules.compiler.compilation import Compilation
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Written
from stream.rules.model import RuleSet

_MOST = 3  # names, in a hint


def warn_of_nesting(run: Compilation, rules: RuleSet) -> None:
    for source in run.files.sources.values():
        for entry in _at(source.value, "attributes"):
            for name, inner in _named(entry):
                if name.partition(".")[0] == "attributes":
                    _warn(run, inner, "an attribute is `customer.NAME`, its name alone is its path here")
    for entry in _of_tests(run, {source.name for source in rules.sources if source.kind == "profile"}):
        for name, inner in _named(entry):
            if name == "attributes" and isinstance(inner.value, Mapped):
                first = ", ".join(list(inner.value.entries)[:_MOST])
                _warn(
                    run, inner, f"put what is in it ({first}) one level higher" if first else "leave it out"
                )
            elif name == "consents" and isinstance(inner.value, Mapped | Sequence):
                message = "`consents` among the attributes grants nothing"
                run.error(Code.MISSPELT_ATTRIBUTE, inner, message, "put it beside `attributes`")


def _warn(run: Compilation, inner: Entry, hint: str) -> None:
    message = "`attributes` stands within `attributes`: no condition finds there what is `customer.NAME`"
    run.error(Code.MISSPELT_ATTRIBUTE, inner, message, hint)


def _named(entry: Entry) -> Iterator[tuple[str, Entry]]:
    yield from entry.value.entries.items() if isinstance(entry.value, Mapped) else ()


def _of_tests(run: Compilation, profiles: Container[str]) -> Iterator[Entry]:
    for test in run.files.tests:
        for customer in _at(test, "customer"):
            yield from _at(customer.value, "attributes")
        for events in _at(test, "events"):
            for record in events.value.items if isinstance(events.value, Sequence) else ():
                for source in _at(record, "source"):
                    if isinstance(source.value, Scalar) and source.value.written in profiles:
                        yield from _at(record, "attributes")


def _at(written: Written, key: str) -> Iterator[Entry]:
    if isinstance(written, Mapped) and key in written.entries:
        yield written.entries[key]
