#!/usr/bin/env bash
# kill -9 of the server while clients submit, against a real Flink 1.20 and against this machine's Python:
#
#   run.sh [KILLS] [STORED]   KILLS on Flink (default 50) with STORED jobs in the store, then a fifth of them with
#                             clients that hang up, a fifth behind a network that loses, cuts and repeats calls while
#                             the server's wall clock jumps, and a tenth on Direct
#
# BEAM_MCP_SERVER names the server and BEAM_PYTHON the interpreter of Direct jobs; the default is .venv's.
# Needs a JDK 17, Maven and libfaketime.
set -euo pipefail
cd "$(dirname "$0")/../.."
kills=${1:-50} stored=${2:-0}
work=$(mktemp -d)
trap 'bash tests/clusters/start-runners.sh stop "$work/cluster" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
export BEAM_MCP_SERVER=${BEAM_MCP_SERVER:-$PWD/.venv/bin/beam-mcp-server} BEAM_PYTHON=${BEAM_PYTHON:-$PWD/.venv/bin/python}
export PYTHONPATH=tests/python:tests/bench:tests/load PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

mvn -B -q -f examples/java-streaming/pom.xml package
FLINK_VERSION=${FLINK_VERSION:-1.20.5} FLINK_SLOTS=32 FLINK_SCHEDULER=default FLINK_PORT=${FLINK_PORT:-18081} \
  bash tests/clusters/start-runners.sh start "$work/cluster" >"$work/env"
# shellcheck disable=SC1091  # made by the line above
set -a && . "$work/env" && set +a
export JARS=examples/java-streaming/target
python=$BEAM_PYTHON failed=0
"$python" tests/kill/kill9.py flink --kills "$kills" --stored "$stored" || failed=1
"$python" tests/kill/kill9.py flink --kills "$(((kills + 4) / 5))" --hang-ups 0.3 --seed 2 || failed=1
"$python" tests/kill/kill9.py flink --kills "$(((kills + 4) / 5))" --chaos 0.2 --jumps --seed 4 || failed=1
"$python" tests/kill/kill9.py direct --kills "$(((kills + 9) / 10))" --hang-ups 0.3 --seed 3 || failed=1
exit "$failed"
