"""Where in an HTML document a value would stand, and whether escaping makes it harmless there.

Escaping makes a value mere text: sound in text, and in quoted attributes that mean nothing but text. Anywhere
else (a script, `onclick`, `style`, a comment, a tag's name, the beginning of a link) no escaping helps, so a
value there is refused when the rules are loaded. The document is read as browsers read it, tag by tag; each
branch is read from where its tag stands, all branches must end in the same place, and a loop where it began,
so that what is said of a value holds whichever way the template goes. The algorithm is that of Go's
html/template (escape.go, transition.go), with a list of what is allowed in place of escapers for the rest.
Tested by tests/content/test_markup.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.context import RenderContext

# Attributes that are text wherever they stand, besides `aria-…` and most `data-…`.
_PLAIN = frozenset(
    {
        *("abbr", "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color"),
        *("cols", "colspan", "datetime", "dir", "face", "headers", "height", "hspace", "id", "itemprop"),
        *("label", "lang", "max", "maxlength", "min", "name", "placeholder", "role", "rows", "rowspan"),
        *("scope", "size", "start", "summary", "tabindex", "title", "valign", "value", "vspace", "width"),
    }
)
# Attributes that are addresses, of elements where following or loading one runs nothing.
_ADDRESSES = frozenset(
    {
        *(("a", "href"), ("area", "href"), ("img", "src"), ("source", "src"), ("audio", "src")),
        *(("track", "src"), ("video", "src"), ("video", "poster"), ("blockquote", "cite"), ("q", "cite")),
        *((tag, "background") for tag in ("body", "table", "tr", "td", "th")),
    }
)
# Elements none of whose attributes is mere text.
_CLOSED = frozenset({"applet", "base", "embed", "link", "meta", "object", "param", "script", "style"})
_MEANS_MORE = re.compile("^on|src|href|ur[il]|style|action|html|bind")  # in a `data-…` that scripts read
_RUNS = frozenset({"javascript", "vbscript", "data"})

_TEXT_ONLY = frozenset({"textarea", "title"})  # no tags within, and values are text there
_RAW = frozenset({"script", "style", "iframe", "xmp", "noembed", "noframes", "noscript", "plaintext"})

_SPACE = " \t\n\r\f"
_NAME_END = re.compile(r"[ \t\n\r\f/>]")
_ATTRIBUTE_END = re.compile(r"[ \t\n\r\f/>=]")
_UNQUOTED_END = re.compile(r"[ \t\n\r\f>]")
_COMMENT_END = re.compile("--!?>")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
# What fixes where an address leads: a host, a path, a query.
_FIXED = re.compile(r"[?#]|/[^/\\]|//[^/\\]|[^:/?#\\]+[/?#]")

SAFE, RUNS, MIXED = "\0safe", "\0runs", "\0mixed"  # of an address, once it is settled
_WHERE = {
    **dict.fromkeys(("open", "close", "name"), "in a tag's name"),
    **dict.fromkeys(("tag", "cut", "attribute", "after"), "among a tag's attributes"),
    **dict.fromkeys(("before", "unquoted"), "in an attribute without quotes"),
    **dict.fromkeys(("bang", "comment", "declaration"), "in a comment"),
}
_IN_TAG = ("name", "tag", "cut", "attribute", "after")


class At(NamedTuple):
    """A place in a document. `tag`: the element's name, with `/` before it of an end tag. `name`: the
    attribute's. `address`: what has been written of one. `tail`: what may be the beginning of an end.
    """

    place: str = "text"
    tag: str = ""
    name: str = ""
    quote: str = ""
    address: str = ""
    tail: str = ""


class CutError(Exception):
    """A name that goes on behind a branch."""


def read(at: At, text: str) -> At:
    """The place behind a piece of the document. CutError: a name was cut."""
    position = 0
    while position < len(text):
        at, position = _STEPS[at.place](at, text, position)
    return at


def complaint(at: At) -> str | None:
    """Why a value must not be written here, in words; None: it may."""
    if at.place in ("raw", "text", "textual"):
        return f"in <{at.tag}>" if at.place == "raw" else _WHERE["name"] if "<" in at.tail else None
    if at.place != "quoted":
        return _WHERE[at.place]
    name, tag = at.name.lower(), at.tag
    if (tag, name) in _ADDRESSES:
        settled = _settle(at.address)
        if settled == RUNS:
            return f"in a link that is code, in `{at.name}`"
        return None if settled == SAFE else f"at the beginning of `{at.name}`, where it says where it leads"
    plain = name in _PLAIN or name.startswith("aria-")
    plain = plain or (name.startswith("data-") and not _MEANS_MORE.search(name[5:]))
    if plain and tag not in _CLOSED:
        return None
    return f"in `{at.name}` of <{tag}>" if name in ("src", "href") else f"in `{at.name}`"


def join(one: At | None, other: At | None) -> At | None:
    """The place where two ways meet; None is a way that does not get there. ValueError if they cannot."""
    if one is None or other is None or one == other:
        return one if other is None else other
    if one._replace(address="", tail="") == other._replace(address="", tail=""):
        settled = {_settle(one.address), _settle(other.address)}
        address = RUNS if RUNS in settled else SAFE if settled == {SAFE} else MIXED
        return one._replace(address=address if one.place == "quoted" else "", tail="")
    if one.place in _IN_TAG and other.place in _IN_TAG and one.tag == other.tag:
        return At("cut", one.tag)
    raise ValueError


def _settle(address: str) -> str:
    """SAFE, RUNS or MIXED; else the address as far as it is known."""
    if address in (SAFE, RUNS, MIXED):
        return address
    plain = re.sub("[\0-\x20]", "", html.unescape(address))
    if scheme := _SCHEME.match(plain):
        return RUNS if scheme[1].lower() in _RUNS else SAFE
    return SAFE if _FIXED.match(plain) else address


# ---- a step in each place ----


def _text(at: At, text: str, position: int) -> tuple[At, int]:
    start = text.find("<", position)
    return (at, len(text)) if start < 0 else (At("open"), start + 1)


def _open(at: At, text: str, position: int) -> tuple[At, int]:
    char = text[position]
    if char.isascii() and char.isalpha():
        return At("name"), position
    place = {"/": "close", "!": "bang", "?": "declaration"}.get(char)
    return (At(), position) if place is None else (At(place), position + 1)


def _close(at: At, text: str, position: int) -> tuple[At, int]:
    char = text[position]
    if char.isascii() and char.isalpha():
        return At("name", "/"), position
    return (At(), position + 1) if char == ">" else (At("declaration"), position)


def _bang(at: At, text: str, position: int) -> tuple[At, int]:
    if text[position] != "-":
        return At("declaration"), position
    return (At("comment", tail="--") if at.tail else At("bang", tail="-")), position + 1


def _comment(at: At, text: str, position: int) -> tuple[At, int]:
    rest = at.tail + text[position:]
    if end := _COMMENT_END.search(rest):
        return At(), position + end.end() - len(at.tail)
    return At("comment", tail=rest[-3:]), len(text)


def _declaration(at: At, text: str, position: int) -> tuple[At, int]:
    end = text.find(">", position)
    return (at, len(text)) if end < 0 else (At(), end + 1)


def _name(at: At, text: str, position: int) -> tuple[At, int]:
    end = _NAME_END.search(text, position)
    at = At("name", at.tag + text[position : end.start() if end else len(text)].lower())
    return (at._replace(place="tag"), end.start()) if end else (at, len(text))


def _tag(at: At, text: str, position: int) -> tuple[At, int]:
    char = text[position]
    if char == ">":
        return _behind(at.tag), position + 1
    if char in _SPACE or char == "/":
        return At("tag", at.tag), position + 1
    return At("attribute", at.tag, char), position + 1


def _cut(at: At, text: str, position: int) -> tuple[At, int]:
    if text[position] in _SPACE or text[position] in "/>":
        return At("tag", at.tag), position
    raise CutError


def _behind(tag: str) -> At:
    if tag in _RAW:
        return At("raw", tag)
    return At("textual", tag) if tag in _TEXT_ONLY else At()


def _attribute(at: At, text: str, position: int) -> tuple[At, int]:
    end = _ATTRIBUTE_END.search(text, position)
    at = at._replace(name=at.name + text[position : end.start() if end else len(text)])
    return (at, len(text)) if end is None else (at._replace(place="after"), end.start())


def _after(at: At, text: str, position: int) -> tuple[At, int]:
    char = text[position]
    if char in _SPACE:
        return at, position + 1
    if char == "=":
        return at._replace(place="before"), position + 1
    return At("tag", at.tag), position


def _before(at: At, text: str, position: int) -> tuple[At, int]:
    char = text[position]
    if char in _SPACE:
        return at, position + 1
    if char in "\"'":
        return at._replace(place="quoted", quote=char), position + 1
    return (At("tag", at.tag), position) if char == ">" else (at._replace(place="unquoted"), position)


def _quoted(at: At, text: str, position: int) -> tuple[At, int]:
    end = text.find(at.quote, position)
    if end >= 0:
        return At("tag", at.tag), end + 1
    settled = at.address in (SAFE, RUNS, MIXED)
    return at if settled else at._replace(address=_settle(at.address + text[position:])), len(text)


def _unquoted(at: At, text: str, position: int) -> tuple[At, int]:
    end = _UNQUOTED_END.search(text, position)
    return (at, len(text)) if end is None else (At("tag", at.tag), end.start())


def _raw(at: At, text: str, position: int) -> tuple[At, int]:
    if at.tag == "plaintext":
        return at, len(text)
    rest = at.tail + text[position:]
    if end := re.search(rf"</{at.tag}(?=[ \t\n\r\f/>])", rest, re.IGNORECASE):
        return At("tag", f"/{at.tag}"), position + end.end() - len(at.tail)
    return at._replace(tail=rest[-len(at.tag) - 2 :]), len(text)


_STEPS = {
    "text": _text,
    "open": _open,
    "close": _close,
    "bang": _bang,
    "comment": _comment,
    "declaration": _declaration,
    "name": _name,
    "tag": _tag,
    "cut": _cut,
    "attribute": _attribute,
    "after": _after,
    "before": _before,
    "quoted": _quoted,
    "unquoted": _unquoted,
    "raw": _raw,
    "textual": _raw,
}


# ---- all ways through a template ----


class Misplaced(NamedTuple):
    """What is wrong, and where: a value that must not stand there, or ways that do not meet."""

    message: str
    offset: int
    hint: str


_APART = "let each branch open and close the same tags and quotes, or put whole tags into it"
_NO_MERE_TEXT = "there it would not be mere text: put it into the text, or an attribute with quotes"
_LINK = "write at least https:// before the value; better a whole address, and values behind its `?`"


class Ways:
    """All ways through the nodes of a template, from one place."""

    def __init__(self, context: RenderContext) -> None:
        self.findings: list[Misplaced] = []
        self._context = context  # for the nodes' own listing of what is below them
        self._exits: list[list[At]] = []  # of the loops around: where they are left or go on

    def through(self, nodes: Iterable[Node], at: At | None) -> At | None:
        """The place behind them; None: nothing gets there."""
        for node in nodes:
            if at is None:
                return None
            at = self._node(node, at)
        return at

    def _node(self, node: Node, at: At) -> At | None:
        if isinstance(node, ContentNode):
            return self._read(at, node)
        if isinstance(node, OutputNode):
            return self._value(at, node.expression.token.start_index)
        if isinstance(node, CycleNode | IncrementNode | DecrementNode):
            return self._value(at, node.token.start_index)
        if isinstance(node, IfNode | UnlessNode):
            return self._branches(node, list(self._below(node)), at, whole=node.default is not None)
        if isinstance(node, CaseNode):
            whole = any(isinstance(each, BlockNode) for each in node.blocks)
            return self._branches(node, node.blocks, at, whole=whole)
        if isinstance(node, ForNode):
            return self._loop(node, at)
        if isinstance(node, TablerowNode | CaptureNode):
            if isinstance(node, TablerowNode) and at.place != "text":
                self._complain("rows of a table outside of text", node, _APART)
            self._join(node, At(), self.through(self._below(node), At()))
            return at
        if isinstance(node, BreakNode | ContinueNode):
            if self._exits:
                self._exits[-1].append(at)
            return None
        return self.through(self._below(node), at)

    def _below(self, node: Node) -> Iterable[Node]:
        return node.children(self._context, include_partials=False)

    def _read(self, at: At, node: ContentNode) -> At:
        try:
            return read(at, node.text)
        except CutError:
            self._complain("a name in a tag that is put together from pieces", node, _APART)
            return read(At("tag", at.tag), node.text)

    def _value(self, at: At, offset: int) -> At:
        if where := complaint(at):
            hint = _LINK if where.startswith(("at the", "in a link")) else _NO_MERE_TEXT
            self.findings.append(Misplaced(f"a value {where}", offset, hint))
        return at._replace(address=SAFE) if at.place == "quoted" else at

    def _branches(self, node: Node, branches: Sequence[Node], at: At, *, whole: bool) -> At | None:
        ends = [self.through([each], at) for each in branches]
        end = ends[0] if ends else at
        for other in ends[1:] if whole else [*ends[1:], at]:
            end = self._join(node, end, other)
        return end

    def _loop(self, node: ForNode, at: At) -> At | None:
        self._exits.append([])
        end: At | None = at
        for each in (self.through([node.block], at), *self._exits.pop()):
            end = self._join(node, end, each)
        return self._join(node, end, self.through([node.default], at)) if node.default else end

    def _join(self, node: Node, one: At | None, other: At | None) -> At | None:
        try:
            return join(one, other)
        except ValueError:
            self._complain("branches that end in different places of the HTML", node, _APART)
            return one

    def _complain(self, message: str, node: Node, hint: str) -> None:
        self.findings.append(Misplaced(message, max(node.token.start_index, 0), hint))
