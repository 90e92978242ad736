"""A packed customer does what an obvious one in Python does, whatever comes in whatever order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.events._value import ABSENT
from stream.rules.model import Trait
from stream.state._codec import decode, encode
from stream.state._customer import Customer
from stream.state._customers import Customers
from stream.state._layout import Layout
from tests.engine.enginekit import DAY, Rules
from tests.state.statemodel import ModelTrait

FUNCTIONS = ("count", "sum", "last", "mean", "min", "max", "first", "distinct", "top", "gap")
SLOTS = range(4 * len(FUNCTIONS))
KEYS = [0, 1, True, False, "", "a", "ü" * 200, -(2**63), 2**63 + 1]
PLAIN = ["", "a", "b", 7, -3]  # of which a dict of Python has each
SCALARS = [*KEYS, None, 1.5, -0.0]
COUNTERS = [f"rule:r{n}" for n in range(3)]
ENDS = range(0, 400, 20)


def traits() -> tuple[Trait, ...]:
    """Every function, with and without end, with and without `per`; slices of 1 and of 3 ms."""
    made = []
    for function in FUNCTIONS:
        for over in (None, 180 if function in ("last", "gap") else 60):
            for per in (None, ("p",)):
                name = f"{function}-{over}-{per is not None}"
                made.append(Trait(name, name, function, ("e",), field=("f",), per=per, over=over, k=2))
    return tuple(made)


def rules_of(order: int) -> Rules:
    """The same definitions, in another order and with others among them."""
    rules = Rules()
    for n in random.Random(order).sample(range(3), 3):
        rules.rule(f"r{n}", "e", limit=(3, DAY), priority=order * n)
    rules.traits = random.Random(order).sample(traits(), len(SLOTS))
    rules.trait(f"other-{order}", "count", "e")
    return rules


LAYOUTS = [Layout(replace(rules_of(order).build(), revision=str(order))) for order in range(2)]
NAMES = [each.name for each in traits()]


class Both:
    """A customer and its model, under the layout at hand."""

    def __init__(self) -> None:
        self.table = Customers(LAYOUTS[0])
        self.layout = LAYOUTS[0]
        self.customer = Customer("c", self.layout)
        self.traits = {each.name: ModelTrait(each) for each in traits()}
        self.sends: dict[str, list[int]] = {name: [] for name in COUNTERS}

    def observe(self, slot: int, time: int, amount: float, value: Any, key: Any) -> None:
        name = NAMES[slot]
        if name.startswith(("distinct", "top")):
            value = key
        crowded = self.customer.observe(self.layout.traits.index(name), time, amount, value, key)
        assert crowded == self.traits[name].observe(time, amount, value, key)

    def send(self, counter: int, time: int, keep: int) -> None:
        name = COUNTERS[counter]
        self.customer.send(self.layout.counters.index(name), time, keep)
        self.sends[name] = sorted([*self.sends[name], time])[-keep:]

    def store(self) -> None:
        form = encode(self.customer)
        self.customer = decode(self.layout, "c", form)
        assert encode(self.customer) == form

    def move(self) -> None:
        self.table.load(b"c", encode(self.customer))
        self.table.adopt(LAYOUTS[self.layout is LAYOUTS[0]])
        self.layout = self.table.layout
        moved = self.table.get("c")
        assert moved is not None
        self.customer = moved

    def compare(self, times: Any) -> None:
        for slot, name in enumerate(NAMES):
            self.compare_trait(slot, name, times)
        for name in COUNTERS:
            assert self.customer.sent_at(self.layout.counters.index(name)) == self.sends[name]

    def compare_trait(self, slot: int, name: str, times: Any) -> None:
        at_slot, model = self.layout.traits.index(NAMES[slot]), self.traits[name]
        for at in times:
            for key in [*KEYS, *PLAIN] if model.per else [None]:
                expected = model.read(at, key)
                assert same(self.customer.read(at_slot, at, key), expected)
                single = ABSENT if type(expected) in (list, dict) else expected
                assert same(self.customer.read_number(at_slot, at, key), single)
            if model.per:
                present = {key: model.read(at, key) for _, key in model.cells}
                if len(present) == len(model.cells):  # else a dict has one of 1 and True
                    present = {key: value for key, value in present.items() if value is not ABSENT}
                    assert same(self.customer.read_all(at_slot, at), present)


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type: no 1 for True."""
    return repr(one) == repr(other)


observe = st.tuples(
    st.just("observe"),
    st.sampled_from(SLOTS),
    st.integers(0, 400),
    st.sampled_from([0.1, 2.0, -3.5, 1e300]),
    st.sampled_from(SCALARS),
    st.sampled_from(KEYS),
)
send = st.tuples(st.just("send"), st.integers(0, 2), st.integers(0, 10**6), st.integers(1, 4))
moves = st.sampled_from([("store",), ("move",)])
operations = st.lists(st.one_of(observe, observe, observe, send, moves), max_size=80)


@settings(max_examples=400, deadline=None)
@given(operations, st.lists(st.integers(0, 500), min_size=1, max_size=3))
def test_a_packed_customer_does_what_an_obvious_one_does(steps: list[Any], times: list[int]) -> None:
    both = Both()
    for name, *arguments in steps:
        getattr(both, name)(*arguments)
    both.compare(times)


@pytest.mark.parametrize("keys", [KEYS, PLAIN], ids=["odd", "plain"])
@pytest.mark.parametrize("slot", SLOTS, ids=NAMES)
def test_one_trait_by_many_events(slot: int, keys: list[Any]) -> None:
    """More events of one trait than hypothesis makes: windows that are full, keys that come and go."""
    draw = random.Random(slot)
    both = Both()
    now = 0
    for _ in range(600):
        now += draw.choice([0, 0, 1, 1, 2, 5, 70])
        late = draw.choice([0, 0, 0, 3, 50, 119, 120, 121, 200])
        both.observe(
            slot, max(now - late, 0), draw.choice([0.1, 2.0]), draw.choice(SCALARS), draw.choice(keys)
        )
        if draw.random() < 0.1:
            both.store()
        both.compare_trait(slot, NAMES[slot], [now, max(now - 60, 0)])


FEW = [each for each in NAMES if each.startswith(("count", "top", "gap", "last"))]


@pytest.mark.parametrize("name", FEW)
def test_what_is_too_much_makes_room_as_in_the_model(name: str) -> None:
    draw = random.Random(name)
    both, slot = Both(), NAMES.index(name)
    for n in range(1300):
        key = draw.choice([n, str(n), draw.randrange(n + 1)])
        both.observe(slot, n if name.endswith("60-False") else n // 20, 1.0, "v", key)
    both.store()
    model, at = both.traits[name], 1300 // 20
    at_slot = both.layout.traits.index(name)
    for key in [None] if not model.per else [each[1] for each in model.cells]:
        assert same(both.customer.read(at_slot, at, key), model.read(at, key))
    if model.per:
        assert len(both.customer.read_all(at_slot, at)) == len(model.cells)
