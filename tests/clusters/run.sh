#!/usr/bin/env bash
# The contract suites against real clusters: Flink 1.20 and 2.2 with the seeds' own scripts (FLINK_VERSIONS), Spark 3.5 and,
# for what differs there, 4.1 (SPARK_VERSIONS). An empty list leaves one out.
# Needs .venv with client, server and apache-beam (make venv beam), Go, a JDK 17 and Maven.
set -euo pipefail
cd "$(dirname "$0")/../.."
flinks=${FLINK_VERSIONS-1.20.5 2.2.1}
sparks=${SPARK_VERSIONS-3.5.9 4.1.4}
# What Spark 4 is asked for besides the whole suite on 3.5.
spark_4="submit_watch or history or reasons or lost_answer"
# Files that programs bring take minutes to install: once here, on Flink; all of it is in loss.sh, as is all of the door and
# of workers that a cluster starts itself.
brought="not package_that_cannot_be_installed and not a_streaming_program_at_the_door and not command_that_ends"
brought_spark="not files_that_a_program_brings"
work=$(mktemp -d)
python=$PWD/.venv/bin/python

stop() {
  for runner in flink spark; do bash tests/clusters/start-runners.sh stop "$work/cluster" "$runner" >/dev/null 2>&1 || true; done
  rm -rf "$work/cluster"
}
cleanup() { stop; rm -rf "$work"; }
trap cleanup EXIT
suite() { # ENVIRONMENT PYTEST-ARGUMENTS...
  local env=$1
  shift
  # shellcheck disable=SC1090  # made by start-runners.sh
  (set -a && . "$env" && JARS=$work/jars exec "$python" -m pytest -q -x --timeout 300 -o timeout=300 "$@")
}

.venv/bin/pip install -q -r tests/clusters/requirements.txt
mkdir "$work/jars"
if [[ -n $flinks ]]; then
  mvn -B -q -f examples/java-streaming/pom.xml package
  cp examples/java-streaming/target/ratejob.jar "$work/jars/"
fi
for version in $flinks; do
  printf '\n== Flink %s\n' "$version"
  FLINK_VERSION=$version FLINK_SLOTS=8 bash tests/clusters/start-runners.sh start "$work/cluster" flink >"$work/env"
  suites=(-k "$brought" tests/clusters/test_contract.py tests/clusters/test_seed_scripts.py)
  # Beam's runner that is served runs on 1.19 and 1.20.
  if [[ $version == 1.* ]]; then
    mvn -B -q -Pflink -f examples/job-server/pom.xml package
    echo "JOB_SERVER_JAR=$PWD/examples/job-server/target/beam-job-server-flink-1.19.jar" >>"$work/env"
    mvn -B -q -f examples/java/pom.xml package
    echo "WORDCOUNT_JAR=$PWD/examples/java/target/wordcount-flink-1.19.jar" >>"$work/env"
    boot=$(bash tests/clusters/boot.sh)
    echo "BEAM_BOOT=$boot" >>"$work/env"
    suites+=(tests/clusters/test_java_wordcount.py tests/clusters/test_python_pipelines.py tests/clusters/test_process_workers.py tests/clusters/test_door.py tests/clusters/test_streaming_python.py)
  fi
  suite "$work/env" "${suites[@]}"
  stop
done
for version in $sparks; do
  printf '\n== Spark %s\n' "$version"
  SPARK_VERSION=$version bash tests/clusters/start-runners.sh start "$work/cluster" spark >"$work/env"
  bash tests/clusters/spark-job/build.sh "$work/env" "$work/jars/sparkrate.jar"
  case $version in
  3.*)
    mvn -B -q -Pspark -f examples/job-server/pom.xml package
    echo "JOB_SERVER_JAR=$PWD/examples/job-server/target/beam-job-server-spark-3.jar" >>"$work/env"
    mvn -B -q -Pspark -f examples/java/pom.xml package
    echo "WORDCOUNT_JAR=$PWD/examples/java/target/wordcount-spark-3.jar" >>"$work/env"
    suite "$work/env" tests/clusters/test_spark.py tests/clusters/test_python_on_spark.py \
      tests/clusters/test_java_wordcount.py -k "$brought_spark"
    ;;
  *) suite "$work/env" tests/clusters/test_spark.py -k "$spark_4" ;;
  esac
  stop
done
