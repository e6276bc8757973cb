#!/usr/bin/env bash
# Takes the pictures in docs/screenshots/ anew: the program that was built, with drawn photos, on an X server in memory.
set -euo pipefail
cd "$(dirname "$0")/.."

setup/packages.sh test
taken=$(mktemp -d)
trap 'rm -rf "$taken"' EXIT
echo "screenshots: taking them (a minute or two)" >&2
CI=true go test ./ui/story -count=1 -run '^TestLooks$' -every -kept "$taken" >&2
mkdir -p docs/screenshots
rm -f docs/screenshots/*.png
cp "$taken"/*.png docs/screenshots/
echo "screenshots: done: docs/screenshots/" >&2
