"""`stream lsp` as a process, driven as an editor does: the protocol, from the first message to the last."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from stream.authoring import check as checks
from tests.kit.editor import Editor, at_cursor

RULES = Path(__file__).parents[2] / "rules"
LSP = [sys.executable, "-m", "stream", "lsp"]
CAPABILITIES = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True}},
        "publishDiagnostics": {"relatedInformation": True},
    },
    "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}},
}
CHANNEL = "channels:\n  web: {topic: triggers.web, consent: none}\n"
SOURCE = "sources:\n  clicks: {event: event, customer: c}\n"
RULE = """rules:
  third-look:
    on: product_view
    if: traits.views_1d >= 3
    send: {channel: web, content: {banner: "Still here"}}
    limit: 1 per 7d
    goal: {on: purchase, within: 2d}
"""
TRAIT = "traits:\n  views_1d: {function: count, of: product_view, over: 1d}\n"


class Session:
    """An editor with a folder open, and what it has open in it."""

    def __init__(self, editor: Editor, folder: Path) -> None:
        self.editor, self.folder = editor, folder
        self.versions: dict[str, int] = {}

    def open(self, name: str, text: str) -> str:
        uri = (self.folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.editor.tell("textDocument/didOpen", textDocument=document)
        self.versions[uri] = 1
        return uri

    def type(self, uri: str, text: str) -> None:
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        self.editor.tell("textDocument/didChange", textDocument=document, contentChanges=[{"text": text}])

    def close(self, uri: str) -> None:
        self.editor.tell("textDocument/didClose", textDocument={"uri": uri})
        del self.versions[uri]

    def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.editor.take()

    def codes(self, uri: str) -> list[str]:
        return [each["code"] for each in self.editor.diagnostics.get(uri, [])]

    def ask(self, what: str, uri: str, place: dict[str, int], **more: Any) -> Any:
        return self.editor.ask(f"textDocument/{what}", textDocument={"uri": uri}, position=place, **more)

    def labels(self, uri: str, place: dict[str, int]) -> list[str]:
        answer = self.ask("completion", uri, place) or {"items": []}
        return [each["label"] for each in answer["items"]]

    def end(self) -> int:
        self.editor.ask("shutdown")
        self.editor.tell("exit")
        return self.editor.process.wait()


@contextmanager
def started(
    folder: Path, errors: Any = None, env: Mapping[str, str] | None = None, **more: Any
) -> Iterator[Session]:
    """A session with a server of its own."""
    editor = Editor(LSP, folder, env={**os.environ, **(env or {})}, errors=errors)
    try:
        params = {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": CAPABILITIES, **more}
        editor.capabilities = editor.ask("initialize", **params)["capabilities"]
        editor.tell("initialized")
        yield Session(editor, folder)
    finally:
        editor.close()


def brand(folder: Path, **files: str) -> Path:
    """A workspace with these rule files."""
    (folder / "rules").mkdir()
    for name, text in files.items():
        (folder / "rules" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with started(tmp_path_factory.mktemp("editor")) as session:
        yield session


@pytest.fixture
def session(shared: Session, tmp_path: Path) -> Iterator[Session]:
    """The same editor for all tests, as starting one takes a second: each adds a folder to its workspace."""
    brand(tmp_path, common=SOURCE + CHANNEL + TRAIT)
    folder = {"uri": tmp_path.as_uri(), "name": tmp_path.name}
    change = "workspace/didChangeWorkspaceFolders"
    shared.editor.tell(change, event={"added": [folder], "removed": []})
    session = Session(shared.editor, tmp_path)
    yield session
    for uri in list(session.versions):
        session.close(uri)
    shared.editor.tell(change, event={"added": [], "removed": [folder]})


def edited(text: str, edits: list[dict[str, Any]]) -> str:
    """A text after an editor's changes. For texts of characters that are one unit of UTF-16."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda each: each["range"]["start"]["line"], reverse=True):
        start, end = edit["range"]["start"], edit["range"]["end"]
        assert start["line"] == end["line"]
        line = lines[start["line"]]
        lines[start["line"]] = line[: start["character"]] + edit["newText"] + line[end["character"] :]
    return "\n".join(lines)


