"""The schema in an editor: yaml-language-server, as VS Code and others run it, completes and explains."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.rules.aggregates import AGGREGATES
from tests.kit import language_server
from tests.kit.editor import Editor, at_cursor

RULES = Path(__file__).parents[2] / "rules"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("brand")
    editor = Editor(language_server.command(), folder)
    try:
        documents = {
            "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
            "hover": {"contentFormat": ["markdown"]},
            "publishDiagnostics": {},
        }
        capabilities = {"textDocument": documents, "workspace": {"configuration": True}}
        editor.ask("initialize", processId=os.getpid(), rootUri=folder.as_uri(), capabilities=capabilities)
        editor.tell("initialized")
        editor.tell("workspace/didChangeConfiguration", settings={})
        yield editor
    finally:
        editor.close()


FILES = iter(range(1000))


def opened(editor: Editor, tmp_path: Path, text: str) -> tuple[str, dict[str, int]]:
    shutil.copy(RULES / "schema.json", tmp_path)
    text, place = at_cursor("# yaml-language-server: $schema=schema.json\n" + text)
    return editor.open(tmp_path / f"file{next(FILES)}.yaml", text), place


def completions(editor: Editor, tmp_path: Path, text: str) -> dict[str, dict[str, Any]]:
    uri, place = opened(editor, tmp_path, text)
    answer = editor.ask("textDocument/completion", textDocument={"uri": uri}, position=place)
    return {item["label"]: item for item in answer["items"]}


def test_keys_of_a_rule_are_proposed(editor: Editor, tmp_path: Path) -> None:
    found = completions(editor, tmp_path, "rules:\n  thanks:\n    on: purchase\n    |\n")
    assert {"describe", "where", "unless", "wait", "if", "send", "limit", "priority", "goal"} <= set(found)
    assert "within" not in found  # a step's
    assert "on" not in found  # it is there already


def test_a_whole_rule_is_proposed(editor: Editor, tmp_path: Path) -> None:
    found = completions(editor, tmp_path, "rules:\n  |\n")
    label = next(label for label in found if label.startswith("rule: wait"))
    assert "unless:" in json.dumps(found[label])


def test_functions_of_a_trait_are_proposed(editor: Editor, tmp_path: Path) -> None:
    found = completions(editor, tmp_path, "traits:\n  orders:\n    function: |\n")
    assert set(found) == set(AGGREGATES)


def test_a_key_is_explained(editor: Editor, tmp_path: Path) -> None:
    uri, place = opened(editor, tmp_path, "rules:\n  thanks:\n    li|mit: 1 per 7d\n")
    answer = editor.ask("textDocument/hover", textDocument={"uri": uri}, position=place)
    assert "Not more often than this for one customer" in json.dumps(answer)
    assert "1 per 7d" in json.dumps(answer["contents"])


def test_a_mistake_is_underlined(editor: Editor, tmp_path: Path) -> None:
    uri, _ = opened(editor, tmp_path, "rules:\n  thanks: {on: purchase, send: {channel: email}, wehre: x}|\n")
    assert any("wehre" in each["message"] for each in editor.diagnostics[uri])


@pytest.mark.parametrize("file", sorted(RULES.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_example_files_have_no_red_lines(editor: Editor, file: Path) -> None:
    uri = editor.open(file, file.read_text())
    assert editor.diagnostics[uri] == []
