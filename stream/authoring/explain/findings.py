"""What a timeline says, as one object of JSON values: each moment, and of each rule why it fired or did not.

Text and page show this object. Of what no rule's condition asked nothing is said.
Tested by tests/authoring/explain/test_findings.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream.authoring.explain.live import Compared
from stream.authoring.explain.timeline import Before, Change, Progressed, Timeline, TimelineMoment
from stream.authoring.rule_tests.held_back import Around, explained
from stream.authoring.rule_tests.why_not import rank
from stream.decisions.wire import iso_time
from stream.hints import did_you_mean
from stream.history.decided import DecidedLive
from stream.rules.model import Rule
from stream.structs import Decision, Judgement, OpenInstance, Term

HELD_OUT = "the customer is in the control group of the rule or of the policy"


def as_object(timeline: Timeline, rule: str | None = None, live: DecidedLive | None = None) -> dict[str, Any]:
    """The timeline; with `rule` only what is about that rule, and of what it asks. `live`: what workers have
    decided on the customer, if somebody looked.
    """
    compared = None if live is None else Compared(timeline, live, rule)
    rules = [each for each in timeline.rules.rules if rule in (None, each.name)]
    names = {each.name for each in rules} | {""}
    because = _because(timeline)
    kinds = {each.name: each.kind for each in timeline.rules.sources}
    moments = [
        {"kind": kinds.get(each.source), **_moment(each, names, because, compared)}
        for each in timeline.moments
    ]
    if rule is not None:
        read = _paths(each for moment in moments for each in moment["judged"])
        for each in moments:
            each["changes"] = [of for of in each["changes"] if any(_is_at(path, of["name"]) for path in read)]
    return {
        "customer": timeline.customer,
        "rule": rule,
        "before": None if timeline.before is None else _before(timeline.before, names),
        "until": None if timeline.until is None else iso_time(timeline.until),
        "moments": [each for each in moments if rule is None or _is_about(each)],
        "rules": {each.name: _became(each, timeline, because) for each in rules},
        "open": [_instance(each) for each in timeline.open if each.rule in names],
        "live": None if compared is None else compared.as_object(),
    }


def _before(before: Before, names: set[str]) -> dict[str, Any]:
    """What was known, of all rules: what a rule does not read may still be asked for by its guards."""
    return {
        "at": iso_time(before.at),
        "place": before.place,
        "values": dict(before.values),
        "instances": [_instance(each) for each in before.open if each.rule in names],
    }


def _paths(judged: Iterable[Mapping[str, Any]]) -> set[str]:
    """What conditions saw."""
    found: set[str] = set()
    for each in judged:
        rest = list(each["terms"])
        while rest:
            term = rest.pop()
            found.update(seen["path"] for seen in term["seen"])
            rest += term["parts"]
    return found


def _is_at(path: str, name: str) -> bool:
    """Whether a path is that of a value, or leads into it."""
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _is_about(moment: Mapping[str, Any]) -> bool:
    """Whether something of a rule happened, and not only of what is of no rule."""
    judged = any(each["rule"] for each in moment["judged"])
    return bool(judged or moment["instances"] or moment["decisions"] or moment["put_aside"])


def _because(timeline: Timeline) -> dict[int, str]:
    """By decision (its `id`): a guard's reason in words, with what had used it up."""
    used: list[Decision] = []
    judged: list[Judgement] = []
    found = {}
    for moment in timeline.moments:
        judged += moment.judged
        for decision in moment.decisions:
            if decision.outcome != "sent":
                began = None if timeline.before is None else iso_time(timeline.before.at)
                around = Around(timeline.attributes, iso_time, tuple(used), judged, HELD_OUT, began)
                found[id(decision)] = explained(decision, timeline.rules, around)
            if decision.outcome in ("sent", "holdout"):
                used.append(decision)
    return found


