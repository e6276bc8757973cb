#!/usr/bin/env bash
# Checks that Go is there and as new as go.mod asks for.
set -euo pipefail
cd "$(dirname "$0")/.."

need=$(awk '$1 == "go" { print $2 }' go.mod)
if ! command -v go >/dev/null; then
	echo "setup: Kaika is written in Go, and no go command was found. Install Go $need or newer (https://go.dev/dl/) and put it on the PATH." >&2
	exit 1
fi

# Go 1.21 and newer fetch the toolchain that go.mod asks for by themselves, unless they are told not to.
have=$(go env GOVERSION 2>/dev/null || go version | awk '{ print $3 }')
if [ "$(printf '%s\n' "$need" "${have#go}" | sort -V | head -n 1)" != "$need" ]; then
	echo "setup: Kaika needs Go $need or newer, and $(command -v go) is ${have:-older}. A newer one is at https://go.dev/dl/ ." >&2
	exit 1
fi
