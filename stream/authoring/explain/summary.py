"""A timeline for people at a terminal: moment by moment, then what became of each rule.

Tested by tests/authoring/explain/test_summary.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from stream.authoring.explain.live import summary, words_of
from stream.diagnostics import one_line, some

MOST_FIELDS = 200  # characters of an event that are shown
MOST_NAMES = 6
UNNAMED = {"event": "an event without a name", "profile": "profile", "context": "context"}
_STYLES = {"✔": "green", "✘": "red", "!": "yellow"}


def report(
    found: Mapping[str, Any], console: Console, *, as_json: bool = False, most: int | None = None
) -> None:
    """Write what `findings.as_object` made; `most`: only the last moments."""
    if as_json:
        console.print(json.dumps(found, indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    for line in _lines(found, most):
        style = _STYLES.get(line.lstrip()[:1], "") if line[:1] == " " else "bold"
        console.print(Text(one_line(line), style), soft_wrap=True, highlight=False)


def _lines(found: Mapping[str, Any], most: int | None) -> Iterator[str]:
    if found["before"] is not None:
        yield from _before(found["before"])
    moments = found["moments"]
    shown = moments if most is None else moments[len(moments) - most :] if most < len(moments) else moments
    if len(shown) < len(moments):
        yield f" … {some(len(moments) - len(shown), 'moment')} before (--all shows them)"
    for moment in shown:
        yield from _moment(moment, of_one=found["rule"] is not None)
    yield f"up to {found['until']}" if found["until"] else "no event has a time"
    if found["live"] is not None:
        yield from summary(found["live"])
    width = max(map(len, found["rules"]), default=0)
    for name, rule in found["rules"].items():
        yield f"  {'✔' if rule['sent'] else '✘'} {name:{width}}  {rule['why']}"
        if not rule["sent"] and not rule["outcomes"] and rule["nearest"] is not None:
            yield f"    {'':{width}}  nearest, at {rule['nearest']['at']}:"
            for line in _terms(rule["nearest"]["terms"], "false", failed_only=True):
                yield f"    {'':{width}}  {line}"


def _before(before: Mapping[str, Any]) -> Iterator[str]:
    yield f"{before['at']}  what a worker knew, by {before['place']}"
    for name, value in before["values"].items():
        yield f"    {name}: {_value(value)}"
    for each in before["instances"]:
        yield f"    {_instance(each)}{_step(each)}{_waits(each)}"
    if not before["values"] and not before["instances"]:
        yield "    nothing"


def _instance(each: Mapping[str, Any]) -> str:
    of = "" if each["key"] is None else f" of {each['key']}"
    return f"{each['rule']}{of}"


def _step(each: Mapping[str, Any]) -> str:
    return f", step {each['done']} of {each['steps']}" if each["steps"] > 1 else ""


def _waits(each: Mapping[str, Any]) -> str:
    return ", waits" + (f" until {each['deadline']}" if each["deadline"] else "")


def _moment(moment: Mapping[str, Any], *, of_one: bool) -> Iterator[str]:
    what = (
        f"{moment['event'] or UNNAMED[moment['kind']]}  {moment['source']}  {moment['place']}"
        if moment["source"]
        else ""
    )
    yield f"{moment['at']}  {what or '(time passes)'}"
    if moment["fields"] is not None:
        text = json.dumps(moment["fields"], ensure_ascii=False)
        yield f"    {text[:MOST_FIELDS]}{'…' * (len(text) > MOST_FIELDS)}"
    if moment["put_aside"] is not None:
        yield f"    ! it counts for nothing: {moment['put_aside']}"
    for change in moment["changes"]:
        key = "" if change["key"] is None else f"[{json.dumps(change['key'], ensure_ascii=False)}]"
        yield f"    {change['name']}{key}: {_value(change['before'])} → {_value(change['after'])}"
    yield from _judgements(moment["judged"], of_one=of_one)
    for each in moment["instances"]:
        ended = each["what"] == "ended"
        yield f"    {_instance(each)} {each['what']}{_step(each)}" + ("" if ended else _waits(each))
    for each in moment["decisions"]:
        yield from _decision(each)


def _decision(each: Mapping[str, Any]) -> Iterator[str]:
    if each["outcome"] == "sent":
        variant = f", variant {each['variant']}" if each["variant"] else ""
        yield f"    ✔ {each['rule']}: sent on {each['channel']}{variant}"
        for name, text in (each["content"] or {}).items():
            yield f"        {name}: {text}"
        yield from _live(each["live"])
        return
    words = {"deferred": "put off", "holdout": "held out", "shadow": "in shadow mode"}
    yield f"    ✘ {each['rule']}: {words.get(each['outcome'], 'held back')}: {each['because']}"
    for name, text in (each["content"] or {}).items():
        yield f"        {name}: {text}"
    yield from _live(each["live"])


def _live(live: Mapping[str, Any] | None) -> Iterator[str]:
    """What a worker made of it."""
    if live is not None and live["agrees"]:
        yield f"        the worker: the same, at {live['written']}"
    elif live is not None:
        yield f"      ! the worker: {words_of(live)}: {live['why']}"


def _judgements(judged: Sequence[Mapping[str, Any]], *, of_one: bool) -> Iterator[str]:
    """What was judged, but for what says nothing: `where` of strangers, and what has no terms."""
    strangers = [] if of_one else [each["rule"] for each in judged if is_stranger(each)]
    for each in judged:
        asked = each["rule"] is not None or not each["held"]
        if not each["terms"] or not asked or (not of_one and is_stranger(each)):
            continue
        of = f"{each['rule']}: " if each["rule"] else ""
        yield f"    {'✔' if each['held'] else '✘'} {of}{each['part']}"
        for line in _terms(each["terms"], "true" if each["held"] else "false"):
            yield f"        {line}"
    if strangers:
        names = ", ".join(strangers[:MOST_NAMES])
        more = f" and {len(strangers) - MOST_NAMES:,} more" if len(strangers) > MOST_NAMES else ""
        yield f"    {names}{more}: not their `where` (--rule shows it)"


def is_stranger(judgement: Mapping[str, Any]) -> bool:
    """Whether a rule did not want the event."""
    return bool(judgement["rule"]) and judgement["part"] == "where" and not judgement["held"]


def terms_that_count(terms: Sequence[Mapping[str, Any]], of: str) -> list[Mapping[str, Any]]:
    """`of`: what they came to together. Where one of them has settled that, an error changed nothing, as in
    `has(x) && x > 1`.
    """
    settled = of != "error" and any(term["outcome"] == of for term in terms)
    return [term for term in terms if not (settled and term["outcome"] == "error")]


def _terms(terms: Sequence[Mapping[str, Any]], of: str, *, failed_only: bool = False) -> Iterator[str]:
    """A line each, with what they join below."""
    for term in terms_that_count(terms, of):
        if failed_only and term["outcome"] == "true":
            continue
        sign = {"true": "✔", "false": "✘", "error": "!"}[term["outcome"]]
        values = [] if term["parts"] and len(term["seen"]) != 1 else term["seen"]
        seen = "; ".join(
            f"there is no {each['path']}" if each["value"] is None else f"{each['path']} is {each['value']}"
            for each in values
        )
        yield f"{sign} {term['text']}" + (f"   ({seen})" if seen else "")
        for line in _terms(term["parts"], term["outcome"], failed_only=failed_only):
            yield f"  {line}"


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
