#!/usr/bin/env bash
# Runs grpcurl with the arguments given: the one on PATH, or else one that Go installs into .tools/bin once.
#
#   scripts/grpcurl.sh -plaintext localhost:7400 list
#
# Leaves with 3 and a line "skipped: ..." where there is neither grpcurl nor Go.
set -euo pipefail

version=v1.9.4
# Asked for by the caller's folder: grpcurl resolves file arguments against it, so no cd here.
bin=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.tools/bin

if command -v grpcurl >/dev/null; then
  exec grpcurl "$@"
fi
if [ ! -x "$bin/grpcurl" ]; then
  if ! command -v go >/dev/null; then
    echo "skipped: grpcurl: it is not on PATH, and there is no Go toolchain to install it with"
    exit 3
  fi
  echo "installing grpcurl $version into .tools/bin (once)" >&2
  mkdir -p "$bin"
  GOBIN=$bin GOFLAGS=-mod=mod go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version" >&2
fi
exec "$bin/grpcurl" "$@"
