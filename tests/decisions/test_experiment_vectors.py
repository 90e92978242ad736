"""docs/experiments.md: its vectors are the engine's arms, and so are those of its programs."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from stream.decisions.experiments import is_held_out, number, variant_of
from stream.rules.model import Variant

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "experiments.md").read_text(encoding="utf-8")


class Vector(NamedTuple):
    kind: str
    customer: str
    name: str
    shares: str
    result: str

    def of_variants(self) -> dict[str, int]:
        named = (each.rsplit(":", 1) for each in self.shares.split())
        return {name: hundredths(share) for name, share in named}


def hundredths(share: str) -> int:
    return round(float(share.rstrip("%")) * 100)


def read_vectors() -> list[Vector]:
    with (DOCS / "experiment-vectors.csv").open(newline="", encoding="utf-8") as file:
        return [Vector(**row) for row in csv.DictReader(file)]


VECTORS = read_vectors()


def program(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_there_are_enough_of_each_kind() -> None:
    for kind in ("number", "holdout", "variant"):
        of_kind = [each for each in VECTORS if each.kind == kind]
        assert len(of_kind) > 30
        assert len({each.result for each in of_kind}) > 1


def test_the_vectors_are_the_engines_arms() -> None:
    for vector in VECTORS:
        assert of_engine(vector) == vector.result, vector


def of_engine(vector: Vector) -> str:
    if vector.kind == "number":
        return f"{number(vector.customer, vector.name):016x}"
    if vector.kind == "holdout":
        return "yes" if is_held_out(vector.customer, vector.name, hundredths(vector.shares)) else "no"
    variants = [Variant(name, share) for name, share in vector.of_variants().items()]
    return variant_of(vector.customer, vector.name, variants).name


ASKED = """
import json, sys
for kind, customer, name, share, shares in json.load(sys.stdin):
    if kind == "number": print(f"{number(customer, name):016x}")
    if kind == "holdout": print("yes" if is_held_out(customer, name, share) else "no")
    if kind == "variant": print(variant_of(customer, name, shares))
"""


def test_ten_lines_of_python_agree() -> None:
    """In a process that sees nothing of ours."""
    told = program("python")
    assert len([line for line in told.splitlines() if line]) <= 10
    questions = [
        (
            *each[:3],
            hundredths(each.shares) if each.kind == "holdout" else None,
            each.of_variants() if each.kind == "variant" else None,
        )
        for each in VECTORS
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", told + ASKED],
        input=json.dumps(questions), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:-1] == [each.result for each in VECTORS]


def test_a_few_lines_of_shell_agree() -> None:
    holdouts = [each for each in VECTORS if each.kind == "holdout"][::3]
    lines = program("bash").splitlines()
    asking = 'while [ $# -gt 0 ]; do is_held_out "$1" "$2" "$3" && echo yes || echo no; shift 3; done'
    arguments = [
        part for each in holdouts for part in (each.customer, each.name, str(hundredths(each.shares)))
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join([*lines[:-1], asking]), "bash", *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [each.result for each in holdouts]
