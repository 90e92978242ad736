"""The filters of templates: Liquid's own, with bounds on what they take and give, and ours.

Ours are `money` and `date`, which speak the customer's language and time; `strip_html` and `replace` are
written anew, as the library's take seconds or gigabytes for a hostile text. What counts with numbers refuses
what is none, which the library takes for nought. What works on texts takes texts and numbers: for all else
the library has Python's words (`None`, `True`, `['a']`). Left out is `safe`: what an event says never becomes
markup.
No filter reads a clock, a file or the machine's settings.

`BY_NAME` has them as the library wants them: `filter(value, *arguments)`, the context as a keyword where one
asks for it. `complaint` says before any rendering what can be seen to be wrong with how one is used.
Tested by tests/content/test_filters.py.
"""

from __future__ import annotations

import html
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from liquid import Environment
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import flatten, string_filter, with_context

from stream.content import locales
from stream.content.escaping import written
from stream.diagnostics import Code
from stream.errors import ContentError
from stream.hints import did_you_mean

if TYPE_CHECKING:
    from stream.content.renderer import Rendering

Filter = Callable[..., Any]

MAX_TEXT = 64 * 1024  # characters that a filter may give
MAX_SEPARATOR = 100  # characters
EARLIEST = 100_000_000  # seconds, in 1973: a smaller number is a count, an amount or a day without dashes
MOST_DIGITS = 9  # behind the point
# What takes numbers only, and what takes texts and numbers; of those two take lists, too.
OF_NUMBERS = frozenset(
    {
        *("abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus"),
        *("round", "times"),
    }
)
OF_TEXTS = frozenset(
    {
        *("append", "base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode"),
        *("capitalize", "downcase", "escape", "escape_once", "escapejs", "join", "lstrip", "newline_to_br"),
        *("prepend", "remove", "remove_first", "remove_last", "replace", "replace_first", "replace_last"),
        *(
            "rstrip",
            "slice",
            "split",
            "squish",
            "strip",
            "strip_html",
            "strip_newlines",
            "truncate",
            "truncatewords",
        ),
        *("upcase", "url_decode", "url_encode"),
    }
)
_OF_LISTS = frozenset({"join", "slice"})
WITHHELD = {"safe": "what an event says never becomes markup"}


@with_context
def money(value: object, currency: object, *, context: Rendering) -> str:
    """`{{ event.amount | money: "EUR" }}`: an amount in the customer's locale."""
    try:
        return locales.money(value, currency, context.place.locale)
    except ValueError as error:
        raise FilterArgumentError(f"money: {error}", token=None) from None


@with_context
def date(
    value: object, form: object = "medium", *, plus: object = "", minus: object = "", context: Rendering
) -> str:
    """`{{ event_time | date: "long", plus: "3d" }}`: a day or moment where the customer is."""
    if type(value) in (int, float) and value < EARLIEST:  # type: ignore[operator]  # a number
        raise FilterArgumentError("date: a number that is no time", token=None)
    try:
        shift = (locales.read_shift(plus), locales.read_shift(minus))
        return locales.show_moment(value, form, context.place.locale, context.place.zone, shift)
    except ValueError as error:
        raise FilterArgumentError(f"date: {error}", token=None) from None


@with_context
@string_filter
def escape(value: str, *, context: Rendering) -> str:
    """For HTML. In an `html` field all is escaped anyway: once is enough."""
    return context.markup(html.escape(value))


@with_context
@string_filter
def escape_once(value: str, *, context: Rendering) -> str:
    """For HTML, and what is escaped already is not escaped again."""
    return context.markup(html.escape(html.unescape(value)))


@with_context
@string_filter
def newline_to_br(value: str, *, context: Rendering) -> str:
    """With `<br />` before each line break, for HTML."""
    if context.is_markup:
        value = html.escape(value)
    return context.markup(re.sub(r"\r?\n", "<br />\n", value))


