"""Records: the contract's wire forms, byte by byte."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.decisions._json import MAX_DEPTH
from stream.decisions.wire import (
    Origin,
    dead_letter_record,
    iso_time,
)
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import Goal
from stream.structs import (
    ConsentProof,
    DeadLetter,
    Decision,
    EventRef,
    SubjectProof,
    Trigger,
    Unread,
    Unwritten,
    WireRecord,
)
from tests.engine.enginekit import DAY, HOUR, T0, Rec, World, rec
from tests.kit.wires import decision_record, trigger_record

GOLDEN = Path(__file__).parent / "data" / "records"
AT = 1_772_445_600_007  # 2026-03-02T10:00:00.007Z

DECISION = Decision(
    trigger_id="0123456789abcdef0123456789abcdef",
    rule="cart abandoned/€",
    customer_id="zoë-1",
    outcome="sent",
    reason=None,
    channel="email",
    variant=None,
    event=EventRef(name="add_to_cart", id="clickstream/0/17", time=AT - 1_800_000),
    at=AT,
    timed=True,
)
SUPPRESSED = DECISION._replace(
    outcome="suppressed", reason="limit", channel=None, timed=False, source="clickstream", offset=17
)
UNWRITTEN = SUPPRESSED._replace(reason="content", unwritten=Unwritten("subject", "customer.first_name"))
TRIGGER = Trigger(
    decision=DECISION,
    topic="triggers.email",
    address="zoe@brand.example",
    content={"subject": "Noch Interesse an Schuhen? 👟", "body": 'a "b"\n'},
    priority=50,
    appended_at=AT - 1_800_000,
)


ORIGIN = Origin("app", 3, "r1", {"clickstream": "clicks"})


@dataclasses.dataclass
class StoredRecord:
    offset: int = 7
    timestamp: int = 1
    key: bytes | None = b"k\xff"
    value: bytes | None = b"{no json"
    headers: tuple[tuple[str, bytes], ...] = ()


def golden(record: WireRecord) -> str:
    """Topic, key, headers and value, as a file that people can read."""
    lines = [f"topic: {record.topic}", f"key: {_readable(record.key)}"]
    lines += [f"{name}: {_readable(value)}" for name, value in record.headers]
    return "\n".join([*lines, "", _readable(record.value), ""])


def _readable(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


WHOLE = TRIGGER._replace(
    decision=DECISION._replace(
        variant="named",
        timed=False,
        source="clickstream",
        offset=17,
        goals=(Goal(("purchase", "subscribe"), 3 * 86_400_000, ("order", "amount")), Goal(("view",), 60_000)),
    ),
    address={"street": "Hauptstraße 1", "city": "Köln"},
    consent=ConsentProof("marketing_post", AT - 86_400_000, "double opt-in", AT + 86_400_000),
    sensitive=(SubjectProof("illness", ConsentProof("health", AT - 86_400_000, None)),),
)
HELD_OUT = WHOLE.decision._replace(outcome="holdout", reason="holdout", held_out_by=("policy", "rule"))
FORWARDED = StoredRecord(value=None, headers=(("traceparent", b"00-1"), ("reason", b"theirs")))
UNREAD = Unread(9, 1, "unreadable", 5, None, b"\x8b\xff", 70_000)
RECORDS: dict[str, WireRecord] = {
    "trigger": trigger_record(TRIGGER, ORIGIN, AT + 3),
    "trigger-bare": trigger_record(TRIGGER._replace(address=None, content={}), ORIGIN, AT),
    "trigger-whole": trigger_record(WHOLE, ORIGIN, AT + 3),
    "decision-sent": decision_record(DECISION, ORIGIN),
    "decision-suppressed": decision_record(SUPPRESSED, ORIGIN),
    "decision-deferred": decision_record(DECISION._replace(outcome="deferred", reason="quiet"), ORIGIN),
    "decision-holdout": decision_record(HELD_OUT, ORIGIN),
    "decision-unwritten": decision_record(UNWRITTEN, ORIGIN),
    "decision-unless": decision_record(SUPPRESSED._replace(reason="unless"), ORIGIN),
    "dead-letter": dead_letter_record(DeadLetter("clickstream", "json", StoredRecord()), ORIGIN),
    "dead-letter-forwarded": dead_letter_record(DeadLetter("clickstream", "size", FORWARDED), ORIGIN),
    "dead-letter-unread": dead_letter_record(DeadLetter("clickstream", "unreadable", UNREAD), ORIGIN),
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_wire_form_is_as_written_down(name: str) -> None:
    """A change here is a change of the contract: other programs read these records."""
    assert golden(RECORDS[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_nothing_is_written_down_that_is_not_written() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*RECORDS, "shop"}


def engine_records() -> list[WireRecord]:
    """All that the engine says of a small day in `shop.yaml`: every outcome, and a dead letter."""
    rules = load_rules(GOLDEN)
    world = World(rules)
    consent = {"granted": True, "at": T0 - DAY, "basis": "double opt-in"}
    profile = {"attributes": {"email": "zoe@brand.example"}, "consents": {"marketing_email": consent}}
    profiles = [rec(0, 0, customer="c1", **profile), rec(1, 0, customer="c2", **profile)]
    events = [
        rec(0, 1, "add_to_cart", sku="p1", id="e1"),
        rec(1, 2, "view", id="e2"),
        rec(2, 3, "view", customer="c2", id="e3"),
        rec(3, 4, "view", customer="c3", id="e4"),
        Rec(4, T0 + 9, b"{no json"),
        rec(5, 11 * HOUR, "view", id="e5"),
        rec(6, DAY, "x", id="e6"),
    ]
    result = world.play({"clicks": events, "profiles": profiles})
    origin = Origin("app", 3, "r1", {each.name: each.topic for each in rules.sources})
    return [
        *(trigger_record(each, origin, T0 + 20) for each in result.triggers),
        *(decision_record(each, origin) for each in result.decisions),
        *(dead_letter_record(each, origin) for each in result.dead_letters),
    ]


def test_what_the_engine_says_is_as_written_down() -> None:
    told = "\n".join(map(golden, engine_records()))
    assert told == (GOLDEN / "shop.txt").read_text(encoding="utf-8")
    for outcome in ("sent", "suppressed", "deferred", "holdout"):
        assert f'"outcome":"{outcome}"' in told


def test_a_triggers_keys_are_the_contracts_in_its_order() -> None:
    body = json.loads(trigger_record(TRIGGER, ORIGIN, AT).value or b"")
    assert list(body) == [
        *("trigger_id", "rule", "revision", "customer_id", "channel", "address", "variant", "content"),
        *("event", "at", "sent_at", "priority", "goal", "consent", "sensitive"),
    ]
    assert list(body["event"]) == ["name", "id", "time"]


def test_a_trigger_carries_what_it_was_sent_on() -> None:
    channel = ConsentProof("marketing_email", AT - 1, "double opt-in", AT + 1)
    subject = SubjectProof("pregnancy", ConsentProof("pregnancy_advice", AT - 2))
    trigger = TRIGGER._replace(consent=channel, sensitive=(subject,))
    body = json.loads(trigger_record(trigger, ORIGIN, AT).value or b"")
    assert body["consent"] == {
        "purpose": "marketing_email",
        "granted_at": "2026-03-02T10:00:00.006Z",
        "basis": "double opt-in",
        "expires_at": "2026-03-02T10:00:00.008Z",
    }
    assert body["sensitive"] == [
        {
            "subject": "pregnancy",
            "purpose": "pregnancy_advice",
            "granted_at": "2026-03-02T10:00:00.005Z",
            "basis": None,
            "expires_at": None,
        }
    ]


def test_a_decisions_keys_are_the_contracts_in_its_order() -> None:
    body = json.loads(decision_record(DECISION, ORIGIN).value or b"")
    assert list(body) == [
        *("trigger_id", "rule", "revision", "customer_id", "outcome", "reason", "channel", "variant"),
        *("event", "at", "held_out_by", "goals", "unwritten", "silenced_by"),
    ]
    whole = json.loads(decision_record(HELD_OUT, ORIGIN).value or b"")
    assert (whole["held_out_by"], [goal["within"] for goal in whole["goals"]]) == (
        ["policy", "rule"],
        ["3d", "1m"],
    )


def test_a_trigger_and_its_decision_are_two_events() -> None:
    sent = dict(trigger_record(TRIGGER, ORIGIN, AT).headers)
    judged = dict(decision_record(DECISION, ORIGIN).headers)
    assert sent["ce_id"] == judged["ce_id"]
    assert sent["ce_source"] != judged["ce_source"]


@pytest.mark.parametrize("key", [None, b""])
@pytest.mark.parametrize("value", [None, b"", b"\x00\xff"])
def test_a_dead_letter_is_as_it_came(key: bytes | None, value: bytes | None) -> None:
    headers = (("traceparent", b"00-1"), ("reason", b"theirs"))
    letter = DeadLetter("clickstream", "json", StoredRecord(key=key, value=value, headers=headers))
    record = dead_letter_record(letter, ORIGIN)
    assert (record.key, record.value) == (key, value)
    assert record.headers[-2:] == (("producer-traceparent", b"00-1"), ("producer-reason", b"theirs"))
    assert dict(record.headers)["reason"] == b"json"


def test_a_producers_headers_cannot_be_taken_for_ours() -> None:
    """A `ce_cause` of theirs ended each worker that took the partition over."""
    theirs = tuple((name, b"x") for name in ("reason", "ce_app", "ce_cause", "topic", "offset", "size"))
    letter = DeadLetter("clickstream", "json", StoredRecord(headers=theirs))
    ours = dict(dead_letter_record(letter, ORIGIN).headers)
    assert ours["ce_app"] == ORIGIN.app_id.encode()
    assert "ce_cause" not in ours
    assert {name for name, value in ours.items() if value == b"x"} == {
        f"producer-{name}" for name, _ in theirs
    }


def test_a_dead_letter_of_a_large_record_has_its_size_and_its_first_bytes() -> None:
    """As large as the record, it was refused by the topic, and ended the worker."""
    headers = tuple((f"h{n}", b"v" * 100) for n in range(10_000))
    large = StoredRecord(key=b"k" * 900_000, value=b"0123" * 250_000, headers=headers)
    record = dead_letter_record(DeadLetter("clickstream", "json", large), ORIGIN)
    known = dict(record.headers)
    assert (record.key, record.value) == (b"k" * 1024, b"0123" * 256)
    assert (known["size"], known["key_size"], known["producer-h0"]) == (b"1000000", b"900000", b"v" * 100)
    assert sum(len(name) + len(value) for name, value in record.headers) < 16_384


def test_a_dead_letter_of_what_was_not_read_says_what_it_stands_for() -> None:
    unread = Unread(9, 1, "unreadable", 5, None, b"\0\1", 70_000, (("h", b"v"),))
    record = dead_letter_record(DeadLetter("clickstream", "unreadable", unread), ORIGIN)
    known = dict(record.headers)
    assert record.value == b"\0\1"
    assert [known[name] for name in ("reason", "offset", "first_offset", "size")] == [
        *(b"unreadable", b"9", b"5", b"70000"),
    ]


@given(st.integers(0, 253_402_300_799_999))
@example(0)
@example(999)
@example(951_782_400_000)  # 29 February 2000
@example(1_772_445_599_999)
@example(253_402_300_799_999)
def test_times_are_iso_8601_with_milliseconds(ms: int) -> None:
    text = iso_time(ms)
    assert len(text) == len("2026-03-02T10:00:00.000Z")
    assert text.endswith("Z")
    read = datetime.fromisoformat(text)
    since = read - datetime(1970, 1, 1, tzinfo=UTC)
    assert (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000 == ms


def test_a_time_after_the_year_9999_is_no_time() -> None:
    with pytest.raises(ValueError, match="year"):
        iso_time(253_402_300_800_000)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@example("\x00\x7f\u2028\ufffe\U0010ffff")
def test_any_customer_that_an_event_can_name_can_be_written(customer: str) -> None:
    assert orjson.loads(orjson.dumps(customer)) == customer
    record = decision_record(DECISION._replace(customer_id=customer), ORIGIN)
    assert record.key == customer.encode()
    assert dict(record.headers)["ce_subject"] == customer.encode()
    assert json.loads(record.value or b"")["customer_id"] == customer


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"'])
def test_no_event_can_name_a_customer_that_utf_8_cannot_write(text: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)


def test_an_emoji_escaped_as_a_pair_in_a_rule_file_does_not_stop_the_worker() -> None:
    content = {"subject": "\ud83d\udc5f \ud800", "body": "ok"}
    body = json.loads(trigger_record(TRIGGER._replace(content=content), ORIGIN, AT).value or b"")
    assert body["content"] == {"subject": "👟 \ufffd", "body": "ok"}
    assert body["address"] == "zoe@brand.example"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_an_address_nested_without_end_does_not_stop_the_worker(opening: str, closing: str) -> None:
    address = orjson.loads(opening * 1000 + "1" + closing * 1000)
    value = trigger_record(TRIGGER._replace(address=address), ORIGIN, AT).value or b""
    written = json.loads(value)["address"]
    depth = 0
    while written is not None:
        written, depth = written["a" if closing == "}" else 0], depth + 1
    assert depth == MAX_DEPTH - 1  # the record's own object is the first level
