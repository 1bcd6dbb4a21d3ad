#!/usr/bin/env bash
# The Lambda function in cargo-lambda's emulator: real events of every front door, schedules, and refused starts; then
# with its jobs in DynamoDB Local (a JDK 17 and Maven), killed while callers submit.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(.ci/tools.sh cargo-lambda)
CARGO_LAMBDA=$(sed -n 's/^CARGO_LAMBDA=//p' <<<"$tools")
cargo build -q --locked -p beam-mcp-server --bin bootstrap
export CARGO_LAMBDA BOOTSTRAP=${CARGO_TARGET_DIR:-target}/debug/bootstrap
python3 tests/lambda/check.py

# shellcheck source=tests/dynamodb/local.sh
. tests/dynamodb/local.sh
port=$(free_port) log=$(mktemp)
dynamodb_local "$port" >"$log" 2>&1 &
table=$!
trap 'kill "$table" 2>/dev/null || true; rm -f "$log"' EXIT
wait_for "$port" "DynamoDB Local" "$log"
PYTHONDONTWRITEBYTECODE=1 python3 tests/lambda/table.py "http://127.0.0.1:$port"
