"""What came of the tests of rules: for people, for programs (JSON) and for CI systems (JUnit XML).

Below a failed test stand, each with its place: what was expected beside what was sent, key by key; why a
rule did not send, with the values it saw; and what guards held back.
Tested by tests/authoring/rule_tests/test_report.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # written only: nothing is parsed

from rich.console import Console
from rich.text import Text

from stream.authoring.check import as_object, as_text
from stream.authoring.rule_tests import coverage as condition_coverage
from stream.authoring.rule_tests import places, text_differences
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.differences import Difference, Failure, spaced
from stream.authoring.rule_tests.run import Outcome
from stream.authoring.rule_tests.unfinished import unfinished
from stream.authoring.rule_tests.why_not import Reason
from stream.decisions.wire import iso_time
from stream.diagnostics import Location, one_line
from stream.errors import StreamError
from stream.rules.files import RuleFiles
from stream.rules.testcases import Expectation, RuleTest
from stream.structs import Decision, Trigger

MOST = 20  # of a test's failures, and of what was held back, that people are shown
_INDENT = " " * 7
_STYLES = {"- ": "red", "+ ": "green"}


def show(
    outcomes: Sequence[Outcome],
    files: RuleFiles,
    console: Console,
    coverage: condition_coverage.Report | None = None,
    *,
    gaps: bool = False,
) -> None:
    """Write the outcomes, a line each, below a failed one why; then warnings, and what the tests do not show:
    how many there are of it, with `gaps` each.
    """

    def line(text: str | Text) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    written = places.conditions(files)
    for each in outcomes:
        word = ("ok     ", "green") if each.passed else ("FAILED ", "bold red")
        at = "" if each.passed else f"  {each.test.location}"
        line(Text.assemble(word, one_line(each.test.name + at)))
        for detail in () if each.passed else _details(each, written):
            line(Text(_INDENT + detail, _STYLES.get(detail.lstrip()[:2], "")))
    warnings = unfinished(outcomes, files)
    for finding in warnings:
        line(as_text(finding, context=False))
    if coverage is not None:
        for gap in coverage.gaps if gaps else ():
            line(one_line(str(gap)))
        more = "" if gaps or not coverage.gaps else " (--coverage shows what is missing)"
        line(coverage.summary() + more)
    failed = sum(not each.passed for each in outcomes)
    warned = f", {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else ""
    line(f"{len(outcomes) - failed} passed" + (f", {failed} failed" if failed else "") + warned)


def _details(outcome: Outcome, written: Mapping[places.Part, Any]) -> Iterator[str]:
    for failure in outcome.failures[:MOST]:
        yield from _failure(outcome.test, failure)
    if len(outcome.failures) > MOST:
        yield f"and {len(outcome.failures) - MOST:,} more that do not fit"
    for reason in outcome.why:
        first, *rest = reason.lines
        at = _place(reason, written)
        yield one_line(f"{f'{at}: ' if at else ''}not sent: {reason.rule}: {first}")
        yield from (f"    {one_line(line.strip())}" for line in rest)
    for decision, guard in list(zip(outcome.held_back, outcome.guards, strict=True))[:MOST]:
        word = {"deferred": "put off", "holdout": "held out", "shadow": "in shadow mode"}.get(
            decision.outcome, "held back"
        )
        yield one_line(f"{word}: {decision.rule} at {outcome.test.shown(decision.at)}: {guard}")
    if len(outcome.held_back) > MOST:
        yield f"and {len(outcome.held_back) - MOST:,} more were held back"
    for each in outcome.left_out[:MOST]:
        when, source, (term,) = outcome.test.shown(each.at), each.left_out_of, each.terms
        why = f"`dedupe` of `{source}`: its id had come: {term.text}"
        yield one_line(f"left out: `{each.event}` at {when}: {why}")
    if len(outcome.left_out) > MOST:
        yield f"and {len(outcome.left_out) - MOST:,} more were left out"


def _place(reason: Reason, written: Mapping[places.Part, Any]) -> Location | None:
    text = written.get((reason.rule, reason.part or ""))
    return None if text is None else text.at(0)


def _failure(test: RuleTest, failure: Failure) -> Iterator[str]:
    if failure.expected is None or failure.sent is None:
        name = None if failure.sent is None else failure.sent.decision.event.name
        by = f", after `{name}`" if name else ""
        yield one_line(f"{failure.location}: {failure.message}{by}")
        return
    yield f"{failure.location}: what was sent is not what was expected:"
    texts = [each for each in failure.differences if each.key.startswith("content.")]
    differing = {each.key for each in failure.differences}
    rows = [*_rows(test, failure.expected, failure.sent.decision, differing)]
    width = max(len(expected) for _, expected, _, _ in rows)
    yield f"    {'':8} {'expected':{width}}  sent"
    for key, expected, sent, differs in rows:
        yield one_line(f"    {key:8} {expected:{width}}  {sent}{'  ≠' if differs else ''}")
    if failure.note is not None:
        yield one_line(f"    {failure.note}")
    for each in texts:
        yield from _text(each)


def _rows(
    test: RuleTest, expected: Expectation, decision: Decision, differing: set[str]
) -> Iterator[tuple[str, str, str, bool]]:
    """Key, expected, sent, and whether they differ; of what is not compared the message's own."""
    at = None if expected.at is None else test.shown(test.start + expected.at)
    rows = (
        ("at", at, test.shown(decision.at)),
        ("rule", expected.rule, decision.rule),
        ("channel", expected.channel, decision.channel),
        ("variant", expected.variant, decision.variant),
        ("outcome", expected.outcome, decision.outcome),
    )
    for key, wanted, got in rows:
        if wanted is not None or key not in ("variant", "outcome"):
            yield key, wanted or "any", got or "none", key in differing


