"""Reasons are given in the engine, counted by metrics and explained in documents: all say the same ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml  # type: ignore[import-untyped]

import stream
from stream.structs import (
    DeadLetterReason,
    DecisionReason,
    EventErrorReason,
    Outcome,
    SuppressionReason,
    UnreadReason,
)
from stream.telemetry.metrics import Metrics

PACKAGE = Path(stream.__file__).parent
ROOT = Path(__file__).parents[2]
CODE = {
    path: path.read_text(encoding="utf-8")
    for suffix in ("py", "pyx")
    for path in sorted(PACKAGE.rglob(f"*.{suffix}"))
}
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
LISTS = 5  # a paragraph that names so many dead letter reasons lists them


def given(pattern: str, *files: Path) -> set[str]:
    """What the pattern captures in these files; without any, in all of the package."""
    return {word for path in files or CODE for word in re.findall(pattern, CODE[path])}


def words(paragraph: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", paragraph))


def test_every_reason_that_the_engine_gives_is_listed_and_no_other() -> None:
    deciding = [PACKAGE / "decisions" / name for name in ("_guards.pyx", "_decide.pyx")]
    reading = [path for path, text in CODE.items() if path.suffix == ".pyx" and "DeadLetter(" in text]
    assert given(r'complain\([\w.]+, "(\w+)"\)') | given(r'errors\[\([\w.]+, "(\w+)"\)\]') == set(
        get_args(EventErrorReason)
    )
    decoded = given(r'dead_letter\("(\w+)"\)') | given(r'return "(\w+)"', *reading)
    assert decoded | set(get_args(UnreadReason)) == set(get_args(DeadLetterReason))
    assert given(
        r'(?:Unread\(|left_out\(|reason = ).*?"(\w+)"(?: if| else|,)',
        *(path for path in CODE if path.parent.name == "kafka"),
    ) == {
        *("own", "size", "unreadable"),
    }
    assert given(r'"suppressed", "(\w+)"', *deciding) == set(get_args(SuppressionReason))
    assert set(get_args(DecisionReason)) - set(get_args(SuppressionReason)) == {"holdout"}


def test_metrics_declare_every_reason() -> None:
    metrics = Metrics()
    metrics.work.declare(sources=["clicks"], rules=[], channels=["email"])
    series: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if reason := sample.labels.get("reason"):
                series.setdefault(sample.name, set()).add(reason)
    assert series == {
        "stream_dead_letters_total": set(get_args(DeadLetterReason)),
        "stream_event_errors_total": set(get_args(EventErrorReason)),
        "stream_channel_decisions_total": set(get_args(DecisionReason)),
    }


@pytest.mark.parametrize(
    ("metric", "listed"),
    [
        ("stream_event_errors_total", get_args(EventErrorReason)),
        ("stream_dead_letters_total", get_args(DeadLetterReason)),
        ("stream_decisions_total", (*get_args(DecisionReason), *get_args(Outcome))),
    ],
)
def test_the_page_of_metrics_says_what_each_reason_means(metric: str, listed: tuple[str, ...]) -> None:
    (row,) = re.findall(rf"^\| `{metric}` \|.*$", PAGES["docs/metrics.md"], re.MULTILINE)
    assert set(listed) <= words(row)


def test_every_page_that_lists_the_dead_letters_reasons_lists_all() -> None:
    reasons = set(get_args(DeadLetterReason))
    listing = [
        (page, reasons - words(paragraph))
        for page, text in PAGES.items()
        for paragraph in text.split("\n\n")
        if len(words(paragraph) & reasons) >= LISTS
    ]
    assert len(listing) >= 3, "metrics, runbooks, and the page of the records"
    assert [each for each in listing if each[1]] == []


def test_the_description_of_the_topics_knows_them() -> None:
    def enum(schema: str, field: str) -> set[Any]:
        return set(schemas[schema]["properties"][field]["enum"])

    schemas = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))["components"][
        "schemas"
    ]
    assert enum("dead-letter-headers", "reason") == set(get_args(DeadLetterReason))
    assert enum("decision", "reason") == {None, *get_args(DecisionReason)}
    assert enum("decision", "outcome") == set(get_args(Outcome))
