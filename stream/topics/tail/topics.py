"""Which topics somebody wants to see, by the names that rule files give them.

Tested by tests/topics/tail/test_entries.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from stream.errors import StreamError
from stream.hints import did_you_mean
from stream.rules.model import RuleSet, Source
from stream.structs import OwnTopics

Kind = Literal["source", "trigger", "decision", "dead letter"]
DECISIONS, DEAD_LETTERS = "decisions", "dead-letters"


class Followed(NamedTuple):
    """A topic, and what is in it. `name`: of the channel or the source, or as the program calls it."""

    topic: str
    kind: Kind
    name: str
    source: Source | None = None


def chosen(rules: RuleSet, own: OwnTopics, name: str | None, *, customer: bool = False) -> list[Followed]:
    """The topics of a name. Without one decisions and dead letters, of a `customer` the sources beside them.

    Raises StreamError where there is none of that name.
    """
    known = list(_all(rules, own))
    if name is None:
        wanted = ("decision", "dead letter", "source") if customer else ("decision", "dead letter")
        return [each for each in known if each.kind in wanted]
    named = [each for each in known if each.name == name] or [each for each in known if each.topic == name]
    if named:
        return named[:1]
    names = [each.name for each in known]
    hint = did_you_mean(name, names) or f"there are: {', '.join(names)}"
    raise StreamError(f"there is no source, channel or topic `{name}`", hint=hint)


def _all(rules: RuleSet, own: OwnTopics) -> Iterator[Followed]:
    for source in rules.sources:
        yield Followed(source.topic, "source", source.name, source)
    for channel in rules.channels:
        yield Followed(channel.topic, "trigger", channel.name)
    yield Followed(own.decisions, "decision", DECISIONS)
    yield Followed(own.dead_letters, "dead letter", DEAD_LETTERS)
