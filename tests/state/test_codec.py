"""The byte form of states: round trips, and a reader of bytes that believes nothing."""

from __future__ import annotations

import contextlib
import struct
from hashlib import blake2b
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.engine import PartitionState
from stream.errors import RuleSetError, StateError
from stream.state._codec import decode, decode_reached, encode, encode_reached
from stream.state._layout import Layout, short_id
from tests.engine.enginekit import DAY, HOUR, MINUTE, T0, Rules, World, rec
from tests.state.fullstate import a_full_world, everything, profile

STATES = Path(__file__).parent / "data" / "states"


def test_the_byte_form_is_read_back_as_it_was() -> None:
    world = a_full_world()
    layout = Layout(world.rules)
    changed = world.state.take_changed()
    for key, value in changed[:-1]:
        assert encode(decode(layout, key.decode(), value)) == value
    reached, marks = decode_reached(changed[-1][1])
    assert marks == b""
    assert reached == {
        "clicks": T0 + 208 * MINUTE,
        "orders": T0 + 150 * MINUTE,
        "profiles": T0,
        "weather": T0,
        "": T0 + 208 * MINUTE,
    }


def test_a_restored_state_goes_on_as_the_original() -> None:
    world = a_full_world()
    other = world.restored()
    here, there = world.state.customers, other.state.customers
    assert (len(there), there.timers) == (len(here), here.timers)
    assert other.state.take_changed() == []
    more = {
        "clicks": [rec(n, n * 7 * MINUTE, sku="a", page=f"/{n}") for n in range(32, 60)],
        "orders": [rec(4, 250 * MINUTE, amount=5, store="s1")],
    }
    assert world.play(more).decisions == other.play(more).decisions != []
    assert world.state.take_changed() == other.state.take_changed()


def test_what_was_reached_is_the_last_record_and_says_so_once() -> None:
    world = World(everything().build())
    world.clicks(rec(0, 0), rec(1, MINUTE, customer="c2"))
    assert [key for key, _ in world.state.take_changed()] == [b"c1", b"c2", b""]
    assert world.state.take_changed() == []
    world.clicks(rec(2, HOUR, "nothing"))
    assert world.state.take_changed() == [(b"", encode_reached({"clicks": T0 + HOUR, "": T0 + HOUR}))]
    world.state.load(b"", None)
    assert world.play().watermark is None


def test_deleted_customers_are_gone() -> None:
    world = a_full_world()
    other = world.restored()
    other.state.load(b"c1", None)
    other.state.customers.rebuild_timers()
    left = other.state.customers
    assert (len(left), left.timers, left.state_bytes) == (0, 0, 0)


def test_the_size_is_that_of_the_records() -> None:
    world = a_full_world()
    changed = world.state.take_changed()
    assert world.state.customers.state_bytes == sum(len(value) for key, value in changed if key)


@pytest.mark.parametrize("key", [b"\xff", b"x" * 257])
def test_a_key_that_is_no_customer_is_an_error(key: bytes) -> None:
    with pytest.raises(StateError):
        World(everything().build()).state.load(key, b"\x03" + b"\x00" * 9)


@pytest.mark.parametrize(
    "read", [lambda value: PartitionState(everything().build()).load(b"c", value), decode_reached]
)
@pytest.mark.parametrize("version", [b"\x02", b"\x05"])
def test_another_version_is_an_error_with_a_hint(read, version: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StateError, match="version") as caught:
        read(version + b"\x00" * 9)
    assert caught.value.hint


def test_a_state_of_the_version_before_is_read_and_written_as_it_was() -> None:
    """The file is what the release before wrote: an upgrade loses nothing and rewrites nobody."""
    value = bytes.fromhex((STATES / "version-3.hex").read_text())
    layout = Layout(everything().build())
    customer = decode(layout, "c1", value)
    assert customer.attributes == {"tier": "gold", "tags": ["a", None]}
    assert customer.consents is not None
    assert {purpose: each.expires for purpose, each in customer.consents.items()} == {
        "mail": None,
        "post": None,
    }
    assert encode(customer) == value


def test_only_what_the_release_before_cannot_hold_is_written_in_the_new_version() -> None:
    """It refuses the new version, with the reason above, and takes over all others in a rolling update."""
    given = {"mail": {"granted": True, "at": T0}}
    expiring = {"mail": {"granted": True, "at": T0, "expires": T0 + DAY}}
    for records, version in (
        ({"clicks": [rec(0, 0)]}, 3),
        ({"profiles": [profile(0, 0, attributes={"a": 1}, consents=given)]}, 3),
        ({"profiles": [profile(0, 0, consents=expiring)]}, 4),
        ({"weather": [profile(0, 0, rain=True)]}, 4),
    ):
        world = World(everything().build())
        world.play(records)
        assert dict(world.state.take_changed())[b"c1"][0] == version


def refuse_or_take(layout: Layout, value: bytes) -> None:
    """Reading gives a StateError, or a state that can be written and read again."""
    try:
        customer = decode(layout, "c1", value)
    except StateError as error:
        assert "c1" not in str(error)  # noqa: PT017  # either outcome is fine
        return
    again = encode(customer)
    assert encode(decode(layout, "c1", again)) == again


