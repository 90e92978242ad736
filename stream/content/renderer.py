"""Rendering: python-liquid with a budget, a format for values, and nothing outside of the data.

What a template may cost is counted in steps, not in time, so that a decision does not hang on how busy a
machine is: a value that is read is one step and more for its size, a filter one and more for what it takes
and gives, a round of a loop as many as its body has parts. `BUDGET` steps are 10 to 40 ms at the very most.
The library's own limits, on products of nested loops, do not bound loops that follow each other, and nothing
of it bounds ranges, `when 1, 1, 1`, or the work of a filter. `bound` puts bounds into a parsed template.

The library's `now` and `today`, which are the machine's, are out of reach; so is every attribute: a path
leads through keys of data only.

Tested by tests/content/test_renderer.py, with a template for each kind of attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from functools import partial
from typing import Any, Protocol, TextIO

from babel import Locale
from liquid import BoundTemplate, Environment, Mode, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.primitive import Literal, RangeLiteral, parse_primitive
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseTag, MultiExpressionBlockNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.exceptions import LiquidValueError, ResourceLimitError, UndefinedError
from liquid.expression import Expression
from liquid.limits import to_int
from liquid.output import LimitedStringIO
from liquid.stream import TokenStream
from liquid.token import TOKEN_COMMA, TOKEN_OR, Token
from liquid.undefined import Undefined, is_undefined
from liquid.utils import ReadOnlyChainMap

from stream.content import filters
from stream.content.escaping import (
    AS_IT_IS,
    JsonText,
    Markup,
    NothingError,
    escape_html,
    is_json,
    written,
)
from stream.content.formats import Format, is_blank, is_markup
from stream.content.locales import Region

BUDGET = 10_000  # steps
EVENT_BUDGET = 2 * BUDGET  # of all texts that come of one event, or of one timer
MAX_OUTPUT = 64 * 1024  # bytes
MAX_ROUNDS = 1000  # of a loop, and of loops within each other together
MAX_BITS = 256  # of a whole number
_PER_STEP = 16  # characters
PLACED = 10  # steps of a filter that writes as people at a place do
_PLACED = frozenset(("date", "money"))


class _Environment(Environment):
    loop_iteration_limit = MAX_ROUNDS
    output_stream_limit = MAX_OUTPUT


class Taken(Protocol):
    """Whatever counts the steps that the texts of one event, or of one timer, have taken."""

    text_steps: int


class Missing(Undefined):
    """What is not there. To ask is allowed: it is false, nil, empty, and filters leave it what it is until
    `default` or `size` answers. To write it, or to count with it, is an error.
    """

    __slots__ = ()
    force_liquid_default = True

    def __str__(self) -> str:
        raise UndefinedError("nothing to write", token=self.token)

    def __int__(self) -> int:
        raise UndefinedError("nothing to count with", token=self.token)


class Null(Missing):
    """What a filter makes of null. The library's take it for nought or for an empty text."""

    __slots__ = ()

    def __str__(self) -> str:
        raise NothingError("a value is null", token=None)


class Place:
    """Where the customer is: the time zone and locale, asked for only where a template needs them."""

    __slots__ = ("_bindings", "_region")

    def __init__(self, bindings: Mapping[str, Any], region: Region) -> None:
        self._bindings, self._region = bindings, region

    @property
    def zone(self) -> tzinfo | None:
        return self._region.zone_of(self._attributes())

    @property
    def locale(self) -> Locale:
        return self._region.locale_of(self._attributes())

    def _attributes(self) -> Mapping[str, Any]:
        try:
            return self._bindings["customer"]  # type: ignore[no-any-return]
        except KeyError:
            return {}


