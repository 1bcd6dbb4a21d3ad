#!/usr/bin/env bash
# Figures of the store: acknowledged commits beside SQLite alone; lists and readiness over 1,000 to 1,000,000 jobs.
# Needs about 10 GB in BENCH_FOLDER (default: the temporary folder). Arguments go to store.py: --sizes, --rounds.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BENCH_FOLDER=${BENCH_FOLDER:-${TMPDIR:-/tmp}}
cargo bench -q --locked -p beam-mcp-server --bench store
cargo build -q --release --locked -p beam-mcp-server --bin beam-mcp-server
BEAM_MCP_SERVER=${CARGO_TARGET_DIR:-target}/release/beam-mcp-server python3 tests/bench/store.py "$@"
