#!/usr/bin/env bash
# Looks at the job view in a headless Chromium, framed by the official bridge of MCP Apps.
#
#   tests/apps/run.sh [ARGUMENTS of node --test]
#
# Environment:
#   BEAM_MCP_SERVER   the server to run (default: built here)
#   CHROMIUM          the browser (default: `chromium` on the PATH; Debian's package of that name)
#   APPS_PICTURES     a folder for pictures of what was seen
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

out=$("$ROOT/.ci/tools.sh" node typescript mcp-apps)
while IFS='=' read -r name value; do
    [ -z "$name" ] || printf -v "$name" '%s' "$value"
done <<<"$out"

export CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$CHROMIUM" ] || { echo "no chromium: install it, or name a browser in CHROMIUM" >&2; exit 1; }

"$NODE" "$ROOT/core/app/build.mjs" "$TSC" --check ||
    { echo "core/src/tool/app.html is not what core/app makes: node core/app/build.mjs TSC" >&2; exit 1; }

if [ -z "${BEAM_MCP_SERVER:-}" ]; then
    cargo build --manifest-path "$ROOT/Cargo.toml" --locked --package beam-mcp-server --bin beam-mcp-server
    target=$(cargo metadata --manifest-path "$ROOT/Cargo.toml" --locked --no-deps --format-version 1 |
        "$NODE" -e 'console.log(JSON.parse(require("fs").readFileSync(0)).target_directory)')
    BEAM_MCP_SERVER=$target/debug/beam-mcp-server
fi
export BEAM_MCP_SERVER

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export APPS_HOST=$folder/host.js
NODE_PATH=$MCP_APPS "$MCP_APPS/.bin/esbuild" "$ROOT/tests/apps/host.mjs" --bundle --format=esm --platform=browser \
    --log-level=error --outfile="$APPS_HOST"

if [ $# -eq 0 ]; then set -- "$ROOT"/tests/apps/*.test.mjs; fi
"$NODE" --test --test-timeout=180000 "$@"
