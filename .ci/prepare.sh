#!/usr/bin/env bash
# Installs what a fresh Debian machine lacks and builds everything once.
set -euo pipefail
cd "$(dirname "$0")/.."
export BEAM_MCP_CACHE=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
need() { command -v "$1" >/dev/null || missing+=("$2"); }
missing=()
need cc build-essential; need java openjdk-17-jdk-headless; need mvn maven; need curl curl; need faketime faketime
command -v chromium >/dev/null || missing+=(chromium fonts-liberation)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
rustup component list --installed 2>/dev/null | grep -q clippy || rustup component add clippy rustfmt
bash .ci/tools.sh wasm node typescript binaryen inspector mcp cargo-lambda >/dev/null
make venv beam wasm
CARGO_TARGET_DIR=$BEAM_MCP_CACHE/target-rmcp-client cargo build -q --locked --manifest-path tests/clients/rmcp-client/Cargo.toml
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$BEAM_MCP_CACHE/target} cargo test --workspace --locked --no-run -q
# Link-time optimisation of the whole takes minutes: building, not simulating.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$BEAM_MCP_CACHE/target} cargo build -q --profile simulation --locked -p beam-mcp-simulation
