"""Content: Liquid templates, compiled when the rules are loaded and rendered when a trigger is sent.

Templates see data and nothing else: no files, no clock, bounded in steps and output (`renderer`). An
undefined variable and null are errors, so that nobody is greeted as "Hello ,"; `| default: "…"` says what to
write instead. A template is parsed once, whatever the formats of the channels that it goes to; how values are
written is settled by the format of the one that is chosen (`escaping`).
Tested by tests/content/test_template.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import EqExpression, NeExpression
from liquid.builtin.expressions.primitive import Literal, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.exceptions import (
    FilterArgumentError,
    LiquidError,
    LiquidTypeError,
    ResourceLimitError,
    UndefinedError,
)
from liquid.expression import Expression

from stream.content import escaping, filters, leftovers, markup
from stream.content.escaping import NothingError
from stream.content.formats import Format, is_line, is_markup, one_line
from stream.content.locales import Region
from stream.content.plain import Plain, parts_of
from stream.content.renderer import ENVIRONMENT, NO_CONTEXT, Taken, bound, render
from stream.diagnostics import Code
from stream.errors import ContentError
from stream.hints import did_you_mean

MAX_TEMPLATE_BYTES = 16 * 1024

_LATER_TAGS = frozenset({"include", "render", "ifchanged"})
_SHORT = 500  # characters: what is remembered of templates stays below a few megabytes
_CLOCK = frozenset({"today"})  # Liquid has it; `now` is bound to the time of the match
_TIMES = frozenset({"now", "event_time"})
_NOW = frozenset({"now", "today"})  # in quotes, as Liquid has it
_WRITE_NOW = "write `now`, without quotes: the time as of which it is judged"
_NOWHERE = Region()
_OF_SAME_ITEMS = frozenset({"compact", "reverse", "sort", "sort_natural", "uniq", "where", "reject"})
_OF_ONE_ITEM = frozenset({"first", "last"})
_BY_FIELD = frozenset(
    {"map", "where", "reject", "sort", "sort_natural", "uniq", "compact", "sum"}
)  # of items
_Path = tuple[object, ...]

_TAGS = frozenset(
    {
        *ENVIRONMENT.tags,
        *("elsif", "else", "when", "endif", "endunless", "endfor", "endcase", "endcapture", "endtablerow"),
    }
)
_OTHER_TAGS = {
    **dict.fromkeys(("elseif", "elif"), "write `elsif`"),
    **dict.fromkeys(("end", "fi"), "write `endif`, `endfor` and so on"),
    "set": "write `assign`",
}
_UNKNOWN_TAG = re.compile(r"unexpected tag '(\w{1,40})'")
_BEFORE_WHEN = re.compile(r"\{%-?\s{0,20}case\b(?:(?!%\}).){0,500}%\}\s{0,99}([^\s{]|\{[^%])", re.DOTALL)
_HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"did you mean 'elsif'", "write {% elsif … %}"),
        (r"expected tag \w+, found tag", "`else` is the last branch; those before it are `elsif` or `when`"),
        (r"expected tag \w+, found end", "it is not closed"),
        (r"unexpected '\}'", "write two braces at both ends: {{ … }}"),
        (r"unexpected '\{'", "write two braces, not three"),
        (r"found '='", "to compare write `==`"),
        (r"unexpected '&'", "write `and`"),
        (r"found dpipe", "write `or`, or | default: '…'"),
        (r"unexpected '[-+*/]'", "write e.g. | plus: 1, | times: 2"),
        (r"operator '!'|not operator", "write `unless`, or `== false`"),
        (r"parentheses", "put the inner part into an `if` of its own"),
        (r"end of expression, found (?:string|integer|float)$", "a colon comes first: | plus: 3"),
        (r"end of expression, found word$", "a name with a space in it is reached by event['two words']"),
        (r"unexpected '\$'", "a name with a sign in it is reached by event['$name']"),
        (r"expected an identifier, found string", "write event['two words'], without a dot"),
        (r"unexpected token", "put `or` or a comma between the values of a `when`"),
    )
)

filter_meant, filter_takes = filters.meant, filters.takes


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable that a template reads; `path` has None for a key that is itself computed, and for an item of
    a list. `compared`: the text that it is held against, by `==` or `!=`, or those of a `when`. `given`:
    whether it is reached by a name that the template itself gives, in a loop or an `assign`.
    """

    path: tuple[str | int | None, ...]
    offset: int
    compared: tuple[str, ...] = ()
    given: bool = False

    @property
    def name(self) -> str:
        """As the template has it; `[…]` for a key that is computed, and for an item of a list."""
        first, *rest = self.path
        return str(first) + "".join("[…]" if each is None else f".{each}" for each in rest)


