"""`send`: channels, content and variants; what templates may name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stream.content.formats import MAX_FIELDS, Format, is_line, one_line
from stream.diagnostics import Code
from stream.errors import ContentError, ExpressionError
from stream.rules import keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.definition import Definition
from stream.rules.files import Entry, Mapped, Scalar, Written
from stream.rules.files import Sequence as Items
from stream.rules.model import WHOLE, Channel, Variant
from stream.rules.scope import (
    Scope,
    unknown_context,
    unknown_field,
    unknown_part,
    unknown_segment,
    unknown_trait,
    unknown_variable,
)
from stream.rules.trait_shapes import beyond

if TYPE_CHECKING:
    from stream.content.template import Reference, Template

_WHAT_TO_SAY = 'write e.g. content: {subject: "Welcome back"}'


@dataclass(frozen=True, slots=True)
class Send:
    channels: tuple[Channel, ...]
    content: Mapping[str, Template] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()


def read_send(run: Compilation, rule: Definition, channels: Mapping[str, Channel], scope: Scope) -> Send:
    nowhere = (Channel("", ""),)
    entry = rule.entries.get("send")
    if entry is None:
        return Send(nowhere)
    read = run.definition("send", entry, keys.SEND)
    read.need("channel", "the channel to send to")
    if "variants" not in read.entries:
        read.need("content", _WHAT_TO_SAY)
    read.either("content", "variants")
    named = read.names("channel", channels, "channel", keys.MAX_CHANNELS)
    sent = tuple(channels[name] for name in named)
    return Send(
        channels=sent or nowhere,
        content=_content(run, read, scope, sent),
        variants=_variants(run, read, scope, sent),
    )


def _variants(
    run: Compilation, send: Definition, scope: Scope, channels: Collection[Channel]
) -> tuple[Variant, ...]:
    variants: dict[str, tuple[Variant, Written]] = {}
    shares: list[int] = []  # those that can be read
    items = send.items("variants", keys.MAX_VARIANTS)
    listed = send.entries.get("variants")
    if listed is not None and isinstance(listed.value, Items) and not items:
        run.error(Code.WRONG_LIST, listed, "`variants` is empty", "write `content` for one message")
    for item in items:
        read = run.item("variant", item, keys.VARIANT)
        read.need("name", "what it is called in results")
        read.need("share", "the share of customers that get it, e.g. 50%")
        read.need("content", "a group that gets nothing is the rule's `holdout`")
        name, share = read.new_name("name") or "", values.share(read, "share")
        shares += [] if share is None else [share]
        if share == 0:
            at = read.entries["share"].value.location
            run.findings.add(Code.NO_SHARE, at, "`share` must be more than nothing")
        variant = Variant(name, share or 0, _content(run, read, scope, channels))
        if name in variants:
            at, message = variants[name][1].location, f"two variants are called `{name}`"
            run.findings.add(Code.DEFINED_TWICE, item.location, message, f"also at {at}")
            run.findings.add(Code.DEFINED_TWICE, at, message, f"also at {item.location}")
        variants.setdefault(name, (variant, item))
    found = tuple(variant for variant, _ in variants.values())
    total = sum(shares)
    if items and len(shares) == len(items) and total != WHOLE:
        message = f"the shares of the variants add up to {total / 100:g}%, not to 100%"
        run.error(Code.WRONG_SHARES, send.entries["variants"], message)
    return found


def _content(
    run: Compilation, read: Definition, scope: Scope, channels: Collection[Channel]
) -> dict[str, Template]:
    entry = read.entries.get("content")
    if entry is None:
        return {}
    if not isinstance(entry.value, Mapped):
        message = "`content` must be a mapping of names to texts"
        run.findings.add(Code.WRONG_TYPE, entry.value.location, message)
        return {}
    if not any(_says_something(each) for each in entry.value.entries.values()):
        run.error(Code.NO_TEXT, entry, "`content` says nothing", _WHAT_TO_SAY)
    if len(entry.value.entries) > MAX_FIELDS:
        run.error(Code.TOO_MUCH_CONTENT, entry, f"more than {MAX_FIELDS} fields of content")
    templates = {}
    for each in entry.value.entries.values():
        if template := _template(
            run, each, scope, {channel.name: channel.format_of(each.key) for channel in channels}
        ):
            templates[each.key] = template
    return templates


def _says_something(field: Entry) -> bool:
    return (
        not isinstance(field.value, Scalar) or field.value.value is None or bool(field.value.written.strip())
    )


def _template(
    run: Compilation, entry: Entry, scope: Scope, channels: Mapping[str, Format]
) -> Template | None:
    """`channels`: the field's format by channel."""
    scalar, forms = entry.value, set(channels.values())
    if not isinstance(scalar, Scalar) or not isinstance(scalar.value, str):
        hint = "put it in quotes" if isinstance(scalar, Scalar) else None
        message = f"the content `{entry.key}` must be a text"
        run.findings.add(Code.NO_TEXT, scalar.location, message, hint)
        return None
    # Here, so that whoever only reads a rule set does not load Liquid, and asyncio with it.
    from stream.content import template as content

    try:
        template = content.Template(scalar.value)
        if template.is_plain and any(map(is_line, forms)):  # it is not rendered: a line already, then
            template = content.Template(one_line(template.source))
    except ContentError:
        for each in content.findings(scalar.value):
            code = each.code or Code.TEMPLATE_SYNTAX
            run.findings.add(code, scalar.at(each.offset), each.message, each.hint)
        return None
    for reference in template.references:
        if error := _reference(reference, scope):
            code = Code.TEMPLATE_TRAIT if error.code is None else error.code
            code = Code.TEMPLATE_NOT_SUPPORTED if code is Code.CONDITION_NOT_SUPPORTED else code
            run.findings.add(code, scalar.at(error.offset), error.message, error.hint)
    for found in (each for form in sorted(forms) for each in content.format_findings(template, form)):
        run.findings.add(Code.WRONG_FORMAT, scalar.at(found.offset), found.message, found.hint)
    for found in content.doubts(template, entry.key, channels):
        run.findings.add(found.code or Code.WRONG_FORMAT, scalar.at(found.offset), found.message, found.hint)
    return template


