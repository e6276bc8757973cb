#!/usr/bin/env bash
# Puts axe-core into build/tools/axe: the script that looks through the server's pages for what bars people who see, hear or
# move otherwise (MPL-2.0; a tool of the tests, no part of any program). It comes out of a wheel, by exact version and digest.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

package=axe-playwright-python version=0.1.8 member=axe_playwright_python/axe.min.js
digest=fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8

place=build/tools/axe
pinned="$package $version $digest"
if [ -e "$place/axe.min.js" ] && [ "$(cat "$place/.origin" 2>/dev/null || true)" = "$pinned" ]; then
	exit 0
fi

mkdir -p build/tools
new=$(mktemp -d build/tools/axe.XXXXXX)
trap 'rm -rf "$new"' EXIT

python3 -m pip --version >/dev/null 2>&1 || setup/packages.sh pip
say "fetching axe-core (0.3 MB, once)"
echo "$package==$version --hash=sha256:$digest" >"$new/requirements.txt"
if ! python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
	--dest "$new/wheel" --requirement "$new/requirements.txt" </dev/null >&2; then
	say "pip could not fetch $package $version; its reason is above. When the cause is gone (often: no network), try again."
	exit 1
fi
mkdir "$new/axe"
python3 - "$new" "$member" <<-'PYTHON'
	import pathlib, sys, zipfile

	new = pathlib.Path(sys.argv[1])
	with zipfile.ZipFile(next(new.glob("wheel/*.whl"))) as wheel:
	    (new / "axe" / "axe.min.js").write_bytes(wheel.read(sys.argv[2]))
PYTHON
echo "$pinned" >"$new/axe/.origin"
rm -rf "$place"
mv "$new/axe" "$place"
