"""Rule files to the compiled rule set: names to definitions, durations to milliseconds, conditions to trees.

What the contract knows and this version does not do yet is refused by name: a key that is accepted is
enforced. All errors of all files are found in one run; there is no rule set with a part left out.
Stable ids and the revision are hashes of a canonical form: they depend on what is said, not on how, in which
file or in which order. Tested by tests/unit/test_compiler.py.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from stream import content, keys, rulefiles
from stream.codes import Code
from stream.conditions import EVENT_VARIABLES, Scope, TraitShape, unknown_trait, unknown_variable
from stream.content import MAX_FIELDS, Reference, Template
from stream.definitions import Findings, Reader, check_name, condition_code
from stream.errors import ContentError, Diagnostic, ExpressionError, RuleFileError, in_file_order
from stream.expression import Node, unparse
from stream.hints import did_you_mean
from stream.program import Channel, FieldPath, Limit, Rule, RuleSet, Source, Trait, TraitFunction, Unless
from stream.rulefiles import Entry, Mapped, RuleFiles, Scalar, Sequence

_CONTENT_VARIABLES = [*EVENT_VARIABLES, "traits", "rule"]
_CONSENT_HINT = "write `consent: none` for a channel that needs none"


def load_rules(directory: Path) -> RuleSet:
    """Read and compile a directory of rule files. Raises RuleFileError with every error in them."""
    return _rules_of(check_rules(directory))


def check_rules(directory: Path) -> Checked:
    """Read and compile a directory of rule files, with every error and warning.

    Raises RuleFileError if a file cannot be read at all.
    """
    with _no_collection():
        return _compile(*rulefiles.collect(directory))


def compile_rules(files: RuleFiles) -> RuleSet:
    """Raises RuleFileError with everything that is wrong in any definition."""
    with _no_collection():
        return _rules_of(_compile(files, []))


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, in file order; `rules` is None if there is an error among it."""

    rules: RuleSet | None
    diagnostics: tuple[Diagnostic, ...]


def _compile(files: RuleFiles, found: list[Diagnostic]) -> Checked:
    compiler = _Compiler(files, found)
    rules = compiler.compile()
    return Checked(rules, tuple(in_file_order(compiler.findings.all)))


