#!/usr/bin/env bash
# Runs make targets one after another, with a heading and a time for each, and a summary at the end.
#
#   scripts/run-steps.sh TARGET...
#
# A step fails when its target fails; the others still run, so that one look shows all that is wrong
# (FAIL_FAST=1 stops at the first). A line "skipped: WHAT: WHY" in a step's output is repeated in the summary,
# so that nothing is left out unseen; with NO_SKIP=1 such a step fails. Each step's output is also kept in
# target/steps/TARGET.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ $# -eq 0 ]; then
  echo "usage: scripts/run-steps.sh TARGET..." >&2
  exit 2
fi

logs=target/steps
mkdir -p "$logs"
names=() verdicts=() times=() skips=()
failed=0
begun=$SECONDS

for step in "$@"; do
  printf '\n=== %s ===\n' "$step"
  started=$SECONDS
  log="$logs/$step.log"
  # Not --silent: the commands that a step runs are what a reader would type.
  if ${MAKE:-make} --no-print-directory "$step" 2>&1 | tee "$log"; then verdict=ok; else verdict=FAILED; fi

  skipped=$(grep -E '^skipped: ' "$log" || true)
  if [ -n "$skipped" ]; then
    while IFS= read -r line; do skips+=("$step: ${line#skipped: }"); done <<<"$skipped"
    if [ "$verdict" = ok ]; then
      if [ -n "${NO_SKIP:-}" ]; then verdict="FAILED, NO_SKIP is set"; else verdict="SKIPPED in whole or in part, see below"; fi
    fi
  fi

  took=$((SECONDS - started))
  names+=("$step") verdicts+=("$verdict") times+=("$took")
  printf -- '--- %s: %s, %ds\n' "$step" "$verdict" "$took"
  if [[ $verdict == FAILED* ]]; then
    failed=$((failed + 1))
    if [ -n "${FAIL_FAST:-}" ]; then break; fi
  fi
done

printf '\n=== summary ===\n'
for i in "${!names[@]}"; do
  printf '  %-18s %5ds  %s\n' "${names[$i]}" "${times[$i]}" "${verdicts[$i]}"
done
if [ ${#skips[@]} -gt 0 ]; then
  echo "skipped, in whole or in part:"
  for line in "${skips[@]}"; do printf '  SKIPPED %s\n' "$line"; done
fi
if [ ${#names[@]} -lt $# ]; then echo "stopped early: $(($# - ${#names[@]})) of $# steps did not run"; fi
if [ "$failed" -gt 0 ]; then
  echo "$failed of ${#names[@]} steps FAILED in $((SECONDS - begun))s; the output of each is in $logs/"
  exit 1
fi
if [ ${#skips[@]} -gt 0 ]; then but=", but for what was skipped"; else but=; fi
echo "every step passed$but, in $((SECONDS - begun))s"
