#!/usr/bin/env bash
# Power cuts, a full disk and a broken one under the real server, over a file layer of our own (layer.c).
# Arguments go to rig.py: --cuts, --jobs, --seed.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -Wall -Wextra -Werror -shared -fPIC -pthread -o "$work/layer.so" tests/powercut/layer.c
cargo build -q --locked -p beam-mcp-server --bin beam-mcp-server
LAYER=$work/layer.so BEAM_MCP_SERVER=${CARGO_TARGET_DIR:-target}/debug/beam-mcp-server \
  python3 tests/powercut/rig.py "$@"
