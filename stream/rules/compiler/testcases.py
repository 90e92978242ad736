"""`tests`: what rule files say of themselves. They are not part of the rule set."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stream.diagnostics import Code
from stream.hints import did_you_mean
from stream.rules import field_paths, forms, keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.definition import NAME, Definition, matching
from stream.rules.compiler.known import read_known
from stream.rules.compiler.moments import Moments
from stream.rules.durations import event_time
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Written
from stream.rules.key_slips import meant
from stream.rules.model import FieldPath, Rule, Source
from stream.rules.testcases import (
    HOLDOUT,
    Expectation,
    HistoryFile,
    RuleTest,
    TestCustomer,
    TestEvent,
    shown_duration,
)

Sources = Mapping[str, Source]

_HISTORY = matching(re.compile(forms.HISTORY))


def read_tests(
    run: Compilation, sources: Iterable[Source], first: str | None, rules: Mapping[str, Rule]
) -> tuple[RuleTest, ...]:
    """All tests, in the order of the files. `first`: the source of events that name none."""
    carriers = {source.name: source for source in sources}
    tests: dict[str, tuple[RuleTest, Written]] = {}
    for item in run.files.tests:
        test = _test(run, item, carriers, first, rules)
        _, namesake = tests.setdefault(test.name, (test, item))
        if namesake is not item and test.name:
            message = f"two tests are called `{test.name}`"
            for one, other in ((item, namesake), (namesake, item)):
                hint = f"also at {other.location}"
                run.findings.add(Code.DEFINED_TWICE, one.location, message, hint)
    return tuple(test for test, _ in tests.values())


def _test(
    run: Compilation, item: Written, sources: Sources, first: str | None, rules: Mapping[str, Rule]
) -> RuleTest:
    read = run.item("test", item, keys.TEST)
    read.need("name", "what it shows, in a sentence")
    read.need("events", "what happens: `- {at: 0m, event: …}`")
    read.need("expect", "what is sent; `[]` is silence")
    customer = _customer(run, read.entries.get("customer"))
    moments = Moments(run, read, customer)
    written = read.items("events", keys.MAX_TEST_EVENTS)
    events = tuple(_event(run, each, sources, first, moments) for each in written)
    until = moments.read(read, "until")
    for event, each in zip(events, written, strict=True):
        _check_mapped(run, event, each, sources.get(event.source or first or ""), customer.id, moments.start)
    _check_order(run, events, written, first)
    _check_end(run, events, until, read.entries.get("until"))
    expected = read.items("expect", keys.MAX_TEST_EVENTS)
    return RuleTest(
        name=read.text("name") or "",
        location=item.location,
        events=events,
        expect=tuple(_expectation(run, each, rules, moments) for each in expected),
        rule=read.name("rule", rules, "rule"),
        customer=customer,
        start=moments.start,
        until=until,
        arm=_arm(run, read, rules),
        known=read_known(run, read.entries.get("known")),
        history=_history(read),
        zone=moments.zone if moments.dated else None,
        expect_location=read.entries["expect"].location if "expect" in read.entries else item.location,
    )


def _check_order(
    run: Compilation, events: Iterable[TestEvent], written: Iterable[Written], first: str | None
) -> None:
    """Warns of an event that is earlier than one of its source that stands above it."""
    reached: dict[str | None, int] = {}
    for event, item in zip(events, written, strict=True):
        source = event.source or first
        before = reached.get(source, 0)
        if event.late:
            continue
        if event.at < before:
            message = f"this event is {shown_duration(before - event.at)} before one that stands above it"
            hint = "put it there, or say `late: …` if it is to come too late"
            run.findings.add(Code.TIMES_OUT_OF_ORDER, item.location, message, hint)
        else:
            reached[source] = event.at


def _check_mapped(
    run: Compilation, event: TestEvent, item: Written, source: Source | None, customer: str, start: int
) -> None:
    """Refuses an event's own field that its source maps and that says something else than the test does."""
    if source is None:
        return
    time = start + event.at
    for what, path, said, fits in (
        ("customer", source.customer, "customer: {id: …}", lambda value: str(value) == customer),
        ("time", source.time, "at", lambda value: event_time(value) == time),
        ("name", source.event, "event", lambda value: value == event.name),
    ):
        if path is None or path[0] in keys.TEST_EVENT:
            continue
        found, is_it = _at(item, path)
        if found is not None and not (is_it and isinstance(found, Scalar) and fits(found.value)):
            field = field_paths.write(path)
            message = f"`{field}` is where `{source.name}` has the {what}, and `{said}` says another"
            hint = f"leave `{field}` out: what `{said}` of the test says is written there"
            run.findings.add(Code.ONE_OR_THE_OTHER, found.location, message, hint)


