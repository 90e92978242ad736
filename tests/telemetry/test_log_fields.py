"""Every log call of the package, read: fields are on the list, and what happened is said in fixed words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stream
from stream.telemetry.log_fields import FIELDS

PACKAGE = Path(stream.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def calls(text: str) -> Iterator[ast.Call]:
    """What is called on the name `log`."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "log"
        ):
            yield node


def findings(text: str) -> list[str]:
    found = []
    for call in calls(text):
        assert isinstance(call.func, ast.Attribute)
        if call.func.attr not in LEVELS:
            found.append(f"log.{call.func.attr}: fields go with each call, where they can be read")
        said = call.args[0].value if len(call.args) == 1 and isinstance(call.args[0], ast.Constant) else None
        if not isinstance(said, str) or not re.fullmatch(r"[a-z]+(_[a-z]+)*", said):
            found.append("what happened is one constant, words_like_this")
        for keyword in call.keywords:
            if keyword.arg is None:
                found.append("** hides which fields there are")
            elif keyword.arg != "exc_info" and keyword.arg not in FIELDS:
                found.append(f"{keyword.arg}: not in logfields.FIELDS")
    return found


def test_every_field_that_is_logged_is_on_the_list() -> None:
    found = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := findings(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_every_field_on_the_list_is_logged() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    used = {keyword.arg for text in texts for call in calls(text) for keyword in call.keywords}
    assert set(FIELDS) - used == set()


def test_no_other_way_to_log_is_used() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(
            r"^(\w+) = (?:structlog\.\S*get_logger|logging\.getLogger)\(", text, re.MULTILINE
        ):
            assert name == "log", path


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("log.info('ready', partitions=3)", None),
        ("log.exception('failed', exc_info=e)", None),
        ("log.info('ready', customer=c)", "customer: not in logfields.FIELDS"),
        ("log.info(f'ready {c}')", "what happened is one constant, words_like_this"),
        ("log.info('ready %s', c)", "what happened is one constant, words_like_this"),
        ("log.info('Ready, now')", "what happened is one constant, words_like_this"),
        ("log.info('ready', **fields)", "** hides which fields there are"),
        ("log.bind(customer=c)", "log.bind: fields go with each call, where they can be read"),
    ],
)
def test_what_is_refused(text: str, finding: str | None) -> None:
    assert (finding in findings(text)) if finding else findings(text) == []
