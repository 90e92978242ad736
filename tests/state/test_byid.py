"""The table of customers by id does what a dict does, whatever is entered and taken out."""

from __future__ import annotations

import random

import pytest

from stream.state._codec import encode
from stream.state._customer import Customer
from stream.state._customers import Customers
from stream.state._layout import Layout
from tests.engine.enginekit import Rules

LAYOUT = Layout(Rules().trait("views", "count", "view").build())


@pytest.mark.parametrize("names", [20, 3000])
def test_customers_are_found_under_their_ids(names: int) -> None:
    draw = random.Random(names)
    table, model = Customers(LAYOUT), dict[str, int]()
    for time in range(6 * names):
        name = draw.choice(["c", "ü", ""]) + str(draw.randrange(names))
        if draw.random() < 0.4:
            table.load(name.encode(), None)
            model.pop(name, None)
        else:
            customer = Customer(name, LAYOUT)
            assert customer.id == name
            for _ in range(time % 3):
                customer.observe(0, time)
            table.load(name.encode(), encode(customer))
            model[name] = time % 3
        assert len(table) == len(model)
    for name in [prefix + str(n) for prefix in ("c", "ü", "") for n in range(names)]:
        found = table.get(name)
        assert (found and (found.id, found.read(0, 0))) == ((name, model[name]) if name in model else None)
