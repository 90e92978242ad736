"""Content: Liquid templates, compiled when the rules are loaded and rendered when a trigger is sent.

Templates see data and nothing else: no files, no clock, bounded loops and output. An undefined variable is an
error, so that nobody is greeted as "Hello ,"; `| default: "…"` says what to write instead.
Tested by tests/unit/test_content.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment, Mode, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError
from liquid.expression import Expression
from liquid.undefined import StrictDefaultUndefined

from stream.codes import Code
from stream.errors import ContentError
from stream.hints import did_you_mean

MAX_TEMPLATE_BYTES = 16 * 1024
MAX_FIELDS = 64


class _Environment(Environment):
    loop_iteration_limit = 1000
    output_stream_limit = 64 * 1024
    local_namespace_limit = 256 * 1024


def _environment() -> Environment:
    environment = _Environment(
        undefined=StrictDefaultUndefined, autoescape=False, tolerance=Mode.STRICT, strict_filters=True
    )
    for tag in ("include", "render"):  # would read files
        del environment.tags[tag]
    del environment.filters["date"]  # reads the clock and the machine's time zone
    return environment


_ENVIRONMENT = _environment()
_NO_CONTEXT = RenderContext(_ENVIRONMENT.from_string(""))  # the tags that would look into it are left out
_LATER_FILTERS = frozenset({"date"})
_LATER_TAGS = frozenset({"include", "render"})
_SHORT = 500  # characters: what is remembered of templates stays below a few megabytes
_CLOCK = frozenset({"today"})  # python-liquid knows it by itself; `now` is bound to the time of the match


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable that a template reads; `path` has None for a key that is itself computed."""

    path: tuple[str | int | None, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a template, and where in it."""

    message: str
    offset: int
    hint: str | None = None
    code: Code = Code.TEMPLATE_SYNTAX


# The parsed template (None: plain text), what it refers to, what is wrong with it.
_Read = tuple[BoundTemplate | None, tuple[Reference, ...], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Template:
    """One field's template. Equal sources are equal templates. Raises ContentError if it is none."""

    source: str
    references: tuple[Reference, ...] = field(init=False, repr=False, compare=False)
    _liquid: BoundTemplate | None = field(init=False, repr=False, compare=False)  # None: plain text

    def __post_init__(self) -> None:
        liquid, references, findings = _read(self.source)
        if findings:
            raise ContentError(findings[0].message, hint=findings[0].hint)
        object.__setattr__(self, "references", references)
        object.__setattr__(self, "_liquid", liquid)

    def __reduce__(self) -> tuple[type[Template], tuple[str]]:
        return Template, (self.source,)

    @property
    def is_plain(self) -> bool:
        """Whether it is text without any variable or tag, which is its own rendering."""
        return self._liquid is None

    def render(self, bindings: Mapping[str, Any]) -> str:
        """The text for `event`, `event_name`, `traits` and `rule`.

        Raises ContentError; its text holds no values.
        """
        if self._liquid is None:
            return self.source
        try:
            return self._liquid.render(bindings)
        except LiquidError as error:
            # Not the library's text, nor its exception as a cause: they may quote the customer's data.
            at = f" (at character {error.token.start_index + 1})" if error.token else ""
            raise ContentError(f"the template failed: {_kind(error)}{at}") from None
        except Exception as error:
            # Filters meet whatever an event holds; the library does not catch all that can go wrong there.
            raise ContentError(f"the template failed: {type(error).__name__}") from None


def compile_template(source: str) -> Template:
    """Raises ContentError if the template does not parse or uses what is not supported."""
    return Template(source)


def findings(source: str) -> list[Finding]:
    """Everything that is wrong with a template, with its place; empty if `Template(source)` works."""
    return list(_read(source)[2])


def _kind(error: LiquidError) -> str:
    if isinstance(error, UndefinedError):
        return "a variable is undefined"
    if isinstance(error, ResourceLimitError):
        return "too many loops or too much text"
    return "a value that a tag or filter cannot take"


def _read(source: str) -> _Read:
    # Many rules share a subject line, and a reload reads everything again.
    return _read_short(source) if len(source) <= _SHORT else _read_anew(source)


@lru_cache(maxsize=1024)
def _read_short(source: str) -> _Read:
    return _read_anew(source)


def _read_anew(source: str) -> _Read:
    if len(source.encode()) > MAX_TEMPLATE_BYTES:
        message = f"more than {MAX_TEMPLATE_BYTES:,} bytes in one field"
        return None, (), (Finding(message, 0, None, Code.TOO_MUCH_CONTENT),)
    if "{{" not in source and "{%" not in source:
        return None, (), ()
    if finding := _hopeless(source):
        return None, (), (finding,)
    try:
        liquid = _ENVIRONMENT.from_string(source)
        read = _Reading(liquid)
    except LiquidError as error:
        offset = max(error.token.start_index, 0) if error.token else 0
        return None, (), (_syntax_finding(str(error.message), offset),)
    except RecursionError:
        return None, (), (Finding("a template that is nested too deep", 0),)
    found = [
        Finding(f"`{each.path[0]}` is not supported", each.offset, "write `now`", Code.TEMPLATE_NOT_SUPPORTED)
        for each in read.references
        if each.path[0] in _CLOCK
    ]
    for name, offset in read.filters.items():
        if name in _LATER_FILTERS:
            found.append(_later(f"the filter `{name}`", offset))
        elif name not in _ENVIRONMENT.filters:
            hint = did_you_mean(name, _ENVIRONMENT.filters)
            found.append(Finding(f"unknown filter `{name}`", offset, hint))
    return liquid, tuple(read.references), tuple(found)


class _Reading:
    """What a template reads from outside itself, and the filters that it names, each where it is first used.

    The library's `analyze` says this and more, but takes as long as parsing.
    """

    def __init__(self, template: BoundTemplate) -> None:
        self.references: list[Reference] = []
        self.filters: dict[str, int] = {}
        self.scopes: list[set[str]] = [
            set()
        ]  # names that the template itself gives: its own, then its blocks'
        for node in template.nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        if isinstance(node, ContentNode):
            return
        for expression in node.expressions():
            self.expression(expression)
        self.scopes[0].update(node.template_scope())
        self.scopes.append(set(node.block_scope()))
        for child in node.children(_NO_CONTEXT, include_partials=False):
            self.node(child)
        self.scopes.pop()

    def expression(self, expression: Expression) -> None:
        if isinstance(expression, Path):
            path = expression.path
            if not any(str(path[0]) in scope for scope in self.scopes):
                names = tuple(each if isinstance(each, str | int) else None for each in path)
                self.references.append(Reference(names, expression.token.start_index))
        elif isinstance(expression, FilteredExpression):
            for each in expression.filters or ():
                self.filters.setdefault(each.name, each.token.start_index)
        self.scopes.append(set(expression.scope()))
        for child in expression.children():
            self.expression(child)
        self.scopes.pop()


def _hopeless(source: str) -> Finding | None:
    """What would keep the library's patterns busy for seconds: they try all lengths of what has no end."""
    for start, end in (("{{", "}}"), ("{%", "%}")):
        last = source.rfind(start)
        if last > source.rfind(end):
            return Finding(f"not a Liquid template: `{start}` without `{end}`", last)
    if gap := re.search(r"\s{200}", source):
        return Finding("200 spaces in a row", gap.start(), "remove them")
    return None


def _later(what: str, offset: int) -> Finding:
    return Finding(f"{what} is not supported yet", offset, code=Code.TEMPLATE_NOT_SUPPORTED)


def _syntax_finding(message: str, offset: int) -> Finding:
    for tag in _LATER_TAGS:
        if message.startswith("unexpected tag") and tag in message:
            return _later(f"the tag `{tag}`", offset)
    return Finding(f"not a Liquid template: {message}", offset)
