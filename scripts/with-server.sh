#!/usr/bin/env bash
# Starts a server with the embedded queue on a free port, runs a command against it, stops it.
#
#   scripts/with-server.sh COMMAND [ARGUMENT...]      runs: COMMAND ARGUMENT... 127.0.0.1:PORT
#
# FRAMEWAY names another binary than target/debug/frameway. Leaves with the command's exit code; if that is 0, the
# server must also have stopped cleanly, with code 0, on SIGTERM. Its log is shown when anything went wrong.
set -euo pipefail

if [ $# -eq 0 ]; then
  echo "usage: scripts/with-server.sh COMMAND [ARGUMENT...]" >&2
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
frameway=${FRAMEWAY:-$root/target/debug/frameway}
start_seconds=30
stop_seconds=40 # the server gives its own work 30 s to end

if [ ! -x "$frameway" ]; then
  echo "$frameway is not there; build it first: cargo build" >&2
  exit 1
fi

folder=$(mktemp -d)
address_file=$folder/address log=$folder/log
server=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
fail() {
  echo "with-server: $1" >&2
  echo "--- the server's log ---" >&2
  tail -n 50 "$log" >&2
  exit 1
}
running() { kill -0 "$server" 2>/dev/null; }

"$frameway" serve --listen 127.0.0.1:0 --address-file "$address_file" >"$log" 2>&1 </dev/null &
server=$!

deadline=$((SECONDS + start_seconds))
until [ -s "$address_file" ]; do
  running || { server=; fail "the server ended before it served"; }
  if [ "$SECONDS" -ge "$deadline" ]; then fail "the server did not serve within ${start_seconds}s"; fi
  sleep 0.05
done
address=$(tr -d '[:space:]' <"$address_file")

code=0
"$@" "$address" || code=$?

kill -TERM "$server" 2>/dev/null || { server=; fail "the server died while the command ran"; }
deadline=$((SECONDS + stop_seconds))
while running; do
  if [ "$SECONDS" -ge "$deadline" ]; then fail "the server did not stop within ${stop_seconds}s of SIGTERM"; fi
  sleep 0.05
done
server_code=0
wait "$server" || server_code=$?
server=
if [ "$server_code" -ne 0 ]; then fail "the server left with $server_code on SIGTERM, expected 0"; fi
if [ "$code" -ne 0 ] && [ "$code" -ne 3 ]; then
  echo "--- the server's log ---" >&2
  tail -n 50 "$log" >&2
fi
exit "$code"
