"""What a backtest found, as one page of HTML for marketers: `stream backtest --report FILE.html`.

The page stands alone. It fetches nothing and runs no script, and its own policy (Content-Security-Policy)
forbids both. It is made of what `findings.as_object` gives, and of nothing else. Rules, events and
customers' ids are not trusted: `markup` escapes them. It is no larger than some megabytes, whatever the
rules are: what is left out is said.
Tested by tests/authoring/page/test_page.py, and in a browser by test_in_browser.py.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from stream.authoring.backtest.summary import busiest, known_when, percent
from stream.authoring.page import charts
from stream.authoring.page.markup import Child, Html, element, joined, own
from stream.authoring.page.parts import (
    columns_of_days,
    columns_of_hours,
    linked,
    spread,
    table,
)
from stream.authoring.page.rules import rule_section, top_reasons
from stream.authoring.page.style import STYLE

MOST_SECTIONS = 40  # rules that have one of their own: those with the most matches
MOST_ROWS = 500  # of a table


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    rules = found["rules"]
    order = sorted(rules, key=lambda name: (-rules[name]["matches"], name))
    detailed = {name: f"rule-{number}" for number, name in enumerate(order[:MOST_SECTIONS])}
    body = [
        element("header", element("h1", "Backtest: what these rules would have sent"), _origin(found)),
        element(
            "main",
            _glance(found),
            _overview(rules, order, detailed),
            _together(found),
            _collisions(found),
            _segments(found["segments"]),
            _plans(rules),
            _unused(found["notes"]),
            [rule_section(name, rules[name], found["collisions"], id_) for name, id_ in detailed.items()],
        ),
    ]
    return f"<!DOCTYPE html>\n{element('html', _head(), element('body', body), lang='en')}\n"


def _head() -> Html:
    allowed = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'"
    policy += "; form-action 'none'"
    return joined(
        [
            Html('<head><meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            Html('<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<link rel="icon" href="data:,">'),
            element("title", "Backtest"),
            Html(f"<style>{STYLE}</style></head>"),
        ]
    )


def _origin(found: Mapping[str, Any]) -> list[Html]:
    events, names = sum(found["events"].values()), any(rule["examples"] for rule in found["rules"].values())
    said = [
        element(
            "p",
            f"{events:,} events of {found['customers']:,} customers, up to "
            f"{found['until'] or 'no time at all'}. Rules {found['revision']}. "
            f"Days and hours are those of {found['zone']}.",
            class_="soft",
        )
    ]
    if names:
        said.append(
            element(
                "p",
                "This page shows messages with customers’ ids and what the texts say of them: personal data. "
                "Keep it where such data may be, or make it anew with --examples 0.",
                class_="note",
            )
        )
    return said


def _glance(found: Mapping[str, Any]) -> Html:
    every, rules = found["messages"]["per_customer"], found["rules"].values()
    held_out = sum(rule["outcomes"].get("holdout", 0) for rule in rules)
    share = percent(every["customers"] / found["customers"] if found["customers"] else 0)
    day, count = busiest(found)
    shown = [
        ("messages", f"{every['messages']:,}"),
        (f"customers reached: {share}", f"{every['customers']:,}"),
        ("matches", f"{sum(rule['matches'] for rule in rules):,}"),
        ("held out", f"{held_out:,}"),
        ("most for one customer", f"{every['worst']:,}"),
        (f"most on one day: {day}", f"{count:,}") if count else ("most on one day", "0"),
    ]
    entries = [element("div", element("dt", name), element("dd", value)) for name, value in shown]
    return element("section", element("h2", "At a glance"), element("dl", entries, class_="figures"))


def _overview(rules: Mapping[str, Any], order: Sequence[str], detailed: Mapping[str, str]) -> Html:
    rows: list[Sequence[Child]] = []
    for name in order[:MOST_ROWS]:
        rule = rules[name]
        sent = rule["per_customer"]
        says = f"{sent['messages']:,} sent of {rule['matches']:,} matches"
        rows.append(
            [
                linked(name, detailed.get(name)),
                rule["matches"],
                sent["messages"],
                sent["customers"],
                charts.bar(says, [sent["messages"]], rule["matches"]),
                top_reasons(rule),
            ]
        )
    silent = sum(not rule["matches"] for rule in rules.values())
    return element(
        "section",
        element("h2", "Rules"),
        element("p", f"{silent:,} of {len(rules):,} rules matched nothing." if silent else None),
        table(
            "Each rule: how often it matched, what was sent, whom it reached, and what kept it back most",
            ["Rule", "#Matches", "#Sent", "#Customers", "Share sent", "Kept back by"],
            rows,
        ),
        element("p", f"{len(order) - MOST_ROWS:,} more rules, with fewer matches, are in --json.")
        if len(order) > MOST_ROWS
        else None,
    )


def _together(found: Mapping[str, Any]) -> Html:
    """All rules together: by day, by hour, and how much a customer gets."""
    days: dict[str, Counter[str]] = {}
    hours = [0] * 24
    for rule in found["rules"].values():
        for day, sent in rule["days"].items():
            days.setdefault(day, Counter()).update(sent)
        hours = [ours + its for ours, its in zip(hours, rule["hours"], strict=True)]
    every, channels = found["messages"]["per_customer"], found["messages"]["per_channel"]
    if not every["messages"]:
        return element(
            "section", element("h2", "All messages"), element("p", "Nothing would have been sent.")
        )
    rows = [
        [name, each["messages"], each["customers"], each["mean"], each["p99"], each["worst"]]
        for name, each in [
            (element("b", "all channels"), every),
            *((own(name), each) for name, each in channels.items()),
        ]
    ]
    return element(
        "section",
        element("h2", "All messages"),
        columns_of_days(days),
        columns_of_hours(hours),
        element("h3", "How much a customer gets"),
        table(
            f"Of {found['customers']:,} customers, {found['customers'] - every['customers']:,} get nothing. "
            "Of the others, 99 of 100 get no more than",
            ["Channel", "#Messages", "#Customers", "#On average", "#99 of 100", "#Most"],
            rows,
        ),
        spread(every),
    )


def _collisions(found: Mapping[str, Any]) -> Html | None:
    rows = [
        [own(each["rule"]), own(each["other"]), _why(each), each["count"]]
        for each in found["collisions"][:50]
    ]
    if not rows:
        return None
    return element(
        "section",
        element("h2", "Rules in each other’s way"),
        element(
            "p",
            "Of a group one rule is sent. A cap is full because of several messages: the one named is the "
            "last of them that the customer got, or would have got without the control group.",
        ),
        table("Messages not sent because of another rule", ["Not sent", "Because of", "How", "#Times"], rows),
    )


def _why(collision: Mapping[str, Any]) -> str:
    if collision["reason"] == "group":
        return "same group"
    return "full cap, by its own message" if collision["rule"] == collision["other"] else "full cap"


def _segments(segments: Mapping[str, Any]) -> Html | None:
    sizes = segments["sizes"]
    if not sizes:
        return None
    most = max(sizes.values())
    ranked = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    shared = [
        [
            own(one),
            own(two),
            each["customers"],
            *(percent(each["customers"] / sizes[name]) for name in (one, two)),
        ]
        for each in segments["shared"][:30]
        for one, two in [each["segments"]]
    ]
    uncounted = segments["uncounted"]
    return element(
        "section",
        element("h2", "Segments"),
        table(
            f"Customers of each segment at the end, {segments['at']}",
            ["Segment", "#Customers", "Size"],
            [[own(name), size, charts.bar(f"{size:,}", [size], most)] for name, size in ranked],
        ),
        element("p", f"{uncounted:,} more segments were not counted.") if uncounted else None,
        table(
            "Customers who are in two segments, and which share of each they are",
            ["Segment", "And", "#Customers", "#Of the first", "#Of the second"],
            shared,
        )
        if shared
        else None,
    )


def _plans(rules: Mapping[str, Any]) -> Html | None:
    plans = {name: rule["plan"] for name, rule in rules.items() if rule["plan"] is not None}
    if not plans:
        return None
    rows = [
        [
            own(name),
            plan["customers"],
            "–" if plan["base"] is None else percent(plan["base"]),
            percent(plan["held_out"]) + ("" if plan["held_out_by_rule"] else " (none yet)"),
            known_when(plan),
        ]
        for name, plan in sorted(plans.items(), key=lambda item: -item[1]["customers"])[:MOST_ROWS]
    ]
    return element(
        "section",
        element("h2", "How long until you know what a rule brings"),
        element(
            "p",
            "Whether a message helps shows in comparison with customers who are held out. The fewer match, "
            "the fewer reach the goal, or the smaller the effect, the longer it takes. Reckoned with as many "
            "new customers a day as have matched here, at 5 % error and 80 % power.",
        ),
        table(
            "Each rule with a goal: customers to compare, how many reach the goal anyway, when one knows",
            ["Rule", "#Customers", "#Reach the goal anyway", "#Held out", "When you know"],
            rows,
        ),
    )


def _unused(notes: Iterable[str]) -> Html:
    lines = [element("li", own(note)) for note in notes]
    shown = (
        element("ul", lines[:200])
        if lines
        else element("p", "All of the input was used, and nothing was odd.")
    )
    return element("section", element("h2", "What was not used, or odd"), shown)
