"""What a backtest found, for people at a terminal: what matters, in a page.

Tested by tests/authoring/backtest/test_summary.py and test_run.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from stream.diagnostics import some

MOST_RULES = 40  # that the table shows
MOST_NAMES = 10
MOST_NOTES = 40
USUAL_LIFT = 0.3  # that one hopes to see, where one line must do


def report(found: dict[str, Any], console: Console, *, as_json: bool = False) -> None:
    """Write what `findings.as_object` made."""
    if as_json:
        console.print(json.dumps(found, indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    console.print(_table(found))
    notes = found["notes"]
    if len(notes) > MOST_NOTES:
        notes = [*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES:,} more: --json and --report have them"]
    for line in (*_lines(found), *notes):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    for name in ("matches", "sent", "customers"):
        table.add_column(name, justify="right")
    table.add_column("not sent, and why")
    rules = found["rules"]
    shown = sorted(rules, key=lambda name: -rules[name]["matches"])[:MOST_RULES]
    for name in sorted(shown):
        rule = rules[name]
        sent = rule["per_customer"]
        waits = {"put off": rule["still_put_off"]} if rule["still_put_off"] else {}
        table.add_row(
            name,
            *(f"{count:,}" for count in (rule["matches"], sent["messages"], sent["customers"])),
            counted({**rule["removed"], **waits}) or "-",
        )
    return table


def _lines(found: dict[str, Any]) -> Iterator[str]:
    rules = found["rules"]
    if len(rules) > MOST_RULES:
        yield f"and {some(len(rules) - MOST_RULES, 'rule')} with fewer matches: --json and --report have them"
    events = sum(found["events"].values())
    yield (
        f"{some(events, 'event')} of {some(found['customers'], 'customer')}, up to "
        f"{found['until'] or 'no time at all'}; {some(found['open_timers'], 'reminder')} still open"
    )
    if silent := [name for name, rule in rules.items() if not rule["matches"]]:
        more = f" and {len(silent) - MOST_NAMES:,} more" if len(silent) > MOST_NAMES else ""
        yield f"matched nothing: {', '.join(silent[:MOST_NAMES])}{more}"
    every = found["messages"]["per_customer"]
    if every["messages"]:
        yield (
            f"{some(every['messages'], 'message')} for {some(every['customers'], 'customer')}: "
            f"99 of 100 get {every['p99']:,} at most, one gets {every['worst']:,}"
        )
        day, count = busiest(found)
        yield f"most on one day: {count:,}, on {day}"
    for each in found["collisions"][:3]:
        yield in_the_way(each)
    if sizes := found["segments"]["sizes"]:
        biggest = sorted(sizes.items(), key=lambda item: -item[1])[:MOST_NAMES]
        yield f"customers by segment: {counted(dict(biggest))}"
    for name, rule in rules.items():
        if rule["plan"] is not None and (rule["plan"]["held_out_by_rule"] or rule["plan"]["shadow"]):
            yield f"{name}: {known_when(rule['plan'])}"


def busiest(found: Mapping[str, Any]) -> tuple[str, int]:
    """The day with the most messages."""
    days: Counter[str] = Counter()
    for rule in found["rules"].values():
        for day, channels in rule["days"].items():
            days[day] += sum(channels.values())
    return max(days.items(), key=lambda item: (item[1], item[0]), default=(date.min.isoformat(), 0))


def in_the_way(collision: Mapping[str, Any]) -> str:
    """One line about two rules that collide."""
    count, rule, other = collision["count"], collision["rule"], collision["other"]
    if collision["reason"] == "group":
        return f"{count:,} × {rule} gave way to {other}, of its group"
    return (
        f"{count:,} × {rule} met a full cap, {'its own message' if rule == other else other} being the last"
    )


def known_when(plan: Mapping[str, Any]) -> str:
    """How long until one knows, in a sentence. The goal of a rule in shadow mode tells how many do that
    anyway; by its messages nobody does, however long one waits.
    """
    if plan["shadow"]:
        live = known_when({**plan, "shadow": False})
        return f"in shadow mode nobody reaches the goal by its messages; taken live, {live}"
    if plan["too_few"] is not None:
        return f"cannot be said how long an experiment takes: {plan['too_few']}"
    base, days = plan["base"], known_after(plan)
    if days is None:
        return f"{percent(base)} reach the goal anyway: there is no room for {percent(USUAL_LIFT)} more"
    return (
        f"with {percent(plan['held_out'])} held out you will know after {lasting(days)} if it brings "
        f"{percent(USUAL_LIFT)} or more: {percent(base * (1 + USUAL_LIFT))} who reach the goal in place of "
        f"{percent(base)}"
    )


def known_after(plan: Mapping[str, Any]) -> float | None:
    """Days until the usual effect shows; None where it cannot be."""
    for each in plan["known_after"]:
        if each["held_out"] == plan["held_out"] and each["lift"] == USUAL_LIFT:
            return float(each["days"])
    return None


def lasting(days: float) -> str:
    """`47 days`, `3 years`."""
    if days < 730:
        return some(round(days), "day")
    return f"{days / 365:.0f} years" if days < 3_650 else "more than 10 years"


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def percent(share: float) -> str:
    """`10 %`, `0.573 %`: three figures."""
    return f"{100 * share:.3g} %"
