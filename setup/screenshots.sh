#!/usr/bin/env bash
# Takes the pictures in docs/screenshots/ anew: the window of the program that was built, on an X server in memory, and the
# pages of its server in Chromium; both with drawn photos.
set -euo pipefail
cd "$(dirname "$0")/.."

setup/packages.sh test
setup/axe.sh
taken=$(mktemp -d)
trap 'rm -rf "$taken"' EXIT
echo "screenshots: taking them (a minute or two)" >&2
CI=true go test ./ui/story -count=1 -run '^TestLooks$' -every -kept "$taken" >&2
mkdir -p "$taken/data/fonts" # Chromium takes Japanese letters from here, where the machine has none.
cp assets/fonts/*.otf "$taken/data/fonts/"
CI=true XDG_DATA_HOME="$taken/data" go test ./core/server/browser -count=1 -run '^(TestLooks|TestTrain)$' -kept "$taken" >&2
mkdir -p docs/screenshots
rm -f docs/screenshots/*.png
cp "$taken"/{en,ja}-*.png "$taken"/web-*-{one,train-done}.png docs/screenshots/
echo "screenshots: done: docs/screenshots/" >&2
