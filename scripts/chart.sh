#!/usr/bin/env bash
# Checks the Helm chart: lint, rendering with several sets of values, the schemas of Kubernetes, and
# that Redis, server and worker run as the chart starts them (tests/chart/run.py).
#
# Exit code 3, after a line "skipped: ...": it cannot run on this machine. Helm is used if it is
# installed, and is not fetched by itself: compiling it takes more than four minutes on two cores.
# `scripts/tool.sh helm` does it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { echo "skipped: chart: $1" && exit 3; }
helm=$(command -v helm || find .tools/helm-*/ready -printf '%h/bin/helm\n' -quit 2>/dev/null) ||
  skip "helm is not installed; \`scripts/tool.sh helm\` compiles it in some minutes"
command -v redis-server >/dev/null || skip "redis-server is not installed"
command -v openssl >/dev/null || skip "openssl is not installed"
kubeconform=$(scripts/tool.sh kubeconform) || exit 3
python=$(scripts/tool.sh python-chart) || exit 3
export FRAMEWAY=${CARGO_TARGET_DIR:-$PWD/target}/debug/frameway
exec "$python" tests/chart/run.py "$helm" "$kubeconform"