def test_findings_are_those_of_the_check_and_go_when_mended(session: Session) -> None:
    wrong = RULE.replace("views_1d", "views_id").replace("limit", "limt")
    uri = session.open("rules/looks.yaml", wrong)
    session.until(lambda: len(session.codes(uri)) == 2)
    path = session.folder / "rules" / "looks.yaml"
    path.write_text(wrong)
    found = checks.check(session.folder / "rules").diagnostics
    shown = session.editor.diagnostics[uri]
    assert [
        (each["code"], each["range"]["start"]["line"] + 1, each["range"]["start"]["character"] + 1)
        for each in shown
    ] == [(each.code.value, each.location.line, each.location.column) for each in found]
    assert "did you mean `views_1d`?" in shown[0]["message"]
    assert shown[0]["severity"] == 1
    session.type(uri, RULE)
    session.until(lambda: session.codes(uri) == [])


def test_a_mistake_in_an_open_file_is_shown_in_another(session: Session) -> None:
    (session.folder / "rules" / "looks.yaml").write_text(RULE)
    looks = (session.folder / "rules" / "looks.yaml").as_uri()
    common = session.open("rules/common.yaml", SOURCE + CHANNEL + TRAIT.replace("views_1d", "views"))
    session.until(lambda: "E305" in session.codes(looks))
    session.close(common)  # unsaved: what is on the disk counts again
    session.until(lambda: session.codes(looks) == [])


def test_a_file_that_is_deleted_takes_its_findings_with_it(session: Session) -> None:
    path = session.folder / "rules" / "looks.yaml"
    path.write_text(RULE.replace("limit", "limt"))
    session.open("rules/common.yaml", SOURCE + CHANNEL + TRAIT)
    session.until(lambda: session.codes(path.as_uri()) == ["E101"])
    assert session.editor.registered[0]["method"] == "workspace/didChangeWatchedFiles"
    path.unlink()
    session.editor.tell("workspace/didChangeWatchedFiles", changes=[{"uri": path.as_uri(), "type": 3}])
    session.until(lambda: session.codes(path.as_uri()) == [])


def test_names_of_other_files_are_proposed_while_this_one_is_no_yaml(session: Session) -> None:
    text, place = at_cursor('rules:\n  broken: [\n  second:\n    on: product_view\n    if: "traits.|\n')
    uri = session.open("rules/looks.yaml", text)
    assert "views_1d" in session.labels(uri, place)
    text, place = at_cursor("rules:\n  broken: [\n  a:\n    on: x\n    send: {channel: |\n")
    session.type(uri, text)
    assert "web" in session.labels(uri, place)


def test_names_of_a_file_survive_its_being_half_typed(session: Session) -> None:
    good = RULE + "segments:\n  keen: traits.views_1d > 5\n"
    uri = session.open("rules/looks.yaml", good.replace("limit", "limt"))
    session.until(lambda: session.codes(uri) == ["E101"])
    text, place = at_cursor(
        good.replace("traits.views_1d >= 3", "segments.|").replace("segments:\n", "segments: {\n")
    )
    session.type(uri, text)
    session.until(lambda: "E005" in session.codes(uri))
    assert session.labels(uri, place) == ["keen"]


def test_what_is_proposed_can_be_written(session: Session) -> None:
    text, place = at_cursor(RULE.replace("channel: web", "channel: w|eb"))
    uri = session.open("rules/looks.yaml", text)
    item = session.ask("completion", uri, place)["items"][0]
    assert item["label"] == "web"
    assert edited(text, [item["textEdit"]]) == RULE


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_places_are_right_behind_umlauts_and_emoji(session: Session, tmp_path: Path, encoding: str) -> None:
    with ExitStack() as stack:
        if encoding == "utf-8":  # agreed on; without a word it is UTF-16
            general = {"positionEncodings": ["utf-7", encoding]}
            capabilities = {**CAPABILITIES, "general": general}
            session = stack.enter_context(started(tmp_path, capabilities=capabilities))
        assert session.editor.capabilities["positionEncoding"] == encoding
        line = '    send: {channel: web, content: {banner: "Grüße 🎉🎉 {{ traits.views_id }}"}}'
        uri = session.open("rules/looks.yaml", RULE.replace(RULE.split("\n")[4], line))
        session.until(lambda: session.codes(uri) != [])
        place = session.editor.diagnostics[uri][0]["range"]
        before = line[: line.index("traits.views_id")]
        width = len(before.encode()) if encoding == "utf-8" else len(before.encode("utf-16-le")) // 2
        assert place["start"] == {"line": 4, "character": width}
        assert "views_1d" in session.labels(uri, {"line": 4, "character": width + len("traits.v")})
        document = {"uri": uri}
        fixes = session.editor.ask(
            "textDocument/codeAction", textDocument=document, range=place, context={"diagnostics": []}
        )
        edit = fixes[0]["edit"]["changes"][uri][0]
        assert edit["range"]["start"]["character"] == width + len("traits.")
        assert edit["newText"] == "views_1d"


