"""Files as records: what is sent, what is left out and why, in words without what is in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from stream.errors import EventFileError
from stream.history.feeds.feed import Feed, source_of, sources_alone
from stream.history.feeds.mapping import read_mapping
from stream.history.inputs import inputs_of

RULES = """
sources:
  shop: {event: event, customer: customer_id, time: ts, id: event_id}
  plain: {event: {is: purchase}, customer: customer_id}
  people: {kind: profile, customer: customer_id, time: ts}
"""
PLAN = """
events:
  purchase: {fields: {amount: number, category: {type: string, values: [shoes, bags]}}}
"""
HEAD = "event,customer_id,ts,event_id"
ROW = "purchase,c1,2026-03-02T10:00:00Z,e1"

Made = Callable[..., Feed]


@pytest.fixture
def feed(tmp_path: Path) -> Made:
    def made(
        content: str | bytes, source: str = "shop", mapping: str | None = None, plan: str = "", first: int = 1
    ) -> Feed:
        rules = tmp_path / "rules"
        rules.mkdir(exist_ok=True)
        (rules / "rules.yaml").write_text(RULES + plan)
        file = tmp_path / "feed"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        alone = sources_alone(rules)
        (origin,) = inputs_of([str(file)], [], ExitStack())
        read = None if mapping is None else read_mapping(mapping)
        return Feed(origin, source_of(alone.rules, source), alone, read, first)

    return made


def records(feed: Feed) -> list[dict[str, Any]]:
    return [json.loads(each.value) for portion in feed.portions() for each in portion.records]


def left_out(feed: Feed) -> list[str]:
    for _ in feed.portions():
        pass
    return list(feed.left_out.lines("row", ": "))


@pytest.mark.parametrize(
    "packed",
    [
        str.encode,
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: zstd.compress(text.encode()),
    ],
    ids=["plain", "mark", "semicolons", "UTF-16", "CRLF", "gzip", "zstd"],
)
def test_a_table_is_sent_however_it_was_saved(feed: Made, packed: Callable[[str], bytes]) -> None:
    made = feed(packed(f'{HEAD},note\n{ROW},"two\nlines"\n'))
    (body,) = records(made)
    assert body == (
        {
            "event": "purchase",
            "customer_id": "c1",
            "ts": "2026-03-02T10:00:00Z",
            "event_id": "e1",
            "note": "two\r\nlines" if "\r" in body["note"] else "two\nlines",
        }
    )


def test_a_line_of_json_is_sent_as_it_is_to_the_byte(feed: Made) -> None:
    line = '{"customer_id":7, "event" : "a", "ts": 1772445600, "price": 1.10, "event_id": "e"}'
    (portion,) = feed(line + "\n\n  \n").portions()
    assert [(each.number, each.key, each.value) for each in portion.records] == [(1, b"7", line.encode())]


def test_the_same_file_has_the_same_ids_and_bytes(feed: Made) -> None:
    mapping = (
        "{columns: {Id: customer_id, No: event_id, T: {field: ts, type: time}}, constants: {event: purchase}}"
    )
    text = "Id,No,T\nc1,17,2026-03-02T10:00:00Z\n"
    assert list(feed(text, mapping=mapping).portions()) == list(feed(text, mapping=mapping).portions())


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("purchase,,2026-03-02T10:00:00Z,e1", "`customer_id` must be the customer's id"),
        (",c1,2026-03-02T10:00:00Z,e1", "`event` must be the event's name"),
        ("purchase,c1,gestern,e1", "`ts` must be a time"),
        (
            "purchse,c1,2026-03-02T10:00:00Z,e1",
            "an event that the tracking plan does not have (did you mean `purchase`?)",
        ),
    ],
)
def test_what_a_worker_would_put_aside_is_not_sent(feed: Made, row: str, why: str) -> None:
    made = feed(f"{HEAD}\n{ROW}\n{row}\n", plan=PLAN)
    (said,) = left_out(made)
    assert why in said
    assert said.endswith(f"first {made.origin.name}:3")
    assert made.taken == 1
    assert "gestern" not in said


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"amount": "zwölf"}, "`amount` is no number"),
        ({"category": "hats"}, "`category` is none of the values that the tracking plan has"),
    ],
)
def test_what_is_not_as_planned_is_left_out(feed: Made, fields: dict[str, Any], why: str) -> None:
    body = {"event": "purchase", "customer_id": "c1", "ts": 1772445600, "event_id": "e1"}
    (said,) = left_out(feed(json.dumps(body | fields), plan=PLAN))
    assert why in said


def test_a_field_beyond_the_plan_is_sent_and_told(feed: Made) -> None:
    body = {"event": "purchase", "customer_id": "c1", "ts": 1772445600, "event_id": "e1", "amout": 5}
    made = feed(json.dumps(body), plan=PLAN)
    assert len(records(made)) == 1
    assert "did you mean `amount`?" in next(made.odd.lines("record"))


def test_a_last_line_that_is_cut_off_is_not_sent(feed: Made) -> None:
    """A price of 12 in place of 129.90, of a copy that was broken off, had been sent as it was."""
    made = feed(f"{HEAD},amount,unit\n{ROW},129.90,EUR\npurchase,c2,2026-03-02T10:00:00Z,e2,12")
    (said,) = left_out(made)
    assert "cut off" in said
    assert made.taken == 1
    made = feed('{"event": "a", "customer_id": "c1", "ts": 1772445600}\n{"event": "a", "custom')
    assert "no JSON" in left_out(made)[0]
    assert made.taken == 1


def test_a_line_of_a_hundred_megabytes_ends_it_and_is_not_held_in_memory(feed: Made) -> None:
    made = feed(b'{"event": "a", "customer_id": "c1", "ts": 1772445600}\n' + b"x" * (100 << 20))
    with pytest.raises(EventFileError, match=r":2: a line of more than 1,048,576 bytes"):
        left_out(made)


def test_a_line_that_names_another_source_is_not_sent_to_this_one(feed: Made) -> None:
    (said,) = left_out(feed('{"source": "people", "event": "a", "customer_id": "c1", "ts": 1}'))
    assert "--source people" in said


def test_what_is_larger_than_the_topic_takes_is_told_before_kafka_refuses_the_batch(feed: Made) -> None:
    made = feed(json.dumps({"event": "a", "customer_id": "c1", "ts": 1772445600, "x": "y" * 2000}))
    made.most_bytes = 1000
    assert "max.message.bytes is 1,000" in left_out(made)[0]


def test_it_goes_on_from_a_line(feed: Made) -> None:
    lines = "\n".join(f"purchase,c{n},2026-03-02T10:00:00Z,e{n}" for n in range(5))
    made = feed(f"{HEAD}\n{lines}\n", first=4)
    assert [each["event_id"] for each in records(made)] == ["e2", "e3", "e4"]


def test_a_column_of_numbers_that_is_mapped_as_text_keeps_its_digits(feed: Made) -> None:
    mapping = "{columns: {Id: {field: customer_id, type: text}, P: attributes.plan}}"
    (body,) = records(feed("Id,P\n1.50,2\n", "people", mapping))
    assert body == {"customer_id": "1.50", "attributes": {"plan": 2}}


PEOPLE = (
    "{columns: {Id: {field: customer_id, type: text}, Mail: attributes.email, "
    "Born: {field: attributes.birthday, type: time, format: '%d.%m.%Y', zone: UTC}, "
    "News: {field: consents.news.granted, type: boolean, words: {ja: true, nein: false}}, "
    "At: {field: consents.news.at, type: time, zone: Europe/Berlin}}, constants: {consents.news.basis: till}}"
)


def test_profiles_carry_attributes_and_consents_with_basis_and_time(feed: Made) -> None:
    (body,) = records(
        feed("Id,Mail,Born,News,At\n7,a@b.example,02.03.1980,ja,2026-03-02 10:00\n", "people", PEOPLE)
    )
    assert body == {
        "customer_id": "7",
        "attributes": {"email": "a@b.example", "birthday": "1980-03-02T00:00:00.000Z"},
        "consents": {"news": {"granted": True, "at": "2026-03-02T09:00:00.000Z", "basis": "till"}},
    }


def test_a_withdrawal_is_sent_whatever_else_is_wrong_with_its_row(feed: Made) -> None:
    """Whoever had withdrawn went on to get mail, for a birthday that could not be read."""
    made = feed(
        "Id,Mail,Born,News,At\n7,,kein Datum,nein,2026-03-02 10:00\n8,,kein Datum,ja,2026-03-02 10:00\n",
        "people",
        PEOPLE,
    )
    (body,) = records(made)
    assert body["customer_id"] == "7"
    assert body["consents"]["news"]["granted"] is False
    assert "attributes" not in body
    assert made.left_out.total == 1
    assert "takes back a consent" in next(made.odd.lines("record"))


@pytest.mark.parametrize(
    ("source", "said"), [("shop", "no `dedupe`"), ("plain", "has no `id`"), ("plain", "has no `time`")]
)
def test_what_comes_twice_or_without_a_time_is_said_beforehand(feed: Made, source: str, said: str) -> None:
    assert any(said in each for each in feed("{}", source).notes())


def test_of_thousands_of_different_mistakes_few_are_told_apart(feed: Made) -> None:
    lines = "\n".join('{"a":' + " " * n + "x" for n in range(200))
    assert len(left_out(feed(lines))) <= 41


def test_numbers_that_the_mapping_reads_were_told_to_be_texts(feed: Made) -> None:
    """Each feed of a German table began with a warning of what it read right."""
    content = f"{HEAD};Betrag;Rabatt\n{ROW};1,50;2,50".replace("event,customer_id,ts,event_id", "a;b;c;d")
    content = content.replace(ROW, ROW.replace(",", ";"))
    amount = "{field: amount, type: number, decimal: comma}"
    columns = f"{{a: event, b: customer_id, c: ts, d: event_id, Betrag: {amount}}}"
    made = feed(content, mapping=f"{{columns: {columns}}}")
    assert [each for each in made.notes() if "with commas" in each] == [
        f"column `Rabatt` of {made.origin.name} has numbers with commas, first in line 2: its values are "
        "texts (write 1049.90; a spreadsheet that is set to English does)"
    ]
    assert records(made)[0]["amount"] == 1.5


def test_a_feed_in_an_old_encoding_is_sent_in_utf_8(feed: Made) -> None:
    """An agency's `Jörg` in cp1252 was `not UTF-8`, with nothing that a nightly job could do about it."""
    file = f"{HEAD},name\n{ROW},Jörg €\n".encode("cp1252")
    with pytest.raises(EventFileError, match="not UTF-8"):
        feed(file)
    mapping = "{encoding: windows-1252, others: keep, columns: {name: first_name}}"
    (record,) = records(feed(file, mapping=mapping))
    assert record["first_name"] == "Jörg €"
