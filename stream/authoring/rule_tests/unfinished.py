"""Tests that end while something waits: that nothing was sent says nothing then.

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
    """A warning for each rule that waits at the end of a test that expects silence and says no `until`."""
    allowances = Allowances(files)
    found = (finding for each in outcomes for finding in _unfinished(each))
    return [each for each in found if not allowances.allows(each.code, each.location)]


def _unfinished(outcome: Outcome) -> Iterator[Diagnostic]:
    test = outcome.test
    if not outcome.passed or test.expect or test.until is not None:
        return
    for rule, due, put_off in sorted(outcome.waiting):
        waits = f"quiet hours have put off a message of `{rule}`" if put_off else f"`{rule}` still waits"
        message = f"{waits} until {test.shown(due)}, when the test is over: it does not show silence"
        hint = f"add `until: {test.shown(due + _MINUTE)}`"
        yield Diagnostic(Code.ENDS_WHILE_WAITING, test.expect_location, message, hint)