class Output(NamedTuple):
    """A `{{ … }}` with all the variables that it reads, of which the template itself gives none."""

    source: str
    references: tuple[Reference, ...]


class _Applied(NamedTuple):
    """A filter, and what it is applied to, as `event.price | times`."""

    name: str
    shown: str
    offset: int


class _Read(NamedTuple):
    """`liquid` is None for plain text and for what is not a template."""

    liquid: BoundTemplate | None = None
    plain: Plain | None = None
    references: tuple[Reference, ...] = ()
    applied: tuple[_Applied, ...] = ()
    outputs: tuple[Output, ...] = ()
    findings: tuple[ContentError, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """One field's template. Equal sources are equal templates. Raises ContentError if it is none."""

    source: str
    _read: _Read = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        read = _read(self.source)
        for each in read.findings:  # the first one anew: what is raised keeps the frames that it went through
            raise ContentError(each.message, offset=each.offset, hint=each.hint, code=each.code)
        object.__setattr__(self, "_read", read)

    def __reduce__(self) -> tuple[type[Template], tuple[str]]:
        return Template, (self.source,)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The variables that it reads."""
        return self._read.references

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it writes of the variables."""
        return self._read.outputs

    @property
    def is_plain(self) -> bool:
        """Whether it is text without any variable or tag, which is its own rendering."""
        return self._read.liquid is None

    @property
    def plain(self) -> Plain | None:
        """Its parts, if they are text and values only."""
        return self._read.plain

    @property
    def shows_dates(self) -> bool:
        """Whether it may need to know where the customer is."""
        return any(each.name == "date" for each in self._read.applied)

    def render(
        self,
        bindings: Mapping[str, Any],
        form: Format = "text",
        region: Region = _NOWHERE,
        taken: Taken | None = None,
    ) -> str:
        """The text for `event`, `event_name`, `traits` and so on, with values written as `form` wants them.

        Zone and locale are those of `customer` in the bindings, else the region's. What it takes is added
        to `taken`, which bounds it. Raises ContentError; its
        text holds no values.
        """
        text = self._render(bindings, form, region, taken)
        return one_line(text) if is_line(form) else text

    def _render(self, bindings: Mapping[str, Any], form: Format, region: Region, taken: Taken | None) -> str:
        read = self._read
        if read.liquid is None:
            return self.source
        try:
            return render(read.liquid, bindings, form, region, taken)
        except LiquidError as error:
            # Not the library's text, nor its exception as a cause: they may quote the customer's data.
            at = f" (at character {error.token.start_index + 1})" if error.token else ""
            failed = ContentError(f"the template failed: {self._kind(error)}{at}")
            failed.variable, failed.filter = self._variable(error), self._filter(error)
            raise failed from None
        except MemoryError:
            raise  # of the machine, and not of the text
        except Exception as error:
            # Filters meet whatever an event holds; the library does not catch all that can go wrong there.
            raise ContentError(f"the template failed: {type(error).__name__}") from None

    def _kind(self, error: LiquidError) -> str:
        if isinstance(error, UndefinedError | NothingError):
            kind = str(error.message) if isinstance(error, NothingError) else "a variable is undefined"
            name = self._variable(error)
            return kind if name is None else f"{kind}: `{name}`"
        if isinstance(error, ResourceLimitError):
            return "too many loops or too much text"
        applied = self._filter(error)
        return "a value that a tag or filter cannot take" + (f": `{applied}`" if applied else "")

    def _variable(self, error: LiquidError) -> str | None:
        """The variable that an error is about, as the template has it."""
        if not isinstance(error, UndefinedError | NothingError) or error.token is None:
            return None
        at = error.token.start_index
        return next((each.name for each in self.references if each.offset == at), None)

    def _filter(self, error: LiquidError) -> str | None:
        """The filter that an error is about, where it could not take what it was given."""
        if not isinstance(error, LiquidTypeError | FilterArgumentError) or error.token is None:
            return None
        at = error.token.start_index
        return next((each.shown for each in self._read.applied if each.offset == at), None)


def findings(source: str) -> list[ContentError]:
    """Everything that is wrong with a template, with its place; empty if `Template(source)` works."""
    return list(_read(source).findings)


def format_findings(template: Template, form: Format) -> Iterator[ContentError]:
    """What keeps a template from being sent in this format."""
    liquid, pieces = template._read.liquid, _pieces_of(template)
    if is_markup(form):
        ways = markup.Ways(NO_CONTEXT)
        ways.through([] if liquid is None else liquid.nodes, markup.At())
        for found in dict.fromkeys(ways.findings):
            yield ContentError(found.message, offset=found.offset, hint=found.hint)
    elif form == "json":
        flat = liquid is None or all(isinstance(each, ContentNode | OutputNode) for each in liquid.nodes)
        if flat and not escaping.looks_like_json(piece for piece, _ in pieces):
            hint = "its channel says `format: json`: all of the text must be one JSON document"
            yield ContentError("not a JSON document", offset=0, hint=hint)


def doubts(template: Template, field: str, forms: Mapping[str, Format]) -> Iterator[ContentError]:
    """What can be sent, and is probably not meant. `forms`: of the field, by channel."""
    pieces = _pieces_of(template)
    yield from leftovers.placeholders(pieces)
    if plain := [channel for channel, form in forms.items() if form in ("text", "line")]:
        yield from leftovers.tags(pieces, field, plain)


def _pieces_of(template: Template) -> list[tuple[str | None, int]]:
    liquid = template._read.liquid
    return [(template.source, 0)] if liquid is None else list(_pieces(liquid.nodes))


def _pieces(nodes: list[Node]) -> Iterator[tuple[str | None, int]]:
    """Text as it is written, and values, in the order of the source."""
    for node in nodes:
        if isinstance(node, ContentNode):
            yield node.text, node.token.start_index
        elif isinstance(node, OutputNode):
            yield escaping.VALUE, node.expression.token.start_index
        else:
            yield from _pieces(list(node.children(NO_CONTEXT, include_partials=False)))


def _read(source: str) -> _Read:
    # Many rules share a subject line, and a reload reads everything again.
    return _read_short(source) if len(source) <= _SHORT else _read_anew(source)


@lru_cache(maxsize=1024)
def _read_short(source: str) -> _Read:
    return _read_anew(source)


def _read_anew(source: str) -> _Read:
    if len(source.encode()) > MAX_TEMPLATE_BYTES:
        message = f"more than {MAX_TEMPLATE_BYTES:,} bytes in one field"
        return _Read(findings=(ContentError(message, offset=0, code=Code.TOO_MUCH_CONTENT),))
    if "{{" not in source and "{%" not in source:
        return _Read()
    if finding := _hopeless(source):
        return _Read(findings=(finding,))
    try:
        liquid = ENVIRONMENT.from_string(source)
        read = _Reading(liquid)
        for node in liquid.nodes:
            bound(node)
    except LiquidError as error:
        offset = max(error.token.start_index, 0) if error.token else 0
        return _Read(findings=(_syntax_finding(str(error.message), offset),))
    except RecursionError:
        return _Read(findings=(ContentError("a template that is nested too deep", offset=0),))
    found = [
        _not_supported(f"`{each.path[0]}` is not supported", each.offset, "write `now`")
        for each in read.references
        if each.path[0] in _CLOCK
    ]
    parts = parts_of(liquid.nodes)
    return _Read(
        liquid,
        parts,
        tuple(read.references),
        tuple(read.applied),
        tuple(read.outputs),
        (*found, *read.complaints),
    )


class _Reading:
    """What a template reads from outside itself, the filters that it names, and what is wrong with those.

    The library's `analyze` says this and more, but takes as long as parsing.
    """

    def __init__(self, template: BoundTemplate) -> None:
        self.references: list[Reference] = []
        self.applied: list[_Applied] = []
        self.outputs: list[Output] = []
        self.complaints: list[ContentError] = []
        self.is_local = False  # whether a variable was one that the template itself gives
        self.compared: dict[int, tuple[str, ...]] = {}  # by the offset of the variable
        # What the template itself gives names to: its own, then its blocks'; None: to nothing that is read.
        self.scopes: list[dict[str, _Path | None]] = [{}]
        for node in template.nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        if isinstance(node, ContentNode):
            return
        if isinstance(node, CaseNode):
            whens = [each.expression for each in node.blocks if isinstance(each, MultiExpressionBlockNode)]
            self.compare(node.expression, [each for when in whens for each in when.expressions])
        said, self.is_local = len(self.references), False
        for expression in node.expressions():
            self.expression(expression)
        written = node.token.value if isinstance(node, OutputNode) else ""
        read = [each for each in self.references[said:] if not each.given]
        if written.startswith("{{") and not self.is_local and read:
            self.outputs.append(Output(written, tuple(read)))
        given = _unread(node.template_scope())
        if isinstance(node, AssignNode):
            given[node.name] = self.assigned(node.expression)
        self.scopes[0].update(given)
        self.scopes.append(_unread(node.block_scope()))
        if isinstance(node, ForNode | TablerowNode) and (items := self.read(node.expression.iterable)):
            self.scopes[-1][node.expression.identifier] = (*items, None)
        for child in node.children(NO_CONTEXT, include_partials=False):
            self.node(child)
        self.scopes.pop()

    def expression(self, expression: Expression) -> None:
        if isinstance(expression, Path):
            at = expression.token.start_index
            is_local = self.is_given(expression)
            self.is_local = self.is_local or is_local
            path = self.read(expression)
            if path and (not is_local or len(expression.path) > 1):  # what is gone through is read before
                self.references.append(_named(path, at, self.compared.get(at, ()), given=is_local))
        elif isinstance(expression, EqExpression | NeExpression):
            self.compare(expression.left, [expression.right])
            self.compare(expression.right, [expression.left])
        elif isinstance(expression, FilteredExpression):
            given = expression.filters or ()
            left = expression.left
            items = self.read(left)
            for number, each in enumerate(given):
                self.filter(each, left if number == 0 else None)
                if items is not None and each.name in _BY_FIELD:
                    self.by_field(items, each)
                items = items if each.name in _OF_SAME_ITEMS else None
                of = _named(left.path).name if isinstance(left, Path) else "…"
                shown = f"{of} |{' … |' if number else ''} {each.name}"
                self.applied.append(_Applied(each.name, shown, each.token.start_index))
            if isinstance(left, StringLiteral) and left.value in _NOW and given and given[0].name == "date":
                message, at = f"'{left.value}' is not supported", left.token.start_index
                self.complaints.append(_not_supported(message, at, _WRITE_NOW))
        self.scopes.append(_unread(expression.scope()))
        for child in expression.children():
            self.expression(child)
        self.scopes.pop()

    def by_field(self, items: _Path, given: Filter) -> None:
        """Notes the field of the items by which a filter goes, as `map: 'name'` does."""
        said = [each.value for each in given.args if isinstance(each, PositionalArgument)]
        if said and isinstance(said[0], StringLiteral):
            path = (*items, None, said[0].value)
            self.references.append(_named(path, given.token.start_index, given=True))

    def is_given(self, path: Path) -> bool:
        """Whether the template itself gives the variable."""
        return any(str(path.path[0]) in scope for scope in self.scopes)

    def read(self, expression: Expression) -> _Path | None:
        """The path of a variable from outside on, through the loops around; None where nobody can say."""
        if not isinstance(expression, Path):
            return None
        root, *rest = expression.path
        scope = next((each for each in reversed(self.scopes) if str(root) in each), None)
        if scope is None:
            return tuple(expression.path)
        around = scope[str(root)]
        return None if around is None else (*around, *rest)

    def assigned(self, expression: Expression) -> _Path | None:
        """What an `assign` gives a name to: a variable, a list of the same items, or one of them."""
        if not isinstance(expression, FilteredExpression):
            return None
        found = self.read(expression.left)
        for each in expression.filters or ():
            if found is not None and each.name in _OF_ONE_ITEM:
                found = (*found, None)
            elif each.name not in _OF_SAME_ITEMS:
                return None
        return found

    def compare(self, one: Expression, others: Sequence[Expression]) -> None:
        if isinstance(one, Path):
            texts = tuple(each.value for each in others if isinstance(each, StringLiteral))
            self.compared[one.token.start_index] = texts

    def filter(self, given: Filter, left: Expression | None) -> None:
        keywords = {each.name: _seen(each.value) for each in given.args if isinstance(each, KeywordArgument)}
        values = [_seen(each.value) for each in given.args if not isinstance(each, KeywordArgument)]
        if wrong := filters.complaint(given.name, self.value(left), values, keywords):
            wrong.offset = given.token.start_index
            self.complaints.append(wrong)

    def value(self, left: Expression | None) -> object:
        """Of what a filter is given, as far as it can be seen."""
        if isinstance(left, Path) and len(left.path) == 1 and left.path[0] in _TIMES:
            return filters.UNSEEN if self.is_given(left) else filters.A_TIME
        return _seen(left)


def _unread(names: Iterable[str]) -> dict[str, _Path | None]:
    return dict.fromkeys(map(str, names))


def _named(
    path: Sequence[object], offset: int = 0, compared: tuple[str, ...] = (), *, given: bool = False
) -> Reference:
    names = tuple(each if isinstance(each, str | int) else None for each in path)
    return Reference(names, offset, compared, given)


def _seen(expression: Expression | None) -> object:
    return expression.value if isinstance(expression, Literal) else filters.UNSEEN


def _hopeless(source: str) -> ContentError | None:
    """What would keep the library's patterns busy for seconds: they try all lengths of what has no end."""
    for start, end in (("{{", "}}"), ("{%", "%}")):
        last = source.rfind(start)
        if last > source.rfind(end):
            message = f"not a Liquid template: `{start}` without `{end}`"
            return ContentError(message, offset=last, hint=f"write {start} … {end}")
    if lost := _BEFORE_WHEN.search(source):
        message, at = "what stands between `case` and its first `when` is never sent", lost.start(1)
        return ContentError(message, offset=at, hint="put it into a branch, or in front of the `case`")
    if gap := re.search(r"\s{200}", source):
        return ContentError("200 spaces in a row", offset=gap.start(), hint="remove them")
    return None


def _not_supported(message: str, offset: int, hint: str | None = None) -> ContentError:
    return ContentError(message, offset=offset, hint=hint, code=Code.TEMPLATE_NOT_SUPPORTED)


def _syntax_finding(message: str, offset: int) -> ContentError:
    if unknown := _UNKNOWN_TAG.match(message):
        if unknown[1] in _LATER_TAGS:
            return _not_supported(f"the tag `{unknown[1]}` is not supported yet", offset)
        lost = "nothing is open that it belongs to" if unknown[1] in _TAGS else None
        hint = lost or _OTHER_TAGS.get(unknown[1]) or did_you_mean(unknown[1], _TAGS)
        return ContentError(f"not a Liquid template: {message}", offset=offset, hint=hint)
    hint = next((hint for pattern, hint in _HINTS if pattern.search(message)), None)
    return ContentError(f"not a Liquid template: {message}", offset=offset, hint=hint)
