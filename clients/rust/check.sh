#!/usr/bin/env bash
# Checks the Rust client: format, lint, documentation, tests, samples, and a program that uses the crate.
#
#   ./check.sh [short|all]
#
# `short` leaves out the scenarios that take long. The tests run the server that $FRAMEWAY names, by
# default target/debug/frameway. Exit code 0: all is well, 1: something failed, 3: skipped.
set -euo pipefail
cd "$(dirname "$0")"

set=${1:-short}
case $set in
short) ignored=() ;;
all) ignored=(--include-ignored) ;;
*)
  echo "usage: check.sh [short|all]" >&2
  exit 1
  ;;
esac

for tool in cargo redis-server; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: rust: there is no $tool"
    exit 3
  fi
done

root=$(cd ../.. && pwd)
export FRAMEWAY=${FRAMEWAY:-$root/target/debug/frameway}
if [[ ! -x $FRAMEWAY ]]; then
  echo "there is no $FRAMEWAY: build it with cargo build, or set FRAMEWAY" >&2
  exit 1
fi
# The dependencies that the repository's own checks have compiled are used again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}

step() {
  echo "rust: $*"
  "$@"
}

fail() {
  echo "rust: failed" >&2
  exit 1
}

step cargo fmt --check || fail
step cargo clippy --locked --all-targets --quiet -- -D warnings || fail
RUSTDOCFLAGS="-D warnings" step cargo doc --locked --no-deps --quiet || fail
step cargo test --locked --quiet -- "${ignored[@]}" || fail

# A program outside the repository, as the README says.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<TOML
[package]
name = "outside-program"
version = "0.0.0"
edition = "2024"

[dependencies]
frameway = { path = "$root", default-features = false, features = ["client"] }
tokio = { version = "1", features = ["macros", "rt"] }

[workspace]

$(sed -n '/^\[profile.dev\]/,$p' Cargo.toml)
TOML
cat >"$folder/src/main.rs" <<'RUST'
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let error = frameway::client::Client::connect("127.0.0.1:1").await.unwrap_err();
    println!("{error}");
}
RUST
cp Cargo.lock "$folder/Cargo.lock"
step cargo run --quiet --manifest-path "$folder/Cargo.toml" || fail
echo "rust: ok"
