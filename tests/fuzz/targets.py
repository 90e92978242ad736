"""What is fuzzed: each target takes any bytes, and raises only if the project has a bug.

What a user may write can be wrong in any way: the answer is a finding or one of our exceptions, never another
one, a hang or a blow-up. Beyond that each target states what must hold of what was accepted.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from stream.cel.evaluation import BudgetError
from stream.cel.grammar import MAX_LENGTH
from stream.content.formats import FORMATS
from stream.content.locales import Region
from stream.content.template import MAX_TEMPLATE_BYTES, Template, findings, format_findings
from stream.errors import ContentError, ExpressionError, RuleFileError
from stream.expression import Node, evaluate, parse, simplify, unparse
from stream.rules.compiler.rule_set import check_rules

MARKUP = "<img src=x onerror=y>"
CORPUS = Path(__file__).parent / "corpus"
BINDINGS = {
    "event": {
        "price": 80,
        "name": "Ada",
        "tags": ["a", "b"],
        "nested": {"deep": None},
        "share": 0.5,
        "html": MARKUP,
    },
    "event_name": "purchase",
    "traits": {"views": {"shoes": 3}, "spend": 12.5},
    "rule": "cart",
    "event_time": "2026-03-02T23:30:00.000Z",
    "now": "2026-03-02T23:30:00.000Z",
    "customer": {"locale": "fr-CA", "timezone": "Asia/Tokyo", "html": MARKUP},
}
REGION = Region("Europe/Berlin", "de")
MAX_OUTPUT = 64 * 1024  # bytes


def rules(data: bytes) -> None:
    """A directory of one file: findings with a place in it, or rules."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "a.yaml").write_bytes(data)
        try:
            check_rules(directory)
        except RuleFileError as error:
            found = error.diagnostics
        else:
            return
    assert found
    for each in found:
        assert each.location.file.startswith(folder)
        assert each.location.line <= data.count(b"\n") + 1
        assert str(each).isprintable()


def conditions(data: bytes) -> None:
    """A tree that prints, reads and simplifies to the same meaning, or an error with a place in the text."""
    source = data.decode("utf-8", "replace")
    try:
        tree = parse(source)
    except ExpressionError as error:
        offset = error.offset
    else:
        _check_meaning(tree)
        return
    assert offset is not None
    assert 0 <= offset <= len(source)


def _check_meaning(tree: Node) -> None:
    printed = unparse(tree)
    if len(printed) <= MAX_LENGTH:
        assert parse(printed) == tree
    simpler = simplify(tree)
    assert simplify(simpler) == simpler
    outcome = _outcome(tree)
    assert outcome in (_outcome(simpler), "too many steps")


def _outcome(tree: Node) -> str:
    try:
        value = evaluate(tree, BINDINGS)
    except BudgetError:
        return "too many steps"
    except ExpressionError:
        return "an error"
    return f"{type(value)} {value!r}"


def templates(data: bytes) -> None:
    """A template that renders or fails with our error, or at least one finding with a place in the text.

    What an event says is no markup in `html`, and what is sent as `json` is a document.
    """
    source = data.decode("utf-8", "replace")
    found = findings(source)
    try:
        template = Template(source)
    except ContentError:
        assert found
        assert all(0 <= each.offset <= len(source) for each in found)
        return
    assert not found
    assert len(source.encode()) <= MAX_TEMPLATE_BYTES
    for form in FORMATS:
        for each in format_findings(template, form):
            assert 0 <= each.offset <= len(source)
        try:
            text = template.render(BINDINGS, form, REGION)
        except ContentError:
            continue
        assert len(text) <= MAX_OUTPUT
        if form == "json" and not template.is_plain:
            json.loads(text)
        if form == "html":
            assert MARKUP not in text or MARKUP in source


TARGETS: dict[str, Callable[[bytes], None]] = {each.__name__: each for each in (rules, conditions, templates)}


def seeds(target: str) -> list[bytes]:
    """The checked-in inputs of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]
