"""A command that is process 1 of its container: the kernel ignores signals that it has no handler for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.kit.patience import eventually

# A process of its own namespace where that is allowed; elsewhere one that SIGTERM would kill, and not stop.
NAMESPACE = ["unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc", "--kill-child"]
RULES = """
sources: {shop: {event: event, customer: customer_id}}
channels: {web: {topic: web, consent: none}}
rules: {welcome: {on: login, send: {channel: web, content: {text: Hello}}}}
"""
IMPORTING = """
import os, sys, time
from stream.cli import main
main.INIT = os.getpid()
def import_module(name):
    print("importing", flush=True)
    time.sleep(3600)  # an import that takes long
main.import_module = import_module
sys.argv = ["stream", "worker"]
main.main()
"""


def in_a_namespace() -> list[str]:
    try:
        possible = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        possible = False
    return NAMESPACE if possible else []


def test_a_worker_that_is_told_to_end_while_it_waits_for_kafka_ends(tmp_path: Path) -> None:
    """Kubernetes waited for the whole grace period, and killed it."""
    (tmp_path / "shop.yaml").write_text(RULES)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
        environment |= {
            "STREAM_BROKER": f"127.0.0.1:{silent.getsockname()[1]}",
            "STREAM_RULES": str(tmp_path),
            "STREAM_HTTP_PORT": "0",
        }
        before = in_a_namespace()
        command = [*before, sys.executable, "-m", "stream", "worker"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()  # it is there, and never answers
            with connection:
                (worker,) = psutil.Process(process.pid).children() if before else [process]
                worker.send_signal(signal.SIGTERM)
                eventually(lambda: process.poll() is not None, "it ends", seconds=20)
                assert process.returncode == 0


def test_the_first_thing_that_a_command_does_is_to_hear_signals() -> None:
    command = [sys.executable, "-c", IMPORTING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
