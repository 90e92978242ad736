"""`channels` and `policy`: where messages go, and what holds for all of them."""

from __future__ import annotations

from typing import Any

from stream.content.formats import FORMATS, MAX_FIELDS
from stream.diagnostics import Code
from stream.rules import forms, keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.conditions import condition
from stream.rules.compiler.definition import Definition, check_name
from stream.rules.files import Entry, Mapped, Scalar
from stream.rules.model import Channel, Policy, Subject
from stream.rules.scope import customer_scope

_CONSENT_HINT = "name the consent that it needs, or write `consent: none` for a channel that needs none"
_NONE = "none"
_NO = frozenset(("no", "false", "off", "null", "~", "None", "never"))  # as other languages say it


def read_channel(run: Compilation, entry: Entry) -> Channel:
    scope = customer_scope(run.traits, run.segments, run.contexts, run.plan.shapes())
    read = run.definition("channel", entry, keys.CHANNEL)
    read.need("topic", "the topic that its triggers go to")
    read.need("consent", _CONSENT_HINT)
    consent = _consent(read)
    return Channel(
        name=entry.key,
        topic=values.topic(read, "topic") or "",
        consent=None if consent == _NONE else consent,
        cap=values.rate(read, "cap"),
        quiet=values.hours(read, "quiet"),
        suppress=condition(read, "suppress", scope),
        exempt=values.exempt(read),
        **_address(run, read),
        **_formats(run, read),
    )


def _consent(read: Definition) -> str | None:
    """The purpose, or `none`: nobody has a consent called `no`."""
    scalar = read.entries["consent"].value if "consent" in read.entries else None
    if isinstance(scalar, Scalar) and scalar.written in _NO:
        message = (
            f"`consent` must be a purpose, or `none`: `{scalar.written}` would be one that nobody grants"
        )
        read.findings.add(Code.WRONG_NAME, scalar.location, message, "write none")
        return None
    return read.new_name("consent")


def _formats(run: Compilation, read: Definition) -> dict[str, Any]:
    """Of all fields, or of those that are named."""
    entry = read.entries.get("format")
    if entry is None or not isinstance(entry.value, Mapped):
        return {"format": read.name("format", FORMATS, "format") or "text"}
    fields = run.definition("format", entry, entry.value.entries)
    if not 1 <= len(fields.entries) <= MAX_FIELDS:
        run.error(Code.WRONG_TYPE, entry, f"`format` must have 1 to {MAX_FIELDS} fields of content")
    found = {name: fields.name(name, FORMATS, "format") for name in sorted(fields.entries)}
    return {"formats": tuple((name, form) for name, form in found.items() if form is not None)}


def _address(run: Compilation, read: Definition) -> dict[str, Any]:
    """A path, or a path and what is found there."""
    entry, kind = read.entries.get("address"), None
    key = "address"
    if entry is not None and isinstance(entry.value, Mapped):
        read, key = run.definition("address", entry, keys.ADDRESS_OF), "of"
        read.need("of", "write e.g. {of: customer.postal_address, kind: object}")
        kind = read.name("kind", keys.ADDRESS_KINDS, "kind of address")
        entry = read.entries.get("of")
    path = values.path(read, key)
    if path is None or entry is None:
        return {}
    if path[0] not in ("event", "customer") or len(path) == 1:
        message = "`address` must be an attribute of the customer or a field of the event"
        hint = "write e.g. customer.email or event.session"
        run.findings.add(Code.WRONG_ADDRESS, entry.value.location, message, hint)
    return {"address": path, "address_kind": kind or "text"}


def read_policy(run: Compilation) -> Policy:
    read = run.section("policy", run.files.policy, keys.POLICY)
    scope = customer_scope(run.traits, run.segments, run.contexts, run.plan.shapes())
    return Policy(
        timezone=values.time_zone(read, "timezone"),
        locale=values.locale(read, "locale"),
        cap=values.rate(read, "cap"),
        suppress=condition(read, "suppress", scope),
        holdout=values.holdout(read),
        stale_after=values.duration(read, "stale_after"),
        sensitive=_subjects(run, read.entries.get("sensitive")),
    )


def _subjects(run: Compilation, entry: Entry | None) -> tuple[Subject, ...]:
    """The sensitive subjects, in the order of names."""
    if entry is None:
        return ()
    if not isinstance(entry.value, Mapped):
        message, hint = "`sensitive` must map subjects to what is about them", "pregnancy: {events: [NAME]}"
        run.findings.add(Code.WRONG_TYPE, entry.value.location, message, f"write e.g. {hint}")
        return ()
    if len(entry.value.entries) > keys.MAX_SUBJECTS:
        message = f"more than {keys.MAX_SUBJECTS} sensitive subjects"
        run.error(Code.WRONG_LIST, entry, message)
    subjects = sorted(entry.value.entries.values(), key=lambda each: each.key)
    return tuple(_subject(run, each) for each in subjects)


def _subject(run: Compilation, entry: Entry) -> Subject:
    check_name(entry, "sensitive subject", run.findings)
    read = run.definition("sensitive subject", entry, keys.SUBJECT)
    if not {"events", "fields"} & set(read.entries):
        read.need("events", "what is about it: `events`, `fields` or both")
    consent = read.new_name("consent")
    if consent == _NONE:
        at, hint = read.entries["consent"].value.location, "leave it out: then it is the subject's name"
        run.findings.add(Code.WRONG_NAME, at, "a sensitive subject needs a consent of its own", hint)
    return Subject(
        entry.key,
        consent or entry.key,
        values.event_names(read, "events"),
        values.paths(read, "fields", forms.MARKED),
    )
