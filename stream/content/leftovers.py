"""What a text says that was probably meant otherwise: other programs' placeholders, tags where none are read.

Both are words like any other to Liquid, and would be sent as they are. They may be meant: a program behind
the channel may fill its own placeholders in. So they are warned about, not refused.
Tested by tests/content/test_leftovers.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stream.diagnostics import Code
from stream.errors import ContentError

MOST = 5  # of one text: who has more has one cause for all

_NAME = r"\s{0,5}([A-Za-z_][\w.:-]{0,80})\s{0,5}"
_PLACEHOLDER = re.compile(
    "|".join(
        (
            r"\{#.{0,200}?#\}",
            rf"\$\{{{_NAME}\}}",
            rf"\#\{{{_NAME}\}}",
            rf"\*\|{_NAME}\|\*",
            rf"%%{_NAME}%%",
            rf"\[\[{_NAME}\]\]",
            rf"<%=?{_NAME}%>",
            rf"(?<!\{{)\{{\s\{{{_NAME}\}}\s?\}}(?!\}})",
            rf"(?<![{{$#%])\{{{_NAME}\}}(?!\}})",
        )
    )
)
_ELEMENTS = (
    "a|b|blockquote|body|br|button|center|div|em|font|h[1-6]|head|hr|html|i|img|li|ol|p|script|section|small"
    "|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|u|ul"
)
_TAG = re.compile(rf"</?(?:{_ELEMENTS})(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)

Pieces = Iterable[tuple[str | None, int]]


def placeholders(pieces: Pieces) -> Iterator[ContentError]:
    """Those of other programs, with what to write. `pieces`: as `Template` has them, None for values."""
    found = 0
    for text, offset in pieces:
        for each in _PLACEHOLDER.finditer(text or ""):
            found += 1
            if found > MOST:
                return
            name = next(filter(None, each.groups()), "").lower()
            is_path = name.startswith(("event.", "customer.", "traits.", "context."))
            hint = f"write {{{{ customer.{name} }}}} or {{{{ event.{name} }}}}"
            hint = f"write {{{{ {name} }}}}" if is_path else hint
            hint = hint if name else "a comment is {% comment %} … {% endcomment %}"
            message = f"`{each[0]}` is sent as it stands: it is no placeholder here"
            yield ContentError(message, offset=offset + each.start(), hint=hint, code=Code.OTHER_PLACEHOLDER)


def tags(pieces: Pieces, field: str, channels: Iterable[str]) -> Iterator[ContentError]:
    """The first tag of HTML, in a field of content that is a text where it goes to `channels`."""
    for text, offset in pieces:
        if found := _TAG.search(text or ""):
            named = " and ".join(names := [f"`{each}`" for each in channels])
            message = f"a tag of HTML, `{found[0][:20]}`, in a text for {named}: values there are not escaped"
            takes = "takes" if len(names) == 1 else "take"
            hint = f"if {named} {takes} HTML, say so there: `format: {{{field}: html}}`"
            yield ContentError(message, offset=offset + found.start(), hint=hint, code=Code.TAGS_IN_TEXT)
            return
