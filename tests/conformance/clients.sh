#!/usr/bin/env bash
# The official MCP suite's servers, for the MCP client of the core: from Rust, from Python, and in WebAssembly under Node.
# A failure that the baseline does not list fails the run, and so does an entry that no longer fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(bash .ci/tools.sh node conformance)
while IFS='=' read -r key value; do export "$key=$value"; done <<<"$out"
export PATH="$NODE_DIR:$PATH"

cargo build -q --locked -p beam-mcp-conformance-client
rust=${CARGO_TARGET_DIR:-$PWD/target}/debug/beam-mcp-conformance-client
python="${PYTHON_WITH_CLIENT:-$PWD/.venv/bin/python} $PWD/tests/conformance/client.py"
[[ -f wasm/pkg/mcp.js ]] || bash wasm/build.sh
export MODULE=$PWD/wasm/pkg/mcp.js
wasm="node $PWD/tests/conformance/client.mjs"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0 legs=0
leg() { # NAME COMMAND OPTIONS...
  local name=$1 command=$2
  shift 2
  legs=$((legs + 1))
  if "$MCP_CONFORMANCE" client --command "$command" -o "$work/$name" --expected-failures tests/conformance/client.yaml "$@" \
    >"$work/$name.txt" 2>&1; then
    printf '  ok  %s: %s\n' "$name" "$(grep -E '^Total:' "$work/$name.txt" | tail -1)"
  else
    failed=$((failed + 1))
    sed -n '/SUMMARY/,$p' "$work/$name.txt"
    printf '  FAILED  %s\n' "$name"
    [[ -z ${KEEP:-} ]] || cp -r "$work/$name" "$work/$name.txt" "$KEEP/"
  fi
}

for speaker in rust python wasm; do
  leg "$speaker, 2026-07-28" "${!speaker}" --requirements 2026-07-28
  leg "$speaker, 2025-11-25" "${!speaker}" --requirements 2025-11-25
done
printf '%s passed, %s failed\n' $((legs - failed)) "$failed"
((failed == 0))
