#!/usr/bin/env bash
# Installs what building, the demo and the tests need, and nothing that is already there.
#
#   scripts/setup.sh demo    C compiler, cmake, nasm: libjpeg-turbo is compiled from source
#   scripts/setup.sh test    that, and redis-server, nginx, openssl, Python with venv, shellcheck, rustfmt, clippy
#
# Debian and Ubuntu (apt, as root or through sudo) and macOS (Homebrew). Elsewhere it says what is missing.
# It asks no questions, and does not start the Redis and nginx services that Debian's packages bring: the tests
# start servers of their own, on free ports. The Rust toolchain is yours to choose and must be there first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage="usage: scripts/setup.sh demo|test"
mode=${1:-test}
case $mode in
  demo | test) ;;
  -h | --help) echo "$usage"; exit 0 ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() { # what went wrong, then the next step
  printf 'setup: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf 'setup:   %s\n' "$line" >&2; done
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- What is missing. One line per need: what to look for, the package's names, what it is for. ------------------

missing_apt=() missing_brew=() missing_words=()
need() { # need APT-PACKAGES BREW-PACKAGES WHY CHECK...
  local apt=$1 brew=$2 why=$3
  shift 3
  if "$@" >/dev/null 2>&1; then return; fi
  local package
  for package in $apt; do missing_apt+=("$package"); done
  for package in $brew; do missing_brew+=("$package"); done
  missing_words+=("${apt:-$brew}: $why")
}
compiles_c() { have cc && printf '#include <stdlib.h>\nint main(void){return 0;}\n' | cc -x c -fsyntax-only -; }
has_x86_assembler() {
  case $(uname -m) in
    x86_64 | amd64 | i?86) have nasm || have yasm ;;
    *) true ;; # other processors' SIMD code goes through the C compiler
  esac
}
has_nginx() { have nginx || [ -x /usr/sbin/nginx ]; }
python_makes_venvs() { python3 -c 'import venv, ensurepip'; }

look() {
  missing_apt=() missing_brew=() missing_words=()
  need "gcc libc6-dev" "" "C compiler and headers, for libjpeg-turbo and for linking" compiles_c
  need "make" "make" "runs libjpeg-turbo's build" have make
  need "cmake" "cmake" "configures libjpeg-turbo's build" have cmake
  need "nasm" "nasm" "assembles libjpeg-turbo's SIMD code, which makes JPEG several times faster" has_x86_assembler
  if [ "$mode" = test ]; then
    need "redis-server" "redis" "a real Redis; the tests start their own, on free ports" have redis-server
    need "redis-tools" "redis" "redis-cli, for tests on a Redis Cluster" have redis-cli
    need "nginx-light" "nginx" "a proxy in front of the server; the tests start their own, on free ports" has_nginx
    need "openssl" "openssl" "a certificate for that proxy" have openssl
    need "python3 python3-venv" "python" "runs the Python client's test and a few checks" python_makes_venvs
    need "git" "git" "lists the files that checks look at" have git
    need "shellcheck" "shellcheck" "checks the shell scripts" have shellcheck
  fi
}

# --- Rust ---------------------------------------------------------------------------------------------------------

