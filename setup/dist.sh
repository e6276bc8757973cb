#!/usr/bin/env bash
# Gathers what `make build` left in build/ into dist/kaika-VERSION-OS-ARCH, with everybody's licence, and checks that the
# folder runs where it is put, on a machine that has neither Go nor Python.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
os=$(go env GOOS) arch=$(go env GOARCH)
dist=dist/kaika-$version-$os-$arch

say() { echo "dist: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

say "gathering $dist"
rm -rf "$dist"
mkdir -p "$dist/lib" "$dist/models" "$dist/licenses/go"
cp build/kaika build/kaika-engine "$dist/"
for library in build/lib/libtensorflow*; do
	case $library in
	*/libtensorflow.so | */libtensorflow.dylib) ;; # only linkers ask for this name
	*) cp -L "$library" "$dist/lib/" ;;
	esac
done
cp -R build/models/*/ "$dist/models/" 2>/dev/null || fail "there are no base models in build/models"

# --- licences ---
if [ -e build/licenses/LICENSE ]; then
	mkdir "$dist/licenses/tensorflow"
	cp build/licenses/* "$dist/licenses/tensorflow/"
else
	say "the library of KAIKA_LIBTENSORFLOW came without its licence: see to that before you hand this folder on"
fi
[ ! -e LICENSE ] || cp LICENSE "$dist/licenses/"
install -Dm 644 assets/fonts/OFL.txt "$dist/licenses/mplus/OFL.txt"
for model in "$dist"/models/*/; do
	compgen -G "$model"'LICENSE*' >/dev/null || fail "no licence in $model"
done
# A module's licence lies in its root; a package that came from elsewhere has one of its own.
go list -deps -f '{{with .Module}}{{if and .Version (not .Replace)}}{{.Path}}@{{.Version}}|{{.Dir}}|{{$.Dir}}{{end}}{{end}}' . ./model/kaika-engine |
	while IFS='|' read -r module root package; do
		to=$dist/licenses/go/$module
		for folder in "$root" "$package"; do
			find "$folder" -maxdepth 1 -type f \( -iname '*LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' -o -iname 'PATENTS*' \) ! -name '*.go' |
				while read -r file; do
					mkdir -p "$to${folder#"$root"}"
					install -m 644 "$file" "$to${folder#"$root"}/"
				done
		done
		[ -d "$to" ] || fail "no licence in the module $module"
	done
for license in "$(go env GOROOT)/LICENSE" /usr/share/doc/golang-*-go/copyright; do
	[ ! -e "$license" ] || cp "$license" "$dist/licenses/go/LICENSE"
done
[ -e "$dist/licenses/go/LICENSE" ] || fail "the licence of Go itself was not found"

cat >"$dist/README.txt" <<TEXT
Kaika $version for $os/$arch

  ./kaika            opens the window
  ./kaika --help     lists the commands
  ./kaika doctor     says what was found on this machine, and what to do about what is missing

Keep what lies in this folder together; the folder itself may be put anywhere. Nothing is written into it.
models/ holds the networks that new classifiers start from, lib/ TensorFlow, licenses/ the licences of all of it.
TEXT

# --- does it hold together, elsewhere? ---
say "checking that it runs after a move"
moved=$(mktemp -d)
trap 'rm -rf "$moved"' EXIT
cp -R "$dist" "$moved/kaika here"
if [ "$os" = linux ]; then
	for program in kaika kaika-engine; do
		! grep -qF "$PWD" "$moved/kaika here/$program" || fail "$program names the folder it was built in"
		links=$(ldd "$moved/kaika here/$program")
		! grep -F 'not found' <<<"$links" || fail "$program lacks a library"
		! grep -F libtensorflow <<<"$links" | grep -vF "$moved/kaika here/lib/" || fail "$program takes a library from outside its folder"
	done
fi
for command in "models verify" doctor; do
	# shellcheck disable=SC2086 # a command may be several words.
	env -i HOME="$moved/home" PATH=/nonexistent "$moved/kaika here/kaika" $command >&2 || fail "kaika $command failed there"
done
say "done: $dist"