@contextmanager
def _no_collection() -> Iterator[None]:
    """No looking for garbage meanwhile: trees have no cycles, and it costs a third of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _rules_of(checked: Checked) -> RuleSet:
    if checked.rules is None:
        raise RuleFileError([each for each in checked.diagnostics if each.severity == "error"])
    return checked.rules


class _Compiler:
    def __init__(self, files: RuleFiles, found: list[Diagnostic]) -> None:
        self.files = files
        self.findings = Findings(found)
        self.predicates: dict[Node, int] = {}
        self.shapes = {name: _shape(entry) for name, entry in files.traits.items()}

    def compile(self) -> RuleSet | None:
        """None if an error was found; with warnings only, the rule set."""
        files = self.files
        for kind in ("source", "trait", "channel", "rule"):
            for entry in getattr(files, f"{kind}s").values():
                check_name(entry, kind, self.findings)
        # Each in the order of names, so that nothing depends on the order of files.
        sources = [self.source(entry) for entry in files.sources.values()]
        traits = [self.trait(entry) for entry in files.traits.values()]
        channels = {name: self.channel(entry) for name, entry in files.channels.items()}
        rules = [self.rule(entry, channels) for entry in files.rules.values()]
        self.topics(sources, channels.values())
        if files.rules and not files.sources:
            first = next(iter(files.rules.values()))
            self.findings.add(
                Code.NO_SOURCE, first.location, "there are rules, but no source of events", "define `sources`"
            )
        if self.findings.refused:
            return None
        self.warn(rules, sources)
        return self.rule_set(sources, traits, list(channels.values()), rules)

    def rule_set(
        self, sources: list[Source], traits: list[Trait], channels: list[Channel], rules: list[Rule]
    ) -> RuleSet:
        predicates = tuple(self.predicates)
        traits = [replace(each, stable_id=_hash(_trait_form(each, predicates))) for each in traits]
        rules = [replace(each, stable_id=_hash(_rule_form(each, predicates))) for each in rules]
        revision = _hash(
            {
                "sources": [asdict(each) for each in sources],
                "traits": [each.stable_id for each in traits],
                "channels": [asdict(each) for each in channels],
                "rules": [[each.stable_id, each.describe] for each in rules],
            }
        )
        rules.sort(key=lambda rule: (-rule.priority, rule.name))
        return RuleSet(revision, tuple(sources), tuple(traits), tuple(channels), predicates, tuple(rules))

    def reader(self, kind: str, entry: Entry, known: Iterable[str], later: Iterable[str] = ()) -> Reader:
        what = f"`{kind}`" if kind == entry.key else f"{kind} `{entry.key}`"
        return Reader(what, entry.location, entry.value, self.findings, keys=tuple(known), later=tuple(later))

    def predicate(self, node: Node | None) -> int | None:
        return None if node is None else self.predicates.setdefault(node, len(self.predicates))

    # A definition with an error still gives an object, with stand-ins: it is never used, as compile() raises.

    def source(self, entry: Entry) -> Source:
        read = self.reader("source", entry, keys.SOURCE, keys.LATER_SOURCE)
        if "kind" not in read.entries:
            read.need("event", "the field with the event's name, or {is: NAME}")
        read.need("customer", "the field with the customer's id")
        event, constant = None, None
        named = read.entries.get("event")
        if named is not None and isinstance(named.value, Mapped):
            inner = self.reader("event", named, keys.EVENT)
            inner.need("is")
            constant = inner.text("is")
        else:
            event = read.path("event")
        return Source(
            name=entry.key,
            topic=read.topic("topic") or entry.key,
            customer=read.path("customer") or (),
            event=event,
            constant=constant,
            time=read.path("time"),
            id=read.path("id"),
        )

    def trait(self, entry: Entry) -> Trait:
        read = self.reader("trait", entry, keys.TRAIT, keys.LATER_TRAIT)
        read.need("function", f"one of {', '.join(keys.FUNCTIONS)}")
        read.need("of", "the events that it is computed from")
        function = read.name("function", keys.FUNCTIONS, keys.LATER_FUNCTIONS, "function")
        field = read.path("field")
        if function == "count" and "field" in read.entries:
            hint = "leave it out, or use `per` or `where`"
            self.findings.add(
                Code.FIELD_OF_COUNT, read.entries["field"].location, "a `count` has no `field`", hint
            )
        elif function in ("sum", "last"):
            read.need("field", f"what to take the {function} of")
        return Trait(
            name=entry.key,
            stable_id="",
            function=cast(TraitFunction, function),
            of=read.event_names("of"),
            field=field,
            where=self.predicate(read.condition("where", Scope())),
            per=read.path("per"),
            over=read.duration("over"),
        )

    def channel(self, entry: Entry) -> Channel:
        read = self.reader("channel", entry, keys.CHANNEL, keys.LATER_CHANNEL)
        read.need("topic", "the topic that its triggers go to")
        consent = read.need("consent", _CONSENT_HINT)
        if read.text("consent") not in ("none", None) and consent is not None:
            self.findings.add(
                Code.NOT_SUPPORTED_YET,
                consent.value.location,
                "`consent` other than `none` is not supported yet",
                _CONSENT_HINT,
            )
        return Channel(entry.key, read.topic("topic") or "", self.address(read))

    def address(self, read: Reader) -> FieldPath | None:
        path, entry = read.path("address"), read.entries.get("address")
        if path is None or entry is None:
            return None
        if path[0] != "event" or len(path) == 1:
            if path[0] == "customer":
                code, message = Code.NOT_SUPPORTED_YET, "an address of `customer` is not supported yet"
                hint = "a field of the event is: event.FIELD"
            else:
                code = Code.WRONG_ADDRESS
                message, hint = "`address` must be a field of the event", "write event.FIELD"
            self.findings.add(code, entry.value.location, message, hint)
        return path[1:]

    def rule(self, entry: Entry, channels: Mapping[str, Channel]) -> Rule:
        read = self.reader("rule", entry, keys.RULE, keys.LATER_RULE)
        if "steps" not in read.entries:
            read.need("on", "the event to watch for")
        read.need("send", "write `send: {channel: …}`")
        channel, templates = self.send(read, channels)
        limit = read.rate("limit")
        return Rule(
            name=entry.key,
            stable_id="",
            on=read.event_names("on"),
            channel=channel,
            where=self.predicate(read.condition("where", Scope())),
            unless=self.unless(read.entries.get("unless")),
            condition=read.condition("if", Scope(self.shapes)),
            content=templates,
            limit=Limit(*limit) if limit else None,
            priority=read.integer("priority", -keys.MAX_PRIORITY, keys.MAX_PRIORITY) or 0,
            describe=read.text("describe") or "",
        )

    def unless(self, entry: Entry | None) -> Unless | None:
        if entry is None:
            return None
        read = self.reader("unless", entry, keys.UNLESS)
        read.need("on", "the event that makes the rule fall silent")
        read.need("within", "how long to wait for it, e.g. 30m")
        where = self.predicate(read.condition("where", Scope()))
        return Unless(read.event_names("on"), read.duration("within") or 0, where)

    def send(self, rule: Reader, channels: Mapping[str, Channel]) -> tuple[Channel, dict[str, Template]]:
        nowhere = Channel("", "")
        entry = rule.entries.get("send")
        if entry is None:
            return nowhere, {}
        read = self.reader("send", entry, keys.SEND, keys.LATER_SEND)
        named = read.need("channel", "the channel to send to")
        templates = self.content(read.entries["content"]) if "content" in read.entries else {}
        if named is not None and isinstance(named.value, Sequence):
            if len(named.value.items) != 1:
                code, message = Code.WRONG_TYPE, "`channel` is empty"
                if named.value.items:
                    code, message = Code.NOT_SUPPORTED_YET, "a list of several channels is not supported yet"
                self.findings.add(code, named.value.location, message, "name one channel")
                return nowhere, templates
            read.entries["channel"] = named._replace(value=named.value.items[0])
        name = read.name("channel", channels, (), "channel")
        return channels[name] if name else nowhere, templates

    def content(self, entry: Entry) -> dict[str, Template]:
        if not isinstance(entry.value, Mapped):
            self.findings.add(
                Code.WRONG_TYPE, entry.value.location, "`content` must be a mapping of names to texts"
            )
            return {}
        if len(entry.value.entries) > MAX_FIELDS:
            self.findings.add(
                Code.TOO_MUCH_CONTENT, entry.location, f"more than {MAX_FIELDS} fields of content"
            )
        templates = {}
        for field in entry.value.entries.values():
            if not isinstance(field.value, Scalar) or not isinstance(field.value.value, str):
                hint = "put it in quotes" if isinstance(field.value, Scalar) else None
                self.findings.add(
                    Code.NO_TEXT, field.value.location, f"the content `{field.key}` must be a text", hint
                )
            elif template := self.template(field.value):
                templates[field.key] = template
        return templates

    def template(self, scalar: Scalar) -> Template | None:
        source = str(scalar.value)
        try:
            template = Template(source)
        except ContentError:
            for each in content.findings(source):
                self.findings.add(_template_code(each), scalar.at(each.offset), each.message, each.hint)
            return None
        for reference in template.references:
            if error := self.reference(reference):
                code = condition_code(error, Code.TEMPLATE_TRAIT)
                code = Code.TEMPLATE_NOT_SUPPORTED if code is Code.CONDITION_NOT_SUPPORTED else code
                self.findings.add(code, scalar.at(error.offset), error.message, error.hint)
        return template

    def reference(self, reference: Reference) -> ExpressionError | None:
        """What is wrong with a variable of a template."""
        (root, *rest), at = reference.path, reference.offset
        if root not in _CONTENT_VARIABLES:
            return unknown_variable(str(root), _CONTENT_VARIABLES, at)
        if root != "traits":
            return None
        name = rest[0] if rest else None
        if not isinstance(name, str):
            return ExpressionError("`traits` needs a name", offset=at, hint="write traits.NAME")
        if name not in self.shapes:
            return unknown_trait(name, self.shapes, at)
        per = self.shapes[name].per
        if per and len(rest) == 1:
            hint = f"write traits.{name}[event.FIELD]"
            return ExpressionError(f"the trait `{name}` has one value for each key", offset=at, hint=hint)
        if per is False and len(rest) > 1:
            return ExpressionError(
                f"the trait `{name}` has one value only", offset=at, hint=f"write traits.{name}"
            )
        return None

    def warn(self, rules: list[Rule], sources: list[Source]) -> None:
        """What is allowed and probably not meant. Only of a rule set without errors."""
        # Where every topic carries one event only, these are all the events that there can be.
        events = {each.constant for each in sources if each.constant is not None}
        closed = bool(sources) and all(each.constant is not None for each in sources)
        same: dict[Hashable, Rule] = {}
        for rule in rules:
            at = self.files.rules[rule.name].location
            if rule.limit is None:
                hint = "write e.g. `limit: 1 per 7d`"
                message = f"rule `{rule.name}` has no `limit`: it answers every time"
                self.findings.add(Code.NO_LIMIT, at, message, hint)
            first = same.setdefault(_what_it_does(rule), rule)
            if first is not rule:
                hint = f"also at {self.files.rules[first.name].location}"
                message = f"rule `{rule.name}` sends the same as `{first.name}`, at the same events"
                self.findings.add(Code.SAME_RULE, at, message, hint)
            for name in rule.on if closed else ():
                if name not in events:
                    message = f"rule `{rule.name}` waits for `{name}`, which no source has"
                    self.findings.add(Code.EVENT_OF_NO_SOURCE, at, message, did_you_mean(name, events))

    def topics(self, sources: Iterable[Source], channels: Iterable[Channel]) -> None:
        """One topic is one source. A channel that wrote to it would feed the rules their own triggers."""
        by_topic: dict[str, Entry] = {}
        for source in sources:
            entry = self.files.sources[source.name]
            first = by_topic.setdefault(source.topic, entry)
            if first is not entry:
                for one, other in ((entry, first), (first, entry)):
                    message = f"the topic `{source.topic}` belongs to two sources"
                    self.findings.add(
                        Code.TOPIC_OF_TWO_SOURCES, one.location, message, f"also at {other.location}"
                    )
        for channel in channels:
            if channel.topic in by_topic:
                at = self.files.channels[channel.name].location
                hint = f"the source at {by_topic[channel.topic].location} reads it"
                self.findings.add(
                    Code.CHANNEL_FEEDS_SOURCE,
                    at,
                    f"channel `{channel.name}` sends to a topic that is read",
                    hint,
                )


def _template_code(finding: content.Finding) -> Code:
    """Told by the finding's words, as templates are read by a library."""
    if "is not supported" in finding.message:
        return Code.TEMPLATE_NOT_SUPPORTED
    return Code.TOO_MUCH_CONTENT if finding.message.startswith("more than") else Code.TEMPLATE_SYNTAX


