#!/usr/bin/env bash
# Checks the proto files: format, lint, no break of the contract, up-to-date generated clients. If a
# check fails, the others still run.
#
#   scripts/proto-check.sh [--move-baseline]
#
# proto/baseline.binpb is the contract that clients already have. --move-baseline prints the
# breaking changes, of which there must be none. Then it writes the file again, so that later checks
# protect the additions, too. Use it in a separate commit that names the additions. Exit codes: 0
# every check passed; 1 a check failed; 3 a tool could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

buf=$(scripts/tool.sh buf)
readonly baseline=proto/baseline.binpb
case ${1:-} in
  "") ;;
  --move-baseline)
    "$buf" breaking --against $baseline || echo "CONTRIBUTING.md lists the only breaks that are allowed" >&2
    # Leave out comments, because rewording one does not change the contract, and frameway.admin,
    # which is beta and may change.
    exec "$buf" build --path proto/frameway/v1 --exclude-source-info -o $baseline
    ;;
  *) echo "usage: scripts/proto-check.sh [--move-baseline]" >&2; exit 2 ;;
esac

failed='' skipped=''
check() {
  local code=0
  "$@" || code=$?
  case $code in
    0) echo "ok: ${*##*/}" ;;
    3) skipped=yes ;;
    *) echo "FAILED: ${*##*/}" && failed=yes ;;
  esac
}
check "$buf" format --diff --exit-code
check "$buf" lint
check "$buf" breaking --against $baseline
check scripts/gen-clients.sh --check
[ -z "$failed" ] || exit 1
[ -z "$skipped" ] || exit 3
