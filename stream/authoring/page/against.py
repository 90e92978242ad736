"""What a change of rules does, as one page of HTML: `stream backtest --against … --report FILE.html`.

It is made of what `against.findings.as_object` gives, and of nothing else; rules, events and ids are not
trusted (`markup`). Tested by tests/authoring/page/test_against.py, and in a browser by test_in_browser.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream.authoring.against import summary
from stream.authoring.against.differences import KINDS
from stream.authoring.backtest.summary import counted, percent
from stream.authoring.page.document import document
from stream.authoring.page.markup import Child, Html, element, own
from stream.authoring.page.parts import linked, more, names_customers, period, share_of, table, unused
from stream.diagnostics import some

MOST_SECTIONS = 40  # rules that have one of their own: those with the most messages that are not alike
MOST_ROWS = 500
MOST_FIELDS = 12  # of a message
WORDS = {"gained": "is sent now", "lost": "is sent no longer", "changed": "says or does something else"}


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    unlike = summary.unlike_rules(found)
    ids = {name: f"rule-{number}" for number, name in enumerate(unlike[:MOST_SECTIONS])}
    return document(
        "What this change does",
        element(
            "header",
            element("h1", "What this change of the rules does"),
            element("p", element("strong", own(summary.headline(found)))),
            _origin(found),
        ),
        element(
            "main",
            _glance(found),
            _rules(found, unlike, ids),
            _moves(found["moves"], "What became of what"),
            _definitions(found),
            _goes_live(found),
            _per_customer(found["per_customer"]),
            _segments(found),
            unused(found["notes"]),
            [_rule(name, id_, found["rules"][name]) for name, id_ in ids.items()],
        ),
    )


def _origin(found: Mapping[str, Any]) -> list[Html]:
    new, live = found["new"], found["live"]
    events = some(sum(found["events"].values()), "event")
    said = [
        element(
            "p",
            "New is ",
            own(new["rules"]),
            f" (revision {new['revision']}), live is ",
            own(live["rules"]),
            f" (revision {live['revision']}). Both played {events} of "
            f"{some(found['customers'], 'customer')}{period(found)}, from the first event on: "
            "what is new had all of that past, too.",
            class_="soft",
        )
    ]
    if any(rule["examples"] for rule in found["rules"].values()):
        said.append(names_customers())
    return said


def _glance(found: Mapping[str, Any]) -> Html:
    messages, every = found["messages"], found["per_customer"]["all"]
    live, new = every["live"], every["new"]
    shown = [
        ("Gained", messages["gained"], "messages that are not sent now"),
        ("Lost", messages["lost"], "messages that are sent now, and would not be"),
        ("Changed", messages["changed"], "messages that say or do something else"),
        (
            "Customers affected",
            messages["customers"]["any"],
            f"{percent(messages['share'])} of {found['customers']:,}",
        ),
        ("Messages", f"{live['messages']:,} → {new['messages']:,}", "in all, live and new"),
        ("Most for one customer", f"{live['worst']:,} → {new['worst']:,}", "by all channels, live and new"),
    ]
    entries = [
        element("div", element("dt", name), element("dd", value), element("dd", what, class_="soft"))
        for name, value, what in shown
    ]
    return element("section", element("h2", "At a glance"), element("dl", entries, class_="figures"))


def _rules(found: Mapping[str, Any], unlike: Sequence[str], ids: Mapping[str, str]) -> Html:
    rows = [
        [
            linked(name, ids),
            *(rule["sent"][side] for side in summary.SIDES),
            *(rule[kind]["messages"] for kind in KINDS),
            rule["customers"],
            summary.moves_of(rule),
        ]
        for name in unlike[:MOST_ROWS]
        for rule in [found["rules"][name]]
    ]
    alike = len(found["rules"]) - len(unlike)
    return element(
        "section",
        element("h2", "Rules"),
        element("p", f"{alike:,} of {some(len(found['rules']), 'rule')} decide as before on this past."),
        table(
            "Each rule that decides otherwise: what it sends live and new, which messages that gains, "
            "loses or changes, of how many customers, and what became of what",
            ["Rule", "#Sent live", "#Sent new", "#Gained", "#Lost", "#Changed", "#Customers", "From → to"],
            rows,
        )
        if rows
        else None,
        more(len(unlike) - MOST_ROWS, "rule"),
        id="rules",
    )


def _moves(moves: Sequence[Mapping[str, Any]], title: str, level: str = "h2") -> Html | None:
    if not moves:
        return None
    whole = sum(move["count"] for move in moves)
    rows = [
        [move["live"], move["new"], move["count"], share_of(move["count"], whole)]
        for move in moves[:MOST_ROWS]
    ]
    return element(
        "section",
        element(level, title),
        table(
            "Matches whose end is another one: sent, put off, not sent and why, or no match at all",
            ["Live", "New", "#Matches", "#Share"],
            rows,
        ),
    )


def _definitions(found: Mapping[str, Any]) -> Html:
    lines = list(summary.definitions(found))
    return element(
        "section",
        element("h2", "What the rule files say otherwise"),
        element("ul", [element("li", own(each)) for each in lines])
        if lines
        else element("p", "Nothing: the two say the same."),
    )


def _goes_live(found: Mapping[str, Any]) -> Html:
    lines = list(summary.going_live(found))
    rows = [
        [own(name), rule["instances_ended"], rule["put_off_ended"]]
        for name, rule in found["rules"].items()
        if rule["instances_ended"]
    ]
    return element(
        "section",
        element("h2", "If it goes live now"),
        element(
            "p",
            "“Now” is the end of this past. What is known under a definition that stays the same is kept.",
            class_="soft",
        ),
        element("ul", [element("li", own(each)) for each in lines])
        if lines
        else element("p", "Everything that is known of customers is kept, and nothing that waits ends."),
        table(
            "Open instances that end, as their rule is gone or waits for something else",
            ["Rule", "#Instances", "#Of them messages that quiet hours put off"],
            rows[:MOST_ROWS],
        )
        if rows
        else None,
        more(len(rows) - MOST_ROWS, "rule"),
    )


def _per_customer(counts: Mapping[str, Any]) -> Html:
    named: list[tuple[Child, Mapping[str, Any]]] = [(element("b", "all channels"), counts["all"])]
    named += [(own(name), each) for name, each in counts["channels"].items()]
    rows: list[list[Child]] = [
        [name, *(f"{each['live'][key]:,} → {each['new'][key]:,}" for key in each["live"])]
        for name, each in named[:MOST_ROWS]
    ]
    return element(
        "section",
        element("h2", "How much a customer gets"),
        table(
            "Messages of one customer from beginning to end, live → new",
            ["Channel", "#Messages", "#Customers", "#99 of 100 get at most", "#The most"],
            rows,
        ),
    )


def _segments(found: Mapping[str, Any]) -> Html | None:
    changed = summary.changed_segments(found)
    if not changed:
        return None
    rows = [
        [own(name), *(summary.size(each[side]) for side in summary.SIDES)] for name, each in changed.items()
    ]
    return element(
        "section",
        element("h2", "Segments"),
        table(
            f"Segments of another size at the end; "
            f"{len(found['segments']) - len(changed):,} stay as they are",
            ["Segment", "#Customers live", "#Customers new"],
            rows,
        ),
    )


def _rule(name: str, id_: str, rule: Mapping[str, Any]) -> Html:
    keys = f": {', '.join(rule['keys'])}" if rule["keys"] else ""
    channels = sorted({channel for kind in KINDS for channel in rule[kind]["channels"]})
    rows: list[list[Child]] = [
        [own(channel), *(rule[kind]["channels"].get(channel, 0) for kind in KINDS)] for channel in channels
    ]
    parts = rule["changed"]["parts"]
    return element(
        "section",
        element("h2", own(name)),
        element("p", f"Its definition is {rule['definition']}{keys}.", class_="soft"),
        element("p", f"Of the messages that changed, this is another one: {counted(parts)}.")
        if parts
        else None,
        table("Messages by channel", ["Channel", "#Gained", "#Lost", "#Changed"], rows) if rows else None,
        _moves(rule["moves"], "What became of its matches", "h3"),
        [element("h3", "The first ones"), *map(_example, rule["examples"])] if rule["examples"] else None,
        element("p", element("a", "Back to all rules", href="#rules"), class_="back"),
        class_="rule",
        id=id_,
    )


def _example(example: Mapping[str, Any]) -> Html:
    event = example["event"]
    return element(
        "blockquote",
        element(
            "p",
            element("strong", f"{example['kind']}: "),
            own(example["customer"]),
            f", {example['at']}, after ",
            own(event["name"]),
            f" of {event['time']}",
            [", ", own(example["place"])] if example["place"] else None,
            f"; {WORDS[example['kind']]}",
            class_="soft",
        ),
        [_message(side, example[side]) for side in summary.SIDES if example[side] is not None],
    )


def _message(side: str, message: Mapping[str, Any]) -> Html:
    variant = [", variant ", own(message["variant"])] if message["variant"] else ""
    fields = [
        (element("dt", own(name)), element("dd", own(text)))
        for name, text in list(message["content"].items())[:MOST_FIELDS]
    ]
    return element(
        "div",
        element("p", f"{side}, {message['at']}, by ", own(message["channel"]), variant),
        element("dl", fields),
    )
