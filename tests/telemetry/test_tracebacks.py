"""Exceptions as text: where and what, and nothing of the data."""

from __future__ import annotations

import asyncio
import errno
import traceback
from collections.abc import Callable

import orjson
import pytest

from stream.errors import StateError, StreamError
from stream.telemetry.tracebacks import MOST_EXCEPTIONS, headline, traceback_of

SECRET = "-".join(["zoe", "1"])  # not in the source text of the lines that raise


def key_error() -> object:
    return {}[SECRET]


def text_error() -> object:
    return f"{SECRET}ä".encode("ascii")


def number_error() -> object:
    return int(SECRET)


def json_error() -> object:
    return orjson.loads(SECRET)


def of_a_cause() -> object:
    try:
        return key_error()
    except KeyError as error:
        raise StateError("offset 7: cannot be read") from error


def while_handling() -> object:
    try:
        return key_error()
    except KeyError:
        return number_error()


def of_a_group() -> object:
    raise ExceptionGroup(SECRET, [KeyError(SECRET), ExceptionGroup(SECRET, [ValueError(SECRET)])])


def with_a_note() -> object:
    error = KeyError(SECRET)
    error.add_note(SECRET)
    raise error


@pytest.mark.parametrize(
    "fails",
    [key_error, text_error, number_error, json_error, of_a_cause, while_handling, of_a_group, with_a_note],
)
def test_no_exception_says_whose_record_it_was(fails: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
        fails()
    text = traceback_of(caught.value)
    as_python_has_it = [
        *traceback.format_exception(caught.value),
        repr(caught.value),
        repr(vars(caught.value)),
    ]
    assert (
        SECRET in "".join(as_python_has_it) or fails is json_error
    )  # which has it in an attribute, as `doc`
    assert SECRET not in text
    assert "Traceback (most recent call last):" in text
    assert f"in {fails.__name__}" in text


def test_what_is_ours_is_said_and_what_led_to_it_is_shown() -> None:
    with pytest.raises(StateError) as caught:
        of_a_cause()
    text = traceback_of(caught.value)
    assert "stream.errors.StateError: offset 7: cannot be read" in text
    assert text.index("KeyError: (message withheld)") < text.index("direct cause") < text.index("offset 7")


def test_the_systems_reasons_are_said() -> None:
    assert headline(OSError(errno.ENOSPC, "No space left on device", SECRET)) == (
        "OSError: No space left on device"
    )


def test_what_has_no_message_is_told_by_its_name() -> None:
    assert headline(asyncio.CancelledError()) == "asyncio.exceptions.CancelledError"
    assert (
        headline(StreamError("why", hint="what to do"))
        == "stream.errors.StreamError: why\n  hint: what to do"
    )


def test_members_of_groups_are_all_there() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        of_a_group()
    text = traceback_of(caught.value)
    assert "1 of 2:" in text
    assert "ValueError: (message withheld)" in text


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = KeyError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert traceback_of(first).count("KeyError") == 1
    many: BaseException = ValueError()
    for _ in range(3 * MOST_EXCEPTIONS):
        outer = ValueError()
        outer.__cause__, many = many, outer
    assert traceback_of(many).count("ValueError") == MOST_EXCEPTIONS
