"""What a condition must know of a trait: its function, whether it has keys, and what its values and keys are.

Tested by tests/rules/test_scope.py and tests/rules/test_trait_shapes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Node, Select
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, DEFAULT_MOST, MAX_K, MAX_MOST, Aggregate
from stream.rules.model import Trait
from stream.rules.shapes import ANYTHING, CEL_TYPES, Shape


@dataclass(frozen=True, slots=True)
class TraitShape:
    """Of a trait; None where the definition has an error. `k`, and of a `list` `length`: how many values it
    gives at most. `element`: of a list.

    `field` and `key`: what the tracking plan, or the tests, say of its `field` and of its `per`.
    """

    function: str | None = None
    per: bool | None = None
    k: int = DEFAULT_K
    field: Shape = ANYTHING
    key: Shape = ANYTHING
    length: int = DEFAULT_MOST
    element: Shape = ANYTHING

    @property
    def aggregate(self) -> Aggregate | None:
        return None if self.function is None else AGGREGATES[self.function]

    @property
    def shape(self) -> Shape:
        """Of its value, or of each of its values, where that is one of its field's."""
        if self.aggregate is None or self.field.type in ("list", "object"):  # of which it takes nothing
            return ANYTHING
        if self.aggregate.takes == "fields":
            return Shape("list", items=self.element)
        if self.aggregate.type == "list":
            return Shape("list", items=self.field)
        return self.field if self.aggregate.type == "dyn" else ANYTHING

    @property
    def type(self) -> str:
        """CEL's, of its value, or of each of its values."""
        if self.aggregate is None or self.aggregate.type == "dyn":
            return CEL_TYPES[self.shape.type]
        return self.aggregate.type

    @property
    def parts(self) -> Mapping[str, str]:
        """The fields of its value; empty where it is not an object."""
        return {} if self.aggregate is None else self.aggregate.parts

    @property
    def most(self) -> int | None:
        """How many items its value has at most; None where that is no list."""
        if self.aggregate is None:
            return None
        return self.k if self.aggregate.takes_k else self.length if self.aggregate.takes == "fields" else None


Traits = Mapping[str, TraitShape]


def with_fields(
    traits: Traits, defined: Iterable[Trait], event: Callable[[tuple[str, ...]], Shape]
) -> Traits:
    """The traits, with what their fields and keys are; `event`: what is known of events of some names."""
    found = dict(traits)
    for trait in defined:
        at = event(trait.of).at
        if trait.items is not None:
            at = (at(trait.items).items or ANYTHING).at
        field = ANYTHING if trait.field is None else at(trait.field)
        key = ANYTHING if trait.per is None else at(trait.per)
        element = Shape("object", {path[-1]: at(path) for path in trait.fields}) if trait.fields else ANYTHING
        found[trait.name] = replace(found[trait.name], field=field, key=key, element=element)
    return found


def named_by(node: Node, traits: Traits) -> TraitShape | None:
    """The trait whose value a node is: `traits.NAME`, or of one with `per` `traits.NAME[KEY]`."""
    per = False
    if isinstance(node, Call) and node.function == "_[_]":
        node, per = node.args[0], True
    elif isinstance(node, Select) and isinstance(node.operand, Select):
        node, per = node.operand, True
    if isinstance(node, Select) and node.operand == Ident("traits"):
        shape = traits.get(node.field)
        return shape if shape is not None and bool(shape.per) is per else None
    return None


def beyond(shape: TraitShape | None, index: object, offset: int, code: Code) -> ExpressionError | None:
    """That a list of at most so many values has no item of this number."""
    most = None if shape is None else shape.most
    if most is None or type(index) is not int or index < most or shape is None or shape.aggregate is None:
        return None
    key, bound = ("k", MAX_K) if shape.aggregate.takes_k else ("most", MAX_MOST)
    hint = f"give the trait `{key}: {index + 1}`" if index < bound else f"`{key}` is at most {bound}"
    items = f"the items 0 to {most - 1}" if most > 1 else "the item 0 only"
    message = f"a `{shape.function}` of {most} has {items}: `[{index}]` is never there"
    return ExpressionError(message, offset=offset, hint=hint, code=code)