def _text(difference: Difference) -> Iterator[str]:
    yield one_line(f"    {difference.key}")
    if isinstance(difference.sent, str):
        for line in text_differences.differences(spaced(difference.expected), spaced(difference.sent)):
            yield "      " + line.replace("^ ", "  ", 1)
    else:
        yield one_line(f"      - {json.dumps(difference.expected, ensure_ascii=False)}")
        yield (
            "      + there is no such field"
            if difference.sent is None
            else (one_line(f"      + {json.dumps(difference.sent, ensure_ascii=False)}"))
        )


# ---- for programs ----


def as_json(
    outcomes: Sequence[Outcome], files: RuleFiles, coverage: Coverage, found: condition_coverage.Report
) -> str:
    """An object: how many `passed` and `failed`, the `tests`, the `coverage`, and `warnings`."""
    failed = sum(not each.passed for each in outcomes)
    written = places.conditions(files)
    return json.dumps(
        {
            "passed": len(outcomes) - failed,
            "failed": failed,
            "tests": [_as_object(each, written) for each in outcomes],
            "coverage": condition_coverage.as_object(found, coverage, files),
            "warnings": [as_object(each) for each in unfinished(outcomes, files)],
        },
        ensure_ascii=False,
        indent=2,
    )


def _as_object(outcome: Outcome, written: Mapping[places.Part, Any]) -> dict[str, Any]:
    test = outcome.test
    return {
        "name": test.name,
        **test.location._asdict(),
        "rule": test.rule,
        "start": iso_time(test.start),
        "passed": outcome.passed,
        "expected": [_expected(test, each) for each in test.expect],
        "sent": [_sent(test, each) for each in outcome.sent],
        "failures": [
            {
                "kind": each.kind,
                **each.location._asdict(),
                "message": each.message,
                "expected": each.expected and _expected(test, each.expected),
                "sent": each.sent and _sent(test, each.sent),
                "differences": [_difference(test, difference) for difference in each.differences],
                "note": each.note,
            }
            for each in outcome.failures
        ],
        "why": [
            {
                "rule": each.rule,
                "part": each.part,
                **(_place(each, written) or test.location)._asdict(),
                "lines": [line.strip() for line in each.lines],
            }
            for each in outcome.why
        ],
        "held_back": [
            {
                **_times(test, each.at),
                "rule": each.rule,
                "channel": each.channel,
                "outcome": each.outcome,
                "reason": each.reason,
                "why": guard,
                "unwritten": each.unwritten and each.unwritten._asdict(),
            }
            for each, guard in zip(outcome.held_back, outcome.guards, strict=True)
        ],
        "left_out": [
            {
                **_times(test, each.at),
                "source": each.left_out_of,
                "event": each.event,
                "id": each.terms[0].text,
            }
            for each in outcome.left_out
        ],
    }


def _times(test: RuleTest, time: int) -> dict[str, Any]:
    """`at`: ms from the test's start, `time`: when that is."""
    return {"at": time - test.start, "time": iso_time(time)}


def _expected(test: RuleTest, expected: Expectation) -> dict[str, Any]:
    unknown: dict[str, Any] = {"at": None, "time": None}
    return {
        **expected.location._asdict(),
        **(unknown if expected.at is None else _times(test, test.start + expected.at)),
        "rule": expected.rule,
        "channel": expected.channel,
        "variant": expected.variant,
        "outcome": expected.outcome,
        "content": None if expected.content is None else dict(expected.content),
    }


def _sent(test: RuleTest, sent: Trigger) -> dict[str, Any]:
    decision = sent.decision
    return {
        **_times(test, decision.at),
        "rule": decision.rule,
        "channel": decision.channel,
        "variant": decision.variant,
        "outcome": decision.outcome,
        "content": dict(sent.content),
        "event": decision.event.name or None,
    }


def _difference(test: RuleTest, difference: Difference) -> dict[str, Any]:
    values = (difference.expected, difference.sent)
    expected, sent = (each - test.start for each in values) if difference.key == "at" else values
    return {"key": difference.key, "expected": expected, "sent": sent}


def write_junit(outcomes: Sequence[Outcome], files: RuleFiles, path: Path) -> None:
    """The outcomes as JUnit XML, as CI systems show them, warnings as what a test has printed. Raises
    StreamError where it cannot be written.
    """
    failed = sum(not each.passed for each in outcomes)
    written = places.conditions(files)
    suite = ElementTree.Element("testsuite", name="rules", tests=str(len(outcomes)), failures=str(failed))
    suite.set("time", f"{sum(each.seconds for each in outcomes):.3f}")
    for each in outcomes:
        at = each.test.location
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=one_line(each.test.name),
            classname=at.file,
            file=at.file,
            line=str(at.line),
            time=f"{each.seconds:.3f}",
        )
        if not each.passed:
            failure = ElementTree.SubElement(case, "failure", message=one_line(each.failures[0].message))
            failure.text = "\n".join(_details(each, written))
        if warnings := unfinished([each], files):
            ElementTree.SubElement(case, "system-out").text = "\n".join(map(one_line, map(str, warnings)))
    try:
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        hint = "give --junit a file in a folder that is there"
        raise StreamError(f"{path}: cannot be written: {error.strerror}", hint=hint) from error
