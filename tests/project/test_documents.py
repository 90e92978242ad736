"""The documents as texts: what they say of the code is true, what they name is there, and they can be read.

The tables of ARCHITECTURE are made of the packages' own docstrings and of the lines in test_layers; where one
differs, the failure shows the line to write. What guides tell somebody to type is looked at in test_guides.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.demo.data import events
from stream.rules.compiler.rule_set import check_rules
from tests.kit.asyncapi import validator
from tests.project.test_guides import BLOCK, LINK, ROOT, SPAN, anchors, prose
from tests.project.test_layers import IMPORTS, PURE
from tests.project.test_layers import ROOT as ROOT_MODULES
from tests.reference.guards import ORDER

SKIPPED = {".venv", ".git", "build", "node_modules", ".pytest_cache"}
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in sorted(ROOT.rglob("*.md"))
    if not SKIPPED & set(path.relative_to(ROOT).parts)
}
each_page = pytest.mark.parametrize("name", sorted(PAGES))

README, ARCHITECTURE = PAGES["README.md"], PAGES["ARCHITECTURE.md"]

# One name for one thing. Each has its line in ARCHITECTURE's glossary, and each line is one of these.
WORDS = (
    *("batch", "partition", "stage", "lane", "ledger", "outbox", "checkpoint", "restore", "take-over"),
    *("recovery", "incarnation", "standby", "evicted", "rule set", "match", "decision", "trigger"),
    *("instance", "timer", "watermark"),
)

# --- the files that are named


@each_page
def test_every_link_leads_to_a_page_and_its_heading(name: str) -> None:
    """Of tables and lists, too; those of other sites are not looked at."""
    for target in LINK.findall(SPAN.sub("", prose(PAGES[name]))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = ROOT / name if not file else (ROOT / name).parent / file
        assert path.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{name}: {target}"


TOP = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"build"}
PACKAGES = {path.parent.name for path in (ROOT / "stream").glob("*/__init__.py")}
NAMES_FILES = re.compile(r"[\w.-]+(?:/[\w.*-]+)+/?")
OF_OTHERS = {"tests/simple/testdata/*.textproto"}  # of the repository of CEL's conformance tests


def named_files(text: str) -> Iterator[str]:
    """Spans that begin like a folder of the project or a package of `stream`, and lead on from there."""
    for _, span in SPAN.findall(prose(text)):
        if NAMES_FILES.fullmatch(span) and span.partition("/")[0] in TOP | PACKAGES:
            yield span


def is_there(span: str, page: Path) -> bool:
    """As a file, a folder or a module, seen from the project, from the package or from the page."""
    bases = (ROOT, ROOT / "stream", page.parent)
    return any(any(base.glob(f"{span}{suffix}")) for base in bases for suffix in ("", ".py*"))


@each_page
def test_every_file_that_is_named_exists(name: str) -> None:
    for span in named_files(PAGES[name]):
        assert is_there(span.rstrip("/"), ROOT / name) or span in OF_OTHERS, f"{name}: {span}"


def test_a_file_that_is_not_there_is_found() -> None:
    named = list(named_files("see `stream/runtime/gone.py`, `runtime/lane`, `application/json`, `--x`"))
    assert named == ["stream/runtime/gone.py", "runtime/lane"]
    assert [is_there(each, ROOT / "README.md") for each in named] == [False, True]


@each_page
def test_the_index_leads_to_every_page(name: str) -> None:
    """Of docs/ from its own index, of the rules' sections from theirs."""
    folder, _, file = name.rpartition("/")
    index = {"docs": "docs/README.md", "docs/design": "docs/README.md", "rules/docs": "rules/README.md"}
    if folder in index and name != index[folder]:
        assert file in {link.rpartition("/")[2] for link in LINK.findall(PAGES[index[folder]])}


# --- ARCHITECTURE's tables


def first_line(place: str) -> str:
    """Of the docstring of a package or module."""
    package = ROOT / "stream" / place / "__init__.py"
    if package.exists():
        return (ast.get_docstring(ast.parse(package.read_text("utf-8"))) or "").splitlines()[0]
    (path,) = [path for path in (ROOT / "stream").glob(f"{place}.py*") if path.suffix in {".py", ".pyx"}]
    found = re.search(r'^"""(.+)', path.read_text("utf-8"), re.MULTILINE)
    return found[1].removesuffix('"""') if found else ""


def row(place: str) -> str:
    imports = ", ".join(sorted(IMPORTS[place])) or "nothing"
    return f"| `{place}` | {first_line(place)} | {imports} |"


@pytest.mark.parametrize("place", [place for place in IMPORTS if place != "__main__"])
def test_the_table_says_what_the_package_says_of_itself(place: str) -> None:
    assert row(place) in ARCHITECTURE.splitlines()


