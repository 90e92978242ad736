"""What conditions may cost for one event, in steps: the same for the plain evaluator and the compiled nodes.

A condition by itself is short (`grammar.MAX_LENGTH`), so only what grows with the event is charged:

    a round of a macro      its body: a step for each node written there, TRAIT_STEPS for a trait
    a function of texts     a step for each hundred characters that it reads or makes, more where it is dearer
    `in`                    a step for each item of a list
    an equality             three for each item of a list or map, one for each hundred characters of a text
    `matches`               program × bytes / MATCH_PER_STEP, before RE2 begins: it cannot be interrupted

A step is 0.02 to 1 us. It is counted and not timed, so that a verdict is the same in every run. `MAX_STEPS`
is for all conditions that one event (or one timer) has judged. What does not fit into what is left is
refused: a `BudgetError`, which nothing absorbs. A condition that is charged nothing is judged whatever others
took. Tested by tests/matcher/test_cost.py and tests/attacks/test_conditions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from stream.cel.times import ACCESSORS
from stream.cel.tree import Call, Ident, Literal, Node, Select
from stream.errors import ExpressionError

MAX_STEPS = 100_000  # of all conditions of one event
CHARACTERS = 100  # that are read, or made, in a step
ITEMS = 10  # of a list that are made in a step
TRAIT_STEPS = 50  # a key is looked for among a thousand; what looks at all values is made once an event
ZONE_STEPS = 100  # for a time zone that is not written in the rule: a file may have to be read
MATCH_PER_STEP = 50  # instructions of RE2's program, times bytes of the text: 1 to 10 ns for each
PATTERN_STEPS = 5_000  # for a pattern that is not written in the rule: it may have to be compiled

# How much dearer than reading a text is what a function does with it; 0: the size does not matter.
_FACTORS = {
    **dict.fromkeys(("!_", "-_", "_-_", "_*_", "_/_", "_%_", "dyn", "type", "size"), 0),
    **dict.fromkeys(("join", "sum", "min", "max", "avg"), 25),
    "split": 5,
    "replace": 5,
    "strings.quote": 25,
    "timestamp": 200,
    "duration": 400,
}
_SIZED = (str, bytes, list)
_SIMPLE = (type(None), bool, int, float, str)
_FAR = 1000  # characters that are compared in a step by the search from the end, which is not linear


class BudgetError(ExpressionError):
    """A condition would take more steps than are left. Nothing absorbs it, or it would bound nothing."""

    def __init__(self, steps: int) -> None:
        super().__init__(f"conditions that take more than {steps} steps for one event")


@lru_cache(maxsize=4096)
def weight(steps: Sequence[Node]) -> int:
    """What a round of a macro is charged for its body, `steps`: rounds of macros in there come on top."""
    return 1 + sum(map(_weight, steps))


def _weight(node: Node) -> int:
    if isinstance(node, Ident):
        return TRAIT_STEPS if node.name == "traits" else 1
    if isinstance(node, Select):
        return 1 + _weight(node.operand)
    if isinstance(node, Literal) or is_listed(node):
        return 1
    args = node.args[:1] if is_macro(node) else node.args
    steps = 1 + sum(map(_weight, args))
    if node.function in ACCESSORS and not isinstance(args[-1], Literal) and len(args) > 1:
        steps += ZONE_STEPS
    return steps


def is_macro(node: Call) -> bool:
    return node.member and node.function in ("all", "exists", "exists_one", "filter", "map")


def is_listed(node: Node) -> bool:
    """Whether it is a list of literals, in which the engine finds a value by its hash."""
    if not isinstance(node, Call) or node.function != "[]":
        return False
    return all(isinstance(each, Literal) and type(each.value) in _SIMPLE for each in node.args)


def before(function: str, args: Sequence[Any]) -> int:
    """What a function of these values is charged before it is called."""
    factor = _FACTORS.get(function, 1)
    steps = 0
    if factor:
        for each in args:
            if type(each) in _SIZED:
                steps += len(each)
        steps = steps * factor // CHARACTERS
        if function == "lastIndexOf" and type(args[0]) is type(args[1]) is str:
            steps += len(args[0]) * len(args[1]) // _FAR
    return steps


def after(found: Any) -> int:
    """What it is charged for the value that it has made."""
    if type(found) is list:
        return len(found) // ITEMS
    return len(found) // CHARACTERS if type(found) is str or type(found) is bytes else 0


def comparison(left: Any, right: Any) -> int:
    """What is charged for two texts, before they are compared."""
    if type(left) is type(right) and type(left) in (str, bytes):
        return min(len(left), len(right)) // CHARACTERS
    return 0


def match(program: int, size: int) -> int:
    """What is charged for a search in `size` bytes, before it begins."""
    return program * size // MATCH_PER_STEP
