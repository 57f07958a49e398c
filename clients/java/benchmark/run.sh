#!/usr/bin/env bash
# Compares the publisher and the subscription with the bare stub, on a server of its own. Its memory
# budget is so large that it throttles nobody: the publisher obeys a throttle, and the stub does not.
#
#   clients/java/benchmark/run.sh [FRAMES [ROUNDS]]      default: 1000 frames of 200 kB, 7 rounds
#
# The program is $FRAMEWAY, by default target/release/frameway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=${FRAMEWAY:-$PWD/../../target/release/frameway}
folder=$(mktemp -d)
"$program" serve --listen 127.0.0.1:0 --metrics-listen none --memory-budget 8GiB --address-file "$folder/address" > "$folder/log" 2>&1 &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
mvn --quiet --batch-mode test-compile dependency:build-classpath -Dmdep.outputFile="$folder/classpath"
while [ ! -f "$folder/address" ]; do
  kill -0 "$server" 2> /dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.1
done
java -Xmx512m -cp "target/test-classes:target/classes:$(cat "$folder/classpath")" \
  Benchmark "$(cat "$folder/address")" "${1:-1000}" "${2:-7}"
