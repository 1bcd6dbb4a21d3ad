#!/usr/bin/env bash
# The official MCP suite against its surface: on the native host without sessions and with them, on the Lambda function
# in cargo-lambda's emulator, and in WebAssembly under Node.
# A failure that the baseline does not list fails the run, and so does an entry that no longer fails.
# HOSTS=wasm plays some of them; KEEP=DIR keeps the suite's records of a leg that failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(bash .ci/tools.sh node conformance cargo-lambda)
while IFS='=' read -r key value; do export "$key=$value"; done <<<"$out"
export PATH="$NODE_DIR:$PATH"
hosts=" ${HOSTS:-native lambda wasm} "

cargo build -q --locked -p beam-mcp-conformance
built=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}
trap 'stop; rm -rf "$work"' EXIT

wait_for() { # NAME COMMAND...: until the command holds, or a server has ended
  local name=$1
  shift
  for _ in $(seq 200); do
    "$@" && return
    for pid in "${pids[@]}"; do kill -0 "$pid" || { cat "$work/$name.log"; exit 1; }; done
    sleep 0.1
  done
  cat "$work/$name.log"
  exit 1
}

serve() { # NAME COMMAND...: a server that writes its port to a file
  local name=$1
  shift
  "$@" "$work/$name.port" >"$work/$name.log" 2>&1 &
  pids+=($!)
  wait_for "$name" test -s "$work/$name.port"
  url=http://localhost:$(<"$work/$name.port")/mcp
}

function_in_emulator() {
  local port door
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  door=http://127.0.0.1:$port
  "$CARGO_LAMBDA" lambda watch --only-lambda-apis -A 127.0.0.1 -P "$port" -q >"$work/lambda.log" 2>&1 &
  pids+=($!)
  wait_for lambda bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
  env AWS_LAMBDA_RUNTIME_API="$door/.rt" AWS_LAMBDA_FUNCTION_NAME=_ AWS_LAMBDA_FUNCTION_VERSION=1 \
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256 BEAM_MCP_LOG=error "$built/conformance-lambda" "$door" >>"$work/lambda.log" 2>&1 &
  pids+=($!)
  url=$door/lambda-url/_/mcp
}

package() { # FOLDER: what wasm/build.sh makes, with the suite's surface in the place of the engine
  [[ -f wasm/pkg/engine.js ]] || bash wasm/build.sh
  bash .ci/wasm-build.sh wasm engine conformance "$work/module" >"$work/wasm.log" 2>&1 || { cat "$work/wasm.log"; exit 1; }
  cp -r wasm/pkg "$1"
  cp wasm/package.json "$1/"
  cp "$work"/module/web/engine{.js,_bg.wasm} "$1/wasm/"
}

failed=0 legs=0
leg() { # NAME BASELINE OPTIONS...
  local name=$1 baseline=$2
  shift 2
  legs=$((legs + 1))
  local options=()
  [[ -z $baseline ]] || options=(--expected-failures "tests/conformance/$baseline")
  if "$MCP_CONFORMANCE" server --url "$url" -o "$work/$name" "${options[@]}" "$@" >"$work/$name.txt" 2>&1; then
    printf '  ok  %s: %s\n' "$name" "$(grep -E '^Total:' "$work/$name.txt" | tail -1)"
  else
    failed=$((failed + 1))
    sed -n '/SUMMARY/,$p' "$work/$name.txt"
    printf '  FAILED  %s\n' "$name"
    [[ -z ${KEEP:-} ]] || cp -r "$work/$name" "$work/$name.txt" "$KEEP/"
  fi
}

if [[ $hosts == *" native "* ]]; then
  serve stateless "$built/beam-mcp-conformance"
  leg "2026-07-28 required" "" --requirements 2026-07-28
  leg "2025-11-25 stateless" stateless-2025-11-25.yaml --requirements 2025-11-25
  leg "2025-06-18 stateless" stateless-2025-06-18.yaml --suite all --spec-version 2025-06-18
  stop
  serve sessions "$built/beam-mcp-conformance" --sessions
  leg "2026-07-28 beside sessions" "" --requirements 2026-07-28
  leg "2025-11-25 sessions" "" --requirements 2025-11-25
  leg "2025-06-18 sessions" "" --suite all --spec-version 2025-06-18
  leg "2025-03-26 sessions" "" --suite all --spec-version 2025-03-26
  stop
fi
if [[ $hosts == *" lambda "* ]]; then
  function_in_emulator
  leg "2026-07-28 Lambda" "" --requirements 2026-07-28
  leg "2025-11-25 Lambda" stateless-2025-11-25.yaml --requirements 2025-11-25
  leg "2025-06-18 Lambda" stateless-2025-06-18.yaml --suite all --spec-version 2025-06-18
  stop
fi
if [[ $hosts == *" wasm "* ]]; then
  package "$work/package"
  serve wasm node tests/conformance/serve.mjs "$work/package"
  leg "2026-07-28 WebAssembly" "" --requirements 2026-07-28
  leg "2025-11-25 WebAssembly" stateless-2025-11-25.yaml --requirements 2025-11-25
  leg "2025-06-18 WebAssembly" stateless-2025-06-18.yaml --suite all --spec-version 2025-06-18
  stop
fi
printf '%s passed, %s failed\n' $((legs - failed)) "$failed"
((failed == 0))
