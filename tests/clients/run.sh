#!/usr/bin/env bash
# Third-party MCP clients against a real server: the Python SDK in three modes, the Inspector in two.
# Each lists the tools, runs a simulator job and a Direct job to their end, and reads logs.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(bash .ci/tools.sh node inspector mcp)
while IFS='=' read -r key value; do export "$key=$value"; done <<<"$out"
export PATH="$NODE_DIR:$PATH"

work=$(mktemp -d)
cp examples/wordcount.py examples/data/as_you_like_it.txt "$work"
cat >"$work/config.json" <<E2
{"targets": {"simulator": {"runner": "simulator", "speed": 20},
             "direct": {"runner": "direct", "python": "${BEAM_PYTHON:-$PWD/.venv/bin/python}"}},
 "roots": ["$work"], "store": {"path": "$work/store"}}
E2
.venv/bin/beam-mcp-server serve --config "$work/config.json" --port 0 --ready-file "$work/ready" 2>"$work/server.log" &
server=$!
stop() { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; rm -rf "$work"; }
trap stop EXIT
for _ in $(seq 100); do [[ -s $work/ready ]] && break; kill -0 $server || { cat "$work/server.log"; exit 1; }; sleep 0.1; done
url=http://127.0.0.1:$(<"$work/ready")

passed=0
ok() { printf '  ok  %s\n' "$1"; passed=$((passed + 1)); }

for mode in auto legacy 2026-07-28; do
  "$MCP_PYTHON" tests/clients/python_sdk.py "$url/mcp" "$mode" "$work"
  ok "Python SDK, mode $mode"
done
for era in modern legacy; do
  "$MCP_PYTHON" tests/clients/inspector.py "$url/mcp" "$era" "$work"
  ok "Inspector CLI, $era"
done
printf '%s passed, 0 failed\n' "$passed"