def the_full_value() -> tuple[Layout, bytes]:
    world = a_full_world()
    return Layout(world.rules), dict(world.state.take_changed())[b"c1"]


def test_no_truncated_state_is_read() -> None:
    layout, value = the_full_value()
    for size in range(len(value)):
        with pytest.raises(StateError):
            decode(layout, "c1", value[:size])
    with pytest.raises(StateError):
        decode(layout, "c1", value + b"\x00")


def id_of(name: str) -> bytes:
    return short_id(name).to_bytes(6, "little")


def number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + number(value >> 7)


def with_trait(layout: Layout, body: bytes) -> bytes:
    """The byte form of a customer with nothing but the layout's first trait."""
    part = id_of(layout.traits[0]) + number(len(body)) + body
    return b"\x03" + b"\x00" * 6 + b"\x01" + part + b"\x00\x00"


def layout_of(function: str, over: int | None = HOUR, per: str | None = None) -> Layout:
    more = {} if per is None else {"per": per}
    return Layout(Rules().trait("t", function, "view", field="n", over=over, **more).build())


@pytest.mark.parametrize(
    ("layout", "body", "why"),
    [
        (layout_of("count"), b"\x05\x00\x01", None),
        (layout_of("count"), b"\x05\x00\x01\x05\x01", None),
        (layout_of("count"), b"\x05", "is empty"),
        (layout_of("count"), b"", "ends within"),
        (layout_of("count"), b"\x05\x00\x00", "slice of a window is empty"),
        (layout_of("count"), b"\x05\x0b\x01", "out of range"),  # the slice before that of 1970
        (layout_of("count"), b"\x05\x00\x01\x00\x01", "not in order"),
        (layout_of("count"), b"\x05\x00\x01\x06\x01", "not in order"),
        (layout_of("count"), b"\x05\x00\x81\x00", "longer than it has to be"),
        (layout_of("count"), b"\x7f" + b"\xf4\x03\x01" + b"\x01\x01" * 121, None),
        (layout_of("count"), b"\x7f" + b"\xf4\x03\x01" + b"\x01\x01" * 122, "more than it can have"),
        (layout_of("count", None), b"\x00\x00\x01", None),
        (layout_of("count", None), b"\x00\x02\x01", "out of range"),
        (layout_of("sum"), b"\x05\x00" + b"\x00" * 8, None),
        (layout_of("sum"), b"\x05\x00" + b"\x00" * 7, "ends within"),
        (layout_of("mean"), b"\x05\x00" + b"\x00" * 8 + b"\x01", None),
        (layout_of("mean"), b"\x05\x00" + b"\x00" * 8 + b"\x00", "slice of a window is empty"),
        (layout_of("last"), b"\x05\x00\x0fa", None),
        (layout_of("last"), b"\x05\x00\x01", None),
        (layout_of("last"), b"\x05\x00\x00", "no known kind"),
        (layout_of("last"), b"\x05\x00\x09", "no known kind"),
        (layout_of("last"), b"\x05\x00\x17a", "no known kind"),
        (layout_of("last"), b"\x05\x00\x0f\xff", "not UTF-8"),
        (layout_of("last"), b"\x05\x00\x05\x01", "no known kind"),  # a small number as a large one
        (layout_of("last"), b"\x05\x00\x01\x01\x01", "not in order"),  # of one slice
        (layout_of("gap"), b"\x05\x00\x00\x05", None),
        (layout_of("gap"), b"\x05\x00\x06", "not in order"),
        (layout_of("distinct"), b"\x05\x04\x0fa\x00\x01", None),
        (layout_of("distinct"), b"\x05\x04\x0fa\x00\x01" * 1 + b"\x04\x0fa\x00\x01", "twice"),
        (layout_of("distinct"), b"\x05\x09\x06" + b"\x00" * 8, "no known kind"),
        (layout_of("distinct"), b"\x05\x05\x0fa\x00\x01", "goes beyond"),
        (layout_of("count", per="n"), b"\x05\x04\x0fa\x00\x01\x03\x02\x00\x01", None),
        (layout_of("count", per="n"), b"\x05\x04\x0fa\x00\x01" + b"\x04\x0fa\x00\x01", "twice"),
        (layout_of("count", per="n"), b"\x05\x02\x0fa", "is empty"),
        (layout_of("count", per="n"), b"\x05", "is empty"),
    ],
)
def test_what_no_window_can_be_is_refused(layout: Layout, body: bytes, why: str | None) -> None:
    form = with_trait(layout, body)
    if why is None:
        assert encode(decode(layout, "c1", form)) == form
        return
    with pytest.raises(StateError, match=why):
        decode(layout, "c1", form)


def with_contexts(*parts: bytes) -> bytes:
    """The byte form of a customer of whom nothing is known but what some sources say."""
    return b"\x04" + b"\x00" * 9 + bytes([len(parts)]) + b"".join(parts)


