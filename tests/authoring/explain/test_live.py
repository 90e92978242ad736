"""What workers decided beside what is explained: agreement, difference and its reason."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from stream.authoring.explain.findings import as_object
from stream.authoring.explain.summary import report
from stream.authoring.explain.timeline import Timeline
from stream.authoring.page.explained import page
from stream.history.decided import DecidedLive, LiveDecision
from stream.structs import Decision
from tests.authoring.explain.explainkit import line, tell
from tests.history.test_decided import written

HOUR = 3_600_000
DAY = 24 * HOUR
VIEW = {"sku": "a", "price": 20, "gift": True}


def decisions(told: Timeline) -> list[Decision]:
    return [each for moment in told.moments for each in moment.decisions]


def as_written(told: Timeline, one: Decision, **other: Any) -> LiveDecision:
    """What a worker would have written of it, but for something."""
    found = LiveDecision(
        one.trigger_id,
        one.rule,
        told.rules.revision,
        one.outcome,
        one.reason,
        one.channel,
        one.variant,
        one.event.id,
        one.at,
        one.at + 40,
        f"decisions/0/{one.at % 100}",
    )
    return found._replace(**other)


def live(*decided: LiveDecision, **more: Any) -> DecidedLive:
    return DecidedLive("shop", "decisions", list(decided), **more)


def story(tmp_path: Path) -> Timeline:
    """`viewed` is sent at 10:01 and held back by its limit at 10:02."""
    return tell(tmp_path, [line(at, "view", **VIEW) for at in range(3)])


def compared(told: Timeline, of: DecidedLive) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found = as_object(told, None, of)
    return [each["live"] for moment in found["moments"] for each in moment["decisions"]], found["live"]


def test_of_files_nobody_asks_what_workers_decided(tmp_path: Path) -> None:
    found = as_object(story(tmp_path))
    assert found["live"] is None
    assert {each["live"] for moment in found["moments"] for each in moment["decisions"]} == {None}


def test_what_a_worker_decided_alike_is_said_to_be_the_same(tmp_path: Path) -> None:
    told = story(tmp_path)
    each, all_of_it = compared(told, live(*(as_written(told, one) for one in decisions(told))))
    assert [(one["agrees"], one["why"]) for one in each] == [(True, None)] * 2
    assert (all_of_it["agree"], all_of_it["differ"], all_of_it["only"]) == (2, 0, [])


def test_what_came_late_was_explained_as_sent_though_the_worker_had_called_it_stale(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, limited = decisions(told)
    late = as_written(
        told, sent, outcome="suppressed", reason="stale", channel=None, written=sent.at + 2 * DAY + HOUR
    )
    second = as_written(told, limited, outcome="sent", reason=None, channel="web")
    (one, other), _ = compared(told, live(late, second))
    assert (one["agrees"], one["outcome"], one["reason"]) == (False, "suppressed", "stale")
    assert one["why"] == "it came late: it was decided 2d after its time; here it is played in time"
    assert other["why"] == "it follows from what was decided otherwise before"


def test_a_rule_that_was_switched_off_is_said_to_have_been(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, _ = decisions(told)
    (one, _), _ = compared(told, live(as_written(told, sent, outcome="suppressed", reason="disabled")))
    assert one["why"] == "the rule was switched off then, with `stream disable`"


def test_other_rules_give_other_ids_and_are_held_against_each_other_all_the_same(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, limited = decisions(told)
    other = {"trigger_id": "other", "revision": "0123"}
    alike = as_written(told, limited, **other)
    differs = as_written(told, sent, outcome="suppressed", reason="consent", channel=None, **other)
    (one, two), _ = compared(told, live(differs, alike))
    assert one["why"] == "the rules were others, revision 0123"
    assert two["agrees"]
    assert two["revision"] == "0123"


def test_where_a_worker_decided_nothing_it_is_said_why(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, limited = decisions(told)

    def why(of: DecidedLive) -> str:
        (one, _), _ = compared(told, of)
        assert (one["agrees"], one["outcome"]) == (False, None)
        return str(one["why"])

    assert "begins at 2026-03-02T11:01:00.000Z: what was decided before is deleted" in why(
        live(begins=sent.at + HOUR)
    )
    assert why(live()) == "decisions has no decision of the app shop on this customer"
    assert why(live(as_written(told, limited, revision="0123"))).endswith(
        "revision 0123 decided on this customer"
    )
    assert "it has not come so far, or it knew something else" in why(live(as_written(told, limited)))
    assert why(live(unread="there is none")) == "decisions was not read"


def test_what_only_a_worker_decided_is_told(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, _ = decisions(told)
    gone = as_written(told, sent, rule="gone", trigger_id="x")
    cart = as_written(told, sent, rule="left", trigger_id="y", outcome="suppressed", reason="cap")
    later = as_written(told, sent, trigger_id="z", at=sent.at + DAY)
    _, found = compared(told, live(as_written(told, sent), gone, cart, later))
    assert [(each["rule"], each["why"].partition(":")[0]) for each in found["only"]] == [
        ("gone", "there is no such rule here"),
        ("left", "it knew something else"),
    ]
    assert "--from-changelog" in found["only"][1]["why"]
    assert found["later"] == 1


def test_of_one_rule_only_its_own_decisions_are_held_against_the_workers(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, _ = decisions(told)
    other = as_written(told, sent, rule="left", trigger_id="y")
    found = as_object(told, "viewed", live(as_written(told, sent), other))["live"]
    assert (found["agree"], found["differ"], found["only"]) == (1, 1, [])


def test_what_is_before_the_time_asked_for_is_not_called_another_decision(tmp_path: Path) -> None:
    told = story(tmp_path)
    before, limited = decisions(told)
    told = replace(told, since=limited.at, moments=told.moments[-1:])
    each, found = compared(told, live(as_written(told, before), as_written(told, limited)))
    assert ([one["agrees"] for one in each], found["only"]) == ([True], [])


def test_another_app_is_said_to_have_decided(tmp_path: Path) -> None:
    """Without STREAM_APP_ID nothing was the app's, and every decision seemed to be missing."""
    of = live()
    of.others["shop-eu"] = 7
    _, found = compared(story(tmp_path), of)
    assert found["hint"].endswith("set STREAM_APP_ID=shop-eu")


