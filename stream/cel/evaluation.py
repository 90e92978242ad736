"""The meaning of a tree: what CEL says its value is, written down plainly.

The engine has its own (`matcher`); this one is for tools and for folding, and tests compare the two.

Bounds, so that no event makes a condition slow: an evaluation takes at most `steps` steps (`cost` says of
what), and makes no string or list larger than `strings.MAX_SIZE`. Beyond them it ends in an error.
Tested by tests/cel/test_expression.py and the published cases of tests/conformance.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stream.cel import cost, strings
from stream.cel.cost import MAX_STEPS, BudgetError
from stream.cel.functions import MIXING, OVERLOADS, apply, mixed
from stream.cel.strings import within
from stream.cel.tree import Call, Ident, Literal, Node, Select, is_closed
from stream.cel.values import (
    ABSENT,
    TYPE_NAMES,
    Lookup,
    TypeValue,
    comparable,
    equals,
    find,
    in_order,
    is_number,
)
from stream.errors import ExpressionError

_TYPE_VALUES = {name: TypeValue(name) for name in TYPE_NAMES}


def evaluate(node: Node, bindings: Mapping[str, Any], steps: int = MAX_STEPS) -> Any:
    """The value of a tree, as CEL says. Raises ExpressionError: a missing key, types that do not fit.

    `bindings` holds each variable's value, as `cel.values` has them. `&&` and `||` absorb
    errors on either side. At most `steps` are taken.
    """
    try:
        return _Evaluation(bindings, steps).value(node)
    except RecursionError:
        raise ExpressionError("a value of too many levels", offset=node.offset) from None


class _Evaluation:
    __slots__ = ("bindings", "dotted", "left", "loops", "steps")

    def __init__(self, bindings: Mapping[str, Any], steps: int) -> None:
        self.bindings = bindings
        self.steps = self.left = steps
        self.loops: list[str] = []  # the variables of the macros around
        self.dotted = any("." in name for name in bindings)  # CEL's qualified names, `a.b` as one variable

    def charge(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise BudgetError(self.steps)

    def value(self, node: Node) -> Any:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Ident):
            return self.variable(node)
        if isinstance(node, Select):
            if self.dotted and (found := self.qualified(node)) is not ABSENT:
                return found
            return self.look_up(self.value(node.operand), node.field, node.offset)
        if special := _SPECIAL.get(node.function):
            return special(self, node)
        args = [self.value(arg) for arg in node.args]
        if all(isinstance(arg, Literal) for arg in node.args):  # the engine makes it once
            return apply(node.function, args, node.offset)
        if node.function in MIXING and type(args[0]) is not type(args[1]) and not is_closed(node):
            args = mixed(args, node.offset)
        self.charge(cost.before(node.function, args))
        found = apply(node.function, args, node.offset)
        self.charge(cost.after(found))
        return found

    def variable(self, node: Ident) -> Any:
        try:
            return self.bindings[node.name]
        except KeyError:
            if node.name in _TYPE_VALUES:
                return _TYPE_VALUES[node.name]
            raise ExpressionError(f"unknown variable `{node.name}`", offset=node.offset) from None

    def qualified(self, node: Node) -> Any:
        names: list[str] = []
        while isinstance(node, Select):
            names.append(node.field)
            node = node.operand
        if not isinstance(node, Ident) or node.name in self.loops:
            return ABSENT
        return self.bindings.get(".".join([node.name, *reversed(names)]), ABSENT)

    def look_up(self, operand: Any, key: Any, offset: int) -> Any:
        if isinstance(operand, Mapping):
            if not isinstance(key, str):
                self.charge(len(operand) // 10)
            found = find(operand, key)
            if found is ABSENT:
                raise ExpressionError("no such key", offset=offset)
            return found
        if isinstance(operand, list) and is_number(key):
            if 0 <= key < len(operand) and key == int(key):
                return operand[int(key)]
            raise ExpressionError("no such index", offset=offset)
        if isinstance(operand, Lookup):
            try:
                return operand.look_up(key)
            except KeyError:
                raise ExpressionError("no such key", offset=offset) from None
        raise ExpressionError("a value that has no such fields", offset=offset)

    def matches(self, node: Call) -> bool:
        args = [self.value(arg) for arg in node.args]
        text, pattern = args
        if not isinstance(text, str) or not isinstance(pattern, str):
            return bool(apply("matches", args, node.offset))
        written = isinstance(node.args[1], Literal)
        self.charge(cost.before("matches", args) + (0 if written else cost.PATTERN_STEPS))
        try:
            found, raw = strings.pattern_of(pattern, written), text.encode()
        except ExpressionError as error:
            raise ExpressionError(error.message, offset=node.offset) from None
        except UnicodeError:
            raise ExpressionError("a text that is no Unicode", offset=node.offset) from None
        self.charge(cost.match(found.size, len(raw)))
        return found.search(raw) is not None

    # ---- what does not take the values of its arguments ----

    def logic(self, node: Call) -> bool:
        """Any operand that settles the matter does so, whatever the others are; else an error wins."""
        return self.settle(node.args, node.function == "_||_", node.function[1:3])

    def settle(self, terms: Iterable[Node], settling: bool, symbol: str) -> bool:
        failure: ExpressionError | None = None
        for term in terms:
            try:
                value = self.value(term)
            except BudgetError:
                raise
            except ExpressionError as error:
                failure = failure or error
                continue
            if not isinstance(value, bool):
                failure = failure or ExpressionError(
                    f"`{symbol}` of what is not a boolean", offset=term.offset
                )
            elif value is settling:
                return settling
        if failure:
            raise failure
        return not settling

    def ternary(self, node: Call) -> Any:
        condition, then, other = node.args
        return self.value(then if self.boolean(condition, "? :") else other)

    def boolean(self, node: Node, symbol: str) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise ExpressionError(f"`{symbol}` of what is not a boolean", offset=node.offset)
        return value

    def index(self, node: Call) -> Any:
        operand, key = node.args
        return self.look_up(self.value(operand), self.value(key), node.offset)

    def equality(self, node: Call) -> bool:
        left, right = node.args
        return equals(self.value(left), self.value(right), self.charge) is (node.function == "_==_")

    def order(self, node: Call) -> bool:
        left, right = (self.value(arg) for arg in node.args)
        relation = node.function[1:-1]
        if not comparable(left, right):
            raise ExpressionError(f"`{relation}` of values of different types", offset=node.offset)
        self.charge(cost.comparison(left, right))
        return in_order(left, right, _RELATIONS[relation])

    def contained(self, node: Call) -> bool:
        item, items = (self.value(arg) for arg in node.args)
        if cost.is_listed(node.args[1]):
            return any(equals(item, each) for each in items)
        if isinstance(items, list):
            self.charge(len(items))
            return any(equals(item, each, self.charge) for each in items)
        if isinstance(items, Mapping):
            self.charge(0 if isinstance(item, str) else len(items) // 10)
            return find(items, item) is not ABSENT
        raise ExpressionError("`in` what is neither a list nor a map", offset=node.offset)

    def list_of(self, node: Call) -> list[Any]:
        return [self.value(arg) for arg in node.args]

    def map_of(self, node: Call) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in zip(node.args[::2], node.args[1::2], strict=True):
            key, value = self.value(key_node), self.value(value_node)
            if not isinstance(key, str | bool | int):
                raise ExpressionError(
                    "a key of a map must be a string, a boolean or an integer", offset=key_node.offset
                )
            if key in found:
                raise ExpressionError("a key of a map twice", offset=key_node.offset)
            found[key] = value
        return found

    def has(self, node: Call) -> bool:
        select = node.args[0]
        if not isinstance(select, Select):
            raise ExpressionError("`has` needs a field", offset=node.offset)
        if self.dotted and self.qualified(select) is not ABSENT:
            return True
        operand = self.value(select.operand)
        if isinstance(operand, Lookup):
            try:
                operand.look_up(select.field)
            except KeyError:
                return False
            return True
        if not isinstance(operand, Mapping):
            raise ExpressionError("`has` of what is not a map", offset=select.offset)
        return find(operand, select.field) is not ABSENT

    def loop(self, node: Call) -> Any:
        items_node, variable, *steps = node.args
        items = self.value(items_node)
        if not isinstance(items, list | Mapping) or not isinstance(variable, Ident):
            raise ExpressionError(
                f"`{node.function}` of what is neither a list nor a map", offset=node.offset
            )
        outer, inner = self.bindings, {**self.bindings}
        round_ = cost.weight(tuple(steps))
        self.bindings = inner
        self.loops.append(variable.name)

        def each(values: Iterable[Any]) -> Iterable[Any]:
            for value in values:
                self.charge(round_)
                inner[variable.name] = value
                yield value

        try:
            return _LOOPS[node.function](self, each(items), steps)
        finally:
            self.bindings = outer
            self.loops.pop()

    def all_or_any(self, items: Iterable[Any], steps: list[Node], settling: bool) -> bool:
        return self.settle((steps[0] for _ in items), settling, "all" if not settling else "exists")

    def exists_one(self, items: Iterable[Any], steps: list[Node]) -> bool:
        return sum([self.boolean(steps[0], "exists_one") for _ in items]) == 1

    def filter(self, items: Iterable[Any], steps: list[Node]) -> list[Any]:
        return [item for item in items if self.boolean(steps[0], "filter")]

    def map(self, items: Iterable[Any], steps: list[Node]) -> list[Any]:
        chosen = (item for item in items if len(steps) == 1 or self.boolean(steps[0], "map"))
        found = [self.value(steps[-1]) for _ in chosen]
        within(len(found))
        return found


_RELATIONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_LOOPS: dict[str, Callable[[_Evaluation, Iterable[Any], list[Node]], Any]] = {
    "all": lambda self, items, steps: self.all_or_any(items, steps, settling=False),
    "exists": lambda self, items, steps: self.all_or_any(items, steps, settling=True),
    "exists_one": _Evaluation.exists_one,
    "filter": _Evaluation.filter,
    "map": _Evaluation.map,
}
_SPECIAL: dict[str, Callable[[_Evaluation, Call], Any]] = {
    **dict.fromkeys(("_&&_", "_||_"), _Evaluation.logic),
    **dict.fromkeys(("_==_", "_!=_"), _Evaluation.equality),
    **{f"_{relation}_": _Evaluation.order for relation in _RELATIONS},
    **dict.fromkeys(_LOOPS, _Evaluation.loop),
    "_?_:_": _Evaluation.ternary,
    "_[_]": _Evaluation.index,
    "@in": _Evaluation.contained,
    "[]": _Evaluation.list_of,
    "{}": _Evaluation.map_of,
    "has": _Evaluation.has,
    "matches": _Evaluation.matches,
}
FUNCTIONS = frozenset((*_SPECIAL, *OVERLOADS))  # the names of all operators, functions and macros
