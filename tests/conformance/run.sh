#!/usr/bin/env bash
# The official MCP suite against its surface on the native host: without sessions, then with them.
# A failure that the baseline does not list fails the run, and so does an entry that no longer fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(bash .ci/tools.sh node conformance)
while IFS='=' read -r key value; do export "$key=$value"; done <<<"$out"
export PATH="$NODE_DIR:$PATH"

cargo build -q --locked -p beam-mcp-conformance
server=${CARGO_TARGET_DIR:-target}/debug/beam-mcp-conformance
work=$(mktemp -d) pid=
stop() {
  [[ -n $pid ]] || return 0
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  pid=
}
trap 'stop; rm -rf "$work"' EXIT

start() { # NAME [--sessions]
  local name=$1
  shift
  "$server" "$@" "$work/$name.port" 2>"$work/$name.log" &
  pid=$!
  for _ in $(seq 100); do [[ -s $work/$name.port ]] && break; kill -0 $pid || { cat "$work/$name.log"; exit 1; }; sleep 0.1; done
  url=http://localhost:$(<"$work/$name.port")/mcp
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

start stateless
leg "2026-07-28 required" "" --requirements 2026-07-28
leg "2025-11-25 stateless" stateless-2025-11-25.yaml --requirements 2025-11-25
stop
start sessions --sessions
leg "2026-07-28 beside sessions" "" --requirements 2026-07-28
leg "2025-11-25 sessions" "" --requirements 2025-11-25
leg "2025-06-18 sessions" "" --suite all --spec-version 2025-06-18
leg "2025-03-26 sessions" "" --suite all --spec-version 2025-03-26
printf '%s passed, %s failed\n' $((legs - failed)) "$failed"
((failed == 0))