def test_windows_line_ends_and_a_byte_order_mark_move_nothing(session: Session) -> None:
    text, place = at_cursor(
        "\ufeff" + RULE.replace("traits.views_1d", "traits.|views_id").replace("\n", "\r\n")
    )
    uri = session.open("rules/looks.yaml", text)
    session.until(lambda: session.codes(uri) == ["E305"])
    start = session.editor.diagnostics[uri][0]["range"]["start"]
    assert start["line"] == 3
    assert "views_1d" in session.labels(uri, place)
    assert session.labels(uri, {"line": 3, "character": 9_999}) is not None
    assert session.labels(uri, {"line": 9_999, "character": 0}) is not None


def test_a_definition_is_found_in_another_file_and_so_are_all_uses(session: Session) -> None:
    text, place = at_cursor(RULE.replace("traits.views_1d", "traits.vie|ws_1d"))
    uri = session.open("rules/looks.yaml", text)
    common = (session.folder / "rules" / "common.yaml").as_uri()
    (found,) = session.ask("definition", uri, place)
    assert (found["uri"], found["range"]["start"]) == (common, {"line": 5, "character": 2})
    uses = session.ask("references", uri, place, context={"includeDeclaration": True})
    assert [each["uri"] for each in uses] == [common, uri]


def test_a_trait_is_renamed_everywhere(session: Session) -> None:
    text, place = at_cursor(RULE.replace("traits.views_1d", "traits.vie|ws_1d"))
    uri = session.open("rules/looks.yaml", text)
    assert session.ask("prepareRename", uri, place)["start"]["character"] == len("    if: traits.")
    changes = session.ask("rename", uri, place, newName="looks_1d")["changes"]
    common = session.folder / "rules" / "common.yaml"
    assert edited(text, changes[uri]) == RULE.replace("views_1d", "looks_1d")
    assert "looks_1d: {" in edited(common.read_text(), changes[common.as_uri()])


@pytest.mark.parametrize("new", ["Views 1d", "views_1d", ""])
def test_a_name_that_cannot_be_is_refused(session: Session, new: str) -> None:
    text, place = at_cursor(RULE.replace("traits.views_1d", "traits.vie|ws_1d"))
    uri = session.open("rules/looks.yaml", text)
    with pytest.raises(AssertionError, match=r"views_1d|no name"):
        session.ask("rename", uri, place, newName=new)


def test_a_key_a_field_and_a_finding_are_explained(session: Session) -> None:
    text = RULE.replace("limit", "limt")
    uri = session.open("rules/looks.yaml", text)
    session.until(lambda: session.codes(uri) == ["E101"])
    said = session.ask("hover", uri, {"line": 5, "character": 5})["contents"]["value"]
    assert "E101 unknown key" in said
    said = session.ask("hover", uri, {"line": 3, "character": 17})["contents"]["value"]
    assert "`traits.views_1d`: int" in said
    said = session.ask("hover", uri, {"line": 6, "character": 5})["contents"]["value"]
    assert "What the message should lead to" in said


def test_the_outline_has_rules_and_tests(session: Session) -> None:
    uri = session.open(
        "rules/looks.yaml", RULE + "tests:\n  - name: silence\n    events: []\n    expect: []\n"
    )
    found = session.editor.ask("textDocument/documentSymbol", textDocument={"uri": uri})
    assert [(each["name"], [inner["name"] for inner in each["children"]]) for each in found] == [
        ("rules", ["third-look"]),
        ("tests", ["silence"]),
    ]


def test_a_yaml_file_of_something_else_is_left_alone(session: Session) -> None:
    uri = session.open("docker-compose.yaml", "services:\n  web: {image: nginx}\n")
    rules = session.open("rules/looks.yaml", RULE.replace("limit", "limt"))
    session.until(lambda: session.codes(rules) == ["E101"])
    assert uri not in session.editor.diagnostics
    assert session.ask("completion", uri, {"line": 1, "character": 2}) is None
    assert session.ask("hover", uri, {"line": 1, "character": 3}) is None


