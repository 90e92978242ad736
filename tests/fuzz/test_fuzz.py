"""A short run of each fuzzer, the same in every run; `make fuzz` goes on for long, with other seeds.

Hypothesis mutates the seeds (bytes cut, doubled, exchanged between seeds); atheris is led by coverage. An
input that has ever failed gets a named test beside the code's others, and a seed here.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

RUNS = {"rules": 1500, "conditions": 6000, "templates": 4000}  # two to four seconds each


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_passes(target: str) -> None:
    assert seeds(target)
    for seed in seeds(target):
        TARGETS[target](seed)


@st.composite
def mutants(draw: st.DrawFn, target: str) -> bytes:
    """A seed, changed in up to four places."""
    pool = seeds(target)
    data = draw(st.sampled_from(pool))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        other = draw(st.sampled_from(pool))
        cut = draw(st.integers(0, len(other)))
        piece = draw(st.binary(max_size=4) | st.just(data[start:end] * 3) | st.just(other[cut : cut + 20]))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS)
@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_mutant_of_a_seed_does_harm(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(mutants(target)))


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="atheris has wheels for Linux on x86-64 only",
)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_found_by_coverage_does_harm(target: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            # By way of a shell: a process that we start ourselves counts our memory as its own.
            *("sh", "-c", '"$@"; exit $?', "sh"),
            sys.executable,
            "-m",
            "tests.fuzz",
            target,
            f"-runs={RUNS[target]}",
            "-timeout=0",  # of one input: the test's own limit ends a hang
            "-seed=1",
            f"-artifact_prefix={tmp_path}/",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]  # exceptions are told on stdout
    assert f"Done {RUNS[target]} runs" in run.stderr  # it ran to its end
