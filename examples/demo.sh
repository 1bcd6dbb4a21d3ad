#!/usr/bin/env bash
# demo.sh direct|flink : WordCount for real, through the product. Run by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-direct}
beam_mcp=${VENV:-.venv}/bin/beam-mcp

case $target in
direct) exec "$beam_mcp" demo ;;
flink) ;;
*) echo "demo: TARGET is direct or flink, not $target" >&2; exit 64 ;;
esac

for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "demo: TARGET=flink needs a JDK 17 and Maven; $tool is not on the PATH" >&2; exit 69; }
done
work=$(mktemp -d)
stop() { bash tests/clusters/start-runners.sh stop "$work/cluster" >/dev/null 2>&1 || true; rm -rf "$work"; }
trap stop EXIT

echo "building Beam's WordCount for Flink with Maven (the first time fetches about 80 MB)"
mvn -B -q -f examples/java/pom.xml package
echo "starting a real Flink ${FLINK_VERSION:-1.20.5} on loopback"
FLINK_VERSION=${FLINK_VERSION:-1.20.5} bash tests/clusters/start-runners.sh start "$work/cluster" >"$work/env"
# shellcheck disable=SC1091  # made by the line above
. "$work/env"
"$beam_mcp" demo --target flink --flink-url "$FLINK_URL" --jar examples/java/target/wordcount-flink-1.19.jar
