"""Tests that end while something waits: that nothing, or no more, was sent says nothing then.

Only who plays a test knows what waits when it ends. So these warnings come with the tests, and not with a
check; they are allowed as others are. Tested by tests/authoring/rule_tests/test_unfinished.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stream.authoring.rule_tests.run import Outcome
from stream.diagnostics import Code, Diagnostic
from stream.rules.compiler.allowances import Allowances
from stream.rules.files import RuleFiles

_MINUTE = 60_000


def unfinished(outcomes: Iterable[Outcome], files: RuleFiles) -> list[Diagnostic]:
    """A warning for each rule that waits at the end of a test that says no `until`, and that expects silence
    or is about this rule.
    """
    allowances = Allowances(files)
    found = (finding for each in outcomes for finding in _unfinished(each))
    return [each for each in found if not allowances.allows(each.code, each.location)]


def _unfinished(outcome: Outcome) -> Iterator[Diagnostic]:
    test = outcome.test
    if not outcome.passed or test.until is not None:
        return
    expected = {test.rule, *(each.rule for each in test.expect)}
    shows = "that no more is sent" if test.expect else "silence"
    for rule, due, put_off in sorted(outcome.waiting):
        if test.expect and rule not in expected:
            continue
        waits = f"quiet hours have put off a message of `{rule}`" if put_off else f"`{rule}` still waits"
        message = f"{waits} until {test.shown(due)}, when the test is over: it does not show {shows}"
        hint = f"add `until: {test.shown(due + _MINUTE)}`"
        yield Diagnostic(Code.ENDS_WHILE_WAITING, test.expect_location, message, hint)
