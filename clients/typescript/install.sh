#!/usr/bin/env bash
# Installs the pinned packages into node_modules, unless they are there. Exit code 3, after a line
# "skipped: ...": Node.js 20 is missing, or the packages could not be downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

skip() { echo "skipped: typescript: $1"; exit 3; }
command -v npm >/dev/null || skip "there is no Node.js with npm"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "Node.js 20 or newer is needed, this is $(node --version)"
ready=node_modules/.frameway-lock
if ! cmp -s package-lock.json "$ready"; then
  log=$(mktemp)
  echo "installing the packages of package-lock.json into node_modules (once)" >&2
  if ! npm ci --ignore-scripts --no-audit --no-fund --silent >"$log" 2>&1; then
    cat "$log" >&2
    rm "$log"
    skip "its packages could not be installed"
  fi
  rm "$log"
  cp package-lock.json "$ready"
fi
