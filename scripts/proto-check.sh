#!/usr/bin/env bash
# Checks the proto files: format, lint, no break of the contract, the service config, generated clients fresh.
# Exit codes: 0 all good, 1 something is not, 3 a tool could not be had, so that something was skipped (its line says what).
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

failed=0
skipped=0

step() {
    local name="$1"
    shift
    "$@"
    local code=$?
    case $code in
        0) echo "ok: $name" ;;
        3) echo "skipped: $name"; skipped=1 ;;
        *) echo "FAILED: $name (exit code $code)"; failed=1 ;;
    esac
}

service_config() {
    command -v python3 >/dev/null || { echo "skipped: service config: there is no python3"; return 3; }
    scripts/buf.sh build -o -#format=json | scripts/check-service-config.py || return 1
}

# buf's own exit codes must not be taken for `skipped`: ask for the tool first.
if scripts/buf.sh --version >/dev/null; then
    buf() {
        scripts/buf.sh "$@" || return 1
    }
    step "buf format" buf format --diff --exit-code
    step "buf lint" buf lint
    step "buf breaking against proto/baseline.binpb" buf breaking --against proto/baseline.binpb
    step "service config" service_config
    step "generated clients" scripts/gen-clients.sh --check
else
    echo "skipped: buf format, buf lint, buf breaking, service config, generated clients"
    skipped=1
fi

if [ $failed -ne 0 ]; then
    exit 1
fi
[ $skipped -eq 0 ] || exit 3
