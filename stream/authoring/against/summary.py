"""What a change of rules does, for people at a terminal: the first sentence says it all, names nobody.

Tested by tests/authoring/against/test_summary.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from stream.authoring.against.differences import KINDS
from stream.authoring.backtest.summary import MOST_NAMES, MOST_NOTES, counted, percent
from stream.diagnostics import one_line, some

MOST_RULES = 40  # that the table shows
MOST_MOVES = 3  # of a rule
SIDES = ("live", "new")
FAIL_ON = (*KINDS, "ended", "anew")
LIMITS = {"rule:": "the limit of rule ", "channel:": "the cap of channel ", "policy": "the policy’s cap"}


def report(found: Mapping[str, Any], console: Console, *, as_json: bool = False) -> None:
    """Write what `findings.as_object` made."""
    if as_json:
        console.print(json.dumps(found, indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    console.print(headline(found), markup=False, highlight=False, soft_wrap=True, style="bold")
    if unlike := unlike_rules(found):
        console.print(_table(found, unlike[:MOST_RULES]))
    for line in (*_lines(found, unlike), *_notes(found["notes"])):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def headline(found: Mapping[str, Any]) -> str:
    """What the change does, in a sentence."""
    messages = found["messages"]
    gained, lost, changed = counted_by_kind(found).values()
    if not gained and not lost and not changed:
        if found["new"]["revision"] == found["live"]["revision"]:
            return "No difference: the two rule sets say the same."
        if not found["unlike_decisions"]:
            return "No difference on this history: the rule sets are not the same, but decide alike."
        return "No message is gained, lost or changed; only what is not sent has other reasons, or times."
    parts = [
        *([f"sends {some(gained, 'message')} that {_are(gained)} not sent now"] if gained else []),
        *([f"no longer sends {lost:,}" + ("" if gained else " of those sent now")] if lost else []),
        *(
            [f"changes {changed:,}" if gained or lost else f"changes {some(changed, 'message')}"]
            if changed
            else []
        ),
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    customers = messages["customers"]["any"]
    both = " What a renamed rule sends counts as lost and as gained." if is_renamed(found) else ""
    return (
        f"This change {listed}; it affects {some(customers, 'customer')} ({percent(messages['share'])} of "
        f"{found['customers']:,}).{both}"
    )


def counted_by_kind(found: Mapping[str, Any]) -> dict[str, int]:
    return {kind: found["messages"][kind] for kind in KINDS}


def is_renamed(found: Mapping[str, Any]) -> bool:
    return any(rule["renamed_to"] for rule in found["rules"].values())


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def unlike_rules(found: Mapping[str, Any]) -> list[str]:
    """The rules that decide otherwise, those with the most messages first."""

    def size(name: str) -> int:
        return sum(int(found["rules"][name][kind]["messages"]) for kind in KINDS)

    names = [name for name, rule in found["rules"].items() if size(name) or rule["moves"]]
    return sorted(names, key=lambda name: (-size(name), name))


def _table(found: Mapping[str, Any], names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    for name in ("live", "new", *KINDS, "customers"):
        table.add_column(name, justify="right")
    for name in names:
        rule = found["rules"][name]
        table.add_row(
            name,
            *(f"{rule['sent'][side]:,}" for side in SIDES),
            *(f"{rule[kind]['messages']:,}" for kind in KINDS),
            f"{rule['customers']:,}",
        )
    return table


def moves_of(rule: Mapping[str, Any], most: int = MOST_MOVES) -> str:
    """`limit → sent 12, no match → sent 3`; what of the messages that changed. What neither side sent comes
    last.
    """
    moves = sorted(rule["moves"], key=lambda move: "sent" not in (move["live"], move["new"]))
    shown = [f"{move['live']} → {move['new']} {move['count']:,}" for move in moves[:most]]
    shown += [f"and {len(moves) - most} more"] if len(moves) > most else []
    parts = rule["changed"]["parts"]
    return ", ".join([*shown, *([f"other {counted(parts)}"] if parts else [])])


def _lines(found: Mapping[str, Any], unlike: Sequence[str]) -> Iterator[str]:
    if len(unlike) > MOST_RULES:
        yield f"and {some(len(unlike) - MOST_RULES, 'rule')} more: --json and --report have them"
    for name in unlike[:MOST_RULES]:
        yield f"{name}: {moves_of(found['rules'][name])}"
    yield compared(found)
    yield from definitions(found)
    yield from going_live(found)
    yield from customers_get(found)
    yield from segments(found)


def compared(found: Mapping[str, Any]) -> str:
    """Which is which."""
    new, live = found["new"], found["live"]
    events = sum(found["events"].values())
    return (
        f"new: {new['rules']} ({new['revision']}), live: {live['rules']} ({live['revision']}), on "
        f"{some(events, 'event')} up to {found['until'] or 'no time at all'}"
    )


def definitions(found: Mapping[str, Any]) -> Iterator[str]:
    """What the rule files say otherwise."""
    rules = found["rules"]
    for name, rule in rules.items():
        if rule["renamed_to"]:
            now = rule["renamed_to"]
            yield f"{name} is called {now} now, and says the same: what the one loses the other gains"
    for what in ("added", "removed"):
        names = [
            name
            for name, rule in rules.items()
            if rule["definition"] == what and not rule["renamed_to"] and not rule["renamed_from"]
        ]
        if names:
            yield f"rules {what}: {listed(names)}"
    if changed := [
        f"{name} ({', '.join(rule['keys']) or 'what it names'})"
        for name, rule in rules.items()
        if rule["definition"] == "changed"
    ]:
        yield f"rules changed: {listed(changed)}"
    for section, each in found["definitions"].items():
        for what in ("added", "removed"):
            if each[what]:
                yield f"{section} {what}: {listed(each[what])}"
        if each["changed"]:
            shown = [
                f"{name} ({', '.join(keys)})" if keys else name for name, keys in each["changed"].items()
            ]
            yield f"{section} changed: {listed(shown)}"


def going_live(found: Mapping[str, Any]) -> Iterator[str]:
    """What a worker that takes the set would not keep."""
    goes, rules = found["goes_live"], found["rules"]
    if goes["instances_ended"]:
        by_rule = {name: rule["instances_ended"] for name, rule in rules.items() if rule["instances_ended"]}
        put_off = (
            f", {goes['put_off_ended']:,} of them put off by quiet hours" if goes["put_off_ended"] else ""
        )
        are = some(goes["instances_ended"], "open instance ends", "open instances end")
        yield f"if it goes live at the end of this history, {are}{put_off}: {counted(by_rule)}"
    if goes["traits_anew"]:
        anew = listed(goes["traits_anew"])
        yield f"traits that start anew when it goes live: {anew}; here they had all of the past"
    if goes["traits_added"]:
        yield f"traits that are new, and begin empty when it goes live: {listed(goes['traits_added'])}"
    if goes["limits_anew"]:
        yield f"that count from nothing when it goes live: {listed(map(limit_name, goes['limits_anew']))}"


def limit_name(counter: str) -> str:
    """`rule:cart` → `the limit of rule cart`."""
    for kind, words in LIMITS.items():
        if counter.startswith(kind):
            return words + counter.removeprefix(kind)
    return counter


def customers_get(found: Mapping[str, Any]) -> Iterator[str]:
    """How much a customer gets, before and after."""
    live, new = (found["per_customer"]["all"][side] for side in SIDES)
    if live != new:
        yield (
            f"messages: {live['messages']:,} live, {new['messages']:,} new, for {live['customers']:,} and "
            f"{new['customers']:,} customers; 99 of 100 get {live['p99']:,} at most, then {new['p99']:,}; "
            f"the most that one gets: {live['worst']:,}, then {new['worst']:,}"
        )


def segments(found: Mapping[str, Any]) -> Iterator[str]:
    if changed := changed_segments(found):
        shown = [f"{name} {size(each['live'])} → {size(each['new'])}" for name, each in changed.items()]
        yield f"segments of another size: {listed(shown)}"


def changed_segments(found: Mapping[str, Any]) -> dict[str, Mapping[str, int | None]]:
    return {name: each for name, each in found["segments"].items() if each["live"] != each["new"]}


def size(customers: int | None) -> str:
    return "–" if customers is None else f"{customers:,}"


def listed(names: Iterator[str] | Sequence[str]) -> str:
    """The first of some names, and how many more."""
    every = list(map(one_line, names))  # keys of `content` may be any text
    more = f" and {len(every) - MOST_NAMES:,} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more


def _notes(notes: Sequence[str]) -> Sequence[str]:
    if len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES:,} more: --json and --report have them"]


def held_to(found: Mapping[str, Any], kinds: Sequence[str]) -> list[str]:
    """Of what must not be, what there is: `lost 12`; for the exit code."""
    goes = found["goes_live"]
    ended, anew = goes["instances_ended"], len(goes["traits_anew"])
    counts = counted_by_kind(found) | {"ended": ended, "anew": anew}
    return [f"{kind} {counts[kind]:,}" for kind in kinds if counts[kind]]
