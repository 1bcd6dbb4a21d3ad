#!/usr/bin/env bash
# build.sh ENVIRONMENT JAR: compiles the job against the jars of the Spark that start-runners.sh has started.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck disable=SC1090  # made by start-runners.sh
. "$1"
bin=${JAVA_HOME:+$JAVA_HOME/bin/}
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
"${bin}javac" --release 11 -nowarn -cp "$SPARK_HOME/jars/*" -d "$classes" SparkRateJob.java
"${bin}jar" cfe "$2" org.beammcp.examples.SparkRateJob -C "$classes" .
