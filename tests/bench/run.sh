#!/usr/bin/env bash
# Figures of DESIGN section 10 beside their peers, in one run. Prints ratios; asserts nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
command -v wrk >/dev/null || { echo "bench: wrk is needed (apt-get install wrk)" >&2; exit 69; }
cargo build -q --profile dist --locked -p beam-mcp-server
for peer in bare-axum rmcp-server bare-lambda; do
  CARGO_TARGET_DIR=$cache/target-bench cargo build -q --release --manifest-path "tests/bench/peers/$peer/Cargo.toml"
done
[[ -x $cache/venv-bench/bin/python ]] || python3 -m venv "$cache/venv-bench"
"$cache/venv-bench/bin/pip" install -q 'fastmcp>=4.1' httpx 'mcp>=2.3,<3'
BENCH_SERVER=${CARGO_TARGET_DIR:-target}/dist/beam-mcp-server BENCH_PEERS=$cache/target-bench/release \
  BENCH_PEER_PYTHON=$cache/venv-bench/bin/python .venv/bin/python tests/bench/bench.py
.venv/bin/python tests/bench/lambda_start.py "${CARGO_TARGET_DIR:-target}/dist/bootstrap" "$cache/target-bench/release/bare-lambda"
