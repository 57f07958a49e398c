#!/usr/bin/env bash
# Writes the generated code of the clients, and their copies of the service config, from proto/.
#
#   scripts/gen-clients.sh [--check]      --check changes nothing and fails if the code is stale
#
# Each client's generate.sh writes the code to a folder. The Rust client has none: build.rs generates
# its code. Exit code 3, after a line "skipped: ...": a language's tools are missing; the others were
# generated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-write}
case $mode in write | --check) ;; *) echo "usage: scripts/gen-clients.sh [--check]" >&2; exit 2 ;; esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
verdict=0

# compare GENERATED COMMITTED
compare() {
  if [ "$mode" = --check ]; then
    diff -rq --exclude=__pycache__ "$2" "$1" && return
    echo "$2 is stale: run scripts/gen-clients.sh" >&2
    verdict=1
  else
    rm -rf "$2"
    cp -R "$1" "$2"
  fi
}

# client LANGUAGE GENERATED=COMMITTED...: folders in the output, and in the client.
client() {
  local language=$1 code=0 pair && shift
  clients/"$language"/generate.sh "$out/$language" || code=$?
  if [ $code -eq 3 ]; then
    if [ $verdict -eq 0 ]; then verdict=3; fi
    return
  fi
  [ $code -eq 0 ] || { echo "$language: the code cannot be generated" >&2 && verdict=1 && return; }
  for pair in "$@"; do compare "$out/$language/${pair%=*}" "clients/$language/${pair#*=}"; done
}

client python frameway/v1=src/frameway/v1 frameway/admin=src/frameway/admin
client typescript .=src/gen
client go .=gen
client java java=src/generated/java resources=src/generated/resources
exit $verdict
