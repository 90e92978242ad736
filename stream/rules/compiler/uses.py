"""What definitions name and read: events, fields, attributes, purposes of consent, each with its place.

For whoever holds it against something: `privacy` against what is sensitive, `planned` against the tracking
plan, `misspelt` against what the tests have.
Tested by tests/rules/test_privacy.py, test_plan.py and test_misspelt.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stream.cel.tree import MACROS
from stream.diagnostics import Location
from stream.expression import Call, Ident, Literal, Node, Select, parse
from stream.rules import field_paths
from stream.rules.aggregates import AGGREGATES
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Written
from stream.rules.files import Sequence as Items
from stream.rules.model import Channel, Policy, Rule, RuleSet, Segment, Source, Step, Trait, Unless
from stream.rules.shapes import FieldType

Path = tuple[str | None, ...]  # of what is read, its root first; None: whatever key
Keys = tuple[str | int, ...]
Events = Mapping[str, tuple[str, ...]]  # the names that an event can have, by the variable that it is

_SIMPLE: tuple[FieldType, ...] = ("string", "number", "boolean", "time")
# What a trait's `field` may be, by what its function takes.
_TAKES: Mapping[str, tuple[FieldType, ...]] = {"number": ("number",), "scalar": _SIMPLE, "key": _SIMPLE}


class Use(NamedTuple):
    """Something that a definition names or reads, and where: an event, a path, or a purpose.

    `words` say how; `keys` and `offset` lead to the place. The names of steps are `event` in a path; `of`
    are the names that its event can have. `takes`: of which type the field must be, if any will not do.
    `is_key`: of a number only a whole one will do. `shown`: the customer gets to see it. `compared`: with
    which texts a template compares it. `local`: the path's root is a name that the condition gives by itself,
    to items of what is no path.
    """

    words: str
    keys: Keys
    event: str | None = None
    path: Path = ()
    offset: int | None = None
    shown: bool = False
    is_key: bool = False
    of: tuple[str, ...] = ()
    takes: tuple[FieldType, ...] = ()
    purpose: str | None = None
    local: bool = False
    compared: tuple[str, ...] = ()


# ---- of rules ----


def uses_of_rule(rule: Rule, predicates: Sequence[Node]) -> Iterator[Use]:
    """Everything that a rule reads, in the order in which rules are read."""
    events: dict[str, tuple[str, ...]] = {}
    single = len(rule.steps) == 1 and rule.steps[0].name is None
    if rule.occasion is not None and rule.occasion.of is not None:
        said = ("every", "year") if rule.occasion.every else ("date", "of")
        yield Use(f"`{said[0]}` reads", said, path=("customer", *rule.occasion.of), takes=_SIMPLE)
    for number, step in enumerate(rule.steps):
        keys: Keys = () if single else ("steps", number)
        events = {**events, "event": step.on}
        yield from _awaited(step, keys, "" if single else f" of step {number + 1}", events, predicates)
        events |= {} if step.name is None else {step.name: step.on}
    if rule.unless is not None:
        meanwhile = {**events, "event": rule.unless.on}
        yield from _awaited(rule.unless, ("unless",), " of `unless`", meanwhile, predicates)
    if rule.key is not None:
        yield Use(
            "`key` reads",
            ("key",),
            path=("event", *rule.key),
            of=rule.steps[0].on,
            takes=_SIMPLE,
            is_key=True,
        )
    if rule.condition is not None:
        yield from _read("`if` reads", ("if",), rule.condition, events, with_offset=True)
    for channel in rule.channels:
        if channel.address is not None:
            words = f"the address of channel `{channel.name}` reads"
            yield Use(words, ("send", "channel"), path=channel.address, shown=True, of=events["event"])
    yield from _texts(rule, events)
    for number, goal in enumerate(rule.goals):
        key: Keys = ("goals", number) if len(rule.goals) > 1 else ("goal",)
        for name in goal.on:
            yield Use(f"`{key[0]}` counts", (*key, "on"), event=name)
        if goal.value is not None:
            path = ("event", *goal.value)
            yield Use(f"`{key[0]}` reads", (*key, "value"), path=path, of=goal.on, takes=("number",))


def _awaited(
    step: Step | Unless, keys: Keys, which: str, events: Events, predicates: Sequence[Node]
) -> Iterator[Use]:
    for name in step.on:
        yield Use(f"`on`{which} waits for", (*keys, "on"), event=name)
    for node in (step.compares, None if step.where is None else predicates[step.where]):
        # Without an offset: where two conditions are the same, it is that of the first.
        if node is not None:
            yield from _read(f"`where`{which} reads", (*keys, "where"), node, events)


def _read(words: str, keys: Keys, node: Node, events: Events, *, with_offset: bool = False) -> Iterator[Use]:
    for path, offsets, local in _chains(node):
        of = events.get(path[0] or "", ())
        path = ("event", *path[1:]) if path[0] in events else path
        yield Use(words, keys, path=path, offset=offsets[0] if with_offset else None, of=of, local=local)


def _texts(rule: Rule, events: Events) -> Iterator[Use]:
    places: list[tuple[str, Keys]] = [("", ("send",))]
    contents = [rule.content]
    for number, variant in enumerate(rule.variants):
        places.append((f" of variant `{variant.name}`", ("send", "variants", number)))
        contents.append(variant.content)
    for (which, keys), content in zip(places, contents, strict=True):
        for name, template in content.items():
            for reference in template.references:
                path = tuple(each if isinstance(each, str) else None for each in reference.path)
                yield Use(
                    f"the text `{name}`{which} reads",
                    (*keys, "content", name),
                    path=("event", *path[1:]) if path[0] in events else path,
                    offset=reference.offset,
                    shown=True,
                    of=events.get(path[0] or "", ()),
                    compared=reference.compared,
                )


# ---- of everything ----


class Definitions(NamedTuple):
    """What has been compiled so far; `predicates` by number."""

    sources: Sequence[Source]
    traits: Sequence[Trait]
    segments: Sequence[Segment]
    channels: Sequence[Channel]
    policy: Policy
    rules: Sequence[Rule]
    predicates: Sequence[Node]


def uses(files: RuleFiles, of: Definitions | RuleSet) -> Iterator[tuple[Entry, Use]]:
    """All that is named and read of events, customers and context, each with the definition that does."""
    return (each for each in _all(files, of) if not each[1].local)


def _all(files: RuleFiles, of: Definitions | RuleSet) -> Iterator[tuple[Entry, Use]]:
    for rule in of.rules:
        for use in uses_of_rule(rule, of.predicates):
            if use.keys != ("send", "channel"):  # an address is the channel's
                yield files.rules[rule.name], use
    for source in of.sources:
        if source.constant is not None:
            yield files.sources[source.name], Use("", ("event", "is"), event=source.constant)
    for trait in of.traits:
        for use in _uses_of_trait(trait, of.predicates):
            yield files.traits[trait.name], use
    for segment in of.segments:
        for use in _read("", (), segment.condition, {}):
            yield files.segments[segment.name], use
    for channel in of.channels:
        for use in _uses_of_channel(channel, of.rules):
            yield files.channels[channel.name], use
    yield from _uses_of_policy(files, of.policy)


def _uses_of_trait(trait: Trait, predicates: Sequence[Node]) -> Iterator[Use]:
    for key, names in (("of", trait.of), ("clear", trait.clear), ("remove", trait.remove)):
        for name in names:
            yield Use("", (key,), event=name)
    yield from _fields_of_trait(trait)
    if trait.value is not None:
        yield from _read("", ("value",), trait.value, {"event": trait.of})
    if trait.where is not None:
        yield from _read("", ("where",), predicates[trait.where], {"event": trait.of})


def _fields_of_trait(trait: Trait) -> Iterator[Use]:
    takes = AGGREGATES[trait.function].takes
    for key, path, types in (
        ("field", trait.field, _TAKES.get(takes or "", ())),
        ("per", trait.per, _SIMPLE),
    ):
        if path is not None:
            is_key = key == "per" or takes == "key"
            yield Use("", (key,), path=trait.path(path), of=trait.of, takes=types, is_key=is_key)
    for number, field in enumerate(trait.fields):
        yield Use("", ("fields", number), path=trait.path(field), of=trait.of, takes=_SIMPLE)
    for of in filter(None, (trait.of, trait.remove)):
        if trait.items is not None:
            yield Use("", ("items",), path=("event", *trait.items), of=of, takes=("list",))
        if trait.key is not None:
            yield Use("", ("key",), path=trait.path(trait.key), of=of, takes=_SIMPLE, is_key=True)


def _uses_of_channel(channel: Channel, rules: Iterable[Rule]) -> Iterator[Use]:
    if channel.consent is not None:
        yield Use("", ("consent",), purpose=channel.consent)
    if channel.address is not None:
        takes: tuple[FieldType, ...] = ("object",) if channel.address_kind == "object" else ("string",)
        sent = [rule.steps[-1].on for rule in rules if channel in rule.channels] or [()]
        for of in dict.fromkeys(sent):
            yield Use("", ("address",), path=channel.address, of=of, takes=takes)
    if channel.suppress is not None:
        yield from _read("", ("suppress",), channel.suppress, {})


def _uses_of_policy(files: RuleFiles, policy: Policy) -> Iterator[tuple[Entry, Use]]:
    if policy.suppress is not None:
        for use in _read("", (), policy.suppress, {}):
            yield files.policy["suppress"], use
    for subject in policy.sensitive:
        keys = (subject.name,)
        for name in subject.events:
            yield files.policy["sensitive"], Use("", (*keys, "events"), event=name)
        for path in subject.fields:
            yield files.policy["sensitive"], Use("", (*keys, "fields"), path=path)
        yield files.policy["sensitive"], Use("", (*keys, "consent"), purpose=subject.consent)


# ---- what conditions read, and where ----


def paths_of(node: Node) -> Iterator[tuple[Path, int]]:
    """What a condition reads of its variables, with the offset of each."""
    for path, offsets, _ in _chains(node):
        yield path, offsets[0]


class _Followed(NamedTuple):
    """A chain of fields, `customer.address.city`, with the offset of each part; None where a key is worked
    out, and for an item of a list. `is_local`: its root is the name that a macro around gives to the unknown.
    """

    path: Path
    offsets: tuple[int, ...]
    is_local: bool


_Given = Mapping[str, _Followed | None]  # what macros go through, by the name that they give to each item


def _chains(node: Node) -> Iterator[_Followed]:
    """Whole chains of fields; of a macro's variable from the list on that it goes through."""
    rest: list[tuple[Node, _Given]] = [(node, {})]
    while rest:
        each, given = rest.pop()
        root, chain, inner = _chain(each, given)
        if chain is not None:
            yield chain
        elif isinstance(root, Call):
            inner += root.args
            if root.function in MACROS and isinstance(variable := root.args[1], Ident):
                given = {**given, variable.name: _gone_through(root.args[0], given)}
        rest += [(node, given) for node in reversed(inner)]