check_rust() {
  if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$PATH:$HOME/.cargo/bin"; fi
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  if ! have cargo || ! have rustc; then
    fail "no Rust toolchain (cargo) found; version $wanted or newer is needed" \
      "install one as https://rustup.rs says, open a new shell, run this again"
  fi
  found=$(rustc --version | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
  if [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -t. -k1,1n -k2,2n | head -n 1)" != "$wanted" ]; then
    fail "Rust $found is here, $wanted or newer is needed" \
      "with rustup: rustup update stable;  a distribution's own cargo is often too old: see https://rustup.rs"
  fi
}

check_rust_components() {
  local part wanted=()
  for part in fmt:rustfmt clippy:clippy; do
    cargo "${part%%:*}" --version >/dev/null 2>&1 || wanted+=("${part##*:}")
  done
  if [ ${#wanted[@]} -eq 0 ]; then return; fi
  if ! have rustup; then
    fail "missing: ${wanted[*]}, and no rustup to add them" \
      "install them the way your Rust toolchain was installed (Debian: apt-get install ${wanted[*]/clippy/rust-clippy})"
  fi
  say "adding to the Rust toolchain: ${wanted[*]} (formatting and lints)"
  rustup component add "${wanted[@]}" || fail "rustup could not add: ${wanted[*]}" "check the network, then run this again"
}

# --- Debian and Ubuntu --------------------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@" # may ask for the password
  else
    sudo -n "$@"
  fi
}

# Debian's packages of redis-server and nginx start services and enable them for every boot. Nobody asked for them,
# so: while apt works no service may start (policy-rc.d is Debian's own switch for this; an existing one is an
# administrator's and stays), and a service that this installation brought is stopped and disabled.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
block_services() {
  if [ -e "$policy" ]; then return; fi
  printf '#!/bin/sh\n# From scripts/setup.sh, for the time of one installation. Delete it if it is still here.\nexit 101\n' |
    as_root tee "$policy" >/dev/null
  policy_is_ours=yes
  trap unblock_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  as_root chmod 755 "$policy"
}
unblock_services() {
  if [ -n "$policy_is_ours" ]; then as_root rm -f "$policy"; fi
  policy_is_ours=
}
quiet_service() { # quiet_service NAME
  if have systemctl && [ -d /run/systemd/system ]; then
    as_root systemctl disable --now "$1.service" >/dev/null 2>&1 || true
  else
    if have invoke-rc.d; then as_root invoke-rc.d --force "$1" stop >/dev/null 2>&1 || true; fi
    if have update-rc.d; then as_root update-rc.d "$1" disable >/dev/null 2>&1 || true; fi
  fi
}

install_with_apt() {
  if [ "$(id -u)" -ne 0 ] && ! have sudo; then
    fail "installing needs root, and there is no sudo" "as root: apt-get install ${missing_apt[*]}" "then run this again"
  fi
  local package new_services=()
  for package in "${missing_apt[@]}"; do
    case $package in
      redis-server) new_services+=(redis-server) ;;
      nginx-light) new_services+=(nginx) ;;
    esac
  done

  as_root true || fail "sudo wants a password and nobody is there to type it" "run: sudo apt-get install ${missing_apt[*]}" "then run this again"
  if [ ${#new_services[@]} -gt 0 ]; then block_services; fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  as_root "${apt[@]}" update >/dev/null || say "apt-get update failed; trying with the package lists that are here"
  as_root "${apt[@]}" install --no-install-recommends "${missing_apt[@]}" </dev/null >"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    fail "apt-get could not install: ${missing_apt[*]}" "the whole output is in $log" \
      "mend what it says (network? another apt running?), then run this again"
  }
  for package in ${new_services[@]+"${new_services[@]}"}; do quiet_service "$package"; done
  unblock_services
}

install_with_brew() {
  # Homebrew starts no services by itself.
  HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_INSTALL_CLEANUP=1 brew install "${missing_brew[@]}" ||
    fail "brew could not install: ${missing_brew[*]}" "mend what it says, then run this again"
}

# --- The work -----------------------------------------------------------------------------------------------------

check_rust
look
if [ ${#missing_words[@]} -gt 0 ]; then
  mkdir -p target
  log=target/setup.log
  say "installing what is missing:"
  for words in "${missing_words[@]}"; do printf '  %s\n' "$words"; done
  if [ "$(uname -s)" = Darwin ]; then
    compiles_c || fail "no C compiler" "run: xcode-select --install" "then run this again"
    have brew || fail "Homebrew is not here" "install it (https://brew.sh) or these by hand: ${missing_brew[*]}" "then run this again"
    install_with_brew
  elif have apt-get; then
    install_with_apt
  else
    fail "no apt-get and no Homebrew here" "install the above with your system's package manager, then run this again"
  fi
  hash -r
  look
  if [ ${#missing_words[@]} -gt 0 ]; then
    fail "installed, but still not found:" "${missing_words[@]}" "is something in front of it on PATH?"
  fi
  say "installed"
fi
if [ "$mode" = test ]; then check_rust_components; fi

say "everything for \`make $mode\` is here"
if [ "$mode" = demo ] && ! have ffmpeg; then say "optional: ffmpeg, only for \`frameway demo --source VIDEO\`"; fi
if [ "$mode" = test ] && ! have go; then say "optional: Go (https://go.dev), for the tests with grpc-go and grpcurl; without it they are skipped by name"; fi
if [ "$mode" = test ] && ! have npm; then say "optional: Node.js with npm (https://nodejs.org), for the test with grpc-js; without it that is skipped by name"; fi
