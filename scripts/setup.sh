#!/usr/bin/env bash
# Installs the missing packages that the build, the demo and the tests need, with apt (Debian,
# Ubuntu) or Homebrew.
#
#   scripts/setup.sh demo|test
#
# Install a Rust toolchain of your choice first: https://rustup.rs. Debian starts the services
# redis-server and nginx when it installs them. The tests do not use these, because they start their
# own servers. To stop them: sudo systemctl disable --now redis-server nginx
set -euo pipefail

mode=${1:-}
case $mode in demo | test) ;; *) echo "usage: scripts/setup.sh demo|test" >&2; exit 2 ;; esac

PATH=$PATH:$HOME/.cargo/bin:/usr/sbin
if ! command -v cargo >/dev/null; then
  echo "setup: there is no Rust toolchain (cargo): install one as https://rustup.rs says" >&2
  exit 1
fi

apt=() brew=()
need() { # need COMMAND APT-PACKAGES BREW-PACKAGE WHY
  if $1 >/dev/null 2>&1; then return; fi
  echo "setup: missing: $2: $4"
  read -ra packages <<<"$2"
  apt+=("${packages[@]}") brew+=("$3")
}

need "command -v cc" "gcc libc6-dev" gcc "compiles libjpeg-turbo, and links the programs"
need "command -v make" make make "builds libjpeg-turbo"
need "command -v cmake" cmake cmake "configures libjpeg-turbo"
if [ "$(uname -m)" = x86_64 ]; then need "command -v nasm" nasm nasm "assembles the SIMD code of libjpeg-turbo"; fi
if [ "$mode" = test ]; then
  need "command -v redis-server" redis-server redis "a real Redis"
  need "command -v redis-cli" redis-tools redis "sets up a Redis Cluster"
  need "command -v ffmpeg" ffmpeg ffmpeg "makes and reads videos and looks at pixels, for the tests of the command line and the jobs"
  need "command -v curl" curl curl "reads metrics in the scripts of examples/jobs"
  need "command -v nginx" nginx-light nginx "a proxy in front of the server"
  need "command -v chromium || command -v google-chrome || command -v chromium-browser" chromium chromium "a browser that subscribes to cameras"
  need "command -v openssl" openssl openssl "makes certificates for that proxy and for docs/security.md"
  need "python3 -m ensurepip --version" "python3 python3-venv" python "runs the Python client and the clients' tests"
  need "command -v jq" jq jq "reads what the scripts in examples/jobs print"
  need "command -v git" git git "lists the files that are checked"
  need "command -v shellcheck" shellcheck shellcheck "checks the shell scripts"
fi

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
if [ ${#apt[@]} -eq 0 ]; then
  echo "setup: everything for \`make $mode\` is installed"
elif command -v brew >/dev/null; then
  brew install "${brew[@]}"
elif command -v apt-get >/dev/null; then
  as_root apt-get -qq update || true # the present package lists may be enough
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${apt[@]}"
else
  echo "setup: there is neither apt nor Homebrew: install the packages above, then run this again" >&2
  exit 1
fi

if [ "$mode" = test ]; then
  if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then rustup component add rustfmt clippy; fi
  # Without these, the tests of clients in some languages are skipped, and the summary lists them.
  for optional in go npm javac mvn; do command -v $optional >/dev/null || echo "setup: optional: $optional"; done
fi
