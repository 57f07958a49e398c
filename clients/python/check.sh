#!/usr/bin/env bash
# Checks the Python client: format, lint, types, installation, tests.
#
#   clients/python/check.sh [short|all]      default: all
#
# `short` runs the short scenarios with the newest grpcio and protobuf. `all` runs every test, with
# the oldest and with the newest ones. The server is $FRAMEWAY, by default target/debug/frameway.
# Exit codes: 0 ok; 1 a check failed; 3 after a line "skipped: python: ...", a tool could not be
# installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mode=${1:-all}
case $mode in short | all) ;; *) echo "usage: clients/python/check.sh [short|all]" >&2; exit 2 ;; esac
if ! oldest=$(../../scripts/tool.sh python) || ! newest=$(../../scripts/tool.sh python-newest); then
  echo "skipped: python: Python 3.10 or newer with pip is needed, and access to the packages"
  exit 3
fi
export FRAMEWAY=${FRAMEWAY:-$PWD/../../target/debug/frameway}
caches=$(mktemp -d)
trap 'rm -rf "$caches"' EXIT
export PYTHONDONTWRITEBYTECODE=1 MYPY_CACHE_DIR=$caches/mypy RUFF_NO_CACHE=true

failed=
check() {
  echo "--- $1"
  shift
  "$@" || failed=yes
}

# Installs the client into a new environment, as a user does, and asks a server with it.
installed() {
  local home=$caches/environment
  # The build leaves files beside the sources.
  cp -R . "$caches/source" && rm -rf "$caches/source/build"
  "${oldest%/*}/python3" -m venv "$home" &&
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$caches/source[numpy,pillow]" &&
    (cd tests && env -u PYTHONPATH "$home/bin/python" -m unittest -q test_installed)
}

run_tests() {
  (cd tests && PYTHONPATH=../src "$1" -W error::UserWarning -m unittest "${@:2}")
}

tools=${oldest%/*}
check "format" "$tools/ruff" format --check .
check "lint" "$tools/ruff" check --quiet .
check "types" "$tools/mypy" src/frameway samples
check "installation" installed
if [ "$mode" = short ]; then
  export FRAMEWAY_SHORT=1
  check "tests, newest versions" run_tests "$newest" test_scenarios test_state test_convert test_sample
else
  check "tests, oldest versions" run_tests "$oldest"
  unset FRAMEWAY_SCENARIOS
  check "tests, newest versions" run_tests "$newest"
fi
[ -z "$failed" ]
