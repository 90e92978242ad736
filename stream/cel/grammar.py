"""CEL's grammar: the tokens of a condition to its tree, by precedence climbing.

Caps before anything is built: the length of the text, the brackets open at once, then the levels of the tree
(chains of `&&` and `||` not counted), so that whoever walks a tree may do so recursively. What CEL has and
this project has not is refused by name. A function that nobody knows is CEL's grammar nevertheless: it is
what `conditions` finds when it checks, and an error when evaluated.

Cost: about 0.1 ms for a condition of eighty characters. Tested by tests/cel/test_expression.py.
"""

from __future__ import annotations

from stream.cel import slips
from stream.cel.tokens import Token, number, tokens, unexpected
from stream.cel.tree import MACROS, Call, Ident, Literal, Node, Select, chain, terms_of
from stream.cel.values import TYPE_NAMES
from stream.diagnostics import Code
from stream.errors import ExpressionError

MAX_LENGTH = 4096  # characters of one condition
MAX_DEPTH = 64  # levels of one tree, chains of && and || not counted
MAX_LOOPS = 4  # macros inside each other's steps

_BINARY = {  # operator: precedence, function
    **{each: (1, f"_{each}_") for each in ("==", "!=", "<", "<=", ">", ">=")},
    "in": (1, "@in"),
    **{each: (2, f"_{each}_") for each in ("+", "-")},
    **{each: (3, f"_{each}_") for each in ("*", "/", "%")},
}
_MEMBERS = frozenset(".[{")
_LITERALS = frozenset(("value", "string", "number"))
_SIGNS = frozenset("!-")
_NO_OPERATOR = (0, "")
# fmt: off
_RESERVED = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
))
# fmt: on


def read(source: str) -> Node:
    """The tree of a condition. Raises ExpressionError with the offset of what is wrong or not supported."""
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"a condition of more than {MAX_LENGTH} characters",
            offset=0,
            hint="split the rule, or the condition, into several",
        )
    found = tokens(source)
    if len(found) == 1:
        raise ExpressionError(
            "an empty condition", offset=0, hint="leave the key out if it should always hold"
        )
    tree = _Parser(source, found).whole()
    _check_depth(tree)
    return tree


def _check_depth(root: Node) -> None:
    """Refuse what has more than MAX_DEPTH levels; a chain is one level, however it is balanced."""
    level: list[Node] = [root]
    for _ in range(MAX_DEPTH + 1):
        below: list[Node] = []
        for node in level:
            if isinstance(node, Select):
                below.append(node.operand)
            elif isinstance(node, Call):
                if node.function in ("_&&_", "_||_"):
                    below += terms_of(node.function, node)
                else:
                    below += node.args
        if not below:
            return
        level = below
    raise _too_deep(level[0].offset)


