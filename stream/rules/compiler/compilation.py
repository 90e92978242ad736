"""What the readers of all sections share: the findings, and what conditions may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream.diagnostics import Code, Location
from stream.expression import Node, unparse
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, DEFAULT_MOST
from stream.rules.compiler import values
from stream.rules.compiler.definition import Definition, Findings
from stream.rules.compiler.plan import NO_PLAN
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Sequence, Written
from stream.rules.shapes import ANYTHING, Shape
from stream.rules.trait_shapes import Traits, TraitShape


class Compilation:
    """One run of the compiler. `predicates`: the distinct conditions on events, with their numbers."""

    def __init__(self, files: RuleFiles, findings: Findings) -> None:
        self.files, self.findings = files, findings
        self.predicates: dict[Node, int] = {}
        self.texts: list[str] = []  # of the predicates, by number
        self.plan = NO_PLAN  # until it has been read
        self.traits: Traits = {name: _shape(entry) for name, entry in files.traits.items()}
        self.segments = tuple(files.segments)
        self.contexts = tuple(name for name, entry in files.sources.items() if _is_context(entry))

    def definition(self, kind: str, entry: Entry, known: Iterable[str]) -> Definition:
        """A definition by its name, or a mapping within one by its key."""
        what = f"`{kind}`" if kind == entry.key else f"{kind} `{entry.key}`"
        return Definition(what, entry.location, entry.value, self.findings, keys=tuple(known))

    def item(self, what: str, item: Written, known: Iterable[str], *, open_ended: bool = False) -> Definition:
        """A mapping in a list."""
        return Definition(what, item.location, item, self.findings, keys=tuple(known), open_ended=open_ended)

    def section(self, name: str, entries: Mapping[str, Entry], known: Iterable[str]) -> Definition:
        """A section whose entries are the keys of one mapping."""
        at = next((entry.location for entry in entries.values()), Location(""))
        body = Mapped(entries, at)
        return Definition(f"`{name}`", at, body, self.findings, keys=tuple(known))

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
    said = {
        key: each.value.value for key, each in entry.value.entries.items() if isinstance(each.value, Scalar)
    }
    function, k = said.get("function"), said.get("k")
    known = function if isinstance(function, str) and function in AGGREGATES else None
    most = said.get("most")
    return TraitShape(
        known,
        "per" in entry.value.entries,
        k if type(k) is int else DEFAULT_K,
        length=most if type(most) is int else DEFAULT_MOST,
        element=_element(entry.value.entries.get("fields")),
    )


def _element(fields: Entry | None) -> Shape:
    """What an element of a list has; what is no field path is told elsewhere."""
    if fields is None or not isinstance(fields.value, Sequence):
        return ANYTHING
    paths = [
        values.path_of(item.written) if isinstance(item, Scalar) else None for item in fields.value.items
    ]
    return Shape("object", {path[-1]: ANYTHING for path in paths if path}) if all(paths) else ANYTHING
