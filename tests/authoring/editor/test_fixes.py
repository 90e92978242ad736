"""A hint that says what to write is offered as an edit; after it the finding is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.editor.fixes import fix_of
from stream.authoring.editor.folder import RulesFolder
from stream.authoring.editor.positions import Lines

COMMON = """\
sources:
  clicks: {event: event, customer: c}
channels:
  web: {topic: w, consent: none}
traits:
  views: {function: count, of: home, over: 1d}
segments:
  keen: traits.views > 3
policy: {allow: [W505, W501, W503, W508, W510]}
"""
RULE = """\
rules:
  a:
    on: home
    if: traits.views > 3
    send: {channel: web, content: {s: "Hello {{ traits.views | plus: 1 }}"}}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("    if:", "    iff:"),
        ("    if:", "    condition:"),
        ("traits.views >", "traits.vews >"),
        ("traits.views > 3", "segments.kene"),
        ("traits.views > 3", "event.sku.startWith('x')"),
        ("traits.views > 3", "traits.views > 3 and traits.views < 9"),
        ("channel: web", "channel: wep"),
        ("channel: web", "channel: 'wep'"),
        ("traits.views |", "traits.vews |"),
        ("plus: 1", "pluss: 1"),
        ("| plus: 1", "| trim"),
        ("rules:", "rulez:"),
    ],
)
def test_after_the_fix_the_finding_is_gone(tmp_path: Path, right: str, wrong: str) -> None:
    (tmp_path / "common.yaml").write_text(COMMON)
    folder, path = RulesFolder(tmp_path), tmp_path / "rules.yaml"
    text = RULE.replace(right, wrong)
    folder.put(path, text)
    finding = next(iter(folder.check().diagnostics[str(path)]))
    fix = fix_of(finding, Lines(text))
    assert fix is not None, finding
    folder.put(path, text[: fix.start] + fix.new + text[fix.end :])
    assert finding.code not in [each.code for each in folder.check().diagnostics.get(str(path), ())]


@pytest.mark.parametrize("wrong", ["    name: x\n    if:", "    segment: keen\n    if:"])
def test_what_the_author_has_to_fill_in_is_no_fix(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "common.yaml").write_text(COMMON)
    folder, path = RulesFolder(tmp_path), tmp_path / "rules.yaml"
    text = RULE.replace("    if:", wrong)
    folder.put(path, text)
    for finding in folder.check().diagnostics[str(path)]:
        fix = fix_of(finding, Lines(text))
        assert fix is None
