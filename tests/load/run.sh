#!/usr/bin/env bash
# Load and trouble on loopback: isolation of targets, rates, overload, shutdown. `run.sh short` takes about two minutes.
# BEAM_MCP_SERVER names the server; else it is built as what is published.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
if [[ -z ${BEAM_MCP_SERVER:-} ]]; then
  cargo build --locked --release -q -p beam-mcp-server --bin beam-mcp-server
  export BEAM_MCP_SERVER=${CARGO_TARGET_DIR:-../../target}/release/beam-mcp-server
fi
# The generator of too much: oha, which sends at a fixed rate and counts from when a call was due.
version=1.16.0 tools=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
export OHA=$tools/oha-$version/bin/oha
[[ -x $OHA ]] || CARGO_TARGET_DIR=$tools/target-tools cargo install --quiet --locked --root "$tools/oha-$version" \
  --version "=$version" --no-default-features --features rustls oha
python=${PYTHON:-python3} failed=0
case ${1:-long} in
  short) isolation=(--rounds 1 --seconds 3 --outage 10) overload=(--seconds 4) shutdown=(--rounds 1 --calls 300) rates=(--seconds 3) ;;
  long) isolation=(--rounds 5 --seconds 10 --outage 600) overload=(--seconds 15) shutdown=(--rounds 10 --calls 1000) rates=(--seconds 10) ;;
  *) echo "usage: run.sh [short|long]" >&2; exit 2 ;;
esac
ulimit -n "$(ulimit -Hn)"
echo "== isolation"; "$python" isolation.py "${isolation[@]}" || failed=1
echo "== rates"; "$python" rates.py "${rates[@]}" || failed=1
echo "== overload"; "$python" overload.py "${overload[@]}" || failed=1
echo "== shutdown"; "$python" shutdown.py "${shutdown[@]}" || failed=1
exit "$failed"
