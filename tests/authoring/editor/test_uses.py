"""Where names stand: in conditions, texts, lists and tests; and what becomes of them under another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.editor.folder import RulesFolder
from stream.authoring.editor.positions import Lines
from stream.authoring.editor.symbols import symbols
from stream.authoring.editor.uses import Named, NotRenamedError, found_in, name_at, renamed

RULES = """\
traits:
  views: {function: count, of: home}
segments:
  keen: >-
    traits.views > 3 &&
    traits . views < 9
rules:
  "looked":
    steps:
      - {on: home, as: views}
      - {on: buy, where: event.x == views.x}
    if: traits.views > 1 && 'traits.views' != event.y  && segments.keen
    send:
      channel: [web]
      content: {s: "traits.views {{ traits.views }} {{ traits['views'] | plus: traits.views }} {{ views.x }}"}
channels:
  web: {topic: t, consent: none}
"""
TESTS = """\
tests:
  - name: a
    rule: looked
    known: {views: 3}
    events: []
    expect: [{at: 0m, rule: 'looked', channel: web}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> RulesFolder:
    (tmp_path / "a.yaml").write_text(RULES)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.yaml").write_text(TESTS)
    return RulesFolder(tmp_path)


def under_another_name(folder: RulesFolder, named: Named, new: str) -> dict[str, str]:
    found = found_in(folder.roots()[0], named)
    lines = {each.location.file: Lines(folder.text(Path(each.location.file)) or "") for each in found}
    changed = {}
    for file, spans in renamed(named, new, found, folder.names, lines).items():
        text = lines[file].text
        for start, end in sorted(spans, reverse=True):
            text = text[:start] + new + text[end:]
        changed[Path(file).relative_to(folder.directory).as_posix()] = text
    return changed


def test_a_trait_has_its_new_name_everywhere_and_a_step_and_words_keep_theirs(folder: RulesFolder) -> None:
    changed = under_another_name(folder, Named("trait", "views"), "looks")
    expected = RULES.replace("  views: {f", "  looks: {f").replace("traits . views", "traits . looks")
    expected = expected.replace("traits.views ", "traits.looks ").replace(
        "traits['views']", "traits['looks']"
    )
    expected = expected.replace('{s: "traits.looks {{', '{s: "traits.views {{')
    assert changed["a.yaml"] == expected
    assert changed["tests/a.yaml"] == TESTS.replace("views", "looks")


def test_a_rule_and_a_segment_too(folder: RulesFolder) -> None:
    changed = under_another_name(folder, Named("rule", "looked"), "seen")
    assert changed == {
        "a.yaml": RULES.replace("looked", "seen"),
        "tests/a.yaml": TESTS.replace("looked", "seen"),
    }
    assert under_another_name(folder, Named("segment", "keen"), "eager")["a.yaml"] == RULES.replace(
        "keen", "eager"
    )


@pytest.mark.parametrize(
    ("named", "new", "why"),
    [
        (Named("channel", "web"), "site", "only trait, segment, rule"),
        (Named("trait", "views"), "two words", "no name"),
        (Named("rule", "looked"), "looked", "already"),
    ],
)
def test_a_name_that_would_mean_something_else_is_refused(
    folder: RulesFolder, named: Named, new: str, why: str
) -> None:
    with pytest.raises(NotRenamedError, match=why):
        under_another_name(folder, named, new)


def test_a_name_with_an_escape_in_it_is_not_renamed_by_halves(folder: RulesFolder) -> None:
    text = 'rules:\n  a:\n    on: x\n    if: "\\u0074raits.views > 1"\n'
    folder.put(folder.directory / "b.yaml", text)
    with pytest.raises(NotRenamedError, match="odd way"):
        under_another_name(folder, Named("trait", "views"), "looks")


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("segments.ke", Named("segment", "keen")),
        ("channel: [w", Named("channel", "web")),
        ("== vie", Named("step", "views", "looked")),
        ("{{ vie", Named("step", "views", "looked")),
        ('  "loo', Named("rule", "looked")),
        ("{on: ho", Named("event", "home")),
    ],
)
def test_the_name_at_a_place(folder: RulesFolder, part: str, named: Named) -> None:
    found = name_at(RULES, RULES.index(part) + len(part), folder.names)
    assert found is not None
    assert found.named == named
    assert RULES[found.start : found.end] == named.name


def test_the_outline_of_a_file_that_is_no_yaml() -> None:
    text = (
        "rules:\n  a:\n    if: [\n  b : {on: x\npolicy:\n  cap: 3\n"
        "tests:\n- name: one\n  expect: [\n- name: 'two'\nrulez:\n  c: 1\n"
    )
    found = symbols(text)
    assert [(each.name, [inner.name for inner in each.children]) for each in found] == [
        ("rules", ["a", "b"]),
        ("policy", []),
        ("tests", ["one", "two"]),
    ]
    assert text[found[0].children[0].start : found[0].children[0].end] == "  a:\n    if: [\n"