class _Parser:
    def __init__(self, source: str, found: list[Token]) -> None:
        self.source, self.tokens = source, found
        # Each token's text if it is an operator, as that is asked most often; else nothing.
        self.operators = [token.text if token.kind == "operator" else "" for token in found]
        self.at = self.nested = 0
        self.loops: list[str] = []  # the variables of the macros around

    # ---- tokens ----

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def sees(self, operator: str) -> bool:
        return self.operators[self.at] == operator

    def take(self, operator: str) -> Token | None:
        """The token if it is this operator, and on to the next."""
        if self.operators[self.at] != operator:
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, operator: str) -> None:
        if not self.take(operator):
            raise self.unexpected()

    def unexpected(self) -> ExpressionError:
        token = self.token
        if token.kind == "string" and self.at and self.tokens[self.at - 1].kind == "string":
            hint = "put a comma between two of a list, or join them with `+`"
            return ExpressionError("a string right after another", offset=token.start, hint=hint)
        return unexpected(self.source, len(self.source) if token.kind == "end" else token.start)

    # ---- levels of precedence, from the loosest ----

    def whole(self) -> Node:
        tree = self.expression()
        if self.token.kind != "end":
            raise self.unexpected()
        return tree

    def expression(self) -> Node:
        """Anything: the ternary and what binds tighter."""
        self.nested += 1
        if self.nested > MAX_DEPTH + 1:
            raise _too_deep(self.token.start)
        node = self.logic("||")
        if token := self.take("?"):
            then = self.logic("||")
            self.expect(":")
            node = Call("_?_:_", (node, then, self.expression()), offset=token.start)
        self.nested -= 1
        return node

    def logic(self, operator: str) -> Node:
        operators, is_or = self.operators, operator == "||"
        term = self.logic("&&") if is_or else self.binary(1)
        if operators[self.at] != operator:
            return term
        function = f"_{operator}_"
        terms = [*terms_of(function, term)]
        while operators[self.at] == operator:
            self.at += 1
            terms += terms_of(function, self.logic("&&") if is_or else self.binary(1))
        return chain(function, terms)

    def binary(self, least: int) -> Node:
        left = self.unary()
        while True:
            token = self.tokens[self.at]
            if token.kind != "operator" and token.text != "in":
                return left
            precedence, function = _BINARY.get(token.text, _NO_OPERATOR)
            if precedence < least:
                return left
            self.at += 1
            left = Call(function, (left, self.binary(precedence + 1)), offset=token.start)

    def unary(self) -> Node:
        if self.operators[self.at] not in _SIGNS:
            return self.member(self.primary())
        signs = []
        while self.operators[self.at] in _SIGNS:
            signs.append(self.token)
            self.at += 1
        if self.token.kind == "number" and signs[-1].text == "-":
            minus = signs.pop()
            node = self.member(self.literal(minus))
        else:
            node = self.member(self.primary())
        if len(signs) > MAX_DEPTH * 2:
            raise _too_deep(signs[0].start)
        for sign in reversed(signs):
            node = _signed(sign, node)
        return node

    def literal(self, minus: Token | None = None) -> Node:
        token = self.token
        self.at += 1
        if token.kind == "number":
            offset = minus.start if minus else token.start
            if minus and token.text[-1] in "uU":
                return Call("-_", (Literal(number(token), offset=token.start),), offset=offset)
            return Literal(number(token, negative=minus is not None), offset=offset)
        return Literal(token.value, offset=token.start)

    def member(self, node: Node) -> Node:
        """A primary with all the `.field`, `.f(…)` and `[…]` behind it."""
        while True:
            token, operator = self.tokens[self.at], self.operators[self.at]
            if operator not in _MEMBERS:
                return node
            if self.take("."):
                if self.sees("?"):
                    raise _unsupported("an optional `.?`", self.token.start)
                name = self.field()
                node = self.call(name, node) if self.sees("(") else _select(node, name)
            elif self.take("["):
                if self.sees("?"):
                    raise _unsupported("an optional `[?…]`", self.token.start)
                key = self.expression()
                self.expect("]")
                node = Call("_[_]", (node, key), offset=token.start)
            elif self.sees("{") and isinstance(node, Ident | Select):
                raise _unsupported("a message `{…}`", node.offset)
            else:
                return node

    def field(self) -> Token:
        token = self.token
        if token.kind not in ("word", "quoted") or token.text == "in":
            raise self.unexpected()
        self.at += 1
        return token

    def primary(self) -> Node:
        token = self.tokens[self.at]
        kind = token.kind
        if kind in _LITERALS:
            return self.literal()
        if kind == "word" and token.text != "in":
            return self.name(token)
        if self.take("("):
            node = self.expression()
            self.expect(")")
            return node
        if self.take("["):
            return Call("[]", self.items("]"), offset=token.start)
        if self.take("{"):
            return Call("{}", self.entries(), offset=token.start)
        absolute = self.take(".")
        token = self.token
        if token.kind != "word" or token.text == "in":
            raise self.unexpected()
        if absolute and token.text in self.loops:
            raise _unsupported(f"a leading `.` before `{token.text}`, a macro's variable,", absolute.start)
        return self.name(token)

    def name(self, token: Token) -> Node:
        self.at += 1
        if self.operators[self.at] == "(":
            return self.call(token, None)
        if token.text in _RESERVED:
            hint = slips.of_place(self.source, token.start, token.text)
            raise ExpressionError(f"`{token.text}` is a reserved word", offset=token.start, hint=hint)
        return Ident(token.text, offset=token.start)

    def items(self, close: str) -> tuple[Node, ...]:
        """The items between brackets, with commas; a list may end with one."""
        found: list[Node] = []
        while not self.take(close):
            if found:
                self.expect(",")
                if close != ")" and self.take(close):
                    break
            if self.sees("?"):
                raise _unsupported("an optional item `?`", self.token.start)
            found.append(self.expression())
        return tuple(found)

    def entries(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.take("}"):
            if found:
                self.expect(",")
                if self.take("}"):
                    break
            if self.sees("?"):
                raise _unsupported("an optional entry `?`", self.token.start)
            found.append(self.expression())
            self.expect(":")
            found.append(self.expression())
        return tuple(found)

    # ---- calls ----

    def call(self, name: Token, target: Node | None) -> Node:
        function, offset = name.text, name.start
        member = target is not None
        if target is not None and isinstance(target, Ident) and (target.name, function) in _NAMESPACED:
            function, target, member = f"{target.name}.{function}", None, False
        self.expect("(")
        if target is not None and function in MACROS:
            return self.loop(function, target, offset)
        if function in MACROS or (function == "has" and member):
            raise _wrong_macro(function, offset)
        args = self.items(")")
        if function == "has":
            if len(args) != 1 or not isinstance(args[0], Select):
                hint = "write e.g. `has(event.price)`"
                raise ExpressionError("`has` needs a field", offset=offset, hint=hint)
            return Call("has", args, offset=offset)
        if target is not None:
            args = (target, *args)
            if (
                isinstance(target, Ident) and (target.name, function) == ("cel", "bind")
            ) or function in _OPTIONAL:
                raise _unsupported(f"the function `{function}`", offset)
        return Call(function, args, offset=offset, member=member)

    def loop(self, macro: str, items: Node, offset: int) -> Node:
        least, most = MACROS[macro]
        name = self.token
        follows = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if name.kind != "word" or name.text in (*_RESERVED, "in") or follows.text not in (",", ")"):
            hint = f"write e.g. `event.items.{macro}(item, item.price > 10)`"
            raise ExpressionError(
                f"`{macro}` needs the name of a variable first", offset=name.start, hint=hint
            )
        self.at += 1
        self.take(",")
        self.loops.append(name.text)
        if len(self.loops) > MAX_LOOPS:
            raise ExpressionError(f"more than {MAX_LOOPS} macros inside each other", offset=offset)
        steps = self.items(")")
        self.loops.pop()
        if not least <= len(steps) + 1 <= most:
            raise ExpressionError(f"`{macro}` takes a variable and what to do with it", offset=offset)
        return Call(macro, (items, Ident(name.text, offset=name.start), *steps), offset=offset, member=True)


_NAMESPACED = {("strings", "quote")}
_OPTIONAL = frozenset(("optMap", "optFlatMap", "orValue", "hasValue"))


def _select(node: Node, name: Token) -> Node:
    if isinstance(node, Ident) and name.kind == "word":
        dotted = f"{node.name}.{name.text}"
        if dotted == "google.protobuf":
            return Ident(dotted, offset=node.offset)
        if node.name == "google.protobuf" and dotted in TYPE_NAMES:
            return Ident(dotted, offset=node.offset)
        if node.name.startswith("google.protobuf") or dotted.startswith("google."):
            raise _unsupported(f"the type `{dotted}`", node.offset)
    return Select(node, name.text, offset=name.start)


def _signed(sign: Token, node: Node) -> Node:
    if sign.text == "-" and isinstance(node, Literal) and type(node.value) in (int, float):
        value = node.value
        if isinstance(value, int | float) and value != -(2**63):
            return Literal(-value, offset=sign.start)
    return Call(f"{sign.text}_", (node,), offset=sign.start)


def _wrong_macro(macro: str, offset: int) -> ExpressionError:
    if macro == "has":
        return ExpressionError("`has` stands in front", offset=offset, hint="write e.g. `has(event.price)`")
    hint = f"write e.g. `event.items.{macro}(item, item.price > 10)`"
    hint += ", or `has(event.price)`" if macro == "exists" else ""
    return ExpressionError(f"`{macro}` stands behind a list or a map", offset=offset, hint=hint)


def _unsupported(what: str, offset: int) -> ExpressionError:
    return ExpressionError(f"{what} is not supported", offset=offset, code=Code.CONDITION_NOT_SUPPORTED)


def _too_deep(offset: int) -> ExpressionError:
    return ExpressionError(f"a condition of more than {MAX_DEPTH} levels", offset=offset)
