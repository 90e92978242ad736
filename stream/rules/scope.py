"""What a condition may name, and whether its types can fit: checked when the rules are loaded.

An event's fields can be anything (`dyn`). A variable, a literal and most traits have a type, and so has what
a function gives; two types that can never be compared, or that no function takes, are an error, because at
run time the condition would simply never hold. Where there is a tracking plan, fields have types, too
(`shapes`).

A `Scope` says what is visible where: `where` sees the event, and in a rule the events of earlier steps by
their names; segments and `suppress` see the customer; `if` and texts see all of it.
Tested by tests/rules/test_scope.py and tests/rules/test_compiler.py.
Longer than 600 lines, because one checker walks all kinds of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeGuard

from stream.cel import slips, strings, times
from stream.cel.cost import BudgetError
from stream.cel.functions import MIXING, OF_LISTS, OVERLOADS, SIGNATURES
from stream.cel.simplification import FOLD_STEPS
from stream.cel.tree import MACROS, is_closed
from stream.cel.values import TYPE_NAMES
from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Node, Select, evaluate, unparse
from stream.hints import did_you_mean
from stream.rules.shapes import ANYTHING, CEL_TYPES, Shape, alike, not_among
from stream.rules.trait_shapes import Traits, TraitShape, beyond, named_by
from stream.rules.value_types import (
    ARITHMETIC,
    IN_QUOTES,
    IN_WORDS,
    NUMBERS,
    OF_TEXTS,
    PARTS,
    RESULTS,
    TIME,
    UNORDERED,
    Type,
    as_time,
    fits,
    may_equal,
    meant_by,
    no_date,
    of_several,
    symbol_of,
    type_of_arithmetic,
    type_of_literal,
)

_EVENT: Mapping[str, Type] = {"event": "map", "event_name": "string", "event_time": TIME}
_CUSTOMER: Mapping[str, Type] = {"customer": "map", "now": TIME}
_NAMESPACES = ("traits", "segments", "context")
_VARIABLES = (*_EVENT, *_CUSTOMER, *_NAMESPACES)
# What no step may be called.
RESERVED = frozenset({*_VARIABLES, "rule", *TYPE_NAMES, *MACROS, "has"})


Shapes = Mapping[str, Shape]
_NO_SHAPES: Shapes = {}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition sees: variables with their types, traits, segments and sources of context (None: not
    visible).

    `what` says in a message what it is, and what it sees. `shapes`: what a tracking plan says of variables.
    """

    types: Mapping[str, Type]
    traits: Traits | None = None
    segments: Collection[str] | None = None
    what: str = ""
    hint: str | None = None
    contexts: Collection[str] | None = None
    shapes: Shapes = field(default_factory=dict)

    @property
    def variables(self) -> list[str]:
        seen = (self.traits, self.segments, self.contexts)
        return [
            *self.types,
            *(name for name, known in zip(_NAMESPACES, seen, strict=True) if known is not None),
        ]

    @property
    def counts(self) -> list[str]:
        """The traits whose values are counts."""
        return [
            name for name, shape in (self.traits or {}).items() if shape.aggregate and shape.type == "int"
        ]

    @property
    def tops(self) -> dict[str, int]:
        """The traits whose values are lists, and how many items these have at most."""
        return {name: shape.most for name, shape in (self.traits or {}).items() if shape.most is not None}

    def has_parts(self, trait: str) -> bool:
        """Whether a trait without `per` is itself a list or an object: then a key is one of that."""
        shape = (self.traits or {}).get(trait)
        return (
            shape is not None
            and shape.per is False
            and shape.aggregate is not None
            and shape.aggregate.has_parts
        )


def event_scope(steps: Iterable[str] = (), shapes: Shapes = _NO_SHAPES) -> Scope:
    """What a `where` sees: the event, and those of `steps`."""
    types = {**_EVENT, **dict.fromkeys(steps, "map")}
    what, hint = "`where` sees the event only", "move this to the rule's `if`"
    return Scope(types, what=what, hint=hint, shapes=shapes)


def value_scope(shapes: Shapes = _NO_SHAPES) -> Scope:
    """What the `value` of a trait sees: the event."""
    return Scope(_EVENT, what="the `value` of a trait sees the event only", shapes=shapes)


