#!/usr/bin/env bash
# Builds the JavaScript side: the wasm modules, their types checked, their imports and sizes compared.
#
#   wasm/build.sh            build and check
#   wasm/build.sh --accept   build and make what was built the new baseline (imports.txt, sizes.json)
#
# Result: wasm/pkg, ES modules client.js, mcp.js and engine.js with their .d.ts.  Tools come from .ci/tools.sh.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")

load_tools() { # tools.sh arguments -> shell variables
    local out k v
    out=$("$ROOT/.ci/tools.sh" "$@")
    while IFS='=' read -r k v; do
        [ -z "$k" ] || printf -v "$k" '%s' "$v"
    done <<<"$out"
}

module() { # NAME: one wasm module with its glue
    local out=$HERE/pkg/build/$1
    "$ROOT/.ci/wasm-build.sh" "$HERE" "$1" "$1" "$out" >/dev/null
    mkdir -p "$HERE/pkg/wasm"
    cp "$out/web/$1.js" "$out/web/$1.d.ts" "$out/web/$1_bg.wasm" "$HERE/pkg/wasm/"
}

load_tools node typescript
rm -rf "$HERE/pkg"
"$NODE" "$HERE/generate.mjs" --check
module client
module mcp
module engine
"$NODE" "$TSC" --project "$HERE/tsconfig.json"
"$NODE" "$HERE/check.mjs" "$@"
