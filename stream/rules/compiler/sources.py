"""`sources`: topics to read. A definition with an error still gives an object, with stand-ins, never used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from stream.diagnostics import Code
from stream.rules import keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.files import Entry, Mapped
from stream.rules.model import Channel, Source
from stream.structs import OwnTopics


def read_source(run: Compilation, entry: Entry) -> Source:
    read = run.definition("source", entry, keys.SOURCE)
    kind = read.name("kind", keys.KINDS, "kind") or "event"
    read.need("customer", "the field with the customer's id")
    event, constant = None, None
    if kind != "event":
        why = f"a source of {'profiles' if kind == 'profile' else 'context'} has no `event`"
        hint = "leave it out; its records are no events"
        read.forbid("event", why, hint)
        read.forbid(
            "dedupe", why.replace("`event`", "`dedupe`"), "leave it out; what is said twice is the same"
        )
    else:
        read.need("event", "the field with the event's name, or {is: NAME}")
        named = read.entries.get("event")
        if named is not None and isinstance(named.value, Mapped):
            inner = run.definition("event", named, keys.EVENT)
            inner.need("is")
            constant = inner.text("is")
        else:
            event = values.path(read, "event")
        if "dedupe" in read.entries:
            read.need("id", "the field with the event's id: by it `dedupe` knows what came already")
    return Source(
        name=entry.key,
        topic=values.topic(read, "topic") or entry.key,
        customer=values.path(read, "customer") or (),
        event=event,
        constant=constant,
        time=values.path(read, "time"),
        id=values.path(read, "id"),
        dedupe=values.duration(read, "dedupe"),
        kind=cast(Literal["event", "profile", "context"], kind),
    )


def first_source(run: Compilation, sources: Iterable[Source]) -> str | None:
    """The source of events that is written first: of several files, in the first one by name."""
    named = [source.name for source in sources if source.kind == "event"]
    return min(named, key=lambda name: run.files.sources[name].location, default=None)


def check_topics(
    run: Compilation, sources: Iterable[Source], channels: Iterable[Channel], own: OwnTopics
) -> None:
    """One topic is one source. A channel that wrote to it would feed the rules their own triggers, as would
    a source of what the program writes; and a channel would write among what the program must read again.
    """
    by_topic: dict[str, Entry] = {}
    for source in sources:
        entry = run.files.sources[source.name]
        first = by_topic.setdefault(source.topic, entry)
        if first is not entry:
            for one, other in ((entry, first), (first, entry)):
                message = f"the topic `{source.topic}` belongs to two sources"
                run.error(Code.TOPIC_OF_TWO_SOURCES, one, message, f"also at {other.location}")
        if own.has(source.topic):
            message = f"the topic `{source.topic}` is the program's own, or Kafka's: it cannot be a source"
            run.error(Code.TOPIC_IS_OWN, entry, message, "name a topic of events in `topic`")
    for channel in channels:
        if own.has(channel.topic):
            message = f"the topic `{channel.topic}` is the program's own, or Kafka's: no message can go there"
            hint = "name a topic for the messages in `topic`, such as triggers.email"
            run.error(Code.TOPIC_IS_OWN, run.files.channels[channel.name], message, hint)
        if channel.topic in by_topic:
            message = f"channel `{channel.name}` sends to a topic that is read"
            hint = f"the source at {by_topic[channel.topic].location} reads it"
            run.error(Code.CHANNEL_FEEDS_SOURCE, run.files.channels[channel.name], message, hint)


def check_some(run: Compilation, sources: Iterable[Source]) -> None:
    """Rules need events."""
    if run.files.rules and not any(source.kind == "event" for source in sources):
        first = next(iter(run.files.rules.values()))
        message = "there are rules, but no source of events"
        run.error(Code.NO_SOURCE, first, message, "define `sources`")
