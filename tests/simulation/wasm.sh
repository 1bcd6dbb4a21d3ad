#!/usr/bin/env bash
# The same seed gives the same trace hash natively and in WebAssembly (I12).
#   wasm.sh [COUNT]   seeds 1 to COUNT, default 200
set -euo pipefail
cd "$(dirname "$0")/../.."
count=${1:-200}
while IFS='=' read -r name value; do [[ -z $name ]] || printf -v "$name" '%s' "$value"; done < <(bash .ci/tools.sh wasm node)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/target}
cargo build -q --profile simulation --locked -p beam-mcp-simulation
build=(build -q --profile simulation --locked -p beam-mcp-simulation --lib --target wasm32-unknown-unknown)
if [[ $WASM_TOOLCHAIN == build-std ]]; then
  export RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$WASM_LINKER
  build+=("-Zbuild-std=std,panic_abort")
fi
RUSTC=$WASM_RUSTC "$WASM_CARGO" "${build[@]}"
module=$CARGO_TARGET_DIR/wasm32-unknown-unknown/simulation/beam_mcp_simulation.wasm
diff <("$CARGO_TARGET_DIR/simulation/simulate" --hashes "$count") <("$NODE" --input-type=module -e '
import { readFileSync } from "node:fs";
const [file, count] = process.argv.slice(1);
const { instance } = await WebAssembly.instantiate(readFileSync(file), {});
for (let seed = 1n; seed <= BigInt(count); seed++) {
  console.log(`${seed} ${BigInt.asUintN(64, instance.exports.simulate_hash(seed)).toString(16).padStart(16, "0")}`);
}' "$module" "$count")
echo "$count seeds: native and WebAssembly went the same way"
