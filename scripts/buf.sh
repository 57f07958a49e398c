#!/usr/bin/env bash
# Runs buf at the pinned version: the one on PATH, else one that it installs into .tools/ (from PyPI, else from npm).
# Says on stderr what it does. Exit code 3: buf could not be had; a check that needs it counts as skipped.
set -euo pipefail

readonly BUF_VERSION=1.75.0
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly root
readonly log="$root/.tools/buf-install.log"

is_pinned() {
    [ "$("$1" --version 2>/dev/null)" = "$BUF_VERSION" ]
}

try_pypi() {
    command -v python3 >/dev/null || return 1
    echo "buf.sh: installing buf-bin $BUF_VERSION from PyPI into .tools/venv" >&2
    [ -x "$root/.tools/venv/bin/python" ] || python3 -m venv "$root/.tools/venv" >>"$log" 2>&1 || return 1
    "$root/.tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check "buf-bin==$BUF_VERSION" >>"$log" 2>&1
}

try_npm() {
    command -v npm >/dev/null || return 1
    echo "buf.sh: installing @bufbuild/buf $BUF_VERSION from npm into .tools/node" >&2
    npm install --silent --no-fund --no-audit --prefix "$root/.tools/node" "@bufbuild/buf@$BUF_VERSION" >>"$log" 2>&1
}

find_buf() {
    local candidate
    for candidate in "$(command -v buf || true)" "$root/.tools/venv/bin/buf" "$root/.tools/node/node_modules/.bin/buf"; do
        if [ -n "$candidate" ] && is_pinned "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

if ! buf="$(find_buf)"; then
    mkdir -p "$root/.tools"
    : >"$log"
    try_pypi || try_npm || true
    if ! buf="$(find_buf)"; then
        echo "skipped: buf $BUF_VERSION is not on PATH and could not be installed from PyPI or npm (see .tools/buf-install.log)" >&2
        exit 3
    fi
fi

cd "$root"
exec "$buf" "$@"
