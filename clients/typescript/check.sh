#!/usr/bin/env bash
# Checks the client for TypeScript: clients/typescript/check.sh [short|all]
#
# `short` runs the tests of the scenarios that are marked so, with the client for Node.js. `all` runs all of them, and
# again with the client for browsers over the fetch of Node.js. Both use Chromium where it is installed.
#
# The server is $FRAMEWAY, by default target/debug/frameway. Results of scenarios go to the file $FRAMEWAY_SCENARIOS, and
# those of the client for browsers beside it (typescript-browser.tsv beside typescript.tsv). Exit code 3, after a line
# "skipped: ...": there is no Node.js, or the packages could not be downloaded.
set -euo pipefail
mode=${1:-short}
case $mode in short | all) ;; *) echo "usage: clients/typescript/check.sh [short|all]" >&2; exit 2 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")"

step() {
  echo "typescript: $1"
  shift
  "$@" || { echo "typescript: failed: $*" >&2; exit 1; }
}

./install.sh || exit $?
step "format (prettier)" npx prettier --check --log-level warn .
step "build" npm run --silent build
step "types of the tests and samples (tsc)" npx tsc
step "lint (eslint)" npx eslint .
if [ "$mode" = all ]; then
  step "types of browsers alone (tsc)" npx tsc -p tsconfig.web.json
  step "documentation comments (typedoc)" npx typedoc --emit none --logLevel Warn --treatWarningsAsErrors
fi
run_tests() { FRAMEWAY_TESTS=$mode FRAMEWAY_PLATFORM=$1 node --test --test-concurrency=2 --test-reporter=spec build/tests/*.test.js; }
step "tests ($mode), the samples, and an installation from npm pack" run_tests node
if [ "$mode" = all ]; then step "tests ($mode) with the client for browsers, over fetch" run_tests web; fi
echo "typescript: ok"
