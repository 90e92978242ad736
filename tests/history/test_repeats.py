"""Ids that come again in a history."""

from __future__ import annotations

import json
from typing import Any

from stream.history._past import PastEvent
from stream.history._repeats import RepeatedIds
from stream.rules.model import Source

CLICKS = Source("clicks", "clicks", ("user", "id"), event=("event",), id=("n",))


class File:
    def place_of(self, number: int) -> str:
        return f"f:{number}"


def past(number: int, value: Any) -> PastEvent:
    body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return PastEvent(File(), 0, number, number, number, b"", body)


def event(customer: Any, id_: Any, **more: Any) -> dict[str, Any]:
    return {"event": "view", "user": {"id": customer}, "n": id_, **more}


def test_an_id_that_its_customer_had_is_counted_with_the_first_place() -> None:
    repeats = RepeatedIds([CLICKS])
    said = [
        event("c1", "e1"),
        event("c2", "e1"),
        event("c1", "e2"),
        event("c1", "e1", more=1),
        event("c1", "e1"),
    ]
    repeats.look({"clicks": [past(number, each) for number, each in enumerate(said)]})
    assert repeats.found == {"clicks": (2, "f:3")}


def test_numbers_are_ids_too_and_what_has_none_is_no_repeat() -> None:
    repeats = RepeatedIds([CLICKS])
    said: list[Any] = [
        event(7, 1),
        event(7, 1),
        event("c", None),
        event("c", None),
        event("c", ""),
        event("c", ""),
    ]
    said += [event(None, "e"), event(None, "e"), b"{", b"{", None, None, {"n": 5}, {"n": 5}, event("c", [1])]
    repeats.look({"clicks": [past(number, each) for number, each in enumerate(said)]})
    assert repeats.found == {"clicks": (1, "f:1")}


def test_sources_are_told_apart_and_those_with_dedupe_are_not_looked_at() -> None:
    sources = [
        CLICKS,
        Source("app", "app", ("user", "id"), event=("event",), id=("n",)),
        Source("kept", "kept", ("user", "id"), event=("event",), id=("n",), dedupe=1000),
        Source("bare", "bare", ("user", "id"), event=("event",)),
        Source("people", "people", ("user", "id"), id=("n",), kind="profile"),
    ]
    repeats = RepeatedIds(sources)
    same = [event("c", "e")]
    repeats.look({each.name: [past(0, value) for value in same] for each in sources})
    assert repeats.found == {}
    repeats.look({each.name: [past(1, value) for value in same] for each in sources})
    assert repeats.found == {"clicks": (1, "f:1"), "app": (1, "f:1")}


def test_the_newest_ids_are_known_and_memory_does_not_grow() -> None:
    """As many as `newest` are always known, twice as many at the most."""
    repeats = RepeatedIds([CLICKS], 10)
    for again, found in ((10, 1), (20, 0)):
        repeats = RepeatedIds([CLICKS], 10)
        said = [
            event("c", "e"),
            *(event("c", f"other {number}") for number in range(again - 1)),
            event("c", "e"),
        ]
        repeats.look({"clicks": [past(number, each) for number, each in enumerate(said)]})
        assert repeats.found.get("clicks", (0,))[0] == found
