#!/usr/bin/env bash
# Third-party MCP clients against a real server over HTTP without and with sessions, and over standard input.
# Each lists the tools, runs a simulator job to its end and reads its logs. ONLY='fastmcp stdio' plays some cells.
set -euo pipefail
cd "$(dirname "$0")/../.."
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
bash .ci/tools.sh mcp mcp-frameworks >"$found/python" &
bash .ci/tools.sh node inspector mcp-typescript >"$found/node"
wait $!
while IFS='=' read -r key value; do export "$key=$value"; done < <(cat "$found"/*)
export PATH="$NODE_DIR:$PATH"
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
CARGO_TARGET_DIR=$cache/target-rmcp-client cargo build -q --locked --manifest-path tests/clients/rmcp-client/Cargo.toml
export RMCP_CLIENT=$cache/target-rmcp-client/debug/rmcp-client
"$MCP_PYTHON" tests/clients/matrix.py "${BEAM_MCP_SERVER:-$PWD/.venv/bin/beam-mcp-server}"
"$MCP_PYTHON" tests/clients/servers.py "${CLIENT_PYTHON:-.venv/bin/python}"
