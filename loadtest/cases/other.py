"""Another revision to compare with: a worktree of its own below build/compare, with its extension compiled.

The packages are those of this environment: a revision that needs others is measured with these.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.cases.cluster import Side
from loadtest.cases.results import NOW, PROJECT
from stream.errors import SettingsError

HOME = PROJECT / "build" / "compare"


def here() -> Side:
    return Side(NOW, str(PROJECT))


def checkout(revision: str) -> Side:
    """Build `revision`, unless it is built already; minutes. Raises SettingsError where that does not go."""
    commit = _run(["git", "-C", str(PROJECT), "rev-parse", "--verify", f"{revision}^{{commit}}"]).strip()[:10]
    tree, only = HOME / commit, HOME / f"{commit}-only"
    if not only.exists():
        _run(["git", "-C", str(PROJECT), "worktree", "prune"])
        if not tree.exists():
            _run(["git", "-C", str(PROJECT), "worktree", "add", "--force", "--detach", str(tree), commit])
        _run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tree)
        # Only its `stream` is taken from there, not its load test.
        beside = HOME / f"{commit}-new"
        beside.mkdir(exist_ok=True)
        if not (beside / "stream").exists():
            (beside / "stream").symlink_to(tree / "stream")
        _check(beside, tree)
        beside.rename(only)
    return Side(revision, str(only))


def _check(path: Path, tree: Path) -> None:
    found = _run(
        [sys.executable, "-c", "import stream.engine as e; print(e.__file__)"],
        HOME,
        {"PYTHONPATH": str(path)},
    )
    if tree.resolve() not in Path(found.strip()).resolve().parents:
        raise SettingsError(f"{path} is not where Python finds the package: {found.strip()}")


def _run(command: Sequence[str], where: Path | None = None, more: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=where, env=os.environ | (more or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SettingsError(f"{' '.join(command)} ended with {done.returncode}", hint=done.stderr[-1500:])
    return done.stdout