def customer_scope(
    traits: Traits, segments: Collection[str], contexts: Collection[str] = (), shapes: Shapes = _NO_SHAPES
) -> Scope:
    """What segments and `suppress` see."""
    what = "a segment, like `suppress`, sees the customer, not an event"
    return Scope(_CUSTOMER, traits, segments, what, contexts=contexts, shapes=shapes)


def rule_scope(
    traits: Traits,
    segments: Collection[str],
    steps: Iterable[str] = (),
    contexts: Collection[str] = (),
    shapes: Shapes = _NO_SHAPES,
) -> Scope:
    """What `if` and texts see: everything."""
    types = {**_EVENT, **_CUSTOMER, **dict.fromkeys(steps, "map")}
    return Scope(types, traits, segments, contexts=contexts, shapes=shapes)


def clock_scope(
    traits: Traits, segments: Collection[str], contexts: Collection[str] = (), shapes: Shapes = _NO_SHAPES
) -> Scope:
    """What `if` and texts see of a rule that a clock starts."""
    what = "a clock starts the rule, so there is no event"
    hint = "ask it of the customer, by `customer` or `traits`"
    return Scope(_CUSTOMER, traits, segments, what, hint, contexts, shapes)


def check(node: Node, scope: Scope) -> list[ExpressionError]:
    """Everything that is wrong with a condition, each with its offset; warnings have their code."""
    checker = _Checker(scope)
    checker.boolean(node, "a condition")
    return checker.errors


def type_in(node: Node, scope: Scope) -> tuple[Type, list[ExpressionError]]:
    """What an expression gives, and everything that is wrong with it."""
    checker = _Checker(scope)
    return checker.type(node), checker.errors


def shape_of(node: Node, scope: Scope) -> Shape:
    """What is known of a variable, or of what lies in one."""
    return _Looking(scope).shape(node)


def unknown_variable(name: str, scope: Scope, offset: int) -> ExpressionError:
    """The error about a variable that is not there: not here, or not at all."""
    if name in _VARIABLES and scope.what:
        hint = "use `event_time`" if name == "now" else scope.hint
        message = f"`{name}` is not visible here: {scope.what}"
        return ExpressionError(message, offset=offset, hint=hint, code=Code.UNKNOWN_VARIABLE)
    names = ", ".join(scope.variables)
    spaces = (("traits", scope.traits), ("segments", scope.segments))
    named = next((f"write `{space}.{name}`." for space, known in spaces if known and name in known), None)
    plain = named or next((f"write `{each}`." for each in scope.variables if each == name.casefold()), None)
    meant = plain or slips.of_variable(name) or did_you_mean(name, scope.variables)
    field = f"; a field is `event.{name}`" if "event" in scope.types else ""
    field += f"; a text is `'{name}'`"
    hint = f"there are: {names}{field}"
    if meant is not None:
        hint = f"{meant if meant[-1] in '?.' else meant + '.'} There are: {names}"
    return ExpressionError(f"unknown variable `{name}`", offset=offset, hint=hint, code=Code.UNKNOWN_VARIABLE)


def unknown_trait(name: str, traits: Collection[str], offset: int) -> ExpressionError:
    meant = did_you_mean(name, traits) or f"an attribute is `customer.{name}`"
    return ExpressionError(f"unknown trait `{name}`", offset=offset, hint=meant, code=Code.UNKNOWN_TRAIT)


def unknown_part(name: str, function: str, parts: Collection[str], offset: int) -> ExpressionError:
    hint = did_you_mean(name, parts) or f"there are: {', '.join(parts)}"
    return ExpressionError(f"a `{function}` has no `{name}`", offset=offset, hint=hint)


def unknown_field(name: str, trait: str, fields: Collection[str], offset: int) -> ExpressionError:
    hint = did_you_mean(name, fields) or f"there are: {', '.join(fields)}"
    return ExpressionError(f"an element of the list `{trait}` has no `{name}`", offset=offset, hint=hint)


def unknown_segment(name: str, segments: Collection[str], offset: int) -> ExpressionError:
    meant = did_you_mean(name, segments)
    return ExpressionError(f"unknown segment `{name}`", offset=offset, hint=meant, code=Code.UNKNOWN_SEGMENT)


