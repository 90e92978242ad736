"""The side of the Language Server Protocol that an editor plays, over a process's pipes."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO


class Editor:
    """An editor that has started a language server. `errors`: where that says what goes wrong."""

    def __init__(
        self, command: list[str], cwd: Path, env: Mapping[str, str] | None = None, errors: Any = None
    ) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=cwd, env=env
        )
        assert self.process.stdout is not None
        self.inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()  # None: it has ended
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        self.requests = 0
        self.diagnostics: dict[str, list[dict[str, Any]]] = {}
        self.capabilities: dict[str, Any] = {}  # the server's
        self.registered: list[dict[str, Any]] = []

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
            self.registered += message["params"].get("registrations", [])
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


def at_cursor(text: str) -> tuple[str, dict[str, int]]:
    """A text without its `|`, or `¦` where it has bars of its own, and the place where that stood."""
    before, _, after = text.partition("¦" if "¦" in text else "|")
    lines = before.split("\n")
    return before + after, {"line": len(lines) - 1, "character": len(lines[-1])}
