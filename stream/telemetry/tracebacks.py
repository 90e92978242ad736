"""Exceptions as text, without the data that they were raised over.

What went wrong, and where, is in the type and in the lines of code; the message of somebody else's exception
may quote a record: a `KeyError` is the key, a `UnicodeDecodeError` has the bytes, a reader of JSON says where
and what. So only what this project raises on purpose keeps its message (`errors`: no values of events), and
an operating system's error its reason. Of all others the message is withheld; the line of code that raised it
stays.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from stream.errors import StreamError

MOST_EXCEPTIONS = 20  # of a chain or a group
WITHHELD = "(message withheld)"


def text_of(error: BaseException) -> str:
    """What of an exception's message may be shown; empty where it has none."""
    if isinstance(error, StreamError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return WITHHELD if error.args else ""


def headline(error: BaseException) -> str:
    """`Type: message`, as far as the message may be shown."""
    kind, text = type(error), text_of(error)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else _full_name(kind)
    return f"{name}: {text}" if text else name


def traceback_of(error: BaseException) -> str:
    """The exception with its causes and, of a group, its members; the first cause first."""
    return "\n".join(_lines(error, [])).rstrip()


def _lines(error: BaseException, seen: list[BaseException]) -> Iterator[str]:
    if len(seen) == MOST_EXCEPTIONS or any(error is each for each in seen):
        yield "(more exceptions)"
        return
    seen.append(error)
    if error.__cause__ is not None:
        yield from _lines(error.__cause__, seen)
        yield "\nThe above exception was the direct cause of the following exception:\n"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _lines(error.__context__, seen)
        yield "\nDuring handling of the above exception, another exception occurred:\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield headline(error)
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions, start=1):
            yield f"\n{number} of {len(error.exceptions)}:\n"
            yield from _lines(member, seen)


def _full_name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
