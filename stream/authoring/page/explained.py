"""What happened to one customer, as one page of HTML: `stream explain --html FILE.html`.

It is made of what `explain.findings.as_object` gives, and of nothing else. Rules, events and ids are not
trusted: `markup` escapes them. It is no larger than some megabytes: what is left out is said.
Tested by tests/authoring/page/test_explained.py, and in a browser by test_in_browser.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stream.authoring.explain.live import summary, words_of
from stream.authoring.explain.summary import UNNAMED, is_stranger, terms_that_count
from stream.authoring.page.document import document
from stream.authoring.page.markup import Child, Html, element, own
from stream.authoring.page.parts import table
from stream.diagnostics import some

MOST_MOMENTS = 500  # the last ones
MOST_RULES = 500
SIGNS = {"true": "✔", "false": "✘", "error": "!"}
SAID = {"true": "true", "false": "false", "error": "an error"}
OUTCOMES = {"sent": "sent", "deferred": "put off", "holdout": "held out", "shadow": "in shadow mode"}


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    of = ["Customer ", own(found["customer"])]
    of += [", rule ", own(found["rule"])] if found["rule"] else []
    moments = found["moments"][-MOST_MOMENTS:]
    left = len(found["moments"]) - len(moments)
    return document(
        "Why, and why not",
        element(
            "header",
            element("h1", "Why, and why not"),
            element("p", of, f", up to {found['until']}" if found["until"] else "", class_="soft"),
            element(
                "p",
                "This page shows events and messages of a customer: personal data. "
                "Keep it where such data may be.",
                class_="note",
            ),
        ),
        element(
            "main",
            _rules(found["rules"]),
            _live(found["live"]) if found["live"] else None,
            _before(found["before"]) if found["before"] else None,
            element("h2", "What happened"),
            element("p", f"{some(left, 'moment')} before are left out.", class_="soft") if left else None,
            [_moment(each, of_one=found["rule"] is not None) for each in moments],
        ),
    )


def _rules(rules: Mapping[str, Any]) -> list[Html]:
    shown = list(rules.items())[:MOST_RULES]
    rows = [
        [own(name), [own(rule["why"]), _nearest(rule)], "yes" if rule["sent"] else "no"]
        for name, rule in shown
    ]
    heads = ["Rule", "What became of it", "Sent something"]
    left = len(rules) - len(shown)
    return [
        element("h2", "What became of each rule"),
        table("Each rule, and the nearest that it came to firing", heads, rows),
        *([element("p", f"{some(left, 'rule')} more are left out; name one with --rule.")] if left else []),
    ]


def _nearest(rule: Mapping[str, Any]) -> Child:
    nearest = rule["nearest"]
    if nearest is None or rule["outcomes"]:
        return None
    return element(
        "details",
        element("summary", f"The nearest, at {nearest['at']}"),
        _tree(nearest["terms"], "false"),
    )


def _live(live: Mapping[str, Any]) -> list[Html]:
    said = [element("p", own(each)) for each in summary({**live, "only": []})]
    rows = [
        [each["at"], own(each["rule"]), own(words_of(each)), own(each["why"])]
        for each in live["only"][:MOST_MOMENTS]
    ]
    heads = ["When", "Rule", "What", "Why not here"]
    return [
        element("h2", "What workers decided"),
        *said,
        *([table("What only workers decided", heads, rows)] if rows else []),
    ]


def _before(before: Mapping[str, Any]) -> list[Html]:
    rows = [[own(name), own(_value(value))] for name, value in before["values"].items()]
    begun = [{**each, "what": "had begun"} for each in before["instances"]]
    return [
        element("h2", "What a worker knew before"),
        element("p", f"At {before['at']}, by ", own(before["place"]), class_="soft"),
        table("What was known", ["Name", "Value"], rows) if rows else element("p", "Nothing."),
        element("div", _instances(begun)),
    ]


def _moment(moment: Mapping[str, Any], *, of_one: bool) -> Html:
    unnamed = UNNAMED[moment["kind"]] if moment["source"] else "time passes"
    named = [own(moment["event"])] if moment["event"] else [unnamed]
    said = [own(f"{moment['source']}, {moment['place']}")] if moment["source"] else []
    return element(
        "article",
        element("h3", f"{moment['at']} ", named),
        element("p", said, class_="soft") if said else None,
        element("p", "It counts for nothing: ", own(moment["put_aside"]), class_="note")
        if moment["put_aside"]
        else None,
        [_decision(each) for each in moment["decisions"]],
        _changes(moment["changes"]),
        _instances(moment["instances"]),
        _judged(moment["judged"], of_one=of_one),
        _fields(moment["fields"]),
        class_="moment",
    )


def _fields(fields: Any) -> Child:
    if fields is None:
        return None
    text = own(json.dumps(fields, ensure_ascii=False))
    return element("details", element("summary", "The event"), element("blockquote", text))


def _changes(changes: Sequence[Mapping[str, Any]]) -> Child:
    if not changes:
        return None
    rows = [
        [
            own(each["name"] if each["key"] is None else f"{each['name']}[{json.dumps(each['key'])}]"),
            own(_value(each["before"])),
            own(_value(each["after"])),
        ]
        for each in changes
    ]
    return table("What it changed", ["Name", "Before", "After"], rows)


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _instances(instances: Sequence[Mapping[str, Any]]) -> Child:
    return [
        element(
            "p",
            own(each["rule"]),
            f" {each['what']}",
            f", step {each['done']} of {each['steps']}" if each["steps"] > 1 else "",
            f", waits until {each['deadline']}" if each["deadline"] and each["what"] != "ended" else "",
        )
        for each in instances
    ]


def _decision(decision: Mapping[str, Any]) -> Html:
    word = OUTCOMES.get(decision["outcome"], "held back")
    live = _worker(decision["live"])
    if decision["outcome"] != "sent":
        said = [element("strong", f"{word}: "), own(decision["rule"]), ": ", own(decision["because"])]
        return element("div", element("p", said), live)
    content = [
        [element("dt", own(name)), element("dd", own(text))]
        for name, text in (decision["content"] or {}).items()
    ]
    on = element("p", element("strong", f"{word}: "), own(decision["rule"]), " on ", own(decision["channel"]))
    return element("div", on, element("blockquote", element("dl", content)), live)


def _worker(live: Mapping[str, Any] | None) -> Child:
    """What a worker made of it."""
    if live is None:
        return None
    if live["agrees"]:
        return element("p", f"The worker decided the same, at {live['written']}.", class_="soft")
    return element("p", "The worker: ", own(words_of(live)), ": ", own(live["why"]), class_="note")


def _judged(judged: Sequence[Mapping[str, Any]], *, of_one: bool) -> Child:
    strangers = [] if of_one else [own(each["rule"]) for each in judged if is_stranger(each)]
    shown = [
        element(
            "details",
            element(
                "summary",
                f"{'✔' if each['held'] else '✘'} ",
                own(f"{each['rule']}: {each['part']}" if each["rule"] else each["part"]),
                " holds" if each["held"] else " does not hold",
            ),
            _tree(each["terms"], "true" if each["held"] else "false"),
            open="" if of_one else None,
        )
        for each in judged
        if each["terms"] and (each["rule"] or not each["held"]) and (of_one or not is_stranger(each))
    ]
    names = [[", " if at else "", name] for at, name in enumerate(strangers[:20])]
    more = f" and {len(strangers) - 20:,} more" if len(strangers) > 20 else ""
    said = element("p", "Not wanted by ", names, more, ".", class_="soft") if strangers else None
    return [shown, said]


def _tree(terms: Sequence[Mapping[str, Any]], of: str) -> Html:
    """A condition: what each part came to, in words for those who do not see the signs."""
    return element(
        "ul",
        [
            element(
                "li",
                element("code", own(term["text"])),
                f" is {SAID[term['outcome']]}",
                [
                    [
                        "; ",
                        own(f"there is no {seen['path']}")
                        if seen["value"] is None
                        else own(f"{seen['path']} is {seen['value']}"),
                    ]
                    for seen in (term["seen"] if not term["parts"] or len(term["seen"]) == 1 else ())
                ],
                _tree(term["parts"], term["outcome"]) if term["parts"] else None,
                data_sign=SIGNS[term["outcome"]],
            )
            for term in terms_that_count(terms, of)
        ],
        class_="tree",
    )