def _at(written: Written, path: FieldPath) -> tuple[Written | None, bool]:
    """What lies at a path of an event as it is written, or (False) what stands in its way; None: nothing."""
    found: Written | None = None
    for name in path:
        if not isinstance(written, Mapped):
            return written, False
        if name not in written.entries:
            return None, True
        found = written = written.entries[name].value
    return found, True


def _check_end(run: Compilation, events: Iterable[TestEvent], until: int | None, entry: Entry | None) -> None:
    last = max((each.at for each in events), default=0)
    if until is not None and entry is not None and until < last:
        message = f"`until` is {shown_duration(last - until)} before the last event"
        hint = "it is counted from the test's start"
        run.findings.add(Code.TIMES_OUT_OF_ORDER, entry.value.location, message, hint)


def _history(read: Definition) -> HistoryFile | None:
    """The file that a test names, by a path from the folder of its rule file."""
    hint = "a path from the folder of the rule file, such as history/regular.jsonl"
    path = read.parsed(Code.WRONG_TYPE, "history", _HISTORY, "the path of a file", hint)
    if path is None:
        return None
    at = read.entries["history"].value.location
    return HistoryFile(str(Path(at.file).parent / path), at)


def _arm(run: Compilation, read: Definition, rules: Mapping[str, Rule]) -> str | None:
    variants = {variant.name for rule in rules.values() for variant in rule.variants}
    return read.name("arm", [HOLDOUT, *sorted(variants)], "arm") if "arm" in read.entries else None


def _event(
    run: Compilation, item: Written, sources: Sources, first: str | None, moments: Moments
) -> TestEvent:
    read = run.item("event", item, keys.TEST_EVENT, open_ended=True)
    read.need("at", "when it happens, from the test's start, e.g. 10m")
    name, source = read.text("event") or "", read.name("source", sources, "source")
    carrier = sources.get(source or first or "")
    if "source" in read.entries and source is None:
        carrier = None  # a finding of its own
    elif carrier is not None and carrier.kind != "event":
        why = f"the source `{carrier.name}` carries no events"
        read.forbid("event", why, "leave `event` out: the other keys are what its record says")
        name = ""
    else:
        read.need("event", "the event's name")
    if name and carrier is not None and carrier.constant not in (None, name):
        message = f"the source `{carrier.name}` carries no event but `{carrier.constant}`"
        hint = "name the source that the event comes from: `source: …`"
        run.findings.add(Code.UNKNOWN_NAME, read.entries["event"].value.location, message, hint)
    fields = {
        key: _plain(run, entry.value) for key, entry in read.entries.items() if key not in keys.TEST_EVENT
    }
    at = moments.read(read, "at") or 0
    return TestEvent(at, name, source, fields, moments.read_late(read, at) or 0)


def _customer(run: Compilation, entry: Entry | None) -> TestCustomer:
    if entry is None:
        return TestCustomer()
    read = Definition(
        "`customer`", entry.location, entry.value, run.findings, keys=keys.TEST_CUSTOMER, instead=_of_customer
    )
    attributes = read.entries.get("attributes")
    if attributes is not None and not isinstance(attributes.value, Mapped):
        run.findings.add(Code.WRONG_TYPE, attributes.value.location, "`attributes` must be a mapping")
    return TestCustomer(
        id=read.text("id") or "c1",
        attributes=_plain(run, attributes.value)
        if attributes and isinstance(attributes.value, Mapped)
        else {},
        consents=_consents(run, read.entries.get("consents")),
    )


