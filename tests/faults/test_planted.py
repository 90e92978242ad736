"""Proof that the suite can fail: each planted bug makes the verdict a bad one, and none does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.oracle import Verdict
from tests.faults.trial import Trial
from tests.faults.workload import Customers

pytestmark = pytest.mark.timeout(300)


def trial_of(bug: str, heir: str, kafka: str, prefix: str, folder: Path) -> Verdict:
    """A worker with a bug is killed, or kills itself, and one with another follows it."""
    with Trial(kafka, prefix, folder, Customers(7, 40), instance_id="a") as trial:
        first, second = (
            trial.worker(name, (sys.executable, "-m", "tests.faults.planted", each, "worker"))
            for name, each in (("first", bug), ("second", heir))
        )
        first.start()
        trial.produce(trial.customers.events(300))
        if bug in ("ack-before-send", "changelog-before-triggers", "marks-before-customers"):
            first.until_ended()
        else:
            first.until_caught_up([trial.clicks])
            trial.produce(trial.customers.events(300))  # so that customers are written more than once
            first.until_caught_up([trial.clicks])
            first.kill()
        trial.produce(trial.customers.events(300))
        trial.start(second)
        return trial.verdict()


@pytest.mark.parametrize(
    ("bug", "heir", "seen_as"),
    [
        ("offset-plus-one", "none", "lost"),
        ("read-again", "applied-ignored", "state"),
        ("none", "timer-dropped", "timers_missed"),
        ("ack-before-send", "none", "lost"),
        ("changelog-before-triggers", "none", "lost"),
        ("marks-before-customers", "none", "lost"),
        ("none", "newest-ignored", "state"),
    ],
)
def test_a_planted_bug_is_seen(
    bug: str, heir: str, seen_as: str, kafka: str, prefix: str, tmp_path: Path
) -> None:
    verdict = trial_of(bug, heir, kafka, prefix, tmp_path)
    assert getattr(verdict, seen_as) > 0, verdict
    assert not verdict.is_good


@pytest.mark.parametrize(("bug", "heir"), [("none", "none"), ("read-again", "none")])
def test_without_a_bug_there_is_nothing_to_see(
    bug: str, heir: str, kafka: str, prefix: str, tmp_path: Path
) -> None:
    verdict = trial_of(bug, heir, kafka, prefix, tmp_path)
    assert verdict.is_good, verdict
