"""What a match's texts may name, and those texts that python-liquid has to write.

Tested by tests/engine/test_process.py and tests/content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stream.decisions._json import iso_time
from stream.errors import ContentError
from stream.matcher._match import Match
from stream.structs import Result, Unwritten

if TYPE_CHECKING:
    from stream.content.formats import Format
    from stream.content.template import Template

MAX_VARIABLE = 256  # characters that a decision has of its name, and of a filter


class _TraitValues(Mapping[str, Any]):
    """Traits as content sees them: read when they are asked for, as of the match's time."""

    __slots__ = ("_match",)

    def __init__(self, match: Match) -> None:
        self._match = match

    def __getitem__(self, name: str) -> Any:
        return self._match.trait(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._match.trait_names)

    def __len__(self) -> int:
        return len(self._match.trait_names)


class _SegmentValues(_TraitValues):
    """Segments, in the same way."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        return self._match.segment(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._match.segment_names)

    def __len__(self) -> int:
        return len(self._match.segment_names)


class Facts(dict[str, Any]):
    """What content may name, each made when it is first asked for."""

    __slots__ = ("_match",)

    def __init__(self, match: Match) -> None:
        self._match = match

    def __missing__(self, name: str) -> Any:
        make = _FACTS.get(name)
        # A step may have any name that is none of these.
        fact = self[name] = self._match.captured[name] if make is None else make(self._match)
        return fact


_FACTS: Mapping[str, Callable[[Match], Any]] = {
    "event": lambda match: match.event,
    "event_name": lambda match: match.event_name,
    "event_time": lambda match: iso_time(match.event_time),
    "now": lambda match: iso_time(match.at),
    "customer": lambda match: match.attributes,
    "context": lambda match: match.contexts,
    "traits": _TraitValues,
    "segments": _SegmentValues,
    "rule": lambda match: match.rule.name,
}


def render(
    facts: Facts, match: Match, name: str, template: Template, form: Format, result: Result
) -> str | Unwritten:
    """The text of a field, or why it cannot be written; `result` counts that."""
    try:
        return template.render(facts, form, match.rules.policy.region, match)
    except ContentError as error:
        place = (match.rule.name, name, error.message)
        result.content_errors[place] = result.content_errors.get(place, 0) + 1
        variable, applied = error.variable, error.filter
        return Unwritten(name, variable and variable[:MAX_VARIABLE], applied and applied[:MAX_VARIABLE])
