#!/bin/sh
# Wheels of the program and of everything that it needs, built or fetched once: build.sh SOURCE WHEELS
# The only step that needs a compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$1 wheels=$2
python3 -m pip wheel --quiet --no-deps --wheel-dir "$wheels" "$source" &
program=$!
python3 -m pip wheel --quiet --no-deps --require-hashes --requirement "$here/requirements.txt" --wheel-dir "$wheels"
wait "$program"
