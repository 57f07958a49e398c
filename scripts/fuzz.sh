#!/usr/bin/env bash
# Fuzzes one of the readers of strangers' bytes with libFuzzer: scripts/fuzz.sh TARGET SECONDS. `list` names them.
# Exit codes: 0 nothing was found, 1 something was (the input lies in fuzz/artifacts/), 3 a tool is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-decode}
seconds=${2:-60}
targets=()
for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
if [ "$target" = list ]; then
  printf '%s\n' "${targets[@]}"
  exit 0
fi
if [ ! -f "fuzz/fuzz_targets/$target.rs" ]; then
  echo "no fuzz target \`$target\`; there are: ${targets[*]}" >&2
  exit 2
fi

missing() {
  echo "skipped: fuzz: $1; install it: $2" >&2
  echo "on stable Rust the same checks run, without a fuzzer's sense of direction: \
ITERATIONS=1000000 cargo test --lib fuzzing" >&2
  exit 3
}
command -v rustup >/dev/null || missing "rustup is not there" "https://rustup.rs"
rustup toolchain list | grep -q '^nightly' || missing "no nightly compiler" "rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || missing "no cargo-fuzz" "cargo install cargo-fuzz --locked"

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-fuzz/target}
cargo run --quiet --manifest-path fuzz/Cargo.toml --bin seeds
# libjpeg-turbo is compiled without the sanitizers: what they see is Rust, and every allocation.
cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10
