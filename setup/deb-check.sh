#!/usr/bin/env bash
# Tries a package of `make deb` on a fresh Debian that boots in a container: installs it, has its service answer for a photo,
# kills it, hangs it, upgrades, removes and purges it. Usage, as root: setup/deb-check.sh PACKAGE.deb MODEL-FOLDER PHOTO
set -euo pipefail

if [ $# != 3 ]; then
	echo "usage: setup/deb-check.sh PACKAGE.deb MODEL-FOLDER PHOTO" >&2
	exit 2
fi
package=$(realpath "$1") model=$(realpath "$2") photo=$(realpath "$3")

say() { echo "deb-check: $*" >&2; }

missing=()
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
if [ ${#missing[@]} -gt 0 ] || [ "$(id -u)" != 0 ]; then
	say "this wants root and the Debian packages debootstrap and systemd-container${missing:+; missing: ${missing[*]}}"
	exit 1
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/kaika/debian-12.tar
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
if [ ! -e "$cache" ]; then
	say "fetching a Debian (once)"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,init-system-helpers,curl,libstdc++6,procps bookworm "$root" >"$work/log" 2>&1 || {
		tail "$work/log" >&2
		exit 1
	}
	mkdir -p "$(dirname "$cache")"
	tar -C "$root" -cf "$cache.part" .
	mv "$cache.part" "$cache"
else
	mkdir "$root"
	tar -C "$root" -xf "$cache"
fi

mkdir -p "$root/check" "$root/srv/kaika"
cp "$package" "$root/check/kaika.deb"
cp -R "$model" "$root/srv/kaika/flowers"
chmod -R a+rX "$root/srv"
cp "$photo" "$root/check/photo"
cat >"$root/check/run" <<'CHECK'
#!/bin/bash
# Runs inside the container, as root, with systemd as it is on a server.
exec >/check/log 2>&1
set -u
failed=0
step() { echo "== $*"; }
want() { # want WHAT COMMAND...: the command has to succeed within 20 s or so
	local what=$1 i
	shift
	for i in $(seq 100); do
		if "$@" >/check/out 2>&1; then
			echo "ok   $what"
			return
		fi
		read -rt 0.2 <> <(:) || true
	done
	echo "FAIL $what"
	tail -n 20 /check/out
	failed=1
}
get() { curl --silent --show-error --fail --max-time 30 "http://127.0.0.1:8080$1"; }
answers() { curl --silent --show-error --fail --max-time 30 -F file=@/check/photo http://127.0.0.1:8080/api/v1/classify | grep '"score"'; }
pid() { systemctl show --property MainPID --value kaika; }
other() { [ "$(pid)" != "$1" ] && [ "$(pid)" != 0 ] && get /healthz; }
gone() { ! systemctl is-active --quiet kaika; }

step install
want "dpkg installs it" dpkg -i /check/kaika.deb
want "it runs at once" get /healthz
want "it starts with the machine" systemctl is-enabled kaika
want "its options are read" sh -c 'echo KAIKA_OPTIONS="--model flowers=/srv/kaika/flowers" >/etc/default/kaika && systemctl restart kaika'
want "it is ready" get /readyz
want "it answers for a photo" answers
cat /check/out
want "the page is there" get /
want "it runs as nobody in particular" sh -c 'user=$(ps -o user= -p "$(systemctl show --property MainPID --value kaika)") && [ "$user" != root ]'
systemd-analyze security --no-pager kaika | tail -n 1

step faults
before=$(pid)
kill -9 "$before"
want "it comes again after a kill" other "$before"
want "and answers" answers
pkill -9 -x kaika-engine
want "it answers after its engine was killed" answers
mkdir -p /run/systemd/system/kaika.service.d
printf '[Service]\nWatchdogSec=3\n' >/run/systemd/system/kaika.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart kaika
want "it is ready" get /readyz
before=$(pid)
read -rt 8 <> <(:) || true
want "the watchdog lets it live" test "$(pid)" = "$before"
kill -STOP "$before"
want "the watchdog ends a program that hangs" other "$before"
rm -r /run/systemd/system/kaika.service.d
systemctl daemon-reload

step upgrade
want "dpkg installs it again" dpkg -i /check/kaika.deb
want "its options are kept" grep -q flowers /etc/default/kaika
want "it answers" answers

step remove
want "dpkg removes it" dpkg -r kaika
want "it runs no more" gone
want "its options are kept" test -e /etc/default/kaika
want "dpkg purges it" dpkg -P kaika
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /check -o -path /srv -o -path /var/log -o -path /var/cache/apt -o -path /run \) -prune -o -iname '*kaika*' -print)
if [ -n "$left" ]; then
	echo "FAIL left behind: $left"
	failed=1
else
	echo "ok   nothing is left behind"
fi
journalctl --no-pager -u kaika >/check/journal 2>&1 || true
echo "$failed" >/check/result
systemctl --no-block poweroff
CHECK
chmod +x "$root/check/run"
cat >"$root/etc/systemd/system/package-check.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
ExecStart=/check/run
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../package-check.service "$root/etc/systemd/system/multi-user.target.wants/"

say "booting it"
timeout 900 systemd-nspawn --quiet --directory "$root" --boot --private-network --register=no --keep-unit </dev/null >"$work/console" 2>&1 || true
cat "$root/check/log"
if [ "$(cat "$root/check/result" 2>/dev/null)" != 0 ]; then
	tail -n 60 "$root/check/journal" 2>/dev/null || tail -n 30 "$work/console"
	say "it failed"
	exit 1
fi
say "all is well"