def test_the_table_has_no_more_and_tells_what_is_pure() -> None:
    pure, effects = (section_of(ARCHITECTURE, name) for name in ("Pure", "With effects"))
    rows = [re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for text in (pure, effects)]
    assert set(rows[0]) == set(IMPORTS) & PURE
    assert set(rows[1]) == set(IMPORTS) - PURE - {"__main__"}


def section_of(text: str, heading: str) -> str:
    found = re.search(rf"^(#+) {heading}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[2]


def test_it_names_the_vocabulary_of_the_root() -> None:
    named = re.search(r"the vocabulary that everything may use \(([^)]*)\)", " ".join(ARCHITECTURE.split()))
    assert named is not None
    assert named[1] == ", ".join(f"`{name}`" for name in ROOT_MODULES)


def test_the_glossary_has_its_twenty_words() -> None:
    glossary = section_of(ARCHITECTURE, "Twenty words")
    assert set(re.findall(r"^\| ([\w -]+?) \| ", glossary, re.MULTILINE)) - {"word"} == set(WORDS)
    assert len(WORDS) == 20


# --- their length


def words(text: str) -> int:
    return sum(1 for each in text.split() if re.search(r"\w", each))


@pytest.mark.parametrize(("text", "least", "most"), [(README, 600, 800), (ARCHITECTURE, 1_000, 1_400)])
def test_it_is_read_to_the_end(text: str, least: int, most: int) -> None:
    assert least <= words(text) <= most


def test_readmes_lines_are_short() -> None:
    assert [line for line in README.splitlines() if len(line) > 120] == []


def sentences(text: str) -> Iterator[str]:
    """Of paragraphs, items and cells, without blocks of code; links as they are read."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", BLOCK.sub("\n\n", text))
    plain = re.sub(r"^(?:#+ .*|\|[-|]+\|)$", "", plain, flags=re.MULTILINE)
    for part in re.split(r"\n\s*\n|\n(?=[-*|] |\d+\. )|\|", plain):
        yield from re.split(r"(?<=[.:;?!])[)*_]* +(?=\S)", " ".join(part.split()))


WRITTEN_TO_BE_READ = [name for name in PAGES if re.match(r"[A-Z]+\.md|docs/design/|rules/", name)]


@pytest.mark.parametrize("name", sorted(set(WRITTEN_TO_BE_READ) - {"CHANGELOG.md"}))
def test_no_sentence_is_long(name: str) -> None:
    assert [each for each in sentences(PAGES[name]) if words(each) > 40] == []


def test_a_long_sentence_is_found() -> None:
    long = "word " * 41
    assert max(map(words, sentences(f"Short. {long}\n\n- one\n- two [{'x ' * 3}](y)"))) == 41


# --- what README says of the project


def test_readme_tells_the_demos_figures_as_they_are() -> None:
    """The demo counts every record that it plays, and prints that number."""
    history = list(events())
    rules = check_rules(ROOT / "rules").rules
    assert rules is not None
    assert f"{len(history):,} events, {len(rules.rules)} rules" in README
    assert f"{len({event.key for event in history}):,} customers" in README


def test_the_example_of_a_trigger_is_what_asyncapi_says() -> None:
    section = section_of(PAGES["docs/records.md"], "Triggers")
    (example,) = (body for language, body in BLOCK.findall(section) if language == "json")
    validator("#/components/messages/trigger/payload").validate(json.loads(example))


def test_readmes_rule_is_one(tmp_path: Path) -> None:
    (example,) = (body for language, body in BLOCK.findall(README) if language == "yaml")
    for name in ("sources", "channels", "traits"):
        (tmp_path / f"{name}.yaml").write_text((ROOT / f"rules/{name}.yaml").read_text())
    (tmp_path / "rule.yaml").write_text(example)
    found = check_rules(tmp_path).diagnostics
    assert [str(each) for each in found if each.severity == "error"] == []


def test_readme_shows_what_check_and_test_print(tmp_path: Path) -> None:
    rules = shutil.copytree(ROOT / "rules", tmp_path / "rules")
    carts = (rules / "carts.yaml").read_text("utf-8")
    (rules / "carts.yaml").write_text(carts.replace("unless:", "unles:", 1))
    found = check_rules(rules).diagnostics
    (typo,) = (str(each) for each in found if each.severity == "error")
    assert typo.replace(str(rules), "rules") in README
    tests = check_rules(ROOT / "rules").tests
    assert f"{tests[0].name}\nok     {tests[1].name}\n…\n{len(tests)} passed" in README


# --- pages of which each line says something of the code


def test_the_page_of_guards_has_them_in_their_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGES["rules/docs/guards.md"], re.MULTILINE)
    assert tuple(rows) == (*ORDER, "content", "size")


def test_decisions_taken_are_dated_the_newest_first() -> None:
    headings = re.findall(r"^## (.*)$", PAGES["docs/design/decisions.md"], re.MULTILINE)
    dates = [re.fullmatch(r"(20\d\d-\d\d-\d\d): .+", heading) for heading in headings]
    assert None not in dates
    assert headings == sorted(headings, key=lambda heading: heading[:10], reverse=True)