def _reference(reference: Reference, scope: Scope) -> ExpressionError | None:
    """What is wrong with a variable of a template."""
    (root, *rest), at = reference.path, reference.offset
    if root == "rule" or root in scope.types:
        return None
    if root not in scope.variables:
        return unknown_variable(str(root), replace(scope, types={**scope.types, "rule": "string"}), at)
    name = rest[0] if rest else None
    if not isinstance(name, str):
        return ExpressionError(f"`{root}` needs a name", offset=at, hint=f"write {root}.NAME")
    if root == "segments":
        known = scope.segments or ()
        return None if name in known else unknown_segment(name, known, at)
    if root == "context":
        sources = scope.contexts or ()
        return None if name in sources else unknown_context(name, sources, at)
    return _trait(name, rest[1:], scope, at)


def _trait(name: str, rest: Sequence[object], scope: Scope, at: int) -> ExpressionError | None:
    """`rest`: what stands after the trait's name."""
    further, last = len(rest), rest[-1] if rest else None
    shape = (scope.traits or {}).get(name)
    if shape is None:
        return unknown_trait(name, scope.traits or {}, at)
    if shape.per and not further:
        hint = f"write traits.{name}[event.FIELD]"
        return ExpressionError(f"the trait `{name}` has one value for each key", offset=at, hint=hint)
    inner = 1 if shape.per else 0
    parts, aggregate = shape.parts, shape.aggregate
    if parts and further == inner:
        hint = f"write traits.{name}{'[…]' if shape.per else ''}.{next(iter(parts))}"
        message = f"the trait `{name}` is a `{shape.function}`: it has several values"
        return ExpressionError(message, offset=at, hint=hint)
    if parts and further == inner + 1 and last is not None and last not in parts:
        return unknown_part(str(last), str(shape.function), parts, at)
    if further > inner and (error := beyond(shape, rest[inner], at, Code.UNWRITTEN)):
        return error
    fields = shape.element.fields
    if fields and further > inner + 1 and (part := rest[inner + 1]) is not None and part not in fields:
        return unknown_field(str(part), name, fields, at)
    inner += 1 if aggregate is None else aggregate.depth
    if shape.per is False and further > inner:
        return ExpressionError(
            f"the trait `{name}` has one value only", offset=at, hint=f"write traits.{name}"
        )
    return None
