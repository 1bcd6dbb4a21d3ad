#!/usr/bin/env bash
# Runs the JavaScript tests on what wasm/build.sh built (it is called first when it was not).
#
#   tests/js/run.sh [ARGUMENTS of node --test]
#
# Environment:
#   BEAM_MCP_SERVER   the server to test the client against (default: built here)
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

load_tools() { # tools.sh arguments -> shell variables
    local out k v
    out=$("$ROOT/.ci/tools.sh" "$@")
    while IFS='=' read -r k v; do
        [ -z "$k" ] || printf -v "$k" '%s' "$v"
    done <<<"$out"
}

load_tools node typescript
[ -f "$ROOT/wasm/pkg/engine.js" ] || "$ROOT/wasm/build.sh"

# The surface behind tests/vectors/mcp, as a module of its own.
FIXTURE=$ROOT/wasm/pkg/build/fixture
"$ROOT/.ci/wasm-build.sh" "$ROOT/wasm" fixture fixture "$FIXTURE" >/dev/null

if [ -z "${BEAM_MCP_SERVER:-}" ]; then
    cargo build --manifest-path "$ROOT/Cargo.toml" --locked --package beam-mcp-server --bin beam-mcp-server
    target=$(cargo metadata --manifest-path "$ROOT/Cargo.toml" --locked --no-deps --format-version 1 |
        "$NODE" -e 'console.log(JSON.parse(require("fs").readFileSync(0)).target_directory)')
    BEAM_MCP_SERVER=$target/debug/beam-mcp-server
fi
export BEAM_MCP_SERVER

"$NODE" "$TSC" --project "$ROOT/tests/js/tsconfig.json"
cd "$ROOT"
if [ $# -eq 0 ]; then set -- tests/js/*.test.mjs; fi
"$NODE" --test "$@"
