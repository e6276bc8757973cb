#!/usr/bin/env bash
# Packs what `make dist` gathered for the desktops of Linux: dist/Kaika-VERSION-OS-ARCH.tar.xz, with a Makefile that installs
# it. `fyne package` packs a program alone, with its icon and desktop file; the engine, TensorFlow, the base models and the
# licences come to it here. Checks that the package, unpacked and installed, runs.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1 fyne=$2
os=$(go env GOOS) arch=$(go env GOARCH)
dist=$PWD/dist/kaika-$version-$os-$arch
package=Kaika-$version-$os-$arch
id=$(sed -n 's/^ *ID = "\(.*\)"$/\1/p' FyneApp.toml)

say() { echo "package: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

case $os in
linux | freebsd | openbsd | netbsd) ;;
*) fail "this makes packages for Linux and the BSDs. On $os, take the folder that make dist makes: $dist" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- what Fyne packs ---
# It counts a build number up in the FyneApp.toml that it reads, so that it gets a copy; it looks for code beside that.
mkdir -p "$work/source/assets/icons"
cp FyneApp.toml main.go "$work/source/"
cp assets/icons/icon.png "$work/source/assets/icons/"
options=()
[[ ! $version =~ ^v?([0-9]+\.[0-9]+\.[0-9]+) ]] || options=(--app-version "${BASH_REMATCH[1]}")
say "packing Fyne's part"
(cd "$work/source" && "$fyne" package --target "$os" --executable "$dist/kaika" "${options[@]}" >&2)
mkdir "$work/fyne"
tar -C "$work/fyne" -xf "$work/source/Kaika.tar.xz"
packed=$(find "$work/fyne/usr" -type d -name bin)
packed=${packed%/bin} # usr or usr/local, as on this machine

# --- the whole ---
tree=$work/$package/kaika
mkdir -p "$tree/lib/kaika" "$tree/share/applications" "$tree/share/metainfo" "$tree/share/icons/hicolor/"{512x512,scalable}/apps
cp -R "$packed/bin" "$tree/"
cp -R "$dist"/{kaika-engine,lib,models,licenses} "$tree/lib/kaika/"
cat "$packed/share/applications/$id.desktop" assets/packaging/desktop.more | sed '/^$/d' >"$tree/share/applications/$id.desktop"
cp "$packed/share/pixmaps/$id.png" "$tree/share/icons/hicolor/512x512/apps/"
cp assets/icons/icon.svg "$tree/share/icons/hicolor/scalable/apps/$id.svg"
cp "assets/packaging/$id.metainfo.xml" "$tree/share/metainfo/"
cp assets/packaging/Makefile "$work/$package/"
chmod -R u=rwX,go=rX "$work/$package"
if command -v desktop-file-validate >/dev/null; then
	desktop-file-validate "$tree/share/applications/$id.desktop" >&2 || fail "the desktop file is not right"
fi
if command -v appstreamcli >/dev/null; then
	appstreamcli validate --no-net "$tree/share/metainfo/$id.metainfo.xml" >&2 || fail "the description for software centres is not right"
fi

say "packing dist/$package.tar.xz (a minute or two)"
tar -C "$work" --owner=0 --group=0 --numeric-owner -cf - "$package" | xz -3 -T0 >"$work/package.tar.xz"
rm -rf "${work:?}/$package"

# --- does it run where it is installed? ---
say "checking that it runs when it is installed"
mkdir "$work/unpacked"
tar -C "$work/unpacked" -xf "$work/package.tar.xz"
make -C "$work/unpacked/$package" --no-print-directory install DESTDIR="$work/installed here" PREFIX=/usr/local >/dev/null
for command in "models verify" doctor; do
	# shellcheck disable=SC2086 # a command may be several words.
	env -i HOME="$work/home" PATH=/nonexistent "$work/installed here/usr/local/bin/kaika" $command >&2 || fail "kaika $command failed there"
done
make -C "$work/unpacked/$package" --no-print-directory uninstall DESTDIR="$work/installed here" PREFIX=/usr/local >/dev/null
left=$(find "$work/installed here" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves $left"
mv "$work/package.tar.xz" "dist/$package.tar.xz"
say "done: dist/$package.tar.xz ($(du -h "dist/$package.tar.xz" | cut -f 1))"