def _moment(
    moment: TimelineMoment, names: set[str], because: Mapping[int, str], compared: Compared | None
) -> dict[str, Any]:
    return {
        "at": iso_time(moment.at),
        "event": moment.event or None,
        "source": moment.source or None,
        "place": moment.place or None,
        "fields": moment.fields,
        "put_aside": moment.put_aside,
        "changes": [_change(each) for each in moment.changes],
        "judged": [_judged(each) for each in moment.judged if each.rule in names],
        "instances": [_progressed(each) for each in moment.progressed if _rule_of(each) in names],
        "decisions": [
            {
                **_decision(each, moment, because.get(id(each))),
                "live": None if compared is None else compared.of(each),
            }
            for each in moment.decisions
            if each.rule in names
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return change._asdict()


def _judged(judgement: Judgement) -> dict[str, Any]:
    return {
        "rule": judgement.rule or None,
        "part": judgement.part,
        "held": judgement.held,
        "terms": [_term(each) for each in judgement.terms],
    }


def _term(term: Term) -> dict[str, Any]:
    return {
        "text": term.text,
        "outcome": term.outcome,
        "seen": [{"path": each.path, "value": each.value} for each in term.seen],
        "parts": [_term(each) for each in term.parts],
    }


def _rule_of(progressed: Progressed) -> str:
    instance = progressed.after or progressed.before
    return "" if instance is None else instance.rule


def _progressed(progressed: Progressed) -> dict[str, Any]:
    before, after = progressed
    if after is None:
        return {"what": "ended", **(_instance(before) if before else {})}
    what = "began" if before is None else "moved on" if after.done > before.done else "began anew"
    if before is not None and after.put_off > before.put_off:
        what = "was put off"
    return {"what": what, **_instance(after)}


def _instance(instance: OpenInstance) -> dict[str, Any]:
    due = instance.deadline
    return {**instance._asdict(), "deadline": None if due is None else iso_time(due)}


def _decision(decision: Decision, moment: TimelineMoment, because: str | None) -> dict[str, Any]:
    trigger = moment.sent.get(decision.trigger_id)
    return {
        "rule": decision.rule,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "because": because,
        "channel": decision.channel,
        "variant": decision.variant,
        "trigger_id": decision.trigger_id,
        "content": None if trigger is None else dict(trigger.content),
    }


# ---- of each rule ----


def _became(rule: Rule, timeline: Timeline, because: Mapping[int, str]) -> dict[str, Any]:
    decisions = [each for moment in timeline.moments for each in moment.decisions if each.rule == rule.name]
    outcomes = Counter(each.outcome for each in decisions)
    judged = [each for moment in timeline.moments for each in moment.judged if each.rule == rule.name]
    nearest = _nearest(judged)
    return {
        "sent": outcomes["sent"],
        "outcomes": dict(outcomes),
        "reasons": dict(Counter(each.reason for each in decisions if each.reason is not None)),
        "why": _why(rule, timeline, decisions, judged, nearest, because),
        "nearest": None if nearest is None else {"at": iso_time(nearest.at), **_judged(nearest)},
    }


def _why(
    rule: Rule,
    timeline: Timeline,
    decisions: Sequence[Decision],
    judged: Sequence[Judgement],
    nearest: Judgement | None,
    because: Mapping[int, str],
) -> str:
    """In a line: why the rule sent something, or why it did not."""
    if sent := [each for each in decisions if each.outcome == "sent"]:
        times = f"{len(sent)} times, last" if len(sent) > 1 else ""
        return f"sent {times} at {iso_time(sent[-1].at)}".replace("  ", " ")
    if decisions:
        last = decisions[-1]
        return f"its condition held {_times(len(decisions))}, and it was held back: {because[id(last)]}"
    if waits := [each for each in timeline.open if each.rule == rule.name]:
        return _waits(rule, waits[-1])
    if nearest is not None:
        failed = [each for each in judged if each.part == nearest.part and not each.held]
        return f"its `{nearest.part}` did not hold, {_times(len(failed))}"
    if any(each.part == "unless" and each.held for each in judged):
        return "its `unless` ended it"
    if judged:
        return "what it begins with came, and then nothing that moves it on"
    return _never_began(rule, timeline)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _waits(rule: Rule, instance: OpenInstance) -> str:
    due = "without end" if instance.deadline is None else f"until {iso_time(instance.deadline)}"
    if instance.done == instance.steps:
        return f"it waits for its time, {due}"
    return f"it waits for {_either(rule.steps[instance.done].on)}, {due}"


def _never_began(rule: Rule, timeline: Timeline) -> str:
    if rule.occasion is not None:
        return "its clock has no time for the customer: no time zone, or no date, is known, or it is over"
    names = rule.steps[0].on
    had = {moment.event for moment in timeline.moments if moment.event}
    if had & set(names):
        return f"it begins with {_either(names)}, and what came of it counted for nothing"
    near = next((hint for each in names if (hint := did_you_mean(each, sorted(had)))), None)
    since = "" if timeline.before is None else f" since {iso_time(timeline.before.at)}"
    had_not = f"which the customer has not had{since}"
    return f"it begins with {_either(names)}, {had_not}" + (f" ({near})" if near else "")


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{each}`" for each in names)


def _nearest(judged: Sequence[Judgement]) -> Judgement | None:
    """Of what did not hold the furthest part, and of it the one with the fewest terms that were not true."""
    failed = [each for each in judged if not each.held and each.part != "unless"]
    if not failed:
        return None
    furthest = max(rank(each.part) for each in failed)
    if any(rank(each.part) > furthest and each.held for each in judged if each.part == "if"):
        return None
    return min(
        (each for each in reversed(failed) if rank(each.part) == furthest),
        key=lambda each: sum(term.outcome != "true" for term in each.terms),
    )
