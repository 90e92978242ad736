"""What the readers of all sections share: the findings, and what conditions may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream.codes import Code
from stream.errors import Location
from stream.expression import Node, unparse
from stream.rules.aggregates import AGGREGATES
from stream.rules.compiler.reading import Findings, Reader
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Written
from stream.rules.scope import Traits, TraitShape


class Context:
    """One run of the compiler. `predicates`: the distinct conditions on events, with their numbers."""

    def __init__(self, files: RuleFiles, findings: Findings) -> None:
        self.files, self.findings = files, findings
        self.predicates: dict[Node, int] = {}
        self.texts: list[str] = []  # of the predicates, by number
        self.traits: Traits = {name: _shape(entry) for name, entry in files.traits.items()}
        self.segments = tuple(files.segments)
        self.contexts = tuple(name for name, entry in files.sources.items() if _is_context(entry))

    def reader(self, kind: str, entry: Entry, known: Iterable[str]) -> Reader:
        """A definition by its name, or a mapping within one by its key."""
        what = f"`{kind}`" if kind == entry.key else f"{kind} `{entry.key}`"
        return Reader(what, entry.location, entry.value, self.findings, keys=tuple(known))

    def item(self, what: str, item: Written, known: Iterable[str], *, open_ended: bool = False) -> Reader:
        """A mapping in a list."""
        return Reader(what, item.location, item, self.findings, keys=tuple(known), open_ended=open_ended)

    def section(self, name: str, entries: Mapping[str, Entry], known: Iterable[str] | None = None) -> Reader:
        """A section whose entries are keys of one mapping; `known` None: any key is."""
        at = next((entry.location for entry in entries.values()), Location(""))
        body = Mapped(entries, at)
        return Reader(f"`{name}`", at, body, self.findings, keys=tuple(entries if known is None else known))

    def predicate(self, node: Node | None) -> int | None:
        """The number of a condition that sees the event only."""
        if node is None:
            return None
        number = self.predicates.setdefault(node, len(self.predicates))
        if number == len(self.texts):
            self.texts.append(unparse(node))
        return number

    def error(self, code: Code, entry: Entry, message: str, hint: str | None = None) -> None:
        self.findings.add(code, entry.location, message, hint)


def _is_context(entry: Entry) -> bool:
    """Whether a source, which may have errors of its own, has `kind: context`."""
    kind = entry.value.entries.get("kind") if isinstance(entry.value, Mapped) else None
    return kind is not None and isinstance(kind.value, Scalar) and kind.value.value == "context"


def _shape(entry: Entry) -> TraitShape:
    """What can be known of a trait that may have errors of its own."""
    if not isinstance(entry.value, Mapped):
        return TraitShape()
    named = entry.value.entries.get("function")
    function = named.value.value if named and isinstance(named.value, Scalar) else None
    known = function if isinstance(function, str) and function in AGGREGATES else None
    return TraitShape(known, "per" in entry.value.entries)