def _chain(node: Node, given: _Given) -> tuple[Node, _Followed | None, list[Node]]:
    """What a chain begins with, the chain if that is a variable, and what else it reads: its keys."""
    path: list[tuple[str | None, int]] = []
    inner: list[Node] = []
    while isinstance(node, Select) or (isinstance(node, Call) and node.function == "_[_]"):
        if isinstance(node, Select):
            path.append((node.field, node.offset))
            node = node.operand
            continue
        node, key = node.args
        known = isinstance(key, Literal) and isinstance(key.value, str)
        path.append((str(key.value) if isinstance(key, Literal) and known else None, key.offset))
        inner += [] if known else [key]
    if not isinstance(node, Ident):
        return node, None, inner
    around = given.get(node.name)
    start = _Followed((node.name,), (node.offset,), node.name in given)
    if around is not None:
        start = _Followed((*around.path, None), (*around.offsets, node.offset), around.is_local)
    for part, offset in reversed(path):
        start = _Followed((*start.path, part), (*start.offsets, offset), start.is_local)
    return node, start, inner


def _gone_through(items: Node, given: _Given) -> _Followed | None:
    while isinstance(items, Call) and items.function == "filter":
        items = items.args[0]
    return _chain(items, given)[1]


def make_number(use: Use, found: FieldType) -> str | None:
    """What to write where a trait takes a number, and its field holds something else."""
    if use.keys != ("field",) or use.takes != ("number",) or found != "string":
        return None
    path = field_paths.in_condition([str(part) for part in use.path[1:]])
    return f"write `value: double({path})` in place of `field`"


