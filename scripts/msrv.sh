#!/usr/bin/env bash
# Checks that the oldest Rust that Cargo.toml promises compiles the program and the client.
#
# Exit code 3, after a line "skipped: ...": rustup cannot install that version here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
command -v rustup >/dev/null || { echo "skipped: msrv: rustup is not installed" && exit 3; }
if ! rustup run "$version" rustc --version >/dev/null 2>&1; then
  rustup toolchain install "$version" --profile minimal >/dev/null 2>&1 ||
    { echo "skipped: msrv: rustup cannot install Rust $version" && exit 3; }
fi
# A folder of its own, so that the other checks need not compile everything again.
export CARGO_TARGET_DIR=target/msrv
rustup run "$version" cargo check --locked --lib --bins
rustup run "$version" cargo check --locked --no-default-features --features client --lib
echo "msrv: Rust $version compiles it"
