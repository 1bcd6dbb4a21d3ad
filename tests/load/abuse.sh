#!/usr/bin/env bash
# Callers that mean no good, on loopback: 5,000 connections that dawdle, then a storm of bad input.
# BEAM_MCP_SERVER names the server; the default is .venv's. Python alone is needed, no package.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BEAM_MCP_SERVER=${BEAM_MCP_SERVER:-$PWD/.venv/bin/beam-mcp-server}
export PYTHONPATH=tests/python PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
python=${PYTHON:-python3} failed=0
ulimit -n "$(ulimit -Hn)"
echo "== slow-loris"; "$python" tests/load/slow_loris.py "$@" || failed=1
echo "== storm of bad input"; "$python" tests/load/storm.py || failed=1
exit "$failed"
