"""Why a rule did not send in a test, though that was expected: the nearest that it came to it.

What a rule asks comes in an order: an event of the name, `where`, later steps, the time that it waits,
`unless`, `if`, the guards. The furthest that was reached says what to look at, with what was seen.
Pure. Tested by tests/authoring/rule_tests/test_why_not.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.authoring.rule_tests.plays import Play
from stream.rules.model import Rule
from stream.rules.testcases import RuleTest
from stream.structs import Judgement

MOST = 3  # judgements that are shown of a rule


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule did not send: `part` is what did not hold (see `Judgement`), None where it was not that."""

    rule: str
    part: str | None
    lines: tuple[str, ...]


def reasons(test: RuleTest, rule: Rule, play: Play) -> Iterator[Reason]:
    """Why `rule` did not send, or not once more; nothing where only a guard held it back."""
    names = rule.steps[0].on
    judged = [each for each in play.judged if each.rule == rule.name and each.at >= test.start]
    if not judged and rule.occasion is not None:
        yield Reason(rule.name, None, (_no_time(test, rule, play),))
        return
    if not judged and not any(each.name in names for each in test.events):
        yield Reason(
            rule.name, None, (f"it begins with {_either(names)}, and no event of the test is called so",)
        )
        return
    failed = [each for each in judged if not each.held and each.part != "unless"]
    held_back = [each for each in play.held_back if each.rule == rule.name]
    if last := _furthest(failed):
        for each in last[:MOST]:
            yield Reason(rule.name, each.part, tuple(_lines(each, test)))
        if len(last) > MOST:
            yield Reason(rule.name, None, (f"and so {len(last) - MOST} times more",))
    elif not held_back:
        yield from (Reason(rule.name, None, (line,)) for line in _waiting(test, rule, judged))


def _no_time(test: RuleTest, rule: Rule, play: Play) -> str:
    """Why the clock of a rule has not come to the customer."""
    due = [at for name, at, put_off in play.waiting if name == rule.name and not put_off]
    if due:
        return f"its clock comes at {test.shown(min(due))}, when the test is over: give it a later `until`"
    return (
        "its clock has no time for the customer: it needs an event or a profile of theirs, a time zone, and "
        "for `year` and `date` an attribute that says a date to come"
    )


def _furthest(failed: Sequence[Judgement]) -> list[Judgement]:
    """Those of the part that comes last."""
    order = sorted({each.part for each in failed}, key=rank)
    return [each for each in failed if each.part == order[-1]] if order else []


def rank(part: str) -> tuple[int, int]:
    """Of a part of a rule (see `Judgement`): the order in which they are reached."""
    return {"where": 0, "if": 2}.get(part, 1), int(part.partition(" ")[2] or 0)


def _lines(each: Judgement, test: RuleTest) -> Iterator[str]:
    by = f"`{each.event}`" if each.event else "by its clock"
    yield f"at {test.shown(each.at)}, {by}: `{each.part}` does not hold"
    for term in each.terms:
        if term.outcome == "true":
            continue
        seen = "; ".join(
            f"there is no `{path}`" if value is None else f"`{path}` is {value}" for path, value in term.seen
        )
        what = "false" if term.outcome == "false" else "an error"
        yield f"  {term.text} is {what}" + (f": {seen}" if seen else "")


def _waiting(test: RuleTest, rule: Rule, judged: Sequence[Judgement]) -> Iterator[str]:
    """Everything held so far."""
    if any(each.part == "unless" and each.held for each in judged):
        at = next(each for each in judged if each.part == "unless" and each.held)
        yield f"`unless` ended it at {test.shown(at.at)}, by `{at.event}`"
    elif len(rule.steps) > 1 and not any(each.part == f"step {len(rule.steps)}" for each in judged):
        done = max((rank(each.part)[1] for each in judged), default=0) or 1
        yield f"it still waits for {_either(rule.steps[min(done, len(rule.steps) - 1)].on)}"
    elif rule.wait or rule.unless:
        until = test.until
        said = "is not there" if until is None else f"is {test.shown(test.start + until)}"
        yield f"its time had not come when the test ended: `until` {said}; it fires once its time is over"


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{each}`" for each in names)
