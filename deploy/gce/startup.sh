#!/usr/bin/env bash
# Start-up script of a virtual machine of Google Compute Engine (Debian 12 or later) that serves a model with Kaika. It runs at
# each boot and does only what is missing. What it is to do stands in the machine's metadata:
#   kaika-package   gs://BUCKET/kaika_VERSION_amd64.deb, which make deb made
#   kaika-model     gs://BUCKET/NAME.tar, a model folder packed by: tar -C NAME -cf NAME.tar .
#   kaika-options   more options of kaika --headless, such as --public_classify; may be empty
#   kaika-auth      a secret of Secret Manager with lines NAME:HASH for those who may change things; may be empty
#   kaika-domain    a domain whose address this machine has: then Caddy sees to HTTPS; may be empty
set -euo pipefail

readonly METADATA=http://metadata.google.internal/computeMetadata/v1
readonly SRV=/srv/kaika

say() { echo "kaika startup: $*" >&2; }

ask() { curl --silent --show-error --fail --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' "$METADATA/$1"; }
attribute() { ask "instance/attributes/$1" 2>/dev/null || true; }
token() { ask instance/service-accounts/default/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/'; }

# google OPTION... URL: asks as this machine, for ten minutes: a new account's rights take minutes to be known everywhere, and until
# then the answer is 403. The token stays off the command line, which others can read.
google() {
	local try
	for try in {1..40}; do
		if curl --config <(printf 'header = "Authorization: Bearer %s"\n' "$(token)") --silent --show-error --fail --location --retry 5 "$@"; then
			return
		fi
		say "try $try of 40: ${!#} is not to be had yet"
		sleep 15
	done
	return 1
}

# fetch gs://BUCKET/OBJECT FILE: whole or not at all.
fetch() {
	local bucket object
	bucket=${1#gs://} object=${bucket#*/} bucket=${bucket%%/*}
	object=${object//%/%25} object=${object//\//%2F} object=${object// /%20} object=${object//+/%2B} object=${object//\#/%23} object=${object//\?/%3F}
	google --output "$2.part" "https://storage.googleapis.com/storage/v1/b/$bucket/o/$object?alt=media"
	mv "$2.part" "$2"
}

package=$(attribute kaika-package) model=$(attribute kaika-model) options=$(attribute kaika-options)
auth=$(attribute kaika-auth) domain=$(attribute kaika-domain)
[ -n "$package" ] || { say "the metadata kaika-package is missing"; exit 1; }
[ -n "$model" ] || { say "the metadata kaika-model is missing"; exit 1; }
mkdir -p "$SRV" /etc/kaika

# --- the model: a folder for each address it came from, so that a new address is a new model ---
name=$(basename "$model" .tar)
folder=$SRV/$(printf %s "$model" | sha256sum | cut -c 1-16)/$name
if [ ! -e "$folder/model.json" ]; then
	say "fetching $model"
	fetch "$model" "$SRV/model.tar"
	rm -rf "$folder.new"
	mkdir -p "$folder.new"
	tar -C "$folder.new" --no-same-owner -xf "$SRV/model.tar"
	[ -e "$folder.new/model.json" ] || { say "$model holds no model.json at its top"; exit 1; }
	chmod -R a+rX "$SRV"
	mv -T "$folder.new" "$folder"
	rm -f "$SRV/model.tar"
fi

# --- who may change things ---
if [ -n "$auth" ]; then
	umask 077
	google "https://secretmanager.googleapis.com/v1/projects/$(ask project/project-id)/secrets/$auth/versions/latest:access" |
		sed -n 's/.*"data": *"\([^"]*\)".*/\1/p' | base64 -d >/etc/kaika/auth.new
	mv /etc/kaika/auth.new /etc/kaika/auth
	umask 022
fi

# --- its options; the package keeps a file that is there ---
listen=--addr=:8080
[ -z "$domain" ] || listen="--addr=127.0.0.1:8080 --trusted_proxies=127.0.0.1/32"
cat >/etc/default/kaika.new <<OPTIONS
# Written by the start-up script of this machine at each boot: change the machine's metadata instead.
KAIKA_OPTIONS="--model $name=$folder $listen $options"
OPTIONS
if ! cmp -s /etc/default/kaika.new /etc/default/kaika; then
	mv /etc/default/kaika.new /etc/default/kaika
else
	rm /etc/default/kaika.new
fi

# --- the program ---
export DEBIAN_FRONTEND=noninteractive
if [ "$(cat "$SRV/package" 2>/dev/null)" != "$package" ]; then
	say "installing $package"
	fetch "$package" "$SRV/kaika.deb"
	apt-get -o Acquire::Retries=10 update
	apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$SRV/kaika.deb"
	rm -f "$SRV/kaika.deb"
	printf '%s\n' "$package" >"$SRV/package"
fi
systemctl enable kaika.service
systemctl restart kaika.service

# --- models of before ---
find "$SRV" -mindepth 1 -maxdepth 1 -type d ! -path "$(dirname "$folder")" -exec rm -rf {} +

# --- HTTPS ---
if [ -n "$domain" ]; then
	command -v caddy >/dev/null || { apt-get -o Acquire::Retries=10 update && apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 caddy; }
	printf '%s {\n\treverse_proxy 127.0.0.1:8080\n}\n' "$domain" >/etc/caddy/Caddyfile
	systemctl reload-or-restart caddy.service
fi
say "done"
