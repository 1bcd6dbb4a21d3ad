#!/usr/bin/env bash
# Thousands of idle MCP subscriptions on loopback. BEAM_MCP_SERVER names the server; else it is built as what is published.
# Python alone is needed, no package.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH=tests/python PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
if [[ -z ${BEAM_MCP_SERVER:-} ]]; then
  cargo build --locked --release -q -p beam-mcp-server --bin beam-mcp-server
  export BEAM_MCP_SERVER=${CARGO_TARGET_DIR:-$PWD/target}/release/beam-mcp-server
fi
ulimit -n "$(ulimit -Hn)"
exec "${PYTHON:-python3}" tests/load/listeners.py "$@"
