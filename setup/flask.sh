#!/usr/bin/env bash
# Puts Python's Flask and TensorFlow into build/tools/flask, a virtual environment: what `kaika --headless` is measured against by
# `make bench`. Nothing else of Kaika runs Python.
set -euo pipefail
cd "$(dirname "$0")/.."

pinned='flask==3.1.2 tensorflow-cpu==2.18.1'
place=build/tools/flask
[ "$(cat "$place/.origin" 2>/dev/null || true)" != "$pinned" ] || exit 0

setup/packages.sh bench
echo "setup: installing $pinned in $place (250 MB, once)" >&2
rm -rf "$place"
mkdir -p build/tools
# shellcheck disable=SC2086 # two packages.
if ! python3 -m venv "$place" || ! "$place/bin/python" -m pip --disable-pip-version-check --quiet install $pinned </dev/null >&2; then
	rm -rf "$place"
	echo "setup: without them the server is measured by itself" >&2
	exit 0
fi
echo "$pinned" >"$place/.origin"