def _what_it_does(rule: Rule) -> Hashable:
    """The same for two rules that would send the same message at the same time."""
    content = frozenset((name, template.source) for name, template in rule.content.items())
    return rule.on, rule.where, rule.unless, rule.condition, rule.channel.name, content


def _shape(entry: Entry) -> TraitShape:
    """What can be known of a trait that may have errors of its own."""
    if not isinstance(entry.value, Mapped):
        return TraitShape()
    named = entry.value.entries.get("function")
    function = named.value.value if named and isinstance(named.value, Scalar) else None
    known = function if isinstance(function, str) and function in keys.FUNCTIONS else None
    return TraitShape(known, "per" in entry.value.entries)


def _hash(form: Any) -> str:
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _written(where: int | None, predicates: tuple[Node, ...]) -> str | None:
    return None if where is None else unparse(predicates[where])


def _trait_form(trait: Trait, predicates: tuple[Node, ...]) -> dict[str, Any]:
    return {
        "trait": trait.name,
        "function": trait.function,
        "of": trait.of,
        "field": trait.field,
        "where": _written(trait.where, predicates),
        "per": trait.per,
        "over": trait.over,
    }


def _rule_form(rule: Rule, predicates: tuple[Node, ...]) -> dict[str, Any]:
    unless = rule.unless
    return {
        "rule": rule.name,
        "on": rule.on,
        "where": _written(rule.where, predicates),
        "unless": unless and [unless.on, unless.within, _written(unless.where, predicates)],
        "if": None if rule.condition is None else unparse(rule.condition),
        "channel": rule.channel.name,
        "content": {name: template.source for name, template in rule.content.items()},
        "limit": rule.limit and [rule.limit.count, rule.limit.over],
        "priority": rule.priority,
    }
