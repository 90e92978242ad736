"""A backtest decides what a worker would have decided, and says so in files and figures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.demo.data import events

RULES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id}
channels:
  web: {topic: triggers.web, consent: none}
rules:
  viewed: {on: view, send: {channel: web, content: {text: "{{ event.id }}"}}, limit: 1 per 1h}
  left: {on: cart, unless: {on: buy, within: 30m}, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}
"""


def line(at: int, event: str, **more: Any) -> dict[str, Any]:
    minutes, seconds = divmod(at, 60)
    return {
        "event": event,
        "customer": "c1",
        "ts": f"2026-03-02T10:{minutes:02}:{seconds:02}Z",
        "id": f"e{at}",
        **more,
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    history = [line(0, "view"), line(60, "view"), line(120, "cart"), line(130, "view", customer=None)]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, history)))
    return tmp_path


def backtest(place: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "backtest", "rules", "events.jsonl", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_the_summary_says_what_was_sent_and_why_not(place: Path) -> None:
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["events"] == {"clicks": 3}
    (letters,) = shown["dead_letters"]
    assert (letters["source"], letters["reason"], letters["count"]) == ("clicks", "customer", 1)
    assert letters["first"] == "events.jsonl:4"
    viewed = shown["rules"]["viewed"]
    assert {name: viewed[name] for name in ("outcomes", "reasons", "channels", "unwritten", "removed")} == {
        "outcomes": {"sent": 1, "suppressed": 1},
        "reasons": {"limit": 1},
        "channels": {"web": 1},
        "unwritten": [],
        "removed": {"limit": 1},
    }
    assert (shown["open_timers"], shown["customers"]) == (1, 1)
    assert shown["until"] == "2026-03-02T10:02:00.000Z"


def test_reminders_fire_where_time_moves_on(place: Path) -> None:
    shown = json.loads(backtest(place, "--json", "--until", "2026-03-02T10:33:00Z").stdout)
    assert shown["rules"]["left"]["outcomes"] == {"sent": 1}
    assert (shown["open_timers"], shown["until"]) == (0, "2026-03-02T10:33:00.000Z")


def test_an_end_before_the_last_event_is_told(place: Path) -> None:
    """Whoever mistyped the year wondered where the reminders were."""
    said = "events of --until and later were left out"
    assert said in backtest(place, "--until", "2026-03-02T10:00:00.001Z").stdout
    assert said not in backtest(place, "--until", "2026-03-02T11:00:00Z").stdout


def test_one_month_of_many_began_with_empty_traits_and_limits(place: Path) -> None:
    """What was sent before --since uses up limits, and reminders from before fire; neither is counted."""
    shown = json.loads(backtest(place, "--json", "--since", "2026-03-02T10:00:30Z", "--out", "out").stdout)
    assert shown["rules"]["viewed"]["outcomes"] == {"suppressed": 1}
    assert (shown["since"], shown["events_before_since"]) == ("2026-03-02T10:00:30.000Z", 1)
    assert [json.loads(each)["outcome"] for each in (place / "out").read_text().splitlines()] == [
        "suppressed"
    ]
    assert "1 event of before --since was played first" in shown["notes"][-1]
    times = ("--since", "2026-03-02T10:30:00Z", "--until", "2026-03-02T10:40:00Z")
    written(place, line(120, "cart"), line(35 * 60, "view"))
    assert json.loads(backtest(place, "--json", *times).stdout)["rules"]["left"]["outcomes"] == {"sent": 1}
    times = ("--since", "2026-03-02T10:33:00Z", "--until", "2026-03-02T10:40:00Z")
    shown = json.loads(backtest(place, "--json", *times, "--report", "report.html").stdout)
    assert shown["rules"]["left"]["outcomes"] == {}  # it was due at 10:32
    assert shown["rules"]["viewed"]["matches"] == 1
    assert "event of before --since" in (place / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--since", "2027-01-01"], 1, "all of the 3 events that could be used came before --since"),
        (["--until", "2025-01-01"], 1, "all of the 4 events came at --until, or later"),
        (["--since", "2026-04-01", "--until", "2026-03-01"], 2, "must be before --until"),
        (["--since", "soon"], 2, "--since"),
        (["--data-dir", "."], 2, "goes with --store rocksdb alone"),
        (["--data-dir", "nowhere", "--store", "rocksdb"], 1, "--data-dir nowhere: No such file"),
    ],
)
def test_options_that_bring_nothing_were_taken_without_a_word(
    place: Path, options: list[str], code: int, message: str
) -> None:
    assert message in backtest(place, *options, code=code).stderr


