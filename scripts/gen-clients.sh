#!/usr/bin/env bash
# Writes the generated code of the Python client, and its copy of the service config, from proto/.
#
#   scripts/gen-clients.sh [--check]      --check changes nothing and fails if the code is stale
#
# Exit code 3: a tool could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-write}
case $mode in write | --check) ;; *) echo "usage: scripts/gen-clients.sh [--check]" >&2; exit 2 ;; esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
clients/python/generate.sh "$out"

for folder in frameway/v1 frameway/admin; do
  committed=clients/python/src/$folder
  if [ "$mode" = --check ]; then
    diff -ru --exclude=__pycache__ "$committed" "$out/$folder" || { echo "$committed is stale: run scripts/gen-clients.sh" >&2; exit 1; }
  else
    rm -rf "$committed"
    cp -R "$out/$folder" "$committed"
  fi
done