def test_the_folder_is_the_one_that_the_editor_names(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "triggers"
    (folder / "deep").mkdir(parents=True)
    (folder / "common.yaml").write_text(SOURCE + CHANNEL + TRAIT)
    with started(tmp_path, initializationOptions={"rules": "shop/triggers", "keys": False}) as session:
        text, place = at_cursor(RULE.replace("traits.views_1d", "traits.|"))
        uri = session.open("shop/triggers/deep/looks.yaml", text)
        assert session.labels(uri, place) == ["views_1d"]
        assert session.labels(uri, {"line": 4, "character": 4}) == []  # another server has the keys


def test_the_folder_is_the_one_of_the_setting(tmp_path: Path) -> None:
    folder = tmp_path / "anywhere"
    folder.mkdir()
    (folder / "common.yaml").write_text(SOURCE + CHANNEL + TRAIT)
    with started(tmp_path, env={"STREAM_RULES": str(folder)}) as session:
        text, place = at_cursor(RULE.replace("traits.views_1d", "traits.|"))
        assert session.labels(session.open("anywhere/looks.yaml", text), place) == ["views_1d"]
        assert session.editor.process.stdin is not None
        session.editor.process.stdin.close()  # the editor is gone
        assert session.editor.process.wait() == 0


BOMB = "a0: &a0 [" + "x," * 2000 + "]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(5))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "[" * 200_000, "E005"),
        ("rules:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 900)), "E003"),
        (BOMB, "E003"),
        ("rules:\n  a:\n    if: '" + "traits." * 100_000, "E005"),
        ("rules:\n" + "  x: y\n" * 700_000, "E003"),
        ("rules:\n\ta:\n\t\ton: x\n", "E005"),
        ("rules:\n  a:\n    if: \ud800\n", "E004"),
        ("rules:\n  a:\n    if: x" + " " * 300_000 + "y: z\n", "E005"),
        ("rules:\n  a:\n    if: " + "'x" * 100_000 + "\n", "E005"),
        ("rules:\n  a:\n    if: " + "a[" * 100_000 + "\n", "E103"),
    ],
    ids=["flow", "blocks", "bomb", "string", "5 MB", "tabs", "surrogate", "blanks", "quotes", "brackets"],
)
def test_a_hostile_file_is_answered_at_once(session: Session, text: str, code: str) -> None:
    uri = session.open("rules/hostile.yaml", text)
    session.until(lambda: session.codes(uri) != [])
    assert session.codes(uri)[0] == code
    begin = time.monotonic()
    for line, character in ((0, 3), (2, 12), (2, 100_000), (100_000, 5)):
        place = {"line": line, "character": character}
        session.ask("completion", uri, place)
        session.ask("hover", uri, place)
        session.ask("definition", uri, place)
    session.editor.ask("textDocument/documentSymbol", textDocument={"uri": uri})
    assert time.monotonic() - begin < 20  # on a busy machine; what takes the square of a length takes hours


def test_what_is_cancelled_or_unknown_stops_nothing(session: Session) -> None:
    text, place = at_cursor(RULE.replace("channel: web", "channel: |"))
    uri = session.open("rules/looks.yaml", text)
    session.editor.tell("$/cancelRequest", id=4711)
    session.editor.tell("unheard/of")
    session.editor.tell("textDocument/didOpen", textDocument="no document")
    session.editor.send({"id": 99, "method": "unheard/of", "params": {}})
    assert "web" in session.labels(uri, place)


def test_nothing_is_written_and_no_file_is_quoted_in_what_is_logged(tmp_path: Path) -> None:
    folder = brand(tmp_path, common=SOURCE + CHANNEL + TRAIT)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with TemporaryFile("w+") as errors:
        with started(folder, errors=errors) as session:
            wrong = RULE.replace("Still here", "jane@brand.example").replace("limit", "limt")
            uri = session.open("rules/looks.yaml", wrong)
            session.until(lambda: session.codes(uri) != [])
            session.editor.tell(
                "textDocument/didOpen", textDocument={"uri": uri, "text": "jane@brand.example"}
            )
            session.editor.send(
                {"id": "x", "method": "textDocument/hover", "params": {"jane@brand.example": 1}}
            )
            session.labels(uri, {"line": 3, "character": 14})
            assert session.end() == 0
        errors.seek(0)
        said = errors.read()
    assert "stream lsp: " in said
    assert "jane" not in said
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_example_rules_have_no_findings_and_every_key_in_them_is_explained(
    session: Session, tmp_path: Path
) -> None:
    shutil.copytree(RULES, tmp_path / "rules", dirs_exist_ok=True)
    (tmp_path / "rules" / "common.yaml").unlink()
    text = (RULES / "carts.yaml").read_text()
    uri = session.open("rules/carts.yaml", text)
    wrong = session.open("rules/wrong.yaml", "rulez: {}\n")
    session.until(lambda: session.codes(wrong) == ["E101"])
    assert session.codes(uri) == []
    for number, line in enumerate(text.split("\n")):
        if re.match("    [a-z_]+:", line):
            assert session.ask("hover", uri, {"line": number, "character": 5}) is not None, line
