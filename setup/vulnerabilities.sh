#!/usr/bin/env bash
# Runs the govulncheck that is named on the program. What it finds is a failure; that its database on the internet
# cannot be reached is not, because that says nothing about the program.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
answer=$("$1" ./... 2>&1) || status=$?
printf '%s\n' "$answer"
if [ "$status" != 0 ] && grep -q '^govulncheck: fetching vulnerabilities' <<<"$answer"; then
	echo "lint: NOT CHECKED for known vulnerabilities: the database could not be reached." >&2
	exit 0
fi
exit "$status"
