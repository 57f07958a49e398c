#!/usr/bin/env bash
# Fuzzes one of the readers of strangers' bytes with libFuzzer: scripts/fuzz.sh TARGET SECONDS. `list` names them.
#
# A nightly compiler (its sanitizers are needed) comes through rustup, and cargo-fuzz, at a pinned version, into .tools/; both
# once, where they are not there. Each input has the bounds of the corpus: 512 MiB and 2 s.
# Exit codes: 0 nothing was found, 1 something was (the input lies in fuzz/artifacts/), 3 a tool is not to be had.
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

version=0.13.2
tools=$PWD/.tools/cargo-fuzz-$version

missing() {
  echo "skipped: fuzz: $1" >&2
  echo "on stable Rust the same checks run, without a fuzzer's sense of direction: \
ITERATIONS=1000000 cargo test --lib fuzzing" >&2
  exit 3
}
command -v rustup >/dev/null || missing "rustup is not there: https://rustup.rs"
if ! rustup toolchain list | grep -q '^nightly'; then
  echo "installing a nightly compiler through rustup, for its sanitizers (once)" >&2
  rustup toolchain install nightly --profile minimal >&2 || missing "no nightly compiler could be installed"
fi
is_wanted() { [ "$("$1" --version 2>/dev/null)" = "cargo-fuzz $version" ]; }
fuzz=$(command -v cargo-fuzz || true)
if ! is_wanted "$fuzz"; then
  fuzz=$tools/bin/cargo-fuzz
  if ! is_wanted "$fuzz"; then
    echo "compiling cargo-fuzz $version into .tools/ (once)" >&2
    cargo install cargo-fuzz --version "=$version" --locked --debug --quiet \
      --root "$tools" --target-dir "$tools/target" >&2 || missing "cargo-fuzz $version could not be installed"
    rm -rf "$tools/target"
  fi
fi

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-fuzz/target}
cargo run --quiet --manifest-path fuzz/Cargo.toml --bin seeds
# libjpeg-turbo is compiled without the sanitizers: what they see is Rust, and every allocation.
# What was freed is kept for a while, to find uses of it: that much counts as resident.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=64}
RUSTUP_TOOLCHAIN=nightly "$fuzz" run "$target" -- \
  -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=512 -timeout=2 -print_final_stats=1
