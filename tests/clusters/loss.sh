#!/usr/bin/env bash
# Real clusters that surprise, lose processes, freeze and are far away: Flink 1.20 and 2.2 (FLINK_VERSIONS), Spark 3.5 (SPARK_VERSIONS).
# An empty list leaves one out. Prints what the callers of another target notice; RECORD names a file for it too.
set -euo pipefail
cd "$(dirname "$0")/../.."
flinks=${FLINK_VERSIONS-1.20.5 2.2.1}
sparks=${SPARK_VERSIONS-3.5.9}
work=$(mktemp -d)
python=$PWD/.venv/bin/python

stop() {
  for runner in flink spark; do bash tests/clusters/start-runners.sh stop "$work/cluster" "$runner" >/dev/null 2>&1 || true; done
  rm -rf "$work/cluster"
}
cleanup() { stop; rm -rf "$work"; }
trap cleanup EXIT
suite() { # TEST PYTEST-ARGUMENTS...
  # shellcheck disable=SC1091  # made by start-runners.sh
  (set -a && . "$work/env" && JARS=$work/jars exec "$python" -m pytest -q -x --timeout 600 -o timeout=600 "$@")
}

BEAM_BOOT=$(bash tests/clusters/boot.sh)
export BEAM_BOOT
.venv/bin/pip install -q -r tests/clusters/requirements.txt
mkdir "$work/jars"
if [[ -n $flinks ]]; then
  mvn -B -q -f examples/java-streaming/pom.xml package
  cp examples/java-streaming/target/ratejob.jar "$work/jars/"
fi
for version in $flinks; do
  printf '\n== Flink %s\n' "$version"
  # A checkpoint that was seen must still be there a minute later; savepoints are forgotten while somebody waits for that.
  FLINK_VERSION=$version FLINK_RETAINED=120 FLINK_WAIT=120s FLINK_ASYNC_STORE=10s bash tests/clusters/start-runners.sh start "$work/cluster" flink >"$work/env"
  suite tests/clusters/test_flink_surprises.py tests/clusters/test_flink_loss.py "$@"
  if [[ $version == 1.* ]]; then
    mvn -B -q -Pflink -f examples/job-server/pom.xml package
    printf 'STREAMING_DOORS=each\nJOB_SERVER_JAR=%s\n' "$PWD/examples/job-server/target/beam-job-server-flink-1.19.jar" >>"$work/env"
    suite tests/clusters/test_streaming_python.py tests/clusters/test_python_pipelines.py tests/clusters/test_process_workers.py tests/clusters/test_door.py "$@"
  fi
  stop
done
for version in $sparks; do
  printf '\n== Spark %s\n' "$version"
  SPARK_VERSION=$version bash tests/clusters/start-runners.sh start "$work/cluster" spark >"$work/env"
  bash tests/clusters/spark-job/build.sh "$work/env" "$work/jars/sparkrate.jar"
  mvn -B -q -Pspark -f examples/job-server/pom.xml package
  echo "JOB_SERVER_JAR=$PWD/examples/job-server/target/beam-job-server-spark-3.jar" >>"$work/env"
  suite tests/clusters/test_spark_loss.py tests/clusters/test_python_on_spark.py tests/clusters/test_process_workers.py tests/clusters/test_door.py "$@"
  stop
done
