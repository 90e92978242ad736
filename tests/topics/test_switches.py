"""Records of the topic of switches: what they say, and what those say that nobody can read."""

from __future__ import annotations

import pytest

from stream.clock import LATEST
from stream.errors import StreamError
from stream.topics.switches import Switch, decode, encode, refuse_unknown, switches_of, take
from tests.engine.enginekit import DAY, HOUR, T0, Rec

OFF = Switch("welcome", True, T0, T0 + HOUR, "it says the wrong price", "on-call")


def record(switch: Switch, offset: int = 0) -> Rec:
    key, value = encode(switch)
    return Rec(offset, T0, value, key)


@pytest.mark.parametrize("switch", [OFF, OFF._replace(until=None), OFF._replace(off=False, until=None)])
def test_what_is_written_is_read(switch: Switch) -> None:
    assert decode(record(switch)) == switch


def test_a_rule_is_off_until_its_time_is_over() -> None:
    assert [OFF.is_off(at) for at in (T0, T0 + HOUR - 1, T0 + HOUR)] == [True, True, False]
    assert OFF._replace(until=None).is_off(T0 + 1000 * DAY)
    assert not OFF._replace(off=False).is_off(T0)


@pytest.mark.parametrize(
    "value", [b"", b"off", b"[]", b"{}", b'{"off": true}', b'{"off": 1, "at": "x", "until": null}', b"\xff"]
)
def test_a_record_that_nobody_can_read_switched_its_rule_on(value: bytes) -> None:
    known = {"welcome": OFF._replace(off=False)}
    take(known, [Rec(1, T0, value, b"welcome")])
    assert known["welcome"].off
    assert known["welcome"].until is None


def test_whatever_does_not_say_off_false_is_off() -> None:
    _, value = encode(OFF)
    odd = decode(Rec(0, T0, value.replace(b"true", b'"no"'), b"welcome"))
    assert odd is not None
    assert odd.off


def test_a_tombstone_switches_on_and_a_key_that_is_no_rules_name_says_nothing() -> None:
    known = {"welcome": OFF}
    take(known, [Rec(1, T0, None, b"welcome")])
    assert not known["welcome"].off
    take(known, [Rec(2, T0, b"{}", None), Rec(3, T0, b"{}", b"Not A Name"), Rec(4, T0, b"{}", b"\xff")])
    assert set(known) == {"welcome"}


def test_partitions_are_told_what_is_off_and_until_when() -> None:
    known = [OFF, OFF._replace(rule="b", until=None), OFF._replace(rule="c", off=False)]
    assert switches_of("id", 7, known).off == {"welcome": T0 + HOUR, "b": LATEST}


def test_a_slip_of_the_pen_switched_off_nothing_and_nobody_said_so() -> None:
    with pytest.raises(StreamError) as caught:
        refuse_unknown("welcom", "abc", ["welcome", "cart"])
    assert "no rule `welcom`" in caught.value.message
    assert caught.value.hint == "did you mean `welcome`?"
    refuse_unknown("welcome", "abc", ["welcome"])
