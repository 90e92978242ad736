"""The live part of docs/first-rule.md as it stands there, but for the ports: Kafka, worker and metrics."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kit.kafka import free_port
from tests.kit.patience import eventually
from tests.project.test_first_rule import (
    BACKTEST,
    BROKER,
    ENVIRONMENT,
    LIVE,
    SEND,
    TAIL,
    WATCH,
    typed,
    write_rules,
)

pytestmark = pytest.mark.kafka


def test_a_first_rule_goes_live(tmp_path: Path) -> None:
    write_rules(tmp_path)
    ports = {"9092": str(free_port()), "9464": str(free_port())}

    def here(commands: str) -> str:
        for port, free in ports.items():
            commands = commands.replace(port, free)
        return commands

    *before, worker = here(LIVE).strip().splitlines()
    running = []
    try:
        running.append(start(here(BROKER), tmp_path))
        eventually(lambda: "ready" in (tmp_path / "out").read_text())
        typed("\n".join(before), tmp_path)
        running.append(start(worker, tmp_path))
        typed(BACKTEST, tmp_path)  # it writes the events
        typed(here(SEND), tmp_path)
        eventually(lambda: 'rule="third-look"} 1' in watched(here(WATCH), tmp_path))
        eventually(lambda: watched(here(TAIL), tmp_path).strip())
        (decision,) = watched(here(TAIL), tmp_path).splitlines()
        assert re.search(
            r"Z  third-look +sent +web  on product_view  ~\w{8}$|Z  third-look +holdout", decision
        )
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait()


def start(command: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "out").open("ab") as out:
        return subprocess.Popen(
            f"exec {command.strip()}", shell=True, cwd=folder, env=ENVIRONMENT, stdout=out, stderr=out
        )


def watched(command: str, folder: Path) -> str:
    """What is seen so far; nothing while the worker starts."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return done.stdout