def unknown_context(name: str, contexts: Collection[str], offset: int) -> ExpressionError:
    there_are = f"there are: {', '.join(contexts)}" if contexts else "no source has `kind: context`"
    meant = did_you_mean(name, contexts) or there_are
    message = f"unknown source of context `{name}`"
    return ExpressionError(message, offset=offset, hint=meant, code=Code.UNKNOWN_CONTEXT)


class _Looking:
    """What is known of the values in a condition: of variables, of what macros around give, of traits."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.loops: dict[str, Shape] = {}  # the variables of the macros around

    def shape(self, node: Node) -> Shape:
        """Of a variable, of what lies in one, or of the field in which an event has its name."""
        return self.scope.shapes.get(unparse(node)) or self._shape(node)

    def _shape(self, node: Node) -> Shape:
        if trait := self._of_trait(node):
            return trait.shape
        if isinstance(node, Ident):
            return self.loops.get(node.name) or self.scope.shapes.get(node.name, ANYTHING)
        if isinstance(node, Select):
            return self._shape(node.operand).at((node.field,))
        match node:
            case Call("_[_]", (operand, Literal(str(key)))):
                return self._shape(operand).at((key,))
            case Call("_[_]", (operand, _)) | Call("filter", (operand, _, _)):
                around = self._shape(operand)
                return around if node.function == "filter" else around.items or ANYTHING
            case Call("map", (operand, Ident(name), *_)):
                with self._through(name, operand):
                    return Shape("list", items=self._shape(node.args[-1]))
        return ANYTHING

    @contextmanager
    def _through(self, name: str, items: Node) -> Iterator[None]:
        """Within a macro that calls each of these items so."""
        around = self.loops
        self.loops = {**around, name: self._shape(items).items or ANYTHING}
        try:
            yield
        finally:
            self.loops = around

    def _of_trait(self, node: Node) -> TraitShape | None:
        return None if "traits" in self.loops else named_by(node, self.scope.traits or {})

    def _is(self, node: Node, namespace: str) -> TypeGuard[Ident]:
        return isinstance(node, Ident) and node.name == namespace and namespace not in self.loops


class _Checker(_Looking):
    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.errors: list[ExpressionError] = []

    def error(self, message: str, node: Node, hint: str | None = None) -> Type:
        self.errors.append(ExpressionError(message, offset=node.offset, hint=hint))
        return "dyn"  # says nothing more about it

    def type(self, node: Node) -> Type:
        if isinstance(node, Literal):
            return type_of_literal(node)
        if isinstance(node, Ident):
            return self._variable(node)
        if isinstance(node, Select):
            return self._select(node)
        return self._call(node)

    def _call(self, node: Call) -> Type:
        function, args = node.function, node.args
        if function in MACROS:
            return self._macro(node)
        if special := _SPECIAL.get(function):
            return special(self, node)
        if function in ("_&&_", "_||_", "!_"):
            for arg in args:
                self.boolean(arg, f"an operand of `{symbol_of(function)}`")
            return "bool"
        if function in ("[]", "{}"):
            for arg in args:
                self.type(arg)
            return "list" if function == "[]" else "map"
        if function in _COMPARISONS:
            self._comparison(node)
            return "bool"
        return self._function(node)

    def _has(self, node: Call) -> Type:
        select = node.args[0]
        if isinstance(select, Select) and self._is(select.operand, "traits"):
            self._trait(select, select.operand, indexed=None)
        else:
            self.type(select)
        return "bool"

    def _ternary(self, node: Call) -> Type:
        self.boolean(node.args[0], "what stands before `?`")
        then, other = (self.type(arg) for arg in node.args[1:])
        return then if then == other else "dyn"

    def _macro(self, node: Call) -> Type:
        items, variable, *steps = node.args
        kind = self.type(items)
        if kind not in ("dyn", "list", "map"):
            self.error(f"`{node.function}` needs a list, this is {IN_WORDS[kind]}", node)
        with self._through(variable.name if isinstance(variable, Ident) else "", items):
            for step in steps[:-1] if node.function == "map" else steps:
                self.boolean(step, f"what `{node.function}` asks")
            if node.function == "map":
                self.type(steps[-1])
        return "list" if node.function in ("map", "filter") else "bool"

    def _in(self, node: Call) -> Type:
        item, items = node.args
        kinds = self.type(item), self.type(items)
        listed = items.args if isinstance(items, Call) and items.function == "[]" else ()
        if kinds[1] not in ("dyn", "list", "map"):
            hint = "write `event.x in ['a', 'b']`; a text is asked with event.x.contains('…')"
            self.error(f"`in` needs a list, this is {IN_WORDS[kinds[1]]}", node, hint)
        elif (of := self._shape(items).items) and not may_equal(kinds[0], CEL_TYPES[of.type]):
            found = IN_WORDS[CEL_TYPES[of.type]]
            part = next(iter(of.fields or ("sku",)))
            hint = f"write {unparse(items)}.exists(item, item.{part} == {unparse(item)})"
            message = f"`in` looks for {IN_WORDS[kinds[0]]} in a list of which each item is {found}"
            self.error(message, node, hint if of.type == "object" else None)
        elif listed and not any(may_equal(kinds[0], self._quietly(each)) for each in listed):
            looked_for = meant_by({kinds[0], *map(self._quietly, listed)}, (item, *listed))
            self.error(f"`in` looks for {IN_WORDS[kinds[0]]} in a list that has none", node, looked_for)
        else:
            self.errors += (error for each in listed for error in self._not_among(item, each))
        return "bool"

    def _quietly(self, node: Node) -> Type:
        """A type whose errors have been said."""
        said = len(self.errors)
        kind = self.type(node)
        del self.errors[said:]
        return kind

    def _function(self, node: Call) -> Type:
        name, said = node.function, len(self.errors)
        kinds = tuple(self.type(arg) for arg in node.args)
        if name not in OVERLOADS:
            hint = slips.of_call(name) or did_you_mean(name, (*SIGNATURES, *MACROS, "has"))
            return self.error(f"unknown function `{name}`", node, hint)
        if name in SIGNATURES:
            least, most, member = SIGNATURES[name]
            if member is not None and member is not node.member:
                return self.error(
                    f"`{name}` in the wrong place", node, f"write `{'x.' if member else ''}{name}(…)`"
                )
            if not least <= len(kinds) <= most:
                few = "few" if len(kinds) < least else "many"
                listed = of_several(name, node.args) if name in OF_LISTS else None
                return self.error(f"`{name}` has too {few} arguments", node, listed)
        mixes = name in MIXING and not is_closed(node)
        if mixes and set(kinds) == {"int", "double"}:
            kinds = ("double", "double")
        seen = tuple(map(self._seen, node.args, kinds))
        if not any(fits(seen, each) for each in OVERLOADS[name]):
            words = " and ".join(dict.fromkeys(IN_WORDS.get(kind, "anything") for kind in seen))
            hint = as_time(name, node.args, seen)
            if hint is None and name in ARITHMETIC and "string" in kinds:
                hint = OF_TEXTS
            if name in OF_LISTS:
                hint = f"write e.g. {name}(event.items.map(i, i.price)); what events say over time is a trait"
            if set(kinds) == {"int", "double"}:
                hint = "convert one with `double(…)` or `int(…)`, or write e.g. 1.0"
            return self.error(f"`{symbol_of(name)}` does not fit {words}", node, hint)
        if said == len(self.errors):
            self._made(node)
        if name in RESULTS:
            return RESULTS[name]
        return type_of_arithmetic(name, kinds)

    def _seen(self, node: Node, kind: Type) -> Type:
        """The type of a node, or that it is a field."""
        root = node
        while isinstance(root, Select) or (isinstance(root, Call) and root.function == "_[_]"):
            root = root.operand if isinstance(root, Select) else root.args[0]
        if kind != "dyn" or root is node or not isinstance(root, Ident) or root.name in self.loops:
            return kind
        return "field"

    def _made(self, node: Call) -> None:
        """A call of literals, made now: its error is one at every event. So is that of a literal alone."""
        try:
            if is_closed(node):
                evaluate(node, {}, FOLD_STEPS)
            elif probe := _PROBES.get(node.function):
                probe(node.args)
        except BudgetError:  # nothing is known of it
            pass
        except ExpressionError as error:
            self.error(error.message, node, error.hint)

    def _not_among(self, node: Node, literal: Node) -> Iterator[ExpressionError]:
        """That something is compared with what it cannot be, by the values that are known of it."""
        if not isinstance(literal, Literal) or isinstance(node, Literal):
            return
        shape = self.shape(node)
        if other := alike(unparse(node), literal.value, shape):
            yield ExpressionError(other[0], offset=literal.offset, hint=other[1])
        if not shape.values or literal.value in shape.values:
            return
        message, hint = not_among(literal.value, shape.values)
        code = Code.VALUE_NOT_IN_PLAN
        if shape is self.scope.shapes.get("event_name"):  # it can only be what is waited for
            message, code = f"no event here is called `{literal.value!s}`", Code.SETTLED_CONDITION
        yield ExpressionError(message, offset=literal.offset, hint=hint, code=code)

    def boolean(self, node: Node, what: str) -> None:
        kind = self.type(node)
        if kind not in ("bool", "dyn"):
            self.error(
                f"{what} must be true or false, this is {IN_WORDS[kind]}", node, "compare it, e.g. with `==`"
            )

    def _variable(self, node: Ident) -> Type:
        if node.name in self.loops:
            return CEL_TYPES[self.loops[node.name].type]
        if node.name in _NAMESPACES:
            if self._sees(node):
                self.error(f"`{node.name}` alone is no value", node, f"write `{node.name}.NAME`")
            return "dyn"
        types = self.scope.types
        if node.name not in types and node.name in TYPE_NAMES:
            return "type"
        if node.name not in types:
            self.errors.append(unknown_variable(node.name, self.scope, node.offset))
            return "dyn"
        return types[node.name]

    def _sees(self, namespace: Ident) -> bool:
        visible = namespace.name in self.scope.variables
        if not visible:
            self.errors.append(unknown_variable(namespace.name, self.scope, namespace.offset))
        return visible

    def _select(self, node: Select) -> Type:
        if self._is(node.operand, "traits"):
            return self._trait(node, node.operand, indexed=False)
        if self._is(node.operand, "segments"):
            return self._segment(node, node.operand)
        if self._is(node.operand, "context"):
            return self._context(node, node.operand)
        operand = node.operand
        if isinstance(operand, Select) and self._is(operand.operand, "traits") and self._has_keys(operand):
            return self._keyed(operand, operand.operand, node, "string")  # `traits.views.shoes`
        kind = self.type(operand)
        if kind in PARTS:
            return self._part(node, kind, node.field)
        if kind not in ("dyn", "map"):
            hint = slips.of_part(unparse(operand), node.field, IN_WORDS[kind].removeprefix("a "))
            return self.error(f"{IN_WORDS[kind]} has no field `{node.field}`", node, hint)
        around = self._shape(operand)
        if around.fields is not None and node.field not in around.fields:
            of = [name for name, trait in (self.scope.traits or {}).items() if trait.element is around]
            if of:  # what is said of others is held against them elsewhere
                self.errors.append(unknown_field(node.field, of[0], around.fields, node.offset))
        return CEL_TYPES[self._shape(node).type]

    def _has_keys(self, trait: Select) -> bool:
        shape = (self.scope.traits or {}).get(trait.field)
        return shape is not None and bool(shape.per)

    def _part(self, node: Node, kind: Type, name: str) -> Type:
        if name in PARTS[kind]:
            return PARTS[kind][name]
        self.errors.append(unknown_part(name, kind, PARTS[kind], node.offset))
        return "dyn"

    def _segment(self, node: Select, root: Ident) -> Type:
        if self._sees(root) and self.scope.segments is not None and node.field not in self.scope.segments:
            self.errors.append(unknown_segment(node.field, self.scope.segments, node.offset))
        return "bool"

    def _context(self, node: Select, root: Ident) -> Type:
        if not self._sees(root) or self.scope.contexts is None:
            return "dyn"
        if node.field not in self.scope.contexts:
            self.errors.append(unknown_context(node.field, self.scope.contexts, node.offset))
            return "dyn"
        return "map"

    def _trait(self, node: Select, root: Ident, *, indexed: bool | None) -> Type:
        """`indexed`: None where either form is allowed."""
        if not self._sees(root) or self.scope.traits is None:
            return "dyn"
        shape = self.scope.traits.get(node.field)
        if shape is None:
            self.errors.append(unknown_trait(node.field, self.scope.traits, node.offset))
            return "dyn"
        if shape.per and indexed is False:
            hint = f"write `traits.{node.field}[event.FIELD]`"
            return self.error(
                f"the trait `{node.field}` has `per`: it has one value for each key", node, hint
            )
        if shape.per is False and indexed:
            hint = f"write `traits.{node.field}`"
            return self.error(f"the trait `{node.field}` has no `per`: it has one value only", node, hint)
        return shape.type

    def _keyed(self, trait: Select, root: Ident, key: Node, kind: Type) -> Type:
        """The value of a trait at a key."""
        found = self._trait(trait, root, indexed=True)
        known = (self.scope.traits or {}).get(trait.field, TraitShape()).key
        if known.type not in ("list", "object") and not may_equal(CEL_TYPES[known.type], kind):
            keys, this = IN_WORDS[CEL_TYPES[known.type]], IN_WORDS[kind]
            message = f"each key of the trait `{trait.field}` is {keys}, this is {this}"
            return self.error(message, key, IN_QUOTES if "string" in (kind, CEL_TYPES[known.type]) else None)
        return found

    def _index(self, node: Call) -> Type:
        operand, key = node.args
        key_type = self.type(key)
        if isinstance(key, Literal) and isinstance(key.value, int) and key.value < 0:
            items = unparse(operand)
            hint = f"write {items}[size({items}) - {-key.value}]"
            return self.error("the items of a list are counted from 0", key, hint)
        if key_type not in ("dyn", "string", "bool", *NUMBERS):
            self.error(f"{IN_WORDS[key_type]} cannot be a key", key)
        if (
            isinstance(operand, Select)
            and self._is(operand.operand, "traits")
            and not self.scope.has_parts(operand.field)
        ):
            return self._keyed(operand, operand.operand, key, key_type)
        kind = self.type(operand)
        index = key.value if isinstance(key, Literal) else None
        if error := beyond(self._of_trait(operand), index, key.offset, Code.SETTLED_CONDITION):
            self.errors.append(error)
        if kind in PARTS and isinstance(key, Literal) and isinstance(key.value, str):
            return self._part(key, kind, key.value)
        if kind not in ("dyn", "map", "list", *PARTS):
            return self.error(f"{IN_WORDS[kind]} has no keys", operand)
        if kind == "list" and isinstance(key, Literal) and isinstance(key.value, str):
            meant = slips.of_part(unparse(operand), key.value, "list")
            return self.error(f"a list has no field `{key.value}`", key, meant)
        return CEL_TYPES[self._shape(node).type]

    def _comparison(self, node: Call) -> None:
        left, right = (self.type(arg) for arg in node.args)
        self.errors += (error for operand in node.args for error in no_date(operand))
        symbol = symbol_of(node.function)
        if "null_type" in (left, right) and any(self._shape(each) is not ANYTHING for each in node.args):
            return  # whatever its type, a field can be null
        left, right = map(self._seen, node.args, (left, right))
        if not may_equal(left, right):
            hint = as_time(symbol, node.args, (left, right)) or meant_by({left, right}, node.args)
            if isinstance(one := node.args[0], Call) and one.function in _COMPARISONS:
                hint = f"write `{unparse(one)} && {unparse(one.args[1])} {symbol} {unparse(node.args[1])}`"
            self.error(f"`{symbol}` compares {IN_WORDS[left]} with {IN_WORDS[right]}", node, hint)
        elif symbol not in ("==", "!=") and (unordered := {left, right} & UNORDERED):
            self.error(f"`{symbol}` cannot compare {IN_WORDS[unordered.pop()]}", node)
        elif symbol in ("==", "!="):
            one, other = node.args
            self.errors += self._not_among(one, other)
            self.errors += self._not_among(other, one)


_SPECIAL: Mapping[str, Callable[[_Checker, Call], Type]] = {
    "_[_]": _Checker._index,
    "@in": _Checker._in,
    "has": _Checker._has,
    "_?_:_": _Checker._ternary,
}


def _probe_pattern(args: Sequence[Node]) -> None:
    if isinstance(args[1], Literal) and isinstance(args[1].value, str):
        strings.pattern_of(args[1].value, written=True)


def _probe_zone(args: Sequence[Node]) -> None:
    if isinstance(args[-1], Literal) and isinstance(args[-1].value, str):
        times.zone(args[-1].value)


# What a literal among the arguments has to be, whatever the others are. Raise ExpressionError.
_PROBES: Mapping[str, Callable[[Sequence[Node]], None]] = {
    "matches": _probe_pattern,
    **dict.fromkeys(times.ACCESSORS, _probe_zone),
}
_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"))