@string_filter
def strip_html(value: str) -> str:
    """Without tags and comments, and without the content of a script or style. Takes linear time."""
    kept, at = [], 0
    while (start := value.find("<", at)) >= 0:
        kept.append(value[at:start])
        opening = _OPENING.match(value, start)
        end = (_END[opening[0].lower()] if opening else _TAG_END).search(value, start)
        if end is None:
            return "".join(kept)  # whatever it was, it does not end
        at = end.end()
    return "".join([*kept, value[at:]])


_OPENING = re.compile(r"<!--|<script|<style", re.IGNORECASE | re.ASCII)
_END = {
    opening: re.compile(end, re.IGNORECASE | re.ASCII)
    for opening, end in (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
}
_TAG_END = re.compile(">")


@string_filter
def replace(value: str, old: object, new: object = "") -> str:
    """With each of one text in the place of another."""
    old, new = _text(old), _text(new)
    if len(value) + value.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise ResourceLimitError("replace: too long", token=None)
    return value.replace(old, new)


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def number(value: object) -> int | float:
    """A number, or a text that is one and nothing else. FilterArgumentError for all that is none."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    raise FilterArgumentError("no number", token=None)


_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)


def _of_numbers(name: str, given: Filter) -> Filter:
    """The library's, which takes what is no number for nought."""

    @wraps(given)
    def strict(value: object, *others: object) -> int | float:
        numbers = [number(each) for each in others]
        if name == "round" and numbers and not (type(numbers[0]) is int and 0 <= numbers[0] <= MOST_DIGITS):
            raise FilterArgumentError("round: no number of digits", token=None)
        try:
            return number(given(number(value), *numbers))
        except ArithmeticError:
            raise FilterArgumentError(f"{name}: there is no answer", token=None) from None

    return strict


def _sum(given: Filter) -> Filter:
    @wraps(given)
    def strict(values: object, key: object = None) -> int | float:
        items = values if isinstance(values, list | tuple | range) else [values]
        if key is not None:
            items = [each.get(key) if isinstance(each, dict) else None for each in items]
        return number(given([number(each) for each in items]))

    return strict


def _of_texts(name: str, given: Filter) -> Filter:
    """The library's, which takes Python's words for what is no text."""

    @wraps(given)
    def strict(value: object, *others: object, **named: Any) -> Any:
        if type(value) is str and not others and not named:  # nearly always
            return given(value)
        taken = [*others, *(each for key, each in named.items() if key not in _HIDDEN)]
        if not (name in _OF_LISTS and isinstance(value, list | tuple | range)):
            taken.append(value)
        if not all(isinstance(each, str) or type(each) in (int, float) for each in taken):
            raise FilterArgumentError(f"{name}: no text and no number", token=None)
        return given(value, *others, **named)

    return strict


def _join(join: Filter) -> Filter:
    """The separator is written once for each item."""

    @wraps(join)
    def bounded(values: Any, separator: object = " ", **given: Any) -> Any:
        if len(_text(separator)) > MAX_SEPARATOR:
            raise ResourceLimitError("join: too long", token=None)
        items = flatten(values) if isinstance(values, list | tuple | range) else [values]
        return join([written(each) for each in items], separator, **given)

    return bounded


def _all() -> dict[str, Filter]:
    found: dict[str, Filter] = dict(Environment().filters)
    for name in WITHHELD:
        del found[name]
    found["join"] = _join(found["join"])
    found["sum"] = _sum(found["sum"])
    found.update({name: _of_numbers(name, found[name]) for name in OF_NUMBERS})
    ours = (money, date, escape, escape_once, newline_to_br, strip_html, replace)
    found.update({each.__name__: each for each in ours})
    return {**found, **{name: _of_texts(name, found[name]) for name in OF_TEXTS}}


_HIDDEN = ("context", "environment")  # what the library gives, and no template
BY_NAME: Mapping[str, Filter] = _all()


def _parameters(given: Filter) -> inspect.Signature:
    """What a template may write after the filter's colon."""
    found = inspect.signature(given)
    return found.replace(parameters=[each for name, each in found.parameters.items() if name not in _HIDDEN])


SIGNATURES = {name: _parameters(each) for name, each in BY_NAME.items()}


# What other languages of templates call them.
_ELSEWHERE = {
    **dict.fromkeys(("upper", "uppercase", "toupper"), "upcase"),
    **dict.fromkeys(("lower", "lowercase", "tolower"), "downcase"),
    **dict.fromkeys(("title", "titlecase", "capitalise", "ucfirst"), "capitalize"),
    **dict.fromkeys(("len", "length", "count"), "size"),
    **dict.fromkeys(("year", "month", "day", "hour", "date_only"), "date: 'long'"),
    "trim": "strip",
    **dict.fromkeys(("currency", "money_with_currency", "format_currency"), "money: 'EUR'"),
    **dict.fromkeys(("number", "format", "number_format", "fixed", "tofixed"), "round: 2"),
    **dict.fromkeys(("format_date", "strftime", "date_format", "datetime"), "date: 'long'"),
    **dict.fromkeys(("urlencode", "encode"), "url_encode"),
    **dict.fromkeys(("fallback", "or", "ifempty", "if_null"), "default: '…'"),
}


def meant(name: str) -> str | None:
    """The filter that is called so, here or in another language."""
    return name if name in BY_NAME else _ELSEWHERE.get(name.lower())


def takes(name: str) -> str:
    """What a filter takes, in words."""
    if name == "date":
        return "a time such as 2026-03-02T10:00:00Z, or seconds since 1970"
    return "texts and numbers" if name in OF_TEXTS else "numbers"


def complaint(
    name: str, value: object, positional: Sequence[object], keywords: Mapping[str, object]
) -> ContentError | None:
    """What can be seen to be wrong without rendering. The values are UNSEEN where they are not written out;
    `value` is A_TIME where it is known to be one.
    """
    if name in WITHHELD:
        code = Code.TEMPLATE_NOT_SUPPORTED
        return ContentError(f"the filter `{name}` is not supported", hint=WITHHELD[name], code=code)
    if name not in BY_NAME:
        known = meant(name)
        hint = f"write `{known}`" if known else did_you_mean(name, BY_NAME)
        return ContentError(f"unknown filter `{name}`", hint=hint)
    if name == "money" and not positional:
        return ContentError("`money` needs a currency", hint='write e.g. money: "EUR"')
    try:
        SIGNATURES[name].bind(None, *positional, **keywords)
    except TypeError as error:
        return ContentError(f"the filter `{name}` cannot take that: {error}")
    first = positional[0] if positional else UNSEEN
    if name == "money" and first is not UNSEEN and str(first).upper() not in locales.currencies():
        shown = str(first)[:10]
        hint = did_you_mean(shown.upper(), locales.currencies()) or "a code of ISO 4217 such as EUR"
        return ContentError(f"there is no currency `{shown}`", hint=hint)
    if name == "date":
        return _complaint_of_date(first, keywords)
    return _complaint_of_numbers(name, value, positional) if name in OF_NUMBERS else None


def _complaint_of_date(form: object, keywords: Mapping[str, object]) -> ContentError | None:
    for key, given in keywords.items():
        if given is not UNSEEN:
            try:
                locales.read_shift(given)
            except ValueError:
                return ContentError(f"`{key}` of a date must be a duration", hint=f"write e.g. {key}: '3d'")
    if form is UNSEEN:
        return None
    wrong = locales.wrong_format(form) if isinstance(form, str) else "no text"
    hint = f"write {', '.join(locales.STYLES)}, {locales.TIME}, or a pattern such as %d. %B %Y"
    return None if wrong is None else ContentError(f"no format of a date: {wrong}", hint=hint)


def _complaint_of_numbers(name: str, value: object, others: Sequence[object]) -> ContentError | None:
    if value is A_TIME:
        hint = "to add to a time write e.g. date: 'long', plus: '3d'"
        return ContentError(f"`{name}` takes numbers, and this is a time", hint=hint)
    for each in (value, *others):
        if each is not UNSEEN:
            try:
                number(each)
            except FilterArgumentError:
                hint = "with a point, and nothing else: 49.90"
                return ContentError(f"`{name}` takes numbers only", hint=hint)
    if name in ("divided_by", "modulo") and others and others[0] is not UNSEEN and number(others[0]) == 0:
        return ContentError(f"`{name}` nought has no answer")
    return None


UNSEEN = object()
A_TIME = object()
