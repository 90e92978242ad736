"""Helm without a command: `lint` and `template` by the library that `tools` has fetched.

The library brings Go's runtime with it, with its threads and signal handlers; so it is loaded by a process of
its own, which does any number of calls and ends. As a program this module is that process: JSON in, JSON out.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Lint:
    """`helm lint --strict CHART`"""

    path: Path


@dataclass(frozen=True, slots=True)
class Template:
    """`helm template NAME CHART --namespace … --kube-version … --values …`; without hooks."""

    chart: Path
    values: Sequence[Path] = ()
    name: str = "stream"
    namespace: str = "crm"
    kube_version: str = "1.33.0"


@dataclass(frozen=True, slots=True)
class Answer:
    """`error`: empty where it went well. `printed`: what Helm said besides."""

    out: str
    error: str
    printed: str


def call(library: Path, calls: Sequence[Lint | Template]) -> list[Answer]:
    """Carry out `calls`, in order, each as if it was the only one."""
    asked = [
        {"call": "Lint", "path": str(each.path), "strict": 1}
        if isinstance(each, Lint)
        else {
            "call": "Template",
            "name": each.name,
            "chart": str(each.chart),
            "namespace": each.namespace,
            "kubeVersion": each.kube_version,
            "valuesFiles": ",".join(map(str, each.values)),
        }
        for each in calls
    ]
    command = [sys.executable, __file__, str(library)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [Answer(*each, done.stderr) for each in json.loads(done.stdout)]


TEXT, NUMBER = ctypes.c_char_p, ctypes.c_int


class _Result(ctypes.Structure):
    _fields_ = [(name, TEXT) for name in ("out", "err", "stdOut", "stdErr")]


class _Lint(ctypes.Structure):
    _fields_ = [("path", TEXT), ("strict", NUMBER), ("quiet", NUMBER)]


class _Template(ctypes.Structure):
    """As in the header that lies beside the library, 0.0.21."""

    _fields_ = [
        *((name, TEXT) for name in ("name", "version", "chart", "namespace", "kubeVersion")),
        *((name, NUMBER) for name in ("dependencyUpdate", "skipCRDs")),
        *((name, TEXT) for name in ("values", "setFiles", "valuesFiles", "certFile", "keyFile", "caFile")),
        *((name, NUMBER) for name in ("insecureSkipTlsVerify", "plainHttp")),
        ("keyring", TEXT),
        ("debug", NUMBER),
        ("repositoryConfig", TEXT),
    ]


def _one(library: ctypes.CDLL, asked: dict[str, Any]) -> tuple[str, str]:
    name = asked.pop("call")
    function = getattr(library, name)
    function.restype = _Result
    given = {key: value.encode() if isinstance(value, str) else value for key, value in asked.items()}
    options = (_Lint if name == "Lint" else _Template)(**{k: v for k, v in given.items() if v != b""})
    result = function(ctypes.byref(options))
    return (result.out or b"").decode(), (result.err or b"").decode()


if __name__ == "__main__":
    loaded = ctypes.CDLL(sys.argv[1])
    print(json.dumps([_one(loaded, each) for each in json.load(sys.stdin)]))