def test_decisions_are_written_as_a_worker_writes_them(place: Path) -> None:
    backtest(place, "--out", "out.jsonl")
    sent, held_back = map(json.loads, (place / "out.jsonl").read_text().splitlines())
    assert (sent["outcome"], sent["content"], sent["sent_at"]) == ("sent", {"text": "e0"}, None)
    assert (held_back["outcome"], held_back["reason"]) == ("suppressed", "limit")
    assert [each["goals"] for each in (sent, held_back)] == [[], []]
    assert held_back["event"] == {"name": "view", "id": "e60", "time": "2026-03-02T10:01:00.000Z"}


def test_repeats_of_a_source_are_left_out_and_said(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(RULES.replace("id: id", "id: id, dedupe: 1d"))
    events = place / "events.jsonl"
    events.write_bytes(events.read_bytes() + b"\n" + orjson.dumps(line(0, "view")))
    assert json.loads(backtest(place, "--json").stdout)["repeats"] == {"clicks": 1}
    assert "as their id had come before (dedupe): clicks 1" in backtest(place).stdout


def test_people_see_a_table(place: Path) -> None:
    out = backtest(place).stdout
    assert "viewed" in out
    assert "limit 1" in out
    assert "1 record of clicks is not an event: customer" in out


def test_all_of_it_is_written_as_one_page(place: Path) -> None:
    """And the summary is still shown; a place that cannot be written is said."""
    assert "viewed" in backtest(place, "--report", "report.html").stdout
    page = (place / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert all(said in page for said in ("viewed", "personal data", "1 record of clicks is not an event"))
    backtest(place, "--report", "report.html", "--examples", "0")
    assert "personal data" not in (place / "report.html").read_text()
    assert "no/report.html" in backtest(place, "--report", "no/report.html", code=1).stderr


def test_messages_that_could_not_be_written_said_neither_field_nor_variable(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(RULES.replace("event.id", "event.sku"))
    assert "2 × viewed could not be written: `text`: there is no `event.sku`" in backtest(place).stdout
    shown = json.loads(backtest(place, "--json", "--out", "out.jsonl").stdout)
    unwritten = {"field": "text", "variable": "event.sku", "filter": None}
    counted = {"variant": None, "count": 2, "first": "events.jsonl:1"}
    assert shown["rules"]["viewed"]["unwritten"] == [{**unwritten, **counted}]
    assert json.loads((place / "out.jsonl").read_text().splitlines()[0])["unwritten"] == unwritten


def test_messages_whose_filter_got_no_number_said_neither_filter_nor_variant(place: Path) -> None:
    """`2 × `text` of viewed could not be written`, and the author looked through four filters."""
    variants = 'variants: [{name: dear, share: 100%, content: {text: "{{ event.id | times: 2 }}"}}]'
    text = RULES.replace('content: {text: "{{ event.id }}"}', variants)
    assert variants in text
    (place / "rules" / "all.yaml").write_text(text)
    said = (
        "2 × viewed could not be written: `text` of variant `dear`: `event.id | times` got what it does not"
    )
    assert said in backtest(place).stdout
    unwritten = {"field": "text", "variable": None, "filter": "event.id | times", "variant": "dear"}
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["rules"]["viewed"]["unwritten"] == [{**unwritten, "count": 2, "first": "events.jsonl:1"}]


def test_ids_that_come_again_were_played_twice_without_a_word(place: Path) -> None:
    """Two files overlapped by a day, and every reminder of that day went out twice in the report."""
    written(place, line(0, "view"), line(60, "view", id="e0"), line(90, "view", customer="c2", id="e0"))
    said = "1 event of clicks had an id that its customer had had, and counted again, first events.jsonl:2"
    assert f"{said} (write `dedupe: 1d` into" in backtest(place).stdout
    played = json.loads(backtest(place, "--json").stdout)["repeats_played"]
    assert played == {"clicks": {"count": 1, "first": "events.jsonl:2"}}


def test_a_time_zone_that_nobody_can_read_was_counted_and_not_shown(place: Path) -> None:
    (place / "rules" / "more.yaml").write_text("sources: {crm: {kind: profile, customer: id}}\n")
    zones = ["Berlin", "Berlin", "Europe/Rome"]
    profiles = [{"source": "crm", "id": f"c{n}", "attributes": {"timezone": z}} for n, z in enumerate(zones)]
    written(place, line(0, "view"), *profiles)
    said = "2 profiles of crm have a time zone that cannot be read: `Berlin` 2"
    assert f"{said} (did you mean `Europe/Berlin`?)" in backtest(place).stdout


def test_a_time_that_is_none_is_wrong_usage(place: Path) -> None:
    assert "--until" in backtest(place, "--until", "tomorrow", code=2).stderr


def test_rules_with_errors_are_not_played(place: Path) -> None:
    (place / "rules" / "more.yaml").write_text("rules: {x: {on: view, sent: {}}}")
    assert "did you mean `send`" in backtest(place, code=1).stderr


def test_the_demo_gives_the_same_however_its_lines_are_mixed(tmp_path: Path) -> None:
    """The order between two sources in the files does not matter: their events are merged by time."""
    rules = Path(__file__).parents[3] / "rules"
    by_source: dict[str, list[bytes]] = {}
    for event in events():
        value = {**orjson.loads(event.value), "source": event.topic}
        by_source.setdefault(event.topic, []).append(orjson.dumps(value))
    results = []
    for order in (sorted(by_source), sorted(by_source, reverse=True)):
        mixed = [each for name in order for each in by_source[name]]
        (tmp_path / "events.jsonl").write_bytes(b"\n".join(mixed))
        command = [sys.executable, "-m", "stream", "backtest", str(rules), "events.jsonl", "--out", "out"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        results.append(Counter((tmp_path / "out").read_text().splitlines()))
    assert results[0] == results[1]
    assert results[0].total() > 10_000


# ---- lines that could not be used, or only in part ----


def written(place: Path, *history: str | dict[str, Any]) -> None:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in history)
    (place / "events.jsonl").write_text("".join(f"{each}\n" for each in texts))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("\0\0", "json, first events.jsonl:3 (there are bytes 0 in it: the file is damaged, or not UTF-8"),
        ("[", "json, first events.jsonl:3 (one JSON object a line, and no list around them"),
        ("event,customer", "json, first events.jsonl:3 (one JSON object a line; CSV needs a file of its own"),
        ('{"event": "view",', "json, first events.jsonl:3 (one JSON object a line, each whole on its line"),
        (
            line(5, "view", customer=None),
            "customer, first events.jsonl:3 (`customer` must be the customer's id",
        ),
        ({**line(5, "view"), "event": 5}, "event, first events.jsonl:3 (`event` must be the event's name"),
        (line(5, "view", ts="02.03.2026"), "time, first events.jsonl:3 (`ts` must be a time: ISO 8601"),
    ],
)
def test_where_the_first_line_is_that_is_no_event_and_what_mends_it(
    place: Path, bad: str | dict[str, Any], said: str
) -> None:
    """`1,204 records of clicks are not events: time` was all that one learned of a file."""
    written(place, line(0, "view"), line(1, "view"), bad, bad)
    assert f"2 records of clicks are not events: {said}" in backtest(place).stdout


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (["x", "y"], "none of 2 lines could be used"),
        (["[", "]"], "there is no line"),
        ([], "there is no line in the input"),
    ],
)
def test_an_input_of_which_nothing_can_be_used_is_an_error(
    place: Path, history: list[str], message: str
) -> None:
    """A table of zeros, and exit code 0: a pipeline went on with it."""
    written(place, *history)
    assert message in backtest(place, code=1).stderr