def test_a_repeat_after_a_crash_is_one_decision_and_another_apps_is_none_of_ours(tmp_path: Path) -> None:
    told = story(tmp_path)
    records = [written(told.rules.revision, one) for one in [*decisions(told), decisions(told)[0]]]
    of = live()
    of.take(records, b"c1", "decisions/0")
    assert compared(told, of)[1]["only"] == []
    assert len(of.decisions) == 2


def test_text_and_page_show_it_beside_each_decision(tmp_path: Path) -> None:
    told = story(tmp_path)
    sent, limited = decisions(told)
    late = as_written(told, sent, outcome="suppressed", reason="stale", channel=None, written=sent.at + DAY)
    gone = as_written(told, sent, rule="<gone>", trigger_id="x")
    found = as_object(told, None, live(late, as_written(told, limited), gone))
    out = io.StringIO()
    report(found, Console(file=out, width=200))
    text = out.getvalue()
    why = "suppressed, stale: it came late: it was decided 1d after its time; here it is played in time"
    assert f"      ! the worker: {why}" in text
    assert "        the worker: the same, at 2026-03-02T10:02:00.040Z" in text
    assert "decisions: workers decided the same 1×, otherwise 1×" in text
    assert "only a worker: 2026-03-02T10:01:00.000Z <gone>: sent on web: there is no such rule here" in text
    html = re.sub(r"</?(bdi|code)>", "", page(found))
    assert f"The worker: {why}" in html
    assert "The worker decided the same, at 2026-03-02T10:02:00.040Z." in html
    assert "&lt;gone&gt;" in html
    assert "<gone>" not in html
