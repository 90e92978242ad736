"""All that a backtest found, as one object for programs: `--json`, and what the summary and the page show.

Times are ISO 8601 in UTC; days and hours are those of `zone`.
Tested by tests/authoring/backtest/test_run.py and test_figures.py, and by test_by_sql.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, cast

from stream.authoring.backtest.figures import RuleFigures
from stream.authoring.backtest.packed_counts import PackedCounts, lines, quantile
from stream.authoring.backtest.power import customers_needed, smallest_lift
from stream.authoring.backtest.run import Backtest
from stream.authoring.backtest.summary import counted
from stream.authoring.replay import RuleTally, why_unwritten
from stream.decisions import wire
from stream.diagnostics import one_line, some
from stream.history._past import PastEvent
from stream.history.event_files import PastEvents, disorder_notes, unknown_notes
from stream.history.unusable import file_of_another, likely_fix
from stream.rules import field_paths
from stream.rules.aggregates import AGGREGATES, MAX_ITEMS
from stream.rules.durations import format_duration
from stream.rules.model import WHOLE, Rule, RuleSet

DAY_MS = 86_400_000
MOST_LINES = 15  # of a distribution, before its steps double
MOST_ZONES = 5  # that a line names
MOST_PAIRS = 1_000  # of rules that collide, of segments that overlap
LEAST_REACHED = 25  # customers who reached a goal, before a rate is said
SHARES = (0.05, 0.1, 0.2, 0.5)  # of customers held out
LIFTS = (0.1, 0.2, 0.3, 0.5, 1.0)
USUAL_SHARE = 0.1  # where a rule holds nobody out


_WHY_FAILED = {  # by reason, and whether it is known by which paths
    ("missing", True): "there is no `{}`",
    ("missing", False): "something that it asks for is not there",
    ("value", True): "`{}` is not what it takes, such as a text where it compares a number",
    ("value", False): "it ended in an error, such as a text where it compares a number",
    ("cost", False): "the conditions of one event took too long",
}
_NOT_TAKEN = {  # by what the function of a trait takes
    "number": "no number",
    "scalar": "a list or an object, or too long",
    "key": "no text, whole number, true or false, or too long",
}


def as_object(backtest: Backtest) -> dict[str, Any]:
    """For programs: everything that was counted."""
    tally, figures, files = backtest.tally, backtest.figures, backtest.files
    found: dict[str, Any] = {
        "revision": backtest.rules.revision,
        "events": dict(sorted(tally.events.items())),
        "dead_letters": [
            {"source": source, "reason": reason, "count": count, "first": place, "fix": fix}
            for (source, reason), count in sorted(tally.dead_letters.items())
            for place, fix in [_first(backtest, source, reason)]
        ],
        "errors": [
            {"source": source, "reason": reason, "count": count}
            for (source, reason), count in sorted(tally.errors.items())
        ],
        "condition_errors": [
            {
                "definition": name,
                "part": part,
                "reason": reason,
                "paths": paths,
                "count": count,
                "first": backtest.places[name, part, reason, paths],
            }
            for (name, part, reason, paths), count in sorted(tally.condition_errors.items())
        ],
        "absent_events": sorted(files.absent),
        "goal_values": [
            {
                "rule": name,
                "path": field_paths.write(path),
                "count": count,
                "first": backtest.places[name, path],
            }
            for (name, path), count in sorted(figures.base_rates.no_numbers.items())
        ],
        "repeats": dict(sorted(tally.left_out.items())),
        "repeats_played": {
            name: {"count": count, "first": first}
            for name, (count, first) in sorted(backtest.repeats.items())
        },
        "unreadable_zones": list(backtest.zones.described()),
        "unknown_sources": dict(sorted(files.unknown.items())),
        "without_time": dict(sorted((+files.placed).items())),
        "disorder": {name: asdict(found) for name, found in sorted(files.disorder.items())},
        "customers": backtest.customers,
        "since": None if files.between.since is None else wire.iso_time(files.between.since),
        "events_before_since": backtest.before,
        "from": None if backtest.first is None else wire.iso_time(backtest.first),
        "until": None if tally.watermark is None else wire.iso_time(tally.watermark),
        "open_timers": backtest.timers,
        "zone": str(figures.zone),
        "messages": {
            "per_customer": _per_customer(figures.per_customer),
            "per_channel": {
                name: _per_customer(counts) for name, counts in sorted(figures.per_channel.items())
            },
        },
        "rules": {
            rule.name: _rule(backtest, rule, tally.of(rule.name))
            for rule in sorted(backtest.rules.rules, key=lambda each: each.name)
        },
        "collisions": [
            {**collision._asdict(), "count": count}
            for collision, count in figures.collisions.most_common(MOST_PAIRS)
        ],
        "segments": _segments(backtest),
    }
    found["notes"] = [one_line(each) for each in _oddities(backtest, found)]
    return found


def _rule(backtest: Backtest, rule: Rule, tally: RuleTally) -> dict[str, Any]:
    found = backtest.figures.rules.get(rule.name, RuleFigures())
    days: dict[str, dict[str, int]] = {}
    for (day, channel), count in sorted(found.days.items()):
        days.setdefault(date.fromordinal(day).isoformat(), {})[channel] = count
    hours: dict[str, list[int]] = {}
    for (hour, channel), count in sorted(found.hours.items()):
        hours.setdefault(channel, [0] * 24)[hour] = count
    return {
        "describe": rule.describe,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "reasons": dict(sorted(tally.reasons.items())),
        "channels": dict(sorted(tally.channels.items())),
        "unwritten": [
            {
                **failed._asdict(),
                "variant": variant,
                "count": count,
                "first": backtest.places[rule.name, variant, failed],
            }
            for (variant, failed), count in tally.unwritten.most_common()
        ],
        "matches": found.matches,
        "removed": dict(found.removed.most_common()),
        "put_off": found.put_off,
        "still_put_off": len(found.waiting),
        "days": days,
        "hours": hours,
        "per_customer": _per_customer(found.sent),
        "plan": _plan(backtest, rule, found),
        "examples": [
            {
                **example._asdict(),
                "at": wire.iso_time(example.at),
                "local": f"{datetime.fromtimestamp(example.at / 1000, backtest.figures.zone):%Y-%m-%d %H:%M}",
                "content": dict(example.content),
            }
            for example in found.examples
        ],
    }


def _per_customer(counts: PackedCounts) -> dict[str, Any]:
    """How messages spread over those who got any: `counts` has lines of (from, to, customers)."""
    distribution = counts.distribution()
    customers, messages = distribution.total(), sum(count * rows for count, rows in distribution.items())
    return {
        "messages": messages,
        "customers": customers,
        "mean": round(messages / customers, 2) if customers else 0.0,
        "p50": quantile(distribution, 0.5),
        "p99": quantile(distribution, 0.99),
        "worst": max(distribution, default=0),
        "counts": list(lines(distribution, MOST_LINES)),
    }


def _segments(backtest: Backtest) -> dict[str, Any]:
    found = backtest.segments
    return {
        "at": wire.iso_time(found.at),
        "sizes": {name: found.sizes[name] for name in found.names},
        "shared": [
            {"segments": two, "customers": customers}
            for two, customers in found.shared.most_common(MOST_PAIRS)
        ],
        "uncounted": found.uncounted,
    }


def _plan(backtest: Backtest, rule: Rule, found: RuleFigures) -> dict[str, Any] | None:
    """How long until a holdout tells what the rule brings; None of a rule without a goal.

    `too_few`: why it cannot be said. `days` count from the start to the end of the last customer's window.
    """
    if not rule.goals:
        return None
    goal, rates = rule.goals[0], backtest.figures.base_rates
    ended, reached, customers = rates.ended[rule.name], rates.reached[rule.name], found.compared.rows
    share = rule.holdout / WHOLE or USUAL_SHARE
    plan: dict[str, Any] = {
        "goal": {"on": list(goal.on), "within": format_duration(goal.within)},
        "held_out": share,
        "held_out_by_rule": rule.holdout > 0,
        "shadow": rule.mode == "shadow",
        "customers": customers,
        "ended": ended,
        "reached": reached,
        "base": None,
        "customers_per_day": None,
        "too_few": None,
        "known_after": [],
        "seen_after_30_days": None,
    }
    span = (backtest.last or 0) - (found.first or 0)
    if reached < LEAST_REACHED or span < DAY_MS:
        plan["too_few"] = (
            "less than a day of matches"
            if span < DAY_MS
            else f"{some(reached, 'customer has', 'customers have')} reached the goal, {LEAST_REACHED} must"
        )
        return plan
    base, per_day, window = min(reached / ended, 1 - 1e-9), customers * DAY_MS / span, goal.within / DAY_MS
    plan |= {"base": base, "customers_per_day": per_day}
    plan["known_after"] = [
        {"lift": lift, "held_out": each, "customers": needed, "days": round(needed / per_day + window, 1)}
        for lift in LIFTS
        if base * (1 + lift) <= 1
        for each in sorted({*SHARES, share})
        for needed in [customers_needed(lift, base, each)]
    ]
    seen = smallest_lift(30 * per_day, base, share)
    plan["seen_after_30_days"] = seen if base * (1 + seen) <= 1 else None
    return plan


def _oddities(backtest: Backtest, shown: dict[str, Any]) -> Iterator[str]:
    """What was not as it should be, a line each."""
    files = backtest.files
    for each in shown["dead_letters"]:
        source = each["source"]
        are = some(
            each["count"], f"record of {source} is not an event", f"records of {source} are not events"
        )
        what = f"{are}: {each['reason']}"
        yield f"{what}, first {each['first']} ({each['fix']})"
    yield from unknown_notes(files)
    yield from backtest.names.notes(files.absent)
    yield from disorder_notes(files)
    yield from files.notes
    for name, count in shown["without_time"].items():
        says = some(count, f"record of {name} says", f"records of {name} say")
        yield f"{says} no time: {_in_place(count)}"
    for each in shown["condition_errors"]:
        name, part = each["definition"], each["part"]
        of = name if name == "policy" or name.startswith("traits.") else f"rule {name}"
        why = _WHY_FAILED[each["reason"], bool(each["paths"])].format(each["paths"])
        did, why, fix = _what_came(backtest.rules, each, why)
        if each["reason"] == "missing":
            fix = backtest.names.meant(each["paths"])
        yield f"{each['count']:,} × `{part}` of {of} {did}: {why}, first {each['first']}{fix}"
    for each in shown["goal_values"]:
        what = f"`value` of the goal of rule {each['rule']} counts nothing"
        why = f"`{each['path']}` is there, and is no number"
        yield f"{each['count']:,} × {what}: {why}, first {each['first']}"
    yield from _odd_events(files, shown)
    for name in shown["rules"]:
        for (variant, failed), count in backtest.tally.of(name).unwritten.most_common():
            first, fix = backtest.places[name, variant, failed], backtest.names.meant(failed.variable or "")
            why = why_unwritten(failed, variant)
            yield f"{count:,} × {name} could not be written: {why}, first {first}{fix}"
    if shown["repeats"]:
        yield f"left out, as their id had come before (dedupe): {counted(shown['repeats'])}"


def _what_came(rules: RuleSet, failed: dict[str, Any], why: str) -> tuple[str, str, str]:
    """What a failed part of a definition did not do, why, and what to write."""
    name, part, path = failed["definition"], failed["part"], failed["paths"]
    of_trait = name.startswith("traits.")
    if part in ("field", "value") and of_trait:
        return "counted nothing", *_why_not_taken(rules, name, failed["reason"], why)
    if part == "items":
        if failed["reason"] == "value":
            return "counted nothing", f"`{path}` is no list", ""
        return f"counted the first {MAX_ITEMS} only", "a list has more", ""
    if part == "fields":
        return "left a field out", f"`{path}` is {_NOT_TAKEN['scalar']}", ""
    if part in ("per", "key"):
        did = "counted nothing" if of_trait else "did not wait"
        return did, f"`{path}` is {_NOT_TAKEN['key']}", ""
    return "did not hold", why, ""


def _odd_events(files: PastEvents, shown: dict[str, Any]) -> Iterator[str]:
    """What was odd with records that were played all the same."""
    for each in shown["errors"]:
        count, source = each["count"], each["source"]
        if each["reason"] == "future_time":
            are = some(count, f"record of {source} is", f"records of {source} are")
            first = files.first_ahead.get(source)
            yield f"{are} dated after now: {_in_place(count)}, first {first}"
        elif each["reason"] == "timezone":
            have = some(count, f"profile of {source} has", f"profiles of {source} have")
            yield f"{have} a time zone that cannot be read: {_zones(shown, source)}"
        elif each["reason"] != "condition":  # said above
            yield f"{count:,} × {each['reason']} in {source}"
    for name, again in shown["repeats_played"].items():
        count, first = again["count"], again["first"]
        had = some(count, f"event of {name} had", f"events of {name} had")
        yield (
            f"{had} an id that its customer had had, and counted again, first {first} "
            "(write `dedupe: 1d` into the source to leave such out)"
        )


def _zones(shown: dict[str, Any], source: str) -> str:
    """The most frequent values of a source, and what was probably meant."""
    found = [each for each in shown["unreadable_zones"] if each["source"] == source][:MOST_ZONES]
    words = [
        f"`{each['value']}` {each['count']:,}" + (f" ({each['meant']})" if each["meant"] else "")
        for each in found
    ]
    return ", ".join(words)


def _why_not_taken(rules: RuleSet, definition: str, reason: str, why: str) -> tuple[str, str]:
    """Why events count nothing for a trait, and what to write."""
    trait = next(each for each in rules.traits if f"traits.{each.name}" == definition)
    takes = AGGREGATES[trait.function].takes or "number"
    if trait.field is None:
        failed = f"it ended in an error, or is {_NOT_TAKEN[takes]}"
        return failed if reason == "value" else why, ""
    written = field_paths.write(trait.field)
    why = f"`{written}` is there, and is {_NOT_TAKEN[takes]}"
    if takes != "number":
        return why, ""
    made = f"`value: double({field_paths.in_condition(trait.field)})`"
    return why, f" (if it is a text that says one, write {made} in place of `field: {written}`)"


def _in_place(count: int) -> str:
    return f"{'it counts from its' if count == 1 else 'they count from their'} place in the file"


def _first(backtest: Backtest, source: str, reason: str) -> tuple[str, str]:
    """Where the first record that was put aside for a reason is, and what probably mends it."""
    letter = backtest.tally.first_letters[source, reason]
    mapping = next(each for each in backtest.rules.sources if each.name == source)
    fix = likely_fix(letter, mapping) + file_of_another(letter.record, mapping, backtest.rules.sources)
    return cast(PastEvent, letter.record).place, fix
