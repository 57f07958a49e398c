#!/usr/bin/env bash
# Lets systemd check the units in deploy/systemd: that it understands every line, and how exposed it
# rates them (0.0 to 10.0; at most 1.5 here).
#
# Exit code 3, after a line "skipped: ...": it cannot run on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v systemd-analyze >/dev/null || { echo "skipped: units: systemd-analyze is not installed" && exit 3; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The program need not be installed here; its manual pages neither.
for unit in deploy/systemd/*.service; do
  sed "s|^ExecStart=/usr/bin/frameway|ExecStart=$(command -v true)|" "$unit" >"$scratch/$(basename "$unit")"
done
for unit in frameway.service frameway-worker@1.service; do
  said=$(systemd-analyze verify --man=no "$scratch/$unit" 2>&1) || { echo "$said" >&2 && exit 1; }
  if [ -n "$said" ]; then echo "$said" >&2 && exit 1; fi
  template=${unit/@1/@}
  rated=$(systemd-analyze security --offline=true --threshold=15 "$scratch/$template" 2>&1) || { echo "$rated" >&2 && exit 1; }
  tail -n 1 <<<"$rated"
done