class Rendering(RenderContext):
    """One rendering of one template. `steps`: what is left of the budget. `owed`: the first value that was
    written, and of which the author has not said that it may be empty.
    """

    __slots__ = ("format", "is_markup", "owed", "place", "steps")

    def __init__(
        self, template: BoundTemplate, bindings: Mapping[str, Any], form: Format, region: Region, steps: int
    ) -> None:
        super().__init__(template)
        self.globals = bindings
        self.scope = ReadOnlyChainMap(self.locals, bindings, self.counters)
        self.format, self.place, self.steps = form, Place(bindings, region), steps
        self.is_markup = is_markup(form)
        self.owed: Token | None = None

    def get_buffer(self, buf: TextIO | None = None) -> LimitedStringIO:
        """For a part of the text. The library's would make other line ends of some."""
        taken = buf.size if isinstance(buf, LimitedStringIO) else 0
        return LimitedStringIO(MAX_OUTPUT - taken, newline=AS_IT_IS)

    def markup(self, text: str) -> str:
        """A text that is escaped for HTML, as what it is in this format."""
        return Markup(text) if self.is_markup else text

    def charge(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise ResourceLimitError("too many steps", token=None)

    def put(self, value: object, buffer: TextIO) -> int:
        """Write a value."""
        if is_undefined(value):
            str(value)  # it fails there, with its place
        if isinstance(buffer, JsonText):
            text = buffer.shown(value)
            self.charge(1 + len(text) // _PER_STEP)
            return buffer.put(text)
        text = written(value)
        self.charge(1 + len(text) // _PER_STEP)
        return buffer.write(escape_html(text) if self.is_markup else text)

    def get(self, path: list[object], **given: Any) -> object:
        for key in path:
            if is_undefined(key):  # a trait has a value for any key
                return key
        found = super().get(path, **given)
        self.charge(1 + self.size(found))
        return found

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        return partial(self._filter, name, super().filter(name, token))

    def _filter(
        self, name: str, given: Callable[..., object], value: object, *more: object, **named: object
    ) -> object:
        if name != "default":
            if is_undefined(value) and name != "size":
                return value
            if value is None and (name in filters.OF_NUMBERS or name in filters.OF_TEXTS):
                return Null("null", token=None)
            for each in (*more, *named.values()):
                if is_undefined(each):
                    str(each)  # it fails there, with its place
        size = sum(map(self.size, (value, *more, *named.values())))
        self.charge(1 + (size * size // 16 if name == "uniq" else size) + (PLACED if name in _PLACED else 0))
        found = given(value, *more, **named)
        self.charge(self.size(found))
        return found

    def assign(self, key: str, val: Any) -> None:
        self.charge(1 + self.size(val))
        self.locals[key] = val

    def size(self, value: object) -> int:
        """Of a value, in steps; it looks at no more than are left. Only types are asked: what is undefined
        fails at anything else.
        """
        steps = 0
        rest: list[Any] = [value]
        while rest and steps <= self.steps:
            each = rest.pop()
            kind = type(each)
            if kind is str or kind is Markup:
                steps += len(each) // _PER_STEP
            elif kind is list or kind is dict:
                steps += len(each)
                if steps <= self.steps:
                    rest += each.values() if kind is dict else each
            elif kind is range:
                steps += len(each)
            elif kind is int and each.bit_length() > MAX_BITS:
                raise ResourceLimitError("a number that is too large", token=None)
        return steps


def render(
    template: BoundTemplate, bindings: Mapping[str, Any], form: Format, region: Region, taken: Taken | None
) -> str:
    """The text of a template that `bound` has seen. Raises what the library raises, and what filters do."""
    steps = BUDGET if taken is None else min(BUDGET, EVENT_BUDGET - taken.text_steps)
    context = Rendering(template, bindings, form, region, steps)
    buffer = JsonText(MAX_OUTPUT) if form == "json" else LimitedStringIO(MAX_OUTPUT, newline=AS_IT_IS)
    try:
        template.render_with_context(context, buffer)
    finally:
        if taken is not None:
            taken.text_steps += steps - max(context.steps, 0)
    text = buffer.getvalue()
    if form == "json" and not is_json(text):
        raise LiquidValueError("not a JSON document", token=None)
    # An event that says "" or a blank says as little as one without the field: an empty subject, banner or
    # SMS was not meant. A text may be empty on purpose, and then its author has said so: `| default: ''`, or
    # a branch in which nothing stands.
    if context.owed is not None and is_blank(text):
        raise NothingError("a text of blanks only", token=context.owed)
    return text


# --- nodes that put values --------------------------------------------------------------------


class _Output(OutputNode):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        if context.owed is None and not _may_be_empty(self.expression):
            context.owed = self.expression.token
        try:
            return context.put(self.expression.evaluate(context), buffer)  # type: ignore[no-any-return]
        except NothingError as error:
            error.token = self.expression.token
            raise


def _may_be_empty(expression: Any) -> bool:
    """Whether the author says so: a value that is written out, or `| default: ''`."""
    return isinstance(expression.left, Literal) or any(
        each.name == "default"
        and all(
            isinstance(given.value, Literal) and is_blank(str(given.value.value)) for given in each.args[:1]
        )
        for each in expression.filters or ()
    )


class _Capture(CaptureNode):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        owed = context.owed
        taken = super().render_to_output(context, buffer)
        context.owed = owed  # it is not written here
        return taken

    def _assign(self, context: Any, buf: Any) -> None:
        context.assign(self.name, context.markup(buf.getvalue()))


class _Cycle(CycleNode):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        group = self.group.evaluate(context) if self.group else ""
        values = [each.evaluate(context) for each in self.args]
        key = ("" if is_undefined(group) else str(group)) or str(values)
        return context.put(values[context.cycle(key, len(values))], buffer)  # type: ignore[no-any-return]


# --- bounds of parsed templates ---------------------------------------------------------------


class _Around(Expression):
    """An expression with a bound around it."""

    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        super().__init__(inner.token)
        self.inner = inner

    def __str__(self) -> str:
        return str(self.inner)

    def children(self) -> list[Expression]:
        return [self.inner]

    async def evaluate_async(self, context: RenderContext) -> object:
        raise NotImplementedError


class _Stop(_Around):
    """The end of a range. Ranges are written out by many a filter."""

    __slots__ = ("start",)

    def __init__(self, literal: RangeLiteral) -> None:
        super().__init__(literal.stop)
        self.start = literal.start

    def evaluate(self, context: RenderContext) -> object:
        stop = self.inner.evaluate(context)
        if _whole(stop) - _whole(self.start.evaluate(context)) >= MAX_ROUNDS:
            raise ResourceLimitError("a range that is too long", token=None)
        return stop


def _whole(value: Any) -> int:
    """As ranges take it."""
    try:
        return to_int(value)
    except (ValueError, TypeError):
        return 0


class _Once(_Around):
    """What a `when` compares: whether any fits. In the library its block is written for each that does."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return [any(self.inner.evaluate(context))]


class _Rounds(_Around):
    """What a loop goes over; each round is charged."""

    __slots__ = ("cols", "identifier", "iterable", "weight")

    def __init__(self, loop: Any, weight: int) -> None:
        super().__init__(loop)
        self.identifier, self.iterable, self.cols = loop.identifier, loop.iterable, loop.cols
        self.weight = weight

    def evaluate(self, context: Any) -> tuple[Iterator[object], int]:
        values, length = self.inner.evaluate(context)
        return self._charged(values, context), length

    def _charged(self, values: Iterable[object], context: Rendering) -> Iterator[object]:
        for each in values:
            context.charge(self.weight)
            yield each


def bound(node: Node) -> int:
    """Put bounds into a node, with all below it; returns how many steps it takes to write it once, values and
    rounds of loops not counted.
    """
    if isinstance(node, ContentNode):
        return 1 + len(node.text) // _PER_STEP
    weight = 1 + sum(_bound_expression(each) for each in node.expressions())
    below = sum(bound(each) for each in node.children(NO_CONTEXT, include_partials=False))
    bounded: Any = node
    if isinstance(node, ForNode | TablerowNode):
        bounded.expression = _Rounds(node.expression, 1 + below)
    elif isinstance(node, MultiExpressionBlockNode):
        bounded.expression = _Once(node.expression)
    return weight + below


def _bound_expression(expression: Expression) -> int:
    if isinstance(expression, RangeLiteral) and not isinstance(expression.stop, _Stop):
        expression.stop = _Stop(expression)
    return 1 + sum(map(_bound_expression, expression.children()))


class _Case(CaseTag):
    """The library's, which leaves out what it cannot read of a `when`."""

    def _parse_when_expression(self, stream: TokenStream) -> list[Expression]:
        found: list[Expression] = [parse_primitive(self.env, stream)]
        while stream.current.kind in (TOKEN_COMMA, TOKEN_OR):
            next(stream)
            found.append(parse_primitive(self.env, stream))
        stream.expect_eos()
        return found


def _environment() -> Environment:
    environment = _Environment(undefined=Missing, tolerance=Mode.STRICT, strict_filters=True)
    # The first two would read files; what the third has written would be escaped anew.
    for tag in ("include", "render", "ifchanged"):
        del environment.tags[tag]
    for name, node in (("output", _Output), ("echo", _Output), ("capture", _Capture), ("cycle", _Cycle)):
        environment.tags[name].node_class = node  # type: ignore[attr-defined]  # of this tag, not of its class
    for name in ("if", "unless"):  # else they drop what stands behind an `else`, and more branches
        environment.tags[name].mode = Mode.STRICT  # type: ignore[attr-defined]
    environment.tags["case"] = _Case(environment)
    environment.filters = dict(filters.BY_NAME)
    return environment


ENVIRONMENT = _environment()
NO_CONTEXT = RenderContext(ENVIRONMENT.from_string(""))  # the tags that would look into it are left out
