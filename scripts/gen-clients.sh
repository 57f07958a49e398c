#!/usr/bin/env bash
# Writes the generated code of the clients anew, from proto/frameway/v1 and proto/frameway/admin/v1beta1, and their copy of the
# service config. With --check it changes nothing and fails where the committed code is not what the proto files give. Exit code 3: a tool could not be had; the check counts as skipped.
set -euo pipefail

# The generated code asks for the protobuf runtime of this release or a newer one: see clients/python/pyproject.toml.
readonly GRPCIO_TOOLS_VERSION=1.85.1
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly root
cd "$root"

usage() {
    echo "usage: scripts/gen-clients.sh [--check]"
    echo "  writes clients/python/src/frameway/v1 and .../admin anew; --check only compares"
}

check=false
case "${1:-}" in
    "") ;;
    --check) check=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

scripts/buf.sh --version >/dev/null || exit $?

python=.tools/venv/bin/python
if [ ! -x "$python" ]; then
    mkdir -p .tools
    python3 -m venv .tools/venv >&2 || { echo "skipped: python3 cannot make a virtual environment" >&2; exit 3; }
fi
if ! "$python" - "$GRPCIO_TOOLS_VERSION" <<'PY' 2>/dev/null
import sys
from importlib.metadata import version
sys.exit(version("grpcio-tools") != sys.argv[1])
PY
then
    echo "gen-clients.sh: installing grpcio-tools $GRPCIO_TOOLS_VERSION from PyPI into .tools/venv" >&2
    "$python" -m pip install --quiet --disable-pip-version-check "grpcio-tools==$GRPCIO_TOOLS_VERSION" >&2 \
        || { echo "skipped: grpcio-tools $GRPCIO_TOOLS_VERSION could not be installed from PyPI" >&2; exit 3; }
fi

readonly package=clients/python/src/frameway
readonly generated=("$package/v1" "$package/admin")
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
# Outputs stand under their path in the repository, within $out.
scripts/buf.sh generate --output "$out"
cp proto/frameway_v1_service_config.json "$out/$package/v1/service_config.json"

if $check; then
    for folder in "${generated[@]}"; do
        if ! diff -ru --exclude=__pycache__ "$folder" "$out/$folder"; then
            echo "gen-clients.sh: $folder is stale: run scripts/gen-clients.sh and commit the result" >&2
            exit 1
        fi
    done
    echo "generated clients: fresh"
else
    for folder in "${generated[@]}"; do
        rm -rf "$folder"
        cp -R "$out/$folder" "$folder"
        echo "wrote $folder"
    done
fi
