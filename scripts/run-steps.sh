#!/usr/bin/env bash
# Runs make targets with a heading and a time for each, and ends with a summary:
# scripts/run-steps.sh TARGET... "TARGET... + TARGET..." ...
#
# Targets run one after another. Those after a "+" run at the same time as those before it, and the
# output of each is printed when it ends.
#
# If a step fails, the others still run, so that one run shows everything that is wrong. FAIL_FAST=1
# starts no more steps. A line "skipped: WHAT: WHY" in a step's output is repeated in the summary;
# NO_SKIP=1 makes such a step fail. The output of each step is kept in target/steps/TARGET.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${1:?usage: scripts/run-steps.sh TARGET...}"

readonly logs=target/steps results=target/steps/results skips=target/steps/skips
rm -rf $logs && mkdir -p $logs && touch $results $skips

run_step() {
  local log=$logs/$1.log started=$SECONDS verdict=ok
  if [ -z "$beside" ]; then
    printf '\n=== %s ===\n' "$1"
    ${MAKE:-make} --no-print-directory "$1" 2>&1 | tee "$log" || verdict=FAILED
  else
    ${MAKE:-make} --no-print-directory "$1" >"$log" 2>&1 || verdict=FAILED
    printf '\n=== %s ===\n' "$1" | cat - "$log"
  fi
  if sed -n "s/^skipped: /  SKIPPED $1: /p" "$log" | tee -a $skips | grep -q . && [ $verdict = ok ]; then
    verdict="SKIPPED in whole or in part, see below"
    if [ -n "${NO_SKIP:-}" ]; then verdict="FAILED, NO_SKIP is set"; fi
  fi
  printf '  %-18s %5ds  %s\n' "$1" $((SECONDS - started)) "$verdict" >>$results
  printf -- '--- %s: %s, %ds\n' "$1" "$verdict" $((SECONDS - started))
}
may_start() { [ -z "${FAIL_FAST:-}" ] || ! grep -q '  FAILED' $results; }
run() { for step in $1; do if may_start; then run_step "$step"; fi; done; }

for group in "$@"; do
  beside=${group#*+}
  if [ "$beside" = "$group" ]; then beside='' && run "$group"; continue; fi
  # In a process group of its own, which ends when this script is interrupted.
  set -m; run "$beside" </dev/null & set +m
  trap 'kill -- -$! 2>/dev/null || true' EXIT
  run "${group%+*}"
  wait && trap - EXIT
done

steps=$(wc -w <<<"${*//+/}") ran=$(wc -l <$results) failed=$(grep -c '  FAILED' $results || true)
printf '\n=== summary ===\n' | cat - $results
if [ -s $skips ]; then echo "skipped, in whole or in part:" && cat $skips; fi
if [ "$ran" -lt "$steps" ]; then echo "stopped early: $((steps - ran)) of $((steps)) steps did not run, or left no result"; fi
if [ "$failed" -gt 0 ]; then echo "$failed of $((ran)) steps FAILED in ${SECONDS}s; see $logs/*.log" && exit 1; fi
if [ "$ran" -lt "$steps" ]; then exit 1; fi
echo "every step passed$([ ! -s $skips ] || echo ", except for the skipped steps"), in ${SECONDS}s"
