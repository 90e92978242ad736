"""What a change of rules decides otherwise on the same past, and what of it does not go on."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.authoring.against.run import reading
from stream.errors import StreamError
from stream.rules.compiler.rule_set import load_rules
from tests.authoring.against.againstkit import PAST, RULES, compared, line, placed

AT_NOON = 1_772_452_800_000  # 2026-03-02T12:00:00Z


def counts(found: dict[str, Any]) -> tuple[int, ...]:
    return tuple(found["messages"][kind] for kind in ("gained", "lost", "changed"))


def moves(of: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(each["live"], each["new"]): each["count"] for each in of["moves"]}


def test_the_same_rules_in_another_form_are_no_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, new="# the same\n" + RULES, until=AT_NOON)
    assert counts(found) == (0, 0, 0)
    assert found["unlike_decisions"] == 0
    assert {rule["definition"] for rule in found["rules"].values()} == {"unchanged"}
    assert found["live"]["revision"] == found["new"]["revision"]


def test_a_lower_threshold_of_an_if_brings_messages(tmp_path: Path) -> None:
    """Its definition stays, so its trigger ids do, and what is open goes on."""
    found = compared(tmp_path, ("traits.views >= 1", "traits.views >= 0"), until=AT_NOON)
    assert counts(found) == (0, 0, 0)  # c3 bought
    found = compared(tmp_path, ("traits.views >= 1", "traits.views >= 3"), until=AT_NOON)
    assert counts(found) == (0, 1, 0)
    assert moves(found["rules"]["left"]) == {("sent", "no match"): 1}
    assert (found["rules"]["left"]["keys"], found["goes_live"]["instances_ended"]) == (["if"], 0)


def test_a_lower_threshold_of_a_where_is_another_definition(tmp_path: Path) -> None:
    """The ids of all its triggers are others: what says the same is told apart by its event."""
    found = compared(tmp_path, ("price >= 50", "price >= 30"), until=AT_NOON)
    assert counts(found) == (1, 0, 0)
    left = found["rules"]["left"]
    assert (left["definition"], left["keys"]) == ("changed", ["where"])
    assert left["gained"] == {"messages": 1, "channels": {"web": 1}}
    assert (left["customers"], left["sent"]) == (1, {"live": 1, "new": 2})
    (example,) = left["examples"]
    assert (example["customer"], example["live"], example["new"]["content"]) == (
        "c2",
        None,
        {"text": "e30-c2"},
    )
    assert found["messages"]["customers"] == {"gained": 1, "lost": 0, "changed": 0, "any": 1}


def test_another_wait_is_the_same_message_at_another_time(tmp_path: Path) -> None:
    found = compared(tmp_path, ("within: 30m", "within: 45m"), until=AT_NOON)
    assert counts(found) == (0, 0, 1)
    assert found["rules"]["left"]["changed"] == {"messages": 1, "channels": {"web": 1}, "parts": {"time": 1}}
    (example,) = found["rules"]["left"]["examples"]
    assert [example[side]["at"] for side in ("live", "new")] == [
        "2026-03-02T10:50:00.000Z",
        "2026-03-02T11:05:00.000Z",
    ]


def test_another_text_changes_each_message_and_names_the_field(tmp_path: Path) -> None:
    found = compared(tmp_path, ("text: Hello", "text: Good morning"))
    viewed = found["rules"]["viewed"]
    assert (viewed["keys"], viewed["changed"]["parts"]) == (["send.content.text"], {"text": 3})
    assert counts(found) == (0, 0, 3)
    assert [each["place"].rpartition(":")[2] for each in viewed["examples"]] == ["1", "4", "8"]


def test_a_limit_moves_messages_between_sent_and_limit(tmp_path: Path) -> None:
    found = compared(tmp_path, ("limit: 1 per 1h", "limit: 2 per 1h"))
    assert moves(found["rules"]["viewed"]) == {("limit", "sent"): 1}
    assert found["per_customer"]["all"]["live"]["worst"] == 2  # one of each rule
    assert found["per_customer"]["all"]["new"]["worst"] == 3
    assert found["per_customer"]["channels"]["web"]["new"]["messages"] == 5


def test_a_renamed_rule_loses_and_gains_the_same_and_ends_what_waits(tmp_path: Path) -> None:
    past = (*PAST, line(100, "cart", "c4", price=60))
    found = compared(tmp_path, ("  left:", "  cart-left:"), past=past)
    assert found["rules"]["left"]["renamed_to"] == "cart-left"
    assert found["rules"]["cart-left"]["renamed_from"] == "left"
    assert (found["rules"]["left"]["definition"], found["rules"]["left"]["instances_ended"]) == ("removed", 1)
    assert found["goes_live"]["limits_anew"] == ["rule:cart-left"]
    assert counts(found) == (1, 1, 0)
    assert found["messages"]["customers"]["any"] == 1


def test_of_two_rules_that_say_the_same_none_is_called_the_others_name(tmp_path: Path) -> None:
    rule = "{on: view, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}"
    found = compared(tmp_path, live=f"{RULES}  a: {rule}\n  b: {rule}\n", new=f"{RULES}  c: {rule}\n")
    assert [rule["renamed_to"] for rule in found["rules"].values()] == [None] * 5


def test_a_window_of_a_trait_makes_it_start_anew(tmp_path: Path) -> None:
    found = compared(tmp_path, ("over: 7d", "over: 5m"), until=AT_NOON)
    assert found["goes_live"]["traits_anew"] == ["views"]
    assert found["definitions"]["traits"]["changed"] == {"views": ["over"]}
    assert counts(found) == (0, 1, 0)  # the cart comes ten minutes after the view
    assert found["rules"]["left"]["definition"] == "unchanged"
    assert found["segments"] == {"keen": {"live": 1, "new": 0}}
    found = compared(tmp_path, ("  views:", "  seen: {function: count, of: view, over: 1d}\n  views:"))
    assert (found["goes_live"]["traits_added"], found["goes_live"]["traits_anew"]) == (["seen"], [])


def test_a_segment_that_is_gone_has_no_size_and_another_condition_another_one(tmp_path: Path) -> None:
    found = compared(tmp_path, ("traits.views >= 2", "traits.views >= 1"))
    assert found["segments"] == {"keen": {"live": 1, "new": 3}}
    found = compared(tmp_path, ("  keen:", "  eager:"))
    assert found["segments"] == {"eager": {"live": None, "new": 1}, "keen": {"live": 1, "new": None}}


QUIET = RULES.replace("consent: none}", 'consent: none, quiet: "10:00-11:30"}') + "policy: {timezone: UTC}\n"


def test_what_quiet_hours_put_off_is_no_match_that_is_not_there(tmp_path: Path) -> None:
    """Live it waits at the end, in the new set it is sent at once."""
    found = compared(tmp_path, live=QUIET, new=QUIET.replace("11:30", "10:15"), past=[line(20, "view")])
    assert moves(found["rules"]["viewed"]) == {("put off", "sent"): 1}
    found = compared(tmp_path, live=QUIET, new=QUIET.replace("11:30", "10:15"), past=PAST[:1], until=AT_NOON)
    assert counts(found) == (0, 0, 1)
    assert found["rules"]["viewed"]["changed"]["parts"] == {"time": 1}
    assert found["unlike_decisions"] == 2  # both put it off


def test_what_both_put_off_and_one_has_sent_by_the_end_had_no_match_before(tmp_path: Path) -> None:
    at = AT_NOON - 45 * 60_000
    found = compared(tmp_path, live=QUIET, new=QUIET.replace("11:30", "11:00"), past=PAST[:1], until=at)
    assert moves(found["rules"]["viewed"]) == {("put off", "sent"): 1}
    assert (counts(found), found["unlike_decisions"]) == ((1, 0, 0), 1)


def test_an_event_that_comes_twice_is_two_messages_of_one_match(tmp_path: Path) -> None:
    """Their lines are the same, so one of them has its equal and the other has not."""
    live = RULES.replace(", limit: 1 per 1h", "")
    out = BytesIO()
    found = compared(tmp_path, live=live, new=RULES, past=[line(0, "view"), line(0, "view")], out=out)
    assert counts(found) == (0, 1, 0)
    assert moves(found["rules"]["viewed"]) == {("sent", "limit"): 1}
    assert [orjson.loads(each)["side"] for each in out.getvalue().splitlines()] == ["live", "new"]


def test_a_message_that_still_waits_ends_with_its_rule(tmp_path: Path) -> None:
    new = QUIET.replace("  viewed:", "  seen:")
    found = compared(tmp_path, live=QUIET, new=new, past=PAST[:1])
    assert found["rules"]["viewed"]["put_off_ended"] == found["goes_live"]["put_off_ended"] == 1
    assert moves(found["rules"]["viewed"]) == {("put off", "no match"): 1}


def test_decisions_without_an_equal_are_written_by_time_with_their_side(tmp_path: Path) -> None:
    out = BytesIO()
    compared(tmp_path, ("price >= 50", "price >= 30"), until=AT_NOON, out=out)
    (told,) = map(orjson.loads, out.getvalue().splitlines())
    assert list(told)[:2] == ["side", "trigger_id"]
    assert (told["side"], told["outcome"], told["customer_id"]) == ("new", "sent", "c2")
    out = BytesIO()
    compared(tmp_path, ("text: Hello", "text: Hi"), out=out)
    told = [orjson.loads(each) for each in out.getvalue().splitlines()]
    assert [each["side"] for each in told] == ["live", "new"] * 3
    assert [each["at"] for each in told] == sorted(each["at"] for each in told)


def test_without_examples_nobody_is_named(tmp_path: Path) -> None:
    found = compared(tmp_path, ("text: Hello", "text: Hi"), examples=0)
    assert "c1" not in str(found)
    assert "e0-" not in str(found)


def test_a_source_that_only_one_side_has_is_read_for_that_one(tmp_path: Path) -> None:
    shop = "  shop: {event: event, customer: customer, time: ts, id: id}\n"
    past = [{"source": "shop", **line(0, "view", "c9")}, {"source": "clicks", **line(1, "view")}]
    found = compared(tmp_path, new=RULES.replace("channels:", f"{shop}channels:"), past=past)
    assert found["backtests"]["live"]["events"] == {"clicks": 1}
    assert found["backtests"]["new"]["events"] == {"clicks": 1, "shop": 1}
    assert found["backtests"]["live"]["errors"] == []
    assert counts(found) == (1, 0, 0)
    assert found["definitions"]["sources"]["added"] == ["shop"]


def test_lines_without_a_source_were_of_one_source_live_and_of_another_in_the_new_set(tmp_path: Path) -> None:
    shop = "  shop: {event: event, customer: customer, time: ts, id: id}\n"
    placed(tmp_path, RULES, RULES.replace("sources:\n", f"sources:\n{shop}"))
    sets = {name: load_rules(tmp_path / name) for name in ("live", "new")}
    with pytest.raises(
        StreamError, match="of another one in the two rule sets: `shop` in the new one, `clicks`"
    ):
        reading(sets["new"], sets["live"], ["events.jsonl"])
    assert len(reading(sets["new"], sets["live"], ["clicks=events.jsonl"]).sources) == 3


@pytest.mark.parametrize(("key", "other"), [("time: ts, id", "id"), ("id: id", "id: id, topic: c.clicks")])
def test_sources_that_read_the_past_otherwise_were_compared_on_one_reading(
    tmp_path: Path, key: str, other: str
) -> None:
    with pytest.raises(StreamError, match="of source clicks says something else in the two rule sets"):
        compared(tmp_path, (key, other))


def test_a_rule_taken_out_of_shadow_mode_was_said_to_move_from_none_to_sent(tmp_path: Path) -> None:
    shadow = RULES.replace("viewed: {on: view,", "viewed: {on: view, mode: shadow,")
    found = compared(tmp_path, live=shadow, new=RULES, until=AT_NOON)
    assert moves(found["rules"]["viewed"])["shadow", "sent"] == 3
    assert all("None" not in move for move in moves(found["rules"]["viewed"]))