def context(source: str, said: bytes) -> bytes:
    return id_of(source) + number(len(said)) + said


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (with_contexts(), None),
        (with_contexts(context("weather", b'{"rain":true}')), None),
        (with_contexts(context("weather", b"{}"), context("weather", b"{}")), "twice"),
        (with_contexts(context("weather", b"[]")), "no JSON object"),
        (with_contexts(context("weather", b'{"rain":')), "not JSON"),
        (
            with_contexts(context("orders", b"{}")),
            None,
        ),  # a source of events by now: kept till the rules change
        (with_contexts(context("weather", b"{}"))[:-1], "goes beyond"),
        (with_contexts(context("weather", b"{}")) + b"\x00", "follows its end"),
        (b"\x03" + with_contexts(context("weather", b"{}"))[1:], "follows its end"),
    ],
)
def test_what_no_third_party_can_have_said_is_refused(form: bytes, why: str | None) -> None:
    layout = Layout(everything().build())
    if why is None:
        again = encode(decode(layout, "c1", form))
        assert encode(decode(layout, "c1", again)) == again
        return
    with pytest.raises(StateError, match=why):
        decode(layout, "c1", form)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("how", range(9))
def test_flags_of_consents_are_those_of_the_version(version: int, how: int) -> None:
    consent = b"\x04mail" + bytes([how]) + b"\x05" + (b"\x07" if how & 2 else b"") + b"\x00"
    form = bytes([version]) + b"\x00\x00\x00\x01" + consent + b"\x00" * (5 if version == 3 else 6)
    layout = Layout(Rules().build())
    if how > (1 if version == 3 else 7) or how & 5 == 4:  # only a grant is doubtful
        with pytest.raises(StateError):
            decode(layout, "c1", form)
        return
    consents = decode(layout, "c1", form).consents
    assert consents is not None
    assert (consents["mail"].granted, consents["mail"].at) == (bool(how & 1), 5)
    assert consents["mail"].expires == (7 if how & 2 else None)
    assert consents["mail"].doubtful == bool(how & 4)


def test_a_length_that_does_not_fit_is_an_error() -> None:
    layout = layout_of("count")
    body = b"\x05\x00\x01"
    for size in (2, 4):
        form = with_trait(layout, body).replace(b"\x03" + body, bytes([size]) + body)
        with pytest.raises(StateError):
            decode(layout, "c1", form)


def test_many_keys_are_looked_through_for_one_that_is_there_twice() -> None:
    layout = layout_of("count", per="n")
    entries = [b"\x05\x17" + f"{n:02d}".encode() + b"\x00\x01" for n in range(60)]
    form = with_trait(layout, b"\x05" + b"".join(entries))
    assert encode(decode(layout, "c1", form)) == form
    entries[50] = entries[3]
    with pytest.raises(StateError, match="twice"):
        decode(layout, "c1", with_trait(layout, b"\x05" + b"".join(entries)))


def test_two_names_of_one_id_are_refused_when_the_layout_is_made() -> None:
    with mock.patch(
        "stream.state._layout.blake2b", lambda name, digest_size: blake2b(name[:3], digest_size=digest_size)
    ):
        assert Layout(Rules().rule("a", "view").build())
        with pytest.raises(RuleSetError, match="cannot be told apart"):
            Layout(Rules().rule("a", "view").rule("b", "view").build())


def test_no_flipped_bit_does_harm() -> None:
    layout, value = the_full_value()
    for bit in range(8 * len(value)):
        flipped = bytearray(value)
        flipped[bit // 8] ^= 1 << bit % 8
        refuse_or_take(layout, bytes(flipped))


LAYOUT, VALUE = the_full_value()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xff" * 20)
@example(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f")  # a count of 2^62
def test_random_bytes_do_no_harm(noise: bytes) -> None:
    refuse_or_take(LAYOUT, noise)
    refuse_or_take(LAYOUT, b"\x03" + noise)
    refuse_or_take(LAYOUT, b"\x04" + noise)
    with contextlib.suppress(StateError):
        decode_reached(b"\x03" + noise)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALUE) - 1), st.binary(max_size=6)), min_size=1, max_size=4))
def test_spliced_bytes_do_no_harm(splices: list[tuple[int, bytes]]) -> None:
    value = VALUE
    for at, noise in splices:
        value = value[:at] + noise + value[at + len(noise) :]
    refuse_or_take(LAYOUT, value)


def test_infinities_and_no_numbers_survive() -> None:
    world = World(Rules().trait("spend", "sum", "purchase", field="amount").build())
    world.play({"orders": [rec(0, 0, amount=1e308), rec(1, 1, amount=1e308)]})
    (key, value), _ = world.state.take_changed()
    assert struct.pack("<d", float("inf")) in value
    world.state.load(key, value)
    assert world.state.trait("c1", "spend", T0) == float("inf")


def test_a_length_beyond_the_end_is_refused_before_it_is_read() -> None:
    """The number itself was counted as what is left, and as many bytes after the end were read."""
    for form in (
        b"\x03\x00\x01",
        b"\x03\x00\x00\x02a",
        b"\x03\x00\x00\x00\x00\x00\x00\x01" + b"abcdef" + b"\x02a",
    ):
        with pytest.raises(StateError, match="goes beyond its end"):
            decode(Layout(Rules().build()), "c1", form)
