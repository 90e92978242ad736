#!/bin/sh
# Pin anew what goes into the image, with checksums: after pyproject.toml changed, or to take updates (`--upgrade`).
# Arguments go to `uv pip compile`, which keeps what is pinned where it still fits.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
compile() {
    "$work/venv/bin/uv" pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
        --generate-hashes --no-annotate --no-header "$@"
}
compile "$here/../../pyproject.toml" --extra otel --output-file "$here/requirements.txt" "$@"
echo "cyclonedx-bom==7.5.0" > "$work/sbom.in"
compile "$work/sbom.in" --output-file "$here/sbom-requirements.txt" "$@"