def _of_customer(key: str) -> str | None:
    """What to write for a key that `customer` does not have: most are names of attributes."""
    plain = key.casefold()
    if plain in ("customer", "customer_id", "user", "user_id", "userid", "uid"):
        return "write `id`"
    if plain in ("profile", "properties", "props", "fields", "data"):
        return "write `attributes`"
    if plain in ("trait", "traits", "segment", "segments"):
        return meant(plain, keys.TEST)
    if plain == "known":
        return "`known` stands beside `customer`"
    if did_you_mean(plain, keys.TEST_CUSTOMER) is not None:
        return None
    return f"is it an attribute? Write customer: {{attributes: {{{key}: …}}}}"


def _consents(run: Compilation, entry: Entry | None) -> dict[str, Mapping[str, Any]]:
    if entry is None:
        return {}
    if isinstance(entry.value, Sequence):
        purposes = [item.value for item in entry.value.items if isinstance(item, Scalar)]
        if len(purposes) == len(entry.value.items) and all(
            isinstance(each, str) and NAME.fullmatch(each) for each in purposes
        ):
            return {str(each): {} for each in purposes}
    elif isinstance(entry.value, Mapped):
        found = {}
        for each in entry.value.entries.values():
            read = run.item("consent", each.value, ("granted", "at", "basis", "expires"))
            granted = read.entries.get("granted")
            if granted and not (isinstance(granted.value, Scalar) and isinstance(granted.value.value, bool)):
                run.findings.add(Code.WRONG_TYPE, granted.value.location, "`granted` must be true or false")
            values.time(read, "at")
            values.time(read, "expires")
            read.text("basis")
            found[each.key] = _plain(run, each.value)
        return found
    message, hint = "`consents` must be a list of purposes, or map each to what is known", "[marketing_email]"
    run.findings.add(Code.WRONG_TYPE, entry.value.location, message, f"write e.g. {hint}")
    return {}


def _expectation(run: Compilation, item: Written, rules: Mapping[str, Rule], moments: Moments) -> Expectation:
    read = run.item("expectation", item, keys.EXPECTATION)
    content = read.entries.get("content")
    texts: dict[str, str] | None = None
    if content is not None:
        plain = _plain(run, content.value)
        if isinstance(plain, dict) and all(isinstance(each, str) for each in plain.values()):
            texts = plain
        else:
            message = "`content` must be a mapping of names to texts"
            run.findings.add(Code.WRONG_TYPE, content.value.location, message, "put them in quotes")
    variants = {variant.name for rule in rules.values() for variant in rule.variants}
    return Expectation(
        at=moments.read(read, "at"),
        rule=read.name("rule", rules, "rule"),
        channel=read.name("channel", run.files.channels, "channel"),
        variant=read.name("variant", sorted(variants), "variant"),
        outcome=read.name("outcome", keys.EXPECTED, "value of `outcome`"),
        content=texts,
        location=item.location,
    )


def _plain(run: Compilation, value: Written) -> Any:
    """What was written, as JSON values: no number that an event in JSON could not hold."""
    if isinstance(value, Mapped):
        return {key: _plain(run, entry.value) for key, entry in value.entries.items()}
    if isinstance(value, Sequence):
        return [_plain(run, item) for item in value.items]
    number = value.value
    too_large = isinstance(number, int) and not -(2**63) <= number < 2**64
    if too_large or (isinstance(number, float) and not math.isfinite(number)):
        message, hint = "a number that JSON cannot hold", "if a text is meant, put it in quotes"
        run.findings.add(Code.WRONG_TYPE, value.location, message, hint)
    return number
