#!/usr/bin/env bash
# Builds the Debian package in target/deb and prints its path.
#
#   scripts/deb.sh [release|dev]      dev packages the program in target/debug, for tests
#
# Exit code 3, after a line "skipped: ...": it cannot run on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=${1:-release}
case $profile in
  release) built=${CARGO_TARGET_DIR:-target}/release ;;
  dev) built=${CARGO_TARGET_DIR:-target}/debug ;;
  *) echo "usage: scripts/deb.sh [release|dev]" >&2 && exit 2 ;;
esac
command -v dpkg-deb >/dev/null || { echo "skipped: deb: dpkg-deb is not installed" && exit 3; }
tool=$(scripts/tool.sh cargo-deb) || exit 3
if [ "$profile" = release ]; then cargo build --release --locked --bin frameway >&2; fi
[ -x "$built/frameway" ] || { echo "there is no $built/frameway: run \`make build\` first" >&2 && exit 1; }

rm -rf target/deb
mkdir -p target/deb/completions
"$built/frameway" man target/deb/man
"$built/frameway" config template >target/deb/frameway.toml
"$built/frameway" completions bash >target/deb/completions/frameway.bash
"$built/frameway" completions zsh >target/deb/completions/_frameway
"$built/frameway" completions fish >target/deb/completions/frameway.fish
"$tool" --locked --no-build --profile "$profile" --output target/deb/ >target/deb/log 2>&1 || { tail -n 20 target/deb/log >&2 && exit 1; }
ls target/deb/*.deb
