#!/usr/bin/env bash
# demo.sh direct|flink|flink-java|spark|spark-java : WordCount for real, through the product. Run by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-direct}
beam_mcp=${VENV:-.venv}/bin/beam-mcp

case $target in
direct) exec "$beam_mcp" demo ;;
flink | flink-java) version=${FLINK_VERSION:-1.20.5} ;;
spark | spark-java) version=${SPARK_VERSION:-3.5.9} ;;
*) echo "demo: TARGET is direct, flink, flink-java, spark or spark-java, not $target" >&2; exit 64 ;;
esac

# Beam's runners that are served are for Flink 1.19, which runs on 1.20 too, and for Spark 3.
case $target:${version} in
flink*:1.19.* | flink*:1.20.* | spark*:3.*) ;;
*) echo "demo: TARGET=$target runs on Flink 1.19 and 1.20 or Spark 3; Beam's runner for $version could not be fetched" >&2; exit 64 ;;
esac
missing() { ! command -v java >/dev/null || ! command -v mvn >/dev/null; }
if missing && command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
  echo "installing a JDK 17 and Maven"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jdk-headless maven >/dev/null
fi
if missing; then
  echo "demo: TARGET=$target needs a JDK 17 and Maven on the PATH; as root on Debian the demo installs them" >&2
  exit 69
fi
work=$(mktemp -d)
cluster=${target%-java} pool=
stop() {
  if [[ -n $pool ]]; then kill "$pool" 2>/dev/null && wait "$pool" 2>/dev/null || true; fi
  bash tests/clusters/start-runners.sh stop "$work/cluster" "$cluster" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap stop EXIT

if [[ $target == "$cluster" ]]; then
  echo "building Beam's job server for $cluster with Maven (the first time fetches about 60 MB)"
  mvn -B -q "-P$cluster" -f examples/job-server/pom.xml package
else
  echo "building Beam's WordCount for $cluster with Maven (the first time fetches about 80 MB)"
  mvn -B -q "-P$cluster" -f examples/java/pom.xml package
fi
echo "starting a real $cluster $version on loopback"
FLINK_VERSION=$version SPARK_VERSION=$version \
  bash tests/clusters/start-runners.sh start "$work/cluster" "$cluster" >"$work/env"
# shellcheck disable=SC1091  # made by the line above
. "$work/env"
case $cluster in
flink)
  where=(--flink-url "$FLINK_URL")
  java=examples/java/target/wordcount-flink-1.19.jar
  python=$PWD/examples/job-server/target/beam-job-server-flink-1.19.jar
  ;;
spark)
  where=(--spark-url "$SPARK_URL" --spark-master-url "$SPARK_MASTER_URL" --spark-history-url "$SPARK_HISTORY_URL"
    --spark-events "$SPARK_EVENTS" --jar-folder "$SPARK_SHARED")
  java=examples/java/target/wordcount-spark-3.jar
  python=$PWD/examples/job-server/target/beam-job-server-spark-3.jar
  ;;
esac
code=(--jar "$java")
if [[ $target == "$cluster" ]]; then
  "$beam_mcp" worker-pool --port 0 >"$work/pool" 2>"$work/pool.log" &
  pool=$!
  for _ in {1..150}; do [[ -s $work/pool ]] || sleep 0.2; done
  code=(--job-server-jar "$python" --worker-pool "$(sed 's/^worker pool on //' "$work/pool")")
fi
"$beam_mcp" demo --target "$cluster" "${where[@]}" "${code[@]}"
