"""The comparison with Flink and Kafka Streams, as far as it needs no Java: what is counted and said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from loadtest.peers import __main__ as command
from loadtest.peers import contenders as parties
from loadtest.peers.catching_up import Caught, Scenario
from loadtest.peers.contenders import Contender, Name, contenders, java_release, table_of, version
from loadtest.peers.interval import Cost, Look, between_events, between_times
from loadtest.peers.keeping_up import Kept, quantile
from loadtest.peers.report import Outcome, as_markdown, sections, spread, write
from loadtest.peers.triggers import Fired, compare, fired_by
from loadtest.rulesets import ref_named, ref_parameters, stage
from stream.errors import SettingsError
from stream.rules.compiler.rule_set import load_rules

LOOKS = [Look(10, 2, 0), Look(12, 3, 0), Look(14, 5, 1000), Look(16, 9, 3000), Look(20, 10, 3000)]
WIDE = Scenario("wide", "ref300", 3_000_000)
BOTH = [Contender(Name.WORKER, "a worker", ["stream"]), Contender(Name.FLINK, "Flink 2", ["java"])]


def record(rule: str, customer: str, event: str) -> bytes:
    return json.dumps({"rule": rule, "customer_id": customer, "event": {"id": event}}).encode()


FIRED = fired_by([record("interest-001", "c1", "e1"), record("cart-002", "c1", "e2")])


def caught(who: Name, cpu: float, fired: Fired = FIRED) -> Caught:
    return Caught(who, Cost(2_000_000, 10, cpu), Cost(3_000_000, 20, cpu * 2), 2**28, fired)


# The interval


def test_the_measured_part_begins_and_ends_at_events_not_at_looks() -> None:
    cost = between_events(LOOKS, 500, 2000)
    assert cost == Cost(1500, seconds=15 - 13, cpu_seconds=7 - 4)
    assert cost.events_per_second == 750
    assert cost.cpu_seconds_per_100k == pytest.approx(200)


def test_the_wait_before_the_first_event_and_after_the_last_is_in_no_interval() -> None:
    assert between_events(LOOKS, 0, 3000) == Cost(3000, seconds=16 - 12, cpu_seconds=9 - 3)


def test_an_interval_that_was_not_watched_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody looked before and after event 4,000"):
        between_events(LOOKS, 1000, 4000)


def test_keeping_up_is_measured_between_two_looks() -> None:
    assert between_times(LOOKS, 14.5, 17) == Cost(2000, seconds=2, cpu_seconds=4)


def test_what_is_measured_of_a_short_run_is_the_same_share() -> None:
    assert (WIDE.first, Scenario("wide", "ref300", 600_000).first) == (1_000_000, 200_000)
    assert Scenario("dense", "ref300", 400_000).first == 100_000


def test_quantiles_are_values_that_were_measured() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 0.99, 1)] == [1, 3, 4, 4]


# The sets


def test_a_trigger_that_was_written_twice_counts_once_and_is_told() -> None:
    fired = fired_by([record("interest-001", "c1", "e1")] * 2)
    assert fired.repeated == 1
    assert fired.by_family() == {"interest": 1}


def test_a_trigger_by_another_event_is_another_trigger() -> None:
    other = fired_by([record("interest-001", "c1", "e1"), record("cart-002", "c1", "e3")])
    found = compare(other, FIRED)
    assert (found.missing, found.more) == ({"cart": 1}, {"cart": 1})
    assert found.examples == (("cart-002", "c1", "e2"), ("cart-002", "c1", "e3"))
    assert found
    assert not compare(FIRED, FIRED)


# The rules of all


def test_the_peers_read_the_rules_that_the_worker_reads() -> None:
    lines = table_of(ref_named("ref300")).splitlines()
    assert len(lines) == 300
    assert lines[47] == "interest\tinterest-047\t7\t220\t5"
    assert lines[199] == "spender\tspender-099\t49\t480\t0"
    assert lines[259] == "checkout\tcheckout-059\t19\t0\t1"
    assert lines[299] == "cart\tcart-039\t39\t0\t0"


def test_the_quiet_rules_differ_in_their_thresholds_alone(tmp_path: Path) -> None:
    loud, quiet = ref_parameters(), ref_parameters(quiet=True)
    assert [(rule.name, rule.key) for rule in loud] == [(rule.name, rule.key) for rule in quiet]
    assert all(many.least >= few.least for many, few in zip(quiet, loud, strict=True))
    compiled = load_rules(stage("ref300-quiet", tmp_path))
    assert len(compiled.rules) == 300
    assert ref_named("ref300-loud") == ref_named("ref301") == []


# What is said


def test_figures_are_shown_as_minimum_median_and_maximum() -> None:
    assert spread([3, 1, 2.5]) == "1.00 / 2.50 / 3.00"
    assert spread([123_456.7]) == "123,457"
    assert spread([12.34]) == "12.3"


def test_the_table_says_what_each_cost_and_that_all_fired_the_same() -> None:
    runs = [caught(Name.WORKER, 10), caught(Name.FLINK, 12)]
    outcome = Outcome(BOTH, {WIDE: runs}, {WIDE: [compare(FIRED, FIRED)] * 2})
    (section,) = sections(outcome)
    page = as_markdown(section)
    assert "### Wide, ref300, 3,000,000 events" in page
    assert "| min / median / max | a worker | Flink 2 |" in page
    assert "| CPU-s per 100k events | 0.50 | 0.60 |" in page
    assert "| triggers | 2 | 2 |" in page
    assert "All fired the same set" in page


def test_another_set_is_said_below_the_table_with_examples() -> None:
    fewer = fired_by([record("interest-001", "c1", "e1")])
    runs = [caught(Name.WORKER, 10), caught(Name.FLINK, 12, fewer)]
    outcome = Outcome(BOTH, {WIDE: runs}, {WIDE: [compare(FIRED, FIRED), compare(fewer, FIRED)]})
    (section,) = sections(outcome)
    assert section.below == (
        "1 runs fired another set than the first contender in their round: "
        "missing 1 cart, more none (cart-002 c1 e2)."
    )
    assert section.rows[-1] == ["triggers", "2", "1"]


def test_keeping_up_has_a_table_of_its_own_and_says_how_late_the_sender_was() -> None:
    kept = [Kept(who, 2000, Cost(80_000, 40, 8), 700, 5, 17, 0.012) for who in (Name.WORKER, Name.FLINK)]
    (section,) = sections(Outcome(BOTH, kept=kept))
    assert section.rows[0] == ["latency p50, ms", "5.00", "5.00"]
    assert section.rows[2] == ["CPU-s per 100k events", "10.0", "10.0"]
    assert section.below == "The sender was at most 12 ms behind its schedule."


def test_the_file_has_every_run(tmp_path: Path) -> None:
    runs = [caught(Name.WORKER, 10), caught(Name.FLINK, 12)]
    outcome = Outcome(BOTH, {WIDE: runs}, {WIDE: [compare(FIRED, FIRED)] * 2})
    write(tmp_path / "runs.json", {"commit": "abc"}, outcome)
    said = json.loads((tmp_path / "runs.json").read_text())
    assert said["commit"] == "abc"
    worker, flink = said["catching_up"][WIDE.title]
    assert (worker["contender"], worker["cost"]["cpu_seconds_per_100k"]) == ("worker", 0.5)
    assert flink["triggers"] == {"cart": 1, "interest": 1}


# Without Java


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', 17),
        ('java version "1.8.0_402"', 1),
        ("command not found", 0),
    ],
)
def test_which_java_is_there(said: str, release: int) -> None:
    assert java_release(said) == release


def test_a_worker_alone_needs_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (only,) = contenders([Name.WORKER], 1, Console(quiet=True))
    assert only.name is Name.WORKER


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("java", "error"),
    [
        (None, "there is no Java"),
        ("echo 'openjdk version \"11.0.2\"' >&2", "the peers need Java 17, here is: openjdk version"),
        ("echo 'openjdk version \"17.0.2\"' >&2", "there is no Maven"),
    ],
)
def test_what_is_missing_is_said(
    java: str | None, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if java is not None:
        executable(tmp_path / "java", java)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(parties, "HERE", project(tmp_path))
    ran = CliRunner().invoke(command.app, ["--only", "flink"])
    assert ran.exit_code == 2
    assert error in ran.stderr


def project(tmp_path: Path) -> Path:
    """The peers' folder, of which nothing is built."""
    (tmp_path / "pom.xml").write_text((parties.HERE / "pom.xml").read_text())
    return tmp_path


