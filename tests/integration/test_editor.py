"""The schema in an editor: yaml-language-server, as VS Code and others run it, completes and explains."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from stream.rules.aggregates import AGGREGATES
from tests.kit import language_server

RULES = Path(__file__).parents[2] / "rules"


class Editor:
    """The side of the Language Server Protocol that an editor plays, over a process's pipes."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd)
        assert self.process.stdout is not None
        self.inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()  # None: it has ended
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        self.requests = 0
        self.diagnostics: dict[str, list[dict[str, Any]]] = {}

    def _read(self, pipe: BinaryIO) -> None:
        while header := pipe.readline():
            size = int(header.removeprefix(b"Content-Length:"))
            while pipe.readline().strip():
                pass
            self.inbox.put(json.loads(pipe.read(size)))
        self.inbox.put(None)

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def take(self) -> dict[str, Any]:
        """The next message; what the server asks in between is answered."""
        message = self.inbox.get()
        assert message is not None, "the server has ended"
        if message.get("method") == "workspace/configuration":
            yaml = {"hover": True, "completion": True, "validate": True, "schemaStore": {"enable": False}}
            answers = [yaml if item.get("section") == "yaml" else None for item in message["params"]["items"]]
            self.send({"id": message["id"], "result": answers})
        elif message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            self.send({"id": message["id"], "result": None})
        return message

    def ask(self, method: str, **params: Any) -> Any:
        self.requests += 1
        self.send({"id": self.requests, "method": method, "params": params})
        while True:
            message = self.take()
            if message.get("id") == self.requests and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def tell(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def open(self, path: Path, text: str) -> str:
        """Open a file with this text; gives its URI once the server has looked at it."""
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        while uri not in self.diagnostics:
            self.take()
        return uri

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


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


def at_cursor(text: str) -> tuple[str, dict[str, int]]:
    """A text without its `|`, and the place where that stood."""
    before, _, after = text.partition("|")
    lines = before.split("\n")
    return before + after, {"line": len(lines) - 1, "character": len(lines[-1])}


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
