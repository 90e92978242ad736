"""What a backtest found, as one page of HTML for marketers: `stream backtest --report FILE.html`.

The page stands alone (`document`). It is made of what `findings.as_object` gives, and of nothing else.
Rules, events and customers' ids are not trusted: `markup` escapes them. It is no larger than some megabytes,
whatever the rules are: what is left out is said.
Tested by tests/authoring/page/test_page.py, and in a browser by test_in_browser.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stream.authoring.backtest.summary import (
    USUAL_LIFT,
    busiest,
    known_after,
    lasting,
    percent,
)
from stream.authoring.page.document import document
from stream.authoring.page.markup import Child, Html, element, own
from stream.authoring.page.parts import (
    columns_of_days,
    columns_of_hours,
    linked,
    minute,
    more,
    names_customers,
    period,
    ranked,
    share_of,
    spread,
    table,
    unused,
)
from stream.authoring.page.rules import rule_section, top_reasons
from stream.diagnostics import some

MOST_SECTIONS = 40  # rules that have one of their own: those with the most matches
MOST_ROWS = 500  # of a table
MOST_COLLISIONS = 50
MOST_SHARED = 30  # pairs of segments


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    rules = found["rules"]
    order = ranked((name, rule["matches"]) for name, rule in rules.items())
    matched = [name for name in order[:MOST_SECTIONS] if rules[name]["matches"]]
    ids = {name: f"rule-{number}" for number, name in enumerate(matched)}
    per_channel = found["messages"]["per_channel"].items()
    channels = ranked((name, each["messages"]) for name, each in per_channel)
    body = [
        element("header", element("h1", "Backtest: what these rules would have sent"), _origin(found)),
        element(
            "main",
            _glance(found),
            _overview(rules, order, ids),
            _together(found, channels),
            _collisions(found["collisions"], ids),
            _segments(found),
            _plans(rules, ids),
            unused(found["notes"]),
            [rule_section(name, id_, found, channels) for name, id_ in ids.items()],
        ),
    ]
    return document("Backtest", body)


def _origin(found: Mapping[str, Any]) -> list[Html]:
    rules = found["rules"].values()
    events, names = sum(found["events"].values()), any(rule["examples"] for rule in rules)
    said = [
        element(
            "p",
            f"{some(events, 'event')} of {some(found['customers'], 'customer')}{period(found)}. Days and "
            f"hours are those of {found['zone']}. {some(len(rules), 'rule')}, revision {found['revision']}.",
            class_="soft",
        )
    ]
    if names:
        said.append(names_customers())
    if found["notes"]:
        lines = element("a", f"What was not used, or odd ({some(len(found['notes']), 'line')})", href="#odd")
        said.append(element("p", "Before you trust the figures, read: ", lines, class_="note"))
    return said


def _glance(found: Mapping[str, Any]) -> Html:
    every, rules = found["messages"]["per_customer"], found["rules"].values()
    held_out = sum(rule["outcomes"].get("holdout", 0) for rule in rules)
    share = percent(every["customers"] / found["customers"] if found["customers"] else 0)
    day, count = busiest(found)
    shown = [
        ("Messages", every["messages"], "that would have been sent"),
        ("Customers reached", every["customers"], f"{share} of {found['customers']:,}"),
        ("Matches", sum(rule["matches"] for rule in rules), "how often a rule applied to a customer"),
        ("Held out", held_out, "of the matches: control groups get nothing, to compare"),
        ("Most for one customer", every["worst"], "from beginning to end, by all channels"),
        ("Most on one day", count, f"on {day}" if count else ""),
    ]
    entries = [
        element("div", element("dt", name), element("dd", value), element("dd", what, class_="soft"))
        for name, value, what in shown
    ]
    return element("section", element("h2", "At a glance"), element("dl", entries, class_="figures"))


def _overview(rules: Mapping[str, Any], order: Sequence[str], ids: Mapping[str, str]) -> Html:
    rows: list[Sequence[Child]] = []
    for name in order[:MOST_ROWS]:
        rule = rules[name]
        sent, matches = rule["per_customer"], rule["matches"]
        rows.append(
            [
                linked(name, ids),
                matches,
                sent["messages"],
                share_of(sent["messages"], matches),
                sent["customers"],
                top_reasons(rule),
            ]
        )
    silent = sum(not rule["matches"] for rule in rules.values())
    return element(
        "section",
        element("h2", "Rules"),
        element("p", f"{silent:,} of {some(len(rules), 'rule')} matched nothing.") if silent else None,
        element("p", "Do rules and events use the same names?") if silent == len(rules) else None,
        table(
            "Each rule: how often it matched, what of that was sent, to how many customers, and which guards "
            "kept back the rest; the section of a rule says what they are",
            ["Rule", "#Matches", "#Sent", "#Share sent", "#Customers", "Kept back by"],
            rows,
        ),
        more(len(order) - MOST_ROWS, "rule", "with fewer matches, they are in --json"),
        id="rules",
    )


def _together(found: Mapping[str, Any], channels: Sequence[str]) -> Html:
    """All rules together: by day, by hour, and how much a customer gets."""
    days: dict[str, Counter[str]] = {}
    hours: dict[str, list[int]] = {}
    for rule in found["rules"].values():
        for day, sent in rule["days"].items():
            days.setdefault(day, Counter()).update(sent)
        for channel, its in rule["hours"].items():
            hours[channel] = [a + b for a, b in zip(hours.get(channel, [0] * 24), its, strict=True)]
    every, per_channel = found["messages"]["per_customer"], found["messages"]["per_channel"]
    if not every["messages"]:
        return element(
            "section", element("h2", "All messages"), element("p", "Nothing would have been sent.")
        )
    rows = [
        [name, each["messages"], each["customers"], each["mean"], each["p99"], each["worst"]]
        for name, each in [
            (element("b", "all channels"), every),
            *((own(name), per_channel[name]) for name in channels),
        ]
    ]
    return element(
        "section",
        element("h2", "All messages"),
        columns_of_days(days, channels),
        columns_of_hours(hours, channels, found["zone"]),
        element("h3", "How much a customer gets"),
        table(
            f"Messages of one customer from beginning to end. Of {some(found['customers'], 'customer')}, "
            f"{found['customers'] - every['customers']:,} get none and are not counted here",
            ["Channel", "#Messages", "#Customers", "#On average", "#99 of 100 get at most", "#The most"],
            rows,
        ),
        spread(every),
    )


def _collisions(collisions: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> Html | None:
    if not collisions:
        return None
    rows = [
        [linked(each["rule"], ids), linked(each["other"], ids), _why(each), each["count"]]
        for each in collisions[:MOST_COLLISIONS]
    ]
    return element(
        "section",
        element("h2", "Rules in each other’s way"),
        element(
            "p",
            "Of a group one rule is sent. A cap is full because of several messages: the one named is the "
            "last of them that the customer got, or would have got without the control group.",
        ),
        table("Messages not sent because of another rule", ["Not sent", "Because of", "How", "#Times"], rows),
        more(len(collisions) - MOST_COLLISIONS, "pair"),
    )


def _why(collision: Mapping[str, Any]) -> str:
    if collision["reason"] == "group":
        return "same group"
    return "full cap, by its own message" if collision["rule"] == collision["other"] else "full cap"


def _segments(found: Mapping[str, Any]) -> Html | None:
    segments, customers = found["segments"], found["customers"]
    sizes = segments["sizes"]
    if not sizes:
        return None
    shared = [
        [
            own(one),
            own(two),
            each["customers"],
            *(percent(each["customers"] / sizes[name]) for name in (one, two)),
        ]
        for each in segments["shared"][:MOST_SHARED]
        for one, two in [each["segments"]]
    ]
    at = f"at the end, {minute(segments['at'], found['zone'])}"
    return element(
        "section",
        element("h2", "Segments"),
        table(
            f"How many of {some(customers, 'customer')} each segment has {at}",
            ["Segment", "#Customers", "#Share of all"],
            [[own(name), sizes[name], share_of(sizes[name], customers)] for name in ranked(sizes.items())],
        ),
        more(segments["uncounted"], "segment", "they were not counted"),
        table(
            "Customers who are in two segments, and which share of each segment they are",
            ["Segment", "And", "#Customers in both", "#Of the first", "#Of the second"],
            shared,
        )
        if shared
        else None,
        more(len(segments["shared"]) - MOST_SHARED, "pair"),
    )


def _plans(rules: Mapping[str, Any], ids: Mapping[str, str]) -> Html | None:
    plans = {name: rule["plan"] for name, rule in rules.items() if rule["plan"] is not None}
    if not plans:
        return None
    order = ranked((name, plan["customers"]) for name, plan in plans.items())
    rows = [
        [
            linked(name, ids),
            plan["customers"],
            "–" if plan["base"] is None else percent(plan["base"]),
            percent(plan["held_out"]) + ("" if plan["held_out_by_rule"] else " (none yet)"),
            _known(plan),
        ]
        for name in order[:MOST_ROWS]
        for plan in [plans[name]]
    ]
    return element(
        "section",
        element("h2", "How long until you know what a rule brings"),
        element(
            "p",
            "Whether a message helps shows in comparison with customers who are held out. The fewer match, "
            "the fewer reach the goal, or the smaller the effect, the longer it takes. Reckoned with as many "
            "new customers a day as have matched here, at 5 % error and 80 % power. A rule that holds nobody "
            "out yet is reckoned with 10 %.",
        ),
        table(
            "Each rule with a goal: customers who can be compared, how many reach the goal without a "
            f"message, and when it shows that {percent(USUAL_LIFT)} more do with it",
            ["Rule", "#Customers", "#Reach the goal anyway", "#Held out", "You know after"],
            rows,
        ),
        more(len(order) - MOST_ROWS, "rule"),
    )


def _known(plan: Mapping[str, Any]) -> str:
    days = known_after(plan)
    if days is not None:
        return lasting(days)
    if plan["too_few"]:
        return f"cannot be said: {plan['too_few']}"
    return f"never: more than {percent(1 / (1 + USUAL_LIFT))} reach it anyway"
