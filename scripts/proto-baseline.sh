#!/usr/bin/env bash
# Moves the baseline that `buf breaking` compares with: proto/baseline.binpb.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
usage: scripts/proto-baseline.sh --move

Writes proto/baseline.binpb anew from the proto files as they are. The baseline is the contract that clients already have:
scripts/proto-check.sh refuses every change that would break them. Moving it says that what was added since is now promised
too. It is never moved for a break: v1 is frozen. Do it in a commit of its own that names the additions.
First prints what would break against the old baseline: that must be nothing.
TEXT
}

case "${1:-}" in
    --move) ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

if [ -f proto/baseline.binpb ]; then
    echo "breaking changes against the old baseline:"
    if scripts/buf.sh breaking --against proto/baseline.binpb; then echo "  none"; fi
fi
# Comments are left out: rewording one is no change of the contract. So is frameway.admin: it is beta, and may change at any time.
scripts/buf.sh build --path proto/frameway/v1 --exclude-source-info -o proto/baseline.binpb
echo "wrote proto/baseline.binpb"
