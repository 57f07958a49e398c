#!/usr/bin/env bash
# Audits the dependencies in Cargo.lock by the rules in deny.toml: licences, banned crates, sources,
# known vulnerabilities.
#
# Exit codes: 0 no finding; 1 a finding; 3 no finding, but the advisories could not be fetched from
# GitHub.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny=$(scripts/tool.sh cargo-deny) || exit 1
"$deny" --locked check licenses bans sources || exit 1

if said=$("$deny" --locked check advisories 2>&1); then
  echo "$said"
elif [[ $said == *"failed to fetch advisory database"* ]]; then
  echo "skipped: advisories: the RustSec advisory database could not be fetched"
  exit 3
else
  echo "$said"
  exit 1
fi
