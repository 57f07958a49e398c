#!/usr/bin/env bash
# Audits the dependencies in Cargo.lock with cargo-deny, by the rules in deny.toml: licences, banned crates,
# sources, and known vulnerabilities.
#
# cargo-deny on PATH is used where it has the wanted version; otherwise that version is compiled into .tools/ once
# (unoptimised: a bit over a minute on two cores, and it audits in two seconds all the same).
#
# The advisories are a git repository that must be fetched from GitHub. Where that cannot be reached, this part is
# skipped by name and everything else still counts.
# Exit codes: 0 in order, 1 a finding, 3 in order as far as it could look ("skipped: ..." says what it could not).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
tools=$PWD/.tools/cargo-deny-$version

is_wanted() { [ "$("$1" --version 2>/dev/null)" = "cargo-deny $version" ]; }
if is_wanted cargo-deny; then
  deny=cargo-deny
else
  deny=$tools/bin/cargo-deny
  if ! is_wanted "$deny"; then
    echo "compiling cargo-deny $version into .tools/ (once)"
    if ! cargo install cargo-deny --version "=$version" --locked --debug --quiet \
      --root "$tools" --target-dir "$tools/target"; then
      echo "cargo-deny $version could not be installed; the dependencies were not audited" >&2
      exit 1
    fi
    rm -rf "$tools/target"
  fi
fi

"$deny" --locked check licenses bans sources

out=$(mktemp)
trap 'rm -f "$out"' EXIT
if "$deny" --locked check advisories >"$out" 2>&1; then
  cat "$out"
  exit 0
fi
cat "$out"
if grep -q 'failed to fetch advisory database' "$out"; then
  echo "skipped: advisories: the RustSec advisory database could not be fetched"
  exit 3
fi
exit 1