WITH_CONSENT = RULES.replace("channels:", "  people: {kind: profile, customer: who}\nchannels:").replace(
    "consent: none", "consent: mail"
)
GRANTED = {"who": "c1", "source": "people", "consents": {"mail": {"granted": True, "at": "2026-03-01"}}}


@pytest.mark.parametrize("at", [0, 1])
def test_a_record_that_says_no_time_counts_from_its_place_in_the_file(place: Path, at: int) -> None:
    """Profiles map no time: in a backtest nobody had consented to anything."""
    (place / "rules" / "all.yaml").write_text(WITH_CONSENT)
    history = [line(0, "other"), line(1, "view")]
    written(place, *history[:at], GRANTED, *history[at:])
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["dead_letters"] == []
    assert (shown["rules"]["viewed"]["outcomes"], shown["without_time"]) == ({"sent": 1}, {"people": 1})
    assert "1 record of people says no time: it counts from its place in the file" in backtest(place).stdout


def test_a_withdrawal_counts_from_its_place_in_the_file_and_not_before(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(WITH_CONSENT.replace("1 per 1h", "9 per 1h"))
    withdrawn = {**GRANTED, "consents": {"mail": {"granted": False}}}
    written(place, GRANTED, line(0, "view"), line(60, "other"), withdrawn, line(120, "view"))
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["rules"]["viewed"]["outcomes"] == {"sent": 1, "suppressed": 1}


def test_a_line_may_say_when_kafka_had_its_record(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(WITH_CONSENT)
    written(place, line(0, "view"), {**GRANTED, "timestamp": "2026-03-02T09:00:00Z"})
    shown = json.loads(backtest(place, "--json").stdout)
    assert (shown["rules"]["viewed"]["outcomes"], shown["without_time"]) == ({"sent": 1}, {})


def test_records_without_any_time_have_no_place_in_time(place: Path) -> None:
    written(place, {"event": "view", "customer": "c1"})
    done = backtest(place, code=1)
    assert "none of 1 line could be used" in done.stderr
    assert "no line has a time that can be read, in `ts` or `timestamp`" in done.stdout


def test_one_event_that_is_dated_ahead_does_not_make_the_others_stale(place: Path) -> None:
    """One of the year 2126 moved the clock for good: all that came after it was `stale`."""
    (place / "rules" / "all.yaml").write_text(RULES + "policy: {stale_after: 1h}\n")
    ahead = line(1, "other", ts="2126-03-02T10:00:01Z")
    written(place, line(0, "other"), ahead, line(2, "view"), line(3, "other"))
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["rules"]["viewed"]["outcomes"] == {"sent": 1}
    assert shown["until"] == "2026-03-02T10:00:03.000Z"
    assert shown["errors"] == [{"source": "clicks", "reason": "future_time", "count": 1}]
    said = "1 record of clicks is dated after now: it counts from its place in the file"
    assert f"{said}, first events.jsonl:2" in backtest(place).stdout


def test_a_condition_that_ends_in_errors_is_told_with_its_rule(place: Path) -> None:
    """`470 × condition in app` left one to guess in which of forty rules."""
    rule = "rules: {dear: {on: view, if: event.price > 5, send: {channel: web, content: {text: Hi}}}}\n"
    (place / "rules" / "more.yaml").write_text(rule)
    written(place, line(0, "view"), line(1, "view", price=2), line(2, "view", price="7"))
    shown = backtest(place).stdout
    assert "1 × `if` of rule dear did not hold: there is no `event.price`" in shown
    assert "1 × `if` of rule dear did not hold: `event.price` is not what it takes, such as a text" in shown
    failed = json.loads(backtest(place, "--json").stdout)["condition_errors"]
    assert failed == [
        {
            "definition": "dear",
            "part": "if",
            "reason": reason,
            "paths": "event.price",
            "count": 1,
            "first": f"events.jsonl:{first}",
        }
        for reason, first in (("missing", 1), ("value", 3))
    ]


def test_a_trait_that_counts_nothing_is_told_with_what_to_write(place: Path) -> None:
    """Amounts that are texts: the rule for who spends much never fired, and nothing said why."""
    traits = (
        "traits:\n"
        "  spent: {function: sum, of: view, field: order.'total price'}\n"
        "  worth: {function: sum, of: view, value: event.price * event.pieces}\n"
        "  kinds: {function: distinct, of: view, field: price}\n"
        "rules:\n"
        "  dear:\n"
        "    on: view\n"
        "    if: traits.spent > 5 && traits.worth > 5 && traits.kinds > 1\n"
        "    send: {channel: web, content: {text: Hi}}\n"
    )
    (place / "rules" / "more.yaml").write_text(traits)
    written(
        place,
        line(0, "view", order={"total price": "96.00"}, price=1, pieces=2),
        line(1, "view", order={"total price": ["96.00"]}, price=9.5),
        line(2, "view", price="9.5", pieces=1),
    )
    shown = backtest(place).stdout
    made = "write `value: double(event.order['total price'])` in place of `field: order.'total price'`"
    for said in (
        "2 × `field` of traits.spent counted nothing: `order.'total price'` is there, and is no number, "
        f"first events.jsonl:1 (if it is a text that says one, {made})",
        "1 × `value` of traits.worth counted nothing: there is no `event.pieces`",
        "1 × `value` of traits.worth counted nothing: it ended in an error, or is no number",
        "1 × `field` of traits.kinds counted nothing: `price` is there, and is no text, whole number, "
        "true or false, or too long",
    ):
        assert said in shown
    assert "96.00" not in shown


def test_lines_of_a_source_that_is_none_are_told_with_the_one_that_is_meant(place: Path) -> None:
    written(place, line(0, "view"), line(1, "view", source="click"))
    said = "1 line of `click` left out: no source, first events.jsonl:2 (did you mean `clicks`?)"
    assert said in backtest(place).stdout


def test_the_page_about_backtests_shows_a_file_that_works(tmp_path: Path) -> None:
    """The profile with a consent was no event, and nobody was sent anything."""
    root = Path(__file__).parents[3]
    (tmp_path / "rules").mkdir()
    first = re.search(r"```yaml\n(.*?)```", (root / "rules" / "README.md").read_text(), re.DOTALL)
    history = re.search(r"```json\n(.*?)```", (root / "docs" / "backtest.md").read_text(), re.DOTALL)
    assert first
    assert history
    (tmp_path / "rules" / "first.yaml").write_text(first[1])
    (tmp_path / "events.jsonl").write_text(history[1])
    shown = json.loads(backtest(tmp_path, "--json", "--until", "2026-03-02T11:00:00Z").stdout)
    assert shown["rules"]["cart-left-behind"]["channels"] == {"email": 1}
    assert shown["dead_letters"] == []


def test_other_systems_events_are_read_as_they_are(tmp_path: Path) -> None:
    """Shopify's lists, GA4's microseconds as text, Stripe's pages: none of them was an event."""
    root = Path(__file__).parents[3]
    (tmp_path / "rules").mkdir()
    page = (root / "docs" / "backtest.md").read_text()
    rules = re.search(r"```yaml\n(sources:\n  shopify.*?)```", page, re.DOTALL)
    assert rules
    (tmp_path / "rules" / "all.yaml").write_text(rules[1])
    payloads = root / "tests" / "history" / "payloads"
    files = ("shopify.json", "segment.jsonl", "ga4.jsonl", "stripe.json", "cloudevents.jsonl")
    names = ("shopify", "segment", "ga4", "stripe", "till")
    arguments = [f"{name}={payloads / file}" for name, file in zip(names, files, strict=True)]
    command = [sys.executable, "-m", "stream", "backtest", "rules", *arguments, "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert {name: rule["outcomes"] for name, rule in shown["rules"].items()} == {
        name: {"sent": 1} for name in ("bought-on-the-phone", "card-refused", "ordered", "points", "thanks")
    }
    assert [(each["source"], each["reason"], each["count"]) for each in shown["dead_letters"]] == [
        ("segment", "event", 1)
    ]
    assert shown["events"] == {"shopify": 2, "segment": 2, "ga4": 2, "stripe": 1, "till": 2}


def test_customers_on_disk_decide_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history of more customers than there is memory for could not be played; segments had those alone who
    were in memory at the end.
    """
    (tmp_path / "rules").mkdir()
    segments = "traits: {bought: {function: count, of: buy}}\nsegments: {buyers: traits.bought > 0}\n"
    (tmp_path / "rules" / "all.yaml").write_text(RULES + segments)
    kinds = ("view", "cart", "buy")
    history = [
        {**line(0, kinds[at % 3], customer=f"c{at * 7 % 400}", id=f"e{at}"), "ts": 1_772_445_600 + at * 20}
        for at in range(4_000)
    ]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, history)))
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("STREAM_STORE_CUSTOMERS", "100")
    found = []
    for options in ([], ["--store", "rocksdb", "--data-dir", "disk"]):
        done = backtest(tmp_path, "--until", "2026-03-04", "--json", "--out", "out.jsonl", *options)
        found.append((json.loads(done.stdout), (tmp_path / "out.jsonl").read_bytes()))
    assert found[0] == found[1]
    assert found[0][0]["customers"] == found[0][0]["segments"]["sizes"]["buyers"] == 400
    assert list((tmp_path / "disk").iterdir()) == []


# ---- what was passed over ----


def test_a_condition_that_failed_a_million_times_was_told_without_a_line_to_look_at(place: Path) -> None:
    """Of events, of a reminder, and of what quiet hours or a trait had to do with it."""
    rules = """
rules:
  dear: {on: view, where: event.amount > 5, send: {channel: web, content: {text: Hi}}, limit: 1 per 1h}
  late: {on: cart, wait: 10m, if: event.total > 5, send: {channel: web, content: {text: Hi}}, limit: 1 per 1h}
  shown: {on: look, send: {channel: web, content: {text: "{{ event.order }}"}}, limit: 1 per 1h}
"""
    (place / "rules" / "more.yaml").write_text(rules)
    order = {"amount": 9, "number": 7}
    history = [line(0, "view", amount=7), *(line(n, "view", order=order) for n in (1, 2))]
    written(place, *history, line(3, "cart", Total=9), line(4, "look", order=order))
    shown = backtest(place, "--until", "2026-03-02T11:00:00Z").stdout
    for said in (
        "2 × `where` of rule dear did not hold: there is no `event.amount`, first events.jsonl:2\n",
        "1 × `if` of rule late did not hold: there is no `event.total`, first when a reminder was due, "
        "2026-03-02T10:10:03.000Z (did you mean `Total`? First events.jsonl:4)",
        "1 × shown could not be written: `text`: there is no `event.order`, or it is an object, "
        "first events.jsonl:5 (it is an object: name a field of it, such as `event.order.amount`)",
    ):
        assert said in shown


def test_what_is_all_of_an_event_was_not_named_where_a_text_could_not_show_it(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(RULES.replace("event.id", "event"))
    said = "`text`: `event` is all of it: name a field, such as `event.NAME`, first events.jsonl:1"
    assert said in backtest(place).stdout


def test_events_of_next_year_were_played_as_of_1970(place: Path) -> None:
    later = [line(0, "view", ts=f"2999-03-0{day}T10:00:00Z") for day in (1, 2)]
    written(place, *later)
    said = backtest(place, code=1).stderr
    assert "all times are after now, first events.jsonl:1" in said
    assert "is the year right" in said
    written(place, *later, line(0, "view"))
    assert "2 records of clicks are dated after now" in backtest(place).stdout


def test_a_record_without_a_customer_had_all_after_it_said_to_be_late(place: Path) -> None:
    """And who really is ahead of the others is named."""
    rest = [line(n, "view") for n in range(300)]
    written(place, rest[0], line(1, "view", ts="2026-03-09T10:00:00Z", customer=None), *rest[1:])
    assert "earlier than" not in backtest(place).stdout
    written(place, rest[0], line(1, "view", ts="2026-03-09T10:00:00Z"), *rest[1:])
    said = "299 records of clicks are earlier than one before them, by up to 6d"
    assert f"{said}, first events.jsonl:3, which events.jsonl:2 is ahead of" in backtest(place).stdout


def test_decisions_could_not_be_piped_on(place: Path) -> None:
    """`--out -` made a file of that name, and later was refused."""
    done = backtest(place, "--out", "-")
    assert [json.loads(each)["outcome"] for each in done.stdout.splitlines()] == ["sent", "suppressed"]
    assert "matched nothing: left" in done.stderr
    done = backtest(place, "--out", "-", "--json")
    assert json.loads(done.stderr)["rules"]["viewed"]["matches"] == 2
    assert not (place / "-").exists()
