#!/usr/bin/env bash
# Packs Kaika for a server: dist/kaika_VERSION_ARCH.deb with the program built without a window, the engine, TensorFlow, a base
# model, a systemd unit and the manual page. Checks what can be checked without installing it. COMPRESSION is that of xz, 0 to 9.
set -euo pipefail
cd "$(dirname "$0")/.."

setup/packages.sh deb

version=$1
arch=$(dpkg --print-architecture)
dist=dist/kaika-$version-$(go env GOOS)-$(go env GOARCH)
model=efficientnet_lite0

say() { echo "deb: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

# A Debian version begins with a digit. A commit without a tag is older than any release, and the later the newer.
case $version in
v[0-9]*) deb_version=$(sed 's/^v//; s/-/+/; s/-/./g' <<<"$version") ;;
[0-9]*.*) deb_version=$(sed 's/-/+/; s/-/./g' <<<"$version") ;;
*) deb_version=0~git$(git log -1 --format=%cd --date=format:%Y%m%d.%H%M%S 2>/dev/null || date +%Y%m%d.%H%M%S).${version//-/.} ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packaging=assets/packaging/debian

say "compiling kaika without a window"
mkdir -p "$root/usr/bin"
CGO_ENABLED=0 go build -tags headless -ldflags "-s -w -X kaika/app.version=$version" -o "$root/usr/bin/kaika" .

install -d "$root/usr/lib/kaika/lib" "$root/usr/lib/kaika/models" "$root/usr/share/doc/kaika" "$root/usr/share/man/man1"
install -m 755 "$dist/kaika-engine" "$root/usr/lib/kaika/"
install -m 644 "$dist"/lib/* "$root/usr/lib/kaika/lib/"
cp -R "$dist/models/$model" "$root/usr/lib/kaika/models/"
# What only debuggers read is a quarter of it.
strip --strip-unneeded "$root"/usr/lib/kaika/lib/* "$root/usr/lib/kaika/kaika-engine"
cp -R "$dist/licenses" "$root/usr/share/doc/kaika/"
install -m 644 "$packaging/copyright" "$root/usr/share/doc/kaika/"
install -m 644 README.md "$root/usr/share/doc/kaika/"
gzip -9n <assets/packaging/kaika.1 >"$root/usr/share/man/man1/kaika.1.gz"
install -Dm 644 "$packaging/kaika.service" "$root/lib/systemd/system/kaika.service"
install -Dm 644 "$packaging/default" "$root/etc/default/kaika"
install -Dm 600 "$packaging/auth" "$root/etc/kaika/auth"
chmod -R u=rwX,go=rX "$root/usr"

install -Dm 644 "$packaging/tls.conf" "$root/usr/share/doc/kaika/examples/tls.conf"

# How new the C and C++ libraries must be, as those who were linked with them tell. TensorFlow's own two belong to no package.
install -d "$work/debian" "$root/DEBIAN"
printf 'Source: kaika\n\nPackage: kaika\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/kaika/lib" -S"$root" \
	"$root"/usr/lib/kaika/kaika-engine "$root"/usr/lib/kaika/lib/* 2>"$work/shlibdeps") ||
	fail "what the package depends on cannot be told: $(cat "$work/shlibdeps")"
depends=${depends#shlibs:Depends=}
[[ $depends == *"libc6 (>= "* ]] || fail "the package would depend on $depends, without a version of libc6"

install -m 755 "$packaging"/{postinst,prerm,postrm} "$root/DEBIAN/"
printf '%s\n' /etc/default/kaika /etc/kaika/auth >"$root/DEBIAN/conffiles"
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<TEXT
Package: kaika
Version: $deb_version
Architecture: $arch
Maintainer: The Kaika authors <kaika@localhost>
Installed-Size: $(du -sk "$root" | cut -f 1)
Depends: $depends
Recommends: ca-certificates
Section: science
Priority: optional
Description: turns photos into a classifier on your own machine
 Kaika retrains the last layer of a pre-trained network with photos of your own
 and says what is on new ones: from the command line, as a web page, and
 through an HTTP interface that clients of TensorFlow Serving can use. This
 package holds the program without its window, and a service that is reached
 from this machine only until /etc/default/kaika says otherwise.
TEXT

say "packing dist/kaika_${deb_version}_$arch.deb (a minute or two)"
file=dist/kaika_${deb_version}_$arch.deb
dpkg-deb --root-owner-group -Zxz -z"${COMPRESSION:-6}" --build "$root" "$work/kaika.deb" >/dev/null

# --- does it hold together? ---
mkdir "$work/unpacked"
dpkg-deb --extract "$work/kaika.deb" "$work/unpacked"
for command in "models verify" doctor "--headless --help"; do
	# shellcheck disable=SC2086 # a command may be several words.
	env -i HOME="$work/home" PATH=/nonexistent "$work/unpacked/usr/bin/kaika" $command >/dev/null || fail "kaika $command failed in the package"
done
if command -v systemd-analyze >/dev/null; then
	# With the units of this machine, and the program that is not installed here.
	units=$work/units own=()
	install -Dm 644 "$packaging/tls.conf" "$units/kaika.service.d/tls.conf"
	sed "s|/usr/bin/kaika|$work/unpacked&|" "$work/unpacked/lib/systemd/system/kaika.service" >"$units/kaika.service"
	! systemd-analyze --help | grep -q -e --recursive-errors || own=(--recursive-errors=no)
	systemd-analyze verify --man=no "${own[@]}" "$units/kaika.service" >&2 || fail "systemd finds fault with the unit"
fi
mv "$work/kaika.deb" "$file"
say "done: $file ($(du -h "$file" | cut -f 1)). Install it: apt install ./$file"
