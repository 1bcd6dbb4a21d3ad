#!/usr/bin/env bash
# The contract suite against real services of Beam's Job API (Prism, Beam's Python local job service, its Java job server
# for Flink), and programs of its three SDKs at our own door.
# Needs .venv with client, server and apache-beam[yaml] (make venv beam), Go, a JDK 17 and Maven.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.77.0
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/prism-$version

if [[ ! -x $cache/prism ]]; then
  command -v go >/dev/null || { echo "tests/services: Prism is built with Go, and there is no go on the PATH" >&2; exit 69; }
  echo "building Prism $version with Go (about four minutes, once)"
  mkdir -p "$cache"
  GOBIN=$cache go install "github.com/apache/beam/sdks/v2/go/cmd/prism@v$version"
fi
programs=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/programs
mkdir -p "$programs"
(cd tests/services/go-program && go build -o "$programs/wordcount-go" .)
for made in java-program java-job-server; do mvn -B -q -f "tests/services/$made/pom.xml" package; done
FLINK_VERSION=1.20.5 bash tests/clusters/start-runners.sh fetch "$programs" flink >"$programs/flink"
flink=$(sed -n 's/^FLINK_HOME=//p' "$programs/flink")
export GO_PROGRAM=$programs/wordcount-go
export JAVA_PROGRAM="tests/services/java-program/target/*:tests/services/java-program/target/lib/*"
export JAVA_JOB_SERVER="tests/services/java-job-server/target/lib/*:$flink/lib/*"
.venv/bin/pip install -q -r tests/python/requirements.txt
BEAM_MCP_SERVER=$PWD/.venv/bin/beam-mcp-server PRISM=$cache/prism PYTHONPATH=tests/python \
  .venv/bin/python -m pytest -q -x --timeout 300 tests/services "$@"