def test_what_maven_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "mvn", "echo 'no such artefact'; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(parties, "HERE", project(tmp_path))
    with pytest.raises(SettingsError, match="Maven did not build the peers") as raised:
        parties.build(Console(quiet=True))
    assert "no such artefact" in str(raised.value)


def test_what_is_built_is_built_again_only_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "mvn", "echo built >> ran")
    monkeypatch.setenv("PATH", str(tmp_path))
    pom = project(tmp_path) / "pom.xml"
    monkeypatch.setattr(parties, "HERE", tmp_path)
    for name in (Name.FLINK, Name.STREAMS):
        (tmp_path / name / "target").mkdir(parents=True)
        (tmp_path / name / "target" / f"{name}-1.jar").touch()
    jar_time = (tmp_path / "flink" / "target" / "flink-1.jar").stat().st_mtime
    os.utime(pom, (jar_time - 10, jar_time - 10))
    parties.build(Console(quiet=True))
    assert not (tmp_path / "ran").exists()
    os.utime(pom, (jar_time + 10, jar_time + 10))
    parties.build(Console(quiet=True))
    assert (tmp_path / "ran").read_text() == "built\n"


def test_versions_are_those_of_the_build() -> None:
    pom = (parties.HERE / "pom.xml").read_text()
    assert version(pom, "flink").startswith("2.")
    assert version(pom, "kafka").startswith("4.")
