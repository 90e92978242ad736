#!/bin/sh
# The wheels into an environment without pip, and a bill of materials of what is in it: install.sh WHEELS TARGET
# Nothing is fetched for the environment: what the wheels lack, fails here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wheels=$1 target=$2
python3 -m venv --without-pip "$target"
python3 -m pip --python "$target/bin/python" install --quiet --no-index --find-links "$wheels" stream-triggers

# CycloneDX, by a tool that has an environment of its own: nothing of it stays.
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv --without-pip "$tool"
python3 -m pip --python "$tool/bin/python" install --quiet --no-compile --no-deps --require-hashes \
    --requirement "$here/sbom-requirements.txt"
"$tool/bin/cyclonedx-py" environment --output-reproducible --output-format JSON \
    --output-file "$target/sbom.cdx.json" "$target/bin/python"
