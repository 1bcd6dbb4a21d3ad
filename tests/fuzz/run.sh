#!/usr/bin/env bash
# libFuzzer over every target, or those named: run.sh [MINUTES [TARGET...]]. Needs a C++ compiler; stable Rust will do.
# What it finds is left in $BEAM_MCP_CACHE/fuzz/TARGET, and so is the corpus it grows; GROW=1 merges what is new into
# tests/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-10}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(jsonrpc headers sse request_state)
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets, without a sanitizer: those need a nightly compiler, and safe code little.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing -Cdebug-assertions -Coverflow-checks"
CARGO_TARGET_DIR=$cache/target cargo build -q --release --locked --target "$host" \
  --manifest-path tests/fuzz/Cargo.toml --features libfuzzer
built=$cache/target/$host/release
failed=0
for target in "${targets[@]}"; do
  found=$cache/$target
  mkdir -p "$found/corpus"
  echo "== $target, $minutes min"
  if ! "$built/$target" "$found/corpus" "tests/fuzz/corpus/$target" -artifact_prefix="$found/" -timeout=10 \
    -rss_limit_mb=2048 -max_len=8192 -max_total_time=$((minutes * 60)) -print_final_stats=1 >"$found/log" 2>&1; then
    failed=$((failed + 1))
    tail -40 "$found/log"
  fi
  grep -E '^(stat::number_of_executed_units|stat::average_exec_per_sec|stat::peak_rss_mb)' "$found/log" || true
  grep -E 'cov: ' "$found/log" | tail -1
  if [[ -n ${GROW:-} ]]; then
    "$built/$target" -merge=1 -max_len=2048 "tests/fuzz/corpus/$target" "$found/corpus" >>"$found/log" 2>&1
  fi
done
printf '%s passed, %s failed\n' $((${#targets[@]} - failed)) "$failed"
((failed == 0))
