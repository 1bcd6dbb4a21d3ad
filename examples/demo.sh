#!/usr/bin/env bash
# demo.sh direct|flink|spark : WordCount for real, through the product. Run by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-direct}
beam_mcp=${VENV:-.venv}/bin/beam-mcp

case $target in
direct) exec "$beam_mcp" demo ;;
flink) version=${FLINK_VERSION:-1.20.5} ;;
spark) version=${SPARK_VERSION:-3.5.9} ;;
*) echo "demo: TARGET is direct, flink or spark, not $target" >&2; exit 64 ;;
esac

for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "demo: TARGET=$target needs a JDK 17 and Maven; $tool is not on the PATH" >&2; exit 69; }
done
work=$(mktemp -d)
stop() { bash tests/clusters/start-runners.sh stop "$work/cluster" "$target" >/dev/null 2>&1 || true; rm -rf "$work"; }
trap stop EXIT

echo "building Beam's WordCount for $target with Maven (the first time fetches about 80 MB)"
mvn -B -q "-P$target" -f examples/java/pom.xml package
echo "starting a real $target $version on loopback"
FLINK_VERSION=$version SPARK_VERSION=$version \
  bash tests/clusters/start-runners.sh start "$work/cluster" "$target" >"$work/env"
# shellcheck disable=SC1091  # made by the line above
. "$work/env"
case $target in
flink)
  "$beam_mcp" demo --target flink --flink-url "$FLINK_URL" --jar examples/java/target/wordcount-flink-1.19.jar
  ;;
spark)
  "$beam_mcp" demo --target spark --spark-url "$SPARK_URL" --spark-master-url "$SPARK_MASTER_URL" \
    --spark-history-url "$SPARK_HISTORY_URL" --spark-events "$SPARK_EVENTS" --jar-folder "$SPARK_SHARED" \
    --jar examples/java/target/wordcount-spark-3.jar
  ;;
esac