def place(entry: Entry, keys: Keys, offset: int | None = None) -> Location:
    """The place below a definition that some keys lead to, as far as they do."""
    at, written = lead(entry, keys)
    return written.at(offset) if isinstance(written, Scalar) and offset is not None else at


def place_of(entry: Entry, use: Use, part: int = 0) -> Location:
    """The place of an event's or a purpose's name, or of one part of a path."""
    at, written = lead(entry, use.keys)
    if isinstance(written, Items):  # of names, or of paths
        wanted = use.event or ".".join(map(str, use.path))
        found = (each for each in written.items if isinstance(each, Scalar) and each.written == wanted)
        written = next(found, None)
        at = at if written is None else written.location
    if not isinstance(written, Scalar) or not use.path:
        return at
    name = str(use.path[part])
    if use.shown:
        return written.at(max(written.written.find(name, use.offset or 0), use.offset or 0))
    if use.keys[-1:] not in (("where",), ("if",), ()) and use.keys != ("value",):  # of a trait
        return written.at(max(len(written.written) - len(".".join(map(str, use.path[part:]))), 0))
    for path, offsets, _ in _chains(parse(str(written.value))):
        if use.path[0] in ("event", path[0]) and path[1 : part + 1] == use.path[1 : part + 1]:
            return written.at(offsets[part])
    return at


def lead(entry: Entry, keys: Keys) -> tuple[Location, Written | None]:
    """Where keys lead; None and the last place on the way where there is nothing."""
    at, written = entry.location, entry.value
    for key in keys:
        inner: Written | None = None
        if isinstance(written, Mapped) and isinstance(key, str) and key in written.entries:
            inner = written.entries[key].value
        elif isinstance(written, Items) and isinstance(key, int) and key < len(written.items):
            inner = written.items[key]
        if inner is None:
            return at, None
        at, written = inner.location, inner
    return at, written
