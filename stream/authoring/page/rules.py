"""The section that each rule has on the page of a backtest.

Tested by tests/authoring/page/test_page.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from stream.authoring.backtest.summary import in_the_way, known_when, lasting, percent
from stream.authoring.page.markup import Html, element, own
from stream.authoring.page.parts import columns_of_days, columns_of_hours, more, share_of, spread, table
from stream.diagnostics import some
from stream.structs import DecisionReason

MOST_PAIRS = 10  # of rules in each other's way
MOST_FIELDS = 12  # of a message that are shown

# What each guard says when it keeps a message back.
WHY: dict[DecisionReason | Literal["shadow"], str] = {
    "shadow": "the rule is in shadow mode: it would have been sent",
    "disabled": "the rule was switched off (`stream disable`)",
    "rollout": "the rule does not speak to this customer yet (`rollout`)",
    "unless": "what the rule’s `unless` waits for came after all, while quiet hours put it off",
    "stale": "the event came too late to be answered",
    "limit": "the rule had sent enough to this customer",
    "suppressed": "nothing may be sent to this customer now (policy or channel)",
    "silenced": "another rule had silenced what needs consent (`silences`)",
    "consent": "the customer has not consented",
    "address": "the customer cannot be reached there",
    "quiet": "it was in quiet hours, or the customer’s `timezone` cannot be read; it may not wait so long",
    "group": "another rule of its group was sent",
    "cap": "the customer had got enough, from this channel or from all",
    "holdout": "the customer is in a control group, to compare with",
    "content": "the text could not be written",
    "size": "the message was too large",
}


def top_reasons(rule: Mapping[str, Any], most: int = 3) -> str:
    """What kept a rule back most often, in a few words."""
    removed = list(rule["removed"].items())
    shown = ", ".join(f"{name} {count:,}" for name, count in removed[:most])
    return f"{shown} and {len(removed) - most} more" if len(removed) > most else shown or "–"


def rule_section(name: str, id_: str, found: Mapping[str, Any], channels: Sequence[str]) -> Html:
    """Everything about one rule. `channels`: as of `columns_of_days`."""
    rule = found["rules"][name]
    return element(
        "section",
        element("h2", own(name)),
        element("p", own(rule["describe"]), class_="soft") if rule["describe"] else None,
        element("p", _sentence(rule)),
        _removed(rule),
        columns_of_days(rule["days"], channels),
        columns_of_hours(rule["hours"], channels, found["zone"]),
        spread(rule["per_customer"]),
        _collisions(name, found["collisions"]),
        _plan(rule["plan"]),
        _examples(rule["examples"]),
        element("p", element("a", "Back to all rules", href="#rules"), class_="back"),
        class_="rule",
        id=id_,
    )


def _sentence(rule: Mapping[str, Any]) -> str:
    sent, matches = rule["per_customer"], rule["matches"]
    said = f"It matched {some(matches, 'time')}."
    if not sent["messages"]:
        said += " Nothing would have been sent."
    else:
        said += (
            f" {some(sent['messages'], 'message')} ({percent(sent['messages'] / matches)} of the matches) "
            f"would have gone to {some(sent['customers'], 'customer')}"
        )
        said += (
            ", one to each."
            if sent["worst"] == 1
            else f": 99 of 100 of them get {sent['p99']:,} at most, one gets {sent['worst']:,}."
        )
    if rule["put_off"]:
        said += f" Quiet hours put off {rule['put_off']:,}"
        said += (
            f", of which {rule['still_put_off']:,} still wait at the end." if rule["still_put_off"] else "."
        )
    return said


def _removed(rule: Mapping[str, Any]) -> Html | None:
    removed, matches = rule["removed"], rule["matches"]
    if not removed:
        return None
    rows = [[name, count, share_of(count, matches), WHY[name]] for name, count in removed.items()]
    caption = (
        f"What kept messages back, of {some(matches, 'match', 'matches')}; of several guards the first counts"
    )
    return table(caption, ["Guard", "#Matches", "#Share", "Because"], rows)


def _collisions(name: str, collisions: Sequence[Mapping[str, Any]]) -> list[Html | None] | None:
    mine = [each for each in collisions if name in (each["rule"], each["other"])]
    if not mine:
        return None
    return [
        element("h3", "In each other’s way with other rules"),
        element("ul", [element("li", own(in_the_way(each))) for each in mine[:MOST_PAIRS]]),
        more(len(mine) - MOST_PAIRS, "line"),
    ]


def _plan(plan: Mapping[str, Any] | None) -> list[Html] | None:
    if plan is None:
        return None
    goal = plan["goal"]
    reached, ended = plan["reached"], plan["ended"]
    share = f"{reached:,} of {some(ended, 'customer')} ({percent(reached / ended)})" if ended else ""
    said = [
        element("h3", "How long until you know what it brings"),
        element(
            "p",
            "Its goal: ",
            [[" or " if at else None, own(name)] for at, name in enumerate(goal["on"])],
            f" within {goal['within']}. ",
            f"{share} reached it without the message. " if share else None,
            f"{known_when(plan)[0].upper()}{known_when(plan)[1:]}.",
        ),
    ]
    if not plan["known_after"]:
        return said
    shares = sorted({each["held_out"] for each in plan["known_after"]})
    days = {(each["lift"], each["held_out"]): each["days"] for each in plan["known_after"]}
    rows = [
        [f"{percent(lift)} more", *(lasting(days[lift, share]) for share in shares)]
        for lift in sorted({lift for lift, _ in days})
    ]
    caption = (
        f"How long until it shows that so many more reach the goal, by the share of customers held out. "
        f"{plan['customers_per_day']:,.1f} new customers match a day. {_in_30_days(plan)}"
    )
    return [
        *said,
        table(caption, ["If it brings", *(f"#{percent(share)} held out" for share in shares)], rows),
    ]


def _in_30_days(plan: Mapping[str, Any]) -> str:
    held_out, seen = percent(plan["held_out"]), plan["seen_after_30_days"]
    if seen is None:
        return f"After 30 days with {held_out} held out no effect shows, however large."
    return f"After 30 days with {held_out} held out only {percent(seen)} more, or better, shows."


def _examples(examples: Sequence[Mapping[str, Any]]) -> list[Html] | None:
    if not examples:
        return None
    return [element("h3", "The first messages"), *map(_example, examples)]


def _example(example: Mapping[str, Any]) -> Html:
    variant = [", variant ", own(example["variant"])] if example["variant"] else ""
    fields = [
        (element("dt", own(name)), element("dd", own(text)))
        for name, text in list(example["content"].items())[:MOST_FIELDS]
    ]
    return element(
        "blockquote",
        element(
            "p",
            own(example["customer"]),
            f", {example['local']}, by ",
            own(example["channel"]),
            variant,
            ", after ",
            own(example["event"]),
            class_="soft",
        ),
        element("dl", fields),
    )
