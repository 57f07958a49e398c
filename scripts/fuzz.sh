#!/usr/bin/env bash
# Fuzzes one reader of untrusted bytes with libFuzzer: scripts/fuzz.sh TARGET SECONDS. The target
# `list` prints the names of all targets.
#
# The sanitizers need a nightly compiler, which rustup installs. The bounds of each input are those
# of tests/corpus: 512 MiB and 2 s. Exit codes: 0 nothing was found; 1 a fault was found (the input
# is in fuzz/artifacts/); 3 a tool could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-decode} seconds=${2:-60}
if [ ! -f "fuzz/fuzz_targets/$target.rs" ]; then
  echo "the fuzz targets:" fuzz/fuzz_targets/*.rs | sed -E 's|[^ ]*/([a-z_]+)\.rs|\1|g'
  [ "$target" = list ] && exit 0 || exit 2
fi

# The same checks run on stable Rust: ITERATIONS=1000000 cargo test --lib fuzzing
if ! rustup run nightly rustc --version && ! rustup toolchain install nightly --profile minimal; then
  echo "skipped: fuzz: there is no nightly compiler, and rustup could not install one"
  exit 3
fi >&2
fuzz=$(scripts/tool.sh cargo-fuzz)

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-fuzz/target}
cargo run --quiet --manifest-path fuzz/Cargo.toml --bin seeds
# libjpeg-turbo is compiled without the sanitizers: they check the Rust code and every allocation.
# To find uses after free, they keep up to this much freed memory, which counts towards the bound.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=64}
RUSTUP_TOOLCHAIN=nightly "$fuzz" run "$target" -- \
  -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=512 -timeout=2 -print_final_stats=1
