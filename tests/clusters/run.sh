#!/usr/bin/env bash
# The contract suite and the seeds' own scripts against real Flink clusters: 1.20 and 2.2 (FLINK_VERSIONS).
# Needs .venv with client and server (make venv), a JDK 17 and Maven.
set -euo pipefail
cd "$(dirname "$0")/../.."
versions=${FLINK_VERSIONS:-1.20.5 2.2.1}
work=$(mktemp -d)
python=$PWD/.venv/bin/python

stop() { bash tests/clusters/start-runners.sh stop "$work/cluster" >/dev/null 2>&1 || true; }
cleanup() { stop; rm -rf "$work"; }
trap cleanup EXIT

.venv/bin/pip install -q -r tests/clusters/requirements.txt
mvn -B -q -f examples/java-streaming/pom.xml package
mkdir "$work/jars" && cp examples/java-streaming/target/ratejob.jar "$work/jars/"
for version in $versions; do
  printf '\n== Flink %s\n' "$version"
  FLINK_VERSION=$version FLINK_SLOTS=8 bash tests/clusters/start-runners.sh start "$work/cluster" >"$work/env"
  # shellcheck disable=SC1091  # made by the line above
  set -a && . "$work/env" && set +a
  FLINK_VERSION=$version JARS=$work/jars "$python" -m pytest -q -x --timeout 300 -o timeout=300 tests/clusters
  stop
  rm -rf "$work/cluster"
done
