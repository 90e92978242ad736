"""The blast radius is the set difference of the decisions of two backtests, whatever rules and past are."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.authoring.against.findings import as_object
from stream.authoring.against.run import compare, reading
from stream.authoring.backtest import findings as backtests
from stream.authoring.backtest.run import run
from stream.authoring.replay import Replay
from stream.demo.data import events
from stream.history.event_files import Between, event_files
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.worker.triggers import may_wait_for_ever
from tests.reference.histories import START, History, histories

HISTORIES = int(os.environ.get("STREAM_HISTORIES", "200"))
RULES = Path(__file__).parents[3] / "rules"
ALWAYS = Between()
Said = dict[str, Any]


def decided(out: BytesIO) -> list[Said]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def match_of(said: Said, redefined: set[str]) -> tuple[str, ...]:
    """What makes two decisions those of one match."""
    event = said["event"]
    if said["rule"] in redefined:
        return said["rule"], said["customer_id"], event["id"], event["time"]
    return said["rule"], said["trigger_id"]


def as_text(said: Said, redefined: set[str]) -> str:
    """A decision, but for what another rule set says otherwise of the same one."""
    apart = {"revision", "side"} | ({"trigger_id"} if said["rule"] in redefined else set())
    return json.dumps({key: value for key, value in said.items() if key not in apart}, sort_keys=True)


def sent_by_match(decisions: Iterable[Said], redefined: set[str]) -> Mapping[tuple[str, ...], list[Said]]:
    found = defaultdict(list)
    for each in decisions:
        if each["outcome"] == "sent":
            found[match_of(each, redefined)].append(each)
    return found


def ended_in_a_worker(live: RuleSet, new: RuleSet, inputs: list[str], between: Between) -> dict[str, int]:
    """By rule; only of those that cannot wait for ever, which a worker does not count."""
    with event_files(inputs, live, between) as past:
        replay, before = Replay(live, now=past.now), False
        for portion in past.batches():
            if before and not portion.is_before and between.since is not None:
                list(replay.advance(between.since))
            before = portion.is_before
            list(replay.feed(portion.records, past.names))
        if between.until is not None:
            list(replay.advance(between.until))
    replay.state.adopt(new)
    ended = replay.state.customers.ended
    return {rule.name: ended.get(rule.stable_id, 0) for rule in live.rules if not may_wait_for_ever(rule)}


def assert_it_is_the_set_difference(
    live: RuleSet, new: RuleSet, inputs: list[str], between: Between = ALWAYS
) -> Said:
    files: dict[str, BytesIO] = {name: BytesIO() for name in ("live", "new", "both")}
    alone = {}
    for side, rules in (("live", live), ("new", new)):
        with event_files(inputs, rules, between) as past:
            alone[side] = backtests.as_object(run(rules, past, out=files[side]))
    with event_files(inputs, reading(new, live, inputs), between) as past:
        found = as_object(compare(live, new, past, out=files["both"]), {"new": "new", "live": "live"})
    redefined = {
        one.name
        for one in live.rules
        for other in new.rules
        if one.name == other.name and one.stable_id != other.stable_id
    }
    before, after, told = (decided(files[name]) for name in ("live", "new", "both"))

    # 1. What is written is the set difference of the two files.
    texts = [Counter(as_text(each, redefined) for each in side) for side in (before, after)]
    for side, one, other in (("live", *texts), ("new", *reversed(texts))):
        assert Counter(as_text(each, redefined) for each in told if each["side"] == side) == one - other
    assert [each["at"] for each in told] == sorted(each["at"] for each in told)
    assert found["unlike_decisions"] == len(told)

    # 2. What is counted is what the two files say of messages.
    sent = [sent_by_match(side, redefined) for side in (before, after)]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    affected: dict[str, set[str]] = defaultdict(set)
    for match in sent[0].keys() | sent[1].keys():
        one, other = (side.get(match, []) for side in sent)
        same = Counter(as_text(each, redefined) for each in one) & Counter(
            as_text(each, redefined) for each in other
        )
        both = min(len(one), len(other))
        for kind, count in (
            ("gained", len(other) - both),
            ("lost", len(one) - both),
            ("changed", both - same.total()),
        ):
            counts[kind][match[0]] += count
            if count:
                affected[kind].add((one or other)[0]["customer_id"])
    for kind in ("gained", "lost", "changed"):
        assert found["messages"][kind] == counts[kind].total()
        assert {
            name: rule[kind]["messages"] for name, rule in found["rules"].items() if rule[kind]["messages"]
        } == dict(+counts[kind])
        assert found["messages"]["customers"][kind] == len(affected[kind])
    assert found["messages"]["customers"]["any"] == len(set().union(*affected.values()))
    moved = Counter({(each["live"], each["new"]): each["count"] for each in found["moves"]})
    assert sum(count for (_, to), count in moved.items() if to == "sent") == found["messages"]["gained"]
    assert sum(count for (of, _), count in moved.items() if of == "sent") == found["messages"]["lost"]

    # 3. What ends is what a worker counts that takes the new set there.
    ended = {name: rule["instances_ended"] for name, rule in found["rules"].items()}
    assert ended | ended_in_a_worker(live, new, inputs, between) == ended

    # 4. Each side came to what it comes to by itself.
    for side in ("live", "new"):
        for key in ("events", "rules", "messages", "collisions", "segments", "open_timers", "customers"):
            assert found["backtests"][side][key] == alone[side][key]
    return found


def written(world: History, folder: Path) -> list[str]:
    for name, records in world.records.items():
        lines = (each.value for each in records if each.value is not None and b"\n" not in each.value)
        (folder / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return [f"{name}={folder / name}.jsonl" for name in world.records]


@settings(max_examples=HISTORIES)
@given(
    histories(changes=(1, 1, 2)), st.sampled_from((None, START + 1_000, START + 86_400_000)), st.booleans()
)
def test_any_change_on_any_past(world: History, until: int | None, has_since: bool) -> None:
    live, new = world.rules, world.changes[-1].rules
    between = Between(START + 500 if has_since else None, until)
    with tempfile.TemporaryDirectory() as folder:
        inputs = written(world, Path(folder))
        assert_it_is_the_set_difference(
            replace(live, revision="1"), replace(new, revision="2"), inputs, between
        )


# What a marketer does to the demo's rules: a threshold, a wait, a window, a name; a rule less, a cap, a text.
CHANGES = (
    ("traits.purchases_90d >= 5", "traits.purchases_90d >= 4"),
    ("support_chat], within: 30m}", "support_chat], within: 45m}"),
    (
        "purchases_365d:  {function: count, of: purchase, over: 365d}",
        "purchases_365d:  {function: count, of: purchase, over: 180d}",
    ),
    ("  second-purchase:", "  second-order:"),
    ("traits.spend_365d >= 300", "traits.spend_365d >= 200"),
    ("Is something unclear?", "Questions?"),
)


@pytest.mark.parametrize(
    ("topics", "gains"), [({"transactions"}, True), ({"clickstream"}, False)], ids=["CDNOW", "the shop"]
)
def test_the_demos_rules_on_each_of_its_pasts(tmp_path: Path, topics: set[str], gains: bool) -> None:
    texts = {path.name: path.read_text() for path in RULES.glob("*.yaml")}
    for folder in ("live", "new"):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_text(text)
        texts = {name: changed(text) for name, text in texts.items()}
    live, new = (load_rules(tmp_path / each) for each in ("live", "new"))
    (tmp_path / "past.jsonl").write_bytes(
        b"\n".join(
            json.dumps({"source": each.topic, **json.loads(each.value)}).encode()
            for each in events()
            if each.topic in topics | {"profiles"}
        )
    )
    found = assert_it_is_the_set_difference(live, new, [str(tmp_path / "past.jsonl")])
    assert (found["messages"]["gained"] > 0) >= gains
    assert found["unlike_decisions"] > 50


def changed(text: str) -> str:
    for before, after in CHANGES:
        text = text.replace(before, after)
    return text
