#!/bin/sh
# The wheels into an environment without pip, and a bill of materials of what is in it: install.sh WHEELS TARGET
# Nothing is fetched for the environment: what the wheels lack, fails here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wheels=$1 target=$2

# What makes the bill (CycloneDX) has an environment of its own, prepared meanwhile: nothing of it stays.
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
{
    python3 -m venv --without-pip "$tool"
    python3 -m pip --python "$tool/bin/python" install --quiet --no-compile --no-deps --require-hashes \
        --requirement "$here/sbom-requirements.txt"
} &
preparing=$!

python3 -m venv --without-pip "$target"
python3 -m pip --python "$target/bin/python" install --quiet --no-index --find-links "$wheels" 'stream-triggers[otel]'
wait "$preparing"
"$tool/bin/cyclonedx-py" environment --output-reproducible --output-format JSON \
    --output-file "$target/sbom.cdx.json" "$target/bin/python"
