#!/usr/bin/env bash
# The Lambda function in cargo-lambda's emulator: real events of every front door, schedules, and refused starts.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(.ci/tools.sh cargo-lambda)
CARGO_LAMBDA=$(sed -n 's/^CARGO_LAMBDA=//p' <<<"$tools")
cargo build -q --locked -p beam-mcp-server --bin bootstrap
CARGO_LAMBDA=$CARGO_LAMBDA BOOTSTRAP=${CARGO_TARGET_DIR:-target}/debug/bootstrap python3 tests/lambda/check.py
