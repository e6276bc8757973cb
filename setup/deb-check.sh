#!/usr/bin/env bash
# Tries a package of `make deb` on a fresh Debian that boots in a container: installs it, has its service answer for a photo,
# reloads, kills and hangs it, has it serve HTTPS, upgrades, removes and purges it, and lets the start-up script of deploy/gce set it
# up, whose Google is a stand-in. Usage, as root: setup/deb-check.sh PACKAGE.deb MODEL-FOLDER PHOTO
set -euo pipefail

if [ $# != 3 ]; then
	echo "usage: setup/deb-check.sh PACKAGE.deb MODEL-FOLDER PHOTO" >&2
	exit 2
fi
package=$(realpath "$1") model=$(realpath "$2") photo=$(realpath "$3")
cd "$(dirname "$0")/.."

say() { echo "deb-check: $*" >&2; }

missing=()
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
if [ ${#missing[@]} -gt 0 ] || [ "$(id -u)" != 0 ]; then
	say "this wants root and the Debian packages debootstrap and systemd-container${missing:+; missing: ${missing[*]}}"
	exit 1
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/kaika/debian-12.2.tar
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
if [ ! -e "$cache" ]; then
	say "fetching a Debian (once)"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,init-system-helpers,curl,libstdc++6,openssl,procps bookworm "$root" >"$work/log" 2>&1 || {
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
cp deploy/gce/startup.sh "$root/check/"
mkdir -p "$root/check/google" "$root/check/stand-ins"
tar -C "$model" -cf "$root/check/google/flowers.tar" .
cp "$root/check/google/flowers.tar" "$root/check/google/newer.tar"
cat >"$root/check/stand-ins/curl" <<'CURL'
#!/bin/bash
# Stands in for Google. Buckets and secrets are refused twice, as they are until a new account's rights are known everywhere.
output=/dev/stdout
for ((i = 1; i < $#; i++)); do
	[ "${!i}" != --output ] || { i=$((i + 1)) output=${!i}; }
done
case ${!#} in
*/attributes/kaika-package) echo gs://bucket/kaika.deb ;;
*/attributes/kaika-model) cat /check/model ;;
*/attributes/kaika-options) echo --public_classify ;;
*/attributes/kaika-auth) echo users ;;
*/default/token) echo '{"access_token":"t0ken","expires_in":3599}' ;;
*/project/project-id) echo project ;;
https://secretmanager.* | https://storage.*)
	refused=$(cat /check/refused)
	if [ "$refused" -lt 2 ]; then
		echo $((refused + 1)) >/check/refused
		exit 22
	fi
	echo 0 >/check/refused
	case ${!#} in
	*/projects/project/secrets/users/*) printf '{\n  "payload": {\n    "data": "%s"\n  }\n}\n' "$(base64 -w 0 /check/users)" ;;
	*/b/bucket/o/kaika.deb*) cp /check/kaika.deb "$output" ;;
	*/b/bucket/o/*.tar*) cp "/check/google/$(basename "${!#}" '?alt=media')" "$output" ;;
	*) exit 22 ;;
	esac ;;
*) exit 22 ;;
esac
CURL
printf '#!/bin/sh\n' >"$root/check/stand-ins/sleep"
cat >"$root/check/stand-ins/apt-get" <<'APT'
#!/bin/bash
[[ " $* " != *" install "* ]] || exec dpkg --force-confold -i "${!#}"
APT
chmod +x "$root"/check/stand-ins/*
cat >"$root/check/run" <<'CHECK'
#!/bin/bash
# Runs inside the container, as root, with systemd as it is on a server.
exec >/check/log 2>&1
set -u
failed=0
step() { echo "== $*"; }
want() { # want WHAT COMMAND...: the command has to succeed within 20 s or so
	local what=$1 until=$((SECONDS + 20))
	shift
	while :; do
		if "$@" >/check/out 2>&1; then
			echo "ok   $what"
			return
		fi
		[ $SECONDS -lt $until ] || break
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

step reload
before=$(pid)
want "it is told to look for new models" systemctl reload kaika
want "it answers" answers
want "it is the same program" test "$(pid)" = "$before"

step HTTPS
mkdir -p /etc/letsencrypt/live/example.org /etc/systemd/system/kaika.service.d
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 \
	-keyout /etc/letsencrypt/live/example.org/privkey.pem -out /etc/letsencrypt/live/example.org/fullchain.pem
chmod -R go= /etc/letsencrypt
cp /etc/default/kaika /check/default
cp /usr/share/doc/kaika/examples/tls.conf /etc/systemd/system/kaika.service.d/
# As the comments in both files have it.
echo "KAIKA_OPTIONS=\"--model flowers=/srv/kaika/flowers --public_classify $(sed -n 's/.*\(--addr :443 --tls_cert.*key\)$/\1/p' /usr/share/doc/kaika/examples/tls.conf)\"" >/etc/default/kaika
systemctl daemon-reload
systemctl restart kaika
want "it answers over HTTPS at port 443" curl --silent --show-error --fail --max-time 30 --cacert /etc/letsencrypt/live/example.org/fullchain.pem -F file=@/check/photo https://localhost/api/v1/classify
want "its user cannot read the key" sh -c '! setpriv --reuid="$(stat -c %u /proc/$(systemctl show --property MainPID --value kaika))" --clear-groups cat /etc/letsencrypt/live/example.org/privkey.pem'
rm -r /etc/systemd/system/kaika.service.d
cp /check/default /etc/default/kaika
systemctl daemon-reload
systemctl restart kaika
want "it is ready" get /readyz

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
want "it makes a line for a user" sh -c 'echo secret | XDG_STATE_HOME=/check/state kaika --hash_password me >/check/users'

step remove
want "dpkg removes it" dpkg -r kaika
want "it runs no more" gone
want "its options are kept" test -e /etc/default/kaika
want "dpkg purges it" dpkg -P kaika
clean() {
	local left
	left=$(find / -xdev \( -path /proc -o -path /sys -o -path /check -o -path /srv -o -path /var/log -o -path /var/cache/apt -o -path /run \) -prune -o -iname '*kaika*' -print)
	echo "left behind: $left"
	[ -z "$left" ]
}
want "nothing is left behind" clean

step "start-up script of deploy/gce"
echo 0 >/check/refused
started() { PATH=/check/stand-ins:$PATH bash /check/startup.sh; }
echo gs://bucket/flowers.tar >/check/model
rm -r /srv/kaika
want "it sets a machine up" started
cat /check/out
want "the machine answers" answers
want "it knows its users" curl --silent --show-error --fail --max-time 30 --user me:secret http://127.0.0.1:8080/api/v1/datasets
want "nobody else may read who they are" test "$(stat -c %a /etc/kaika/auth)" = 600
echo gs://bucket/newer.tar >/check/model
want "it takes another model" started
want "the machine answers" answers
want "with that model" sh -c 'curl --silent --fail http://127.0.0.1:8080/v1/models/newer'
want "the one of before is gone" test "$(find /srv/kaika -name model.json | wc -l)" = 1
want "dpkg purges it" dpkg -P kaika
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
