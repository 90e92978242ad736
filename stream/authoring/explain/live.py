"""What workers decided beside what is explained: the same, something else, or nothing, and why.

An explanation plays a history by the clock of its events, with the rules at hand. A worker looks at the wall
clock as well, had the rules and switches of its time, and knew what Kafka has deleted since. So decisions are
held against each other one by one, by their ids, or by their rule and event where other rules gave other ids.
Pure. Tested by tests/authoring/explain/test_live.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from stream.authoring.explain.timeline import Timeline
from stream.decisions.wire import iso_time
from stream.history.decided import DecidedLive, LiveDecision
from stream.history.event_files import rounded
from stream.rules.durations import format_duration
from stream.structs import Decision

_SECOND = 1000
_COUNTED = ("limit", "cap", "group")  # reasons that lie in what was decided before
_BEFORE = "it follows from what was decided otherwise before"
_KNEW = "it knew something else: what Kafka has deleted since, or records in another order"


class Compared:
    """`rule`: only of that one."""

    def __init__(self, timeline: Timeline, live: DecidedLive, rule: str | None = None) -> None:
        self._timeline, self._live = timeline, live
        since, until = timeline.since, timeline.until
        theirs = [
            each
            for each in live.decisions
            if rule in (None, each.rule) and (since is None or each.at >= since)
        ]
        self._theirs = [each for each in theirs if until is None or each.at <= until]
        self._later = len(theirs) - len(self._theirs)
        ours = [each for moment in timeline.moments for each in moment.decisions if rule in (None, each.rule)]
        self._of = dict(_pairs(ours, self._theirs))
        self._ours = ours

    def as_object(self) -> dict[str, Any]:
        """How many agree, what only the workers decided, and how much `later` than what is told."""
        live = self._live
        compared = [self.of(each) for each in self._ours]
        own = set(map(id, self._of.values()))
        return {
            "topic": live.topic,
            "unread": live.unread,
            "hint": self._hint(),
            "agree": sum(each["agrees"] for each in compared),
            "differ": sum(not each["agrees"] for each in compared),
            "later": self._later,
            "only": [_said(each, self._why_only(each)) for each in self._theirs if id(each) not in own],
        }

    def of(self, decision: Decision) -> dict[str, Any]:
        """What became of a decision in a worker; without `outcome` it has decided nothing there."""
        found = self._of.get(id(decision))
        if found is None:
            return {"agrees": False, "outcome": None, "why": self._why_none(decision)}
        why = self._why(decision, found)
        return {"agrees": why is None, **_said(found, why)}

    def _hint(self) -> str | None:
        live = self._live
        if live.unread is not None or live.decisions or not live.others:
            return None
        app, count = live.others.most_common(1)[0]
        return f"the app {live.app_id} decided nothing here, and {app} did, {count}×: set STREAM_APP_ID={app}"

    def _why(self, decision: Decision, found: LiveDecision) -> str | None:
        """Why a worker decided otherwise; None if it did not."""
        if (decision.outcome, decision.reason) == (found.outcome, found.reason):
            if (decision.channel, decision.variant) == (found.channel, found.variant):
                return None
            return self._other_rules(found) or _KNEW
        if found.reason == "stale":
            return f"it came late: it was decided {_later(found)} after its time; here it is played in time"
        if found.reason == "disabled":
            return "the rule was switched off then, with `stream disable`"
        if {decision.reason, found.reason} & set(_COUNTED) and self._differs_before(decision):
            return _BEFORE
        return self._other_rules(found) or self._knew()

    def _differs_before(self, decision: Decision) -> bool:
        """Whether something that counts was sent there and not here, or here and not there."""
        used = ("sent", "holdout")
        for each in self._ours:
            if each is decision:
                return False
            there = self._of.get(id(each))
            if (each.outcome in used) != (there is not None and there.outcome in used):
                return True
        return False

    def _why_none(self, decision: Decision) -> str:
        live = self._live
        if live.unread is not None:
            return f"{live.topic} was not read"
        if live.begins is not None and decision.at < live.begins:
            return f"{live.topic} begins at {iso_time(live.begins)}: what was decided before is deleted"
        if not live.decisions:
            return f"{live.topic} has no decision of the app {live.app_id} on this customer"
        others = {each.revision for each in live.decisions} - {self._timeline.rules.revision}
        if others:
            return f"the rules were others: revision {', '.join(sorted(others))} decided on this customer"
        last = max(each.written for each in live.decisions)
        return f"it has not come so far, or {_KNEW} (its last decision on this customer: {iso_time(last)})"

    def _why_only(self, found: LiveDecision) -> str:
        if found.rule not in {each.name for each in self._timeline.rules.rules}:
            return "there is no such rule here"
        return self._other_rules(found) or self._knew()

    def _other_rules(self, found: LiveDecision) -> str | None:
        if found.revision == self._timeline.rules.revision:
            return None
        return f"the rules were others, revision {found.revision}"

    def _knew(self) -> str:
        begin = "" if self._timeline.before is not None else " (--from-changelog begins with what it knew)"
        return _KNEW + begin


def _pairs(ours: Sequence[Decision], theirs: Sequence[LiveDecision]) -> Iterator[tuple[int, LiveDecision]]:
    """What belongs together, by the `id` of ours, each once: what is surest first."""
    left, taken = list(ours), set[int]()
    identities: list[tuple[Callable[[Decision], Hashable], Callable[[LiveDecision], Hashable]]] = [
        (
            lambda each: (each.trigger_id, each.at, each.outcome),
            lambda each: (each.trigger_id, each.at, each.outcome),
        ),
        (lambda each: (each.trigger_id, each.at), lambda each: (each.trigger_id, each.at)),
        (lambda each: each.trigger_id, lambda each: each.trigger_id),
        (
            lambda each: (each.rule, each.event.id, each.at),
            lambda each: (each.rule, each.event, each.at),
        ),
        (lambda each: (each.rule, each.event.id), lambda each: (each.rule, each.event)),
    ]
    for of_ours, of_theirs in identities:
        by: dict[Hashable, list[LiveDecision]] = {}
        for each in theirs:
            if id(each) not in taken:
                by.setdefault(of_theirs(each), []).append(each)
        rest = []
        for one in left:
            if same := by.get(of_ours(one)):
                found = same.pop(0)
                taken.add(id(found))
                yield id(one), found
            else:
                rest.append(one)
        left = rest


def _said(found: LiveDecision, why: str | None) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "reason": found.reason,
        "channel": found.channel,
        "variant": found.variant,
        "rule": found.rule,
        "revision": found.revision,
        "at": iso_time(found.at),
        "written": iso_time(found.written),
        "place": found.place,
        "why": why,
    }


def _later(found: LiveDecision) -> str:
    return format_duration(rounded(max(found.written - found.at, _SECOND)) // _SECOND * _SECOND)


def words_of(live: Mapping[str, Any]) -> str:
    """What a worker decided, in a few words."""
    if live["outcome"] is None:
        return "nothing"
    said = str(live["outcome"])
    on = f" on {live['channel']}" if live["outcome"] == "sent" else ""
    return said + on + (f", {live['reason']}" if live["reason"] else "")


def summary(live: Mapping[str, Any]) -> Iterable[str]:
    """Lines about all of it."""
    if live["unread"] is not None:
        yield f"what workers decided is not known: {live['topic']}: {live['unread']}"
        return
    if live["hint"] is not None:
        yield live["hint"]
    yield f"{live['topic']}: workers decided the same {live['agree']:,}×, otherwise {live['differ']:,}×"
    if live["later"]:
        yield f"{live['later']:,} more they decided after that time: --until goes further"
    for each in live["only"]:
        yield f"  only a worker: {each['at']} {each['rule']}: {words_of(each)}: {each['why']}"
