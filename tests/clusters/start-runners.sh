#!/usr/bin/env bash
# A real standalone cluster on loopback, Flink or Spark, installed from PyPI only.
#
#   start-runners.sh start  DIR [flink|spark]   install what is missing, start, wait, print KEY=VALUE lines
#   start-runners.sh stop   DIR [flink|spark]   stop the processes recorded in DIR, and no others
#   start-runners.sh status DIR [flink|spark]   print each process and whether it lives; exit 1 when one does not
#   start-runners.sh fetch  DIR [flink|spark]   install what is missing and print where it is
#
# Without a third word it is flink. Environment (defaults):
#   FLINK_VERSION=2.2.1 (or 1.20.5)   FLINK_SLOTS=8   FLINK_SCHEDULER=adaptive (or default)
#   FLINK_PORT=18081 (REST; the next four ports serve RPC, blobs, TaskManager RPC and data)
#   FLINK_HEARTBEAT=8000 (ms without a word after which a process counts as lost: more on a busy machine)
#   FLINK_RETAINED=1 (checkpoints of a job that are kept)   FLINK_WAIT=20s (how long a job waits for slots)
#   FLINK_MEM_JM=1024m FLINK_MEM_TM=1400m   FLINK_ASYNC_STORE=5min (how long savepoint answers are kept)
#   SPARK_VERSION=3.5.9 (or 4.1.4)   SPARK_CORES=8 SPARK_MEM=6g (what the one worker offers)
#   SPARK_PORT=16066 (submission REST; the next five serve the master's RPC and page, the worker's RPC and page, history)
#   START_TIMEOUT=120 FETCH_TIMEOUT=900 (seconds)
#   BEAM_MCP_CACHE=~/.cache/beam-mcp   JAVA_HOME (else a Java 17 is looked for)
# Needs: java 17, python3 with venv and pip, curl, flock, setsid.
set -euo pipefail

usage() { sed -n '2,21p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64; }
[[ ($# == 2 || $# == 3) && -n $2 ]] || usage
cmd=$1
runner=${3:-flink}
case $cmd in start | stop | status | fetch) ;; *) usage ;; esac
case $runner in flink) NAMES=(jobmanager taskmanager) ;; spark) NAMES=(master worker history) ;; *) usage ;; esac
if [[ $cmd == start || $cmd == fetch ]]; then mkdir -p "$2"; fi
[[ -d $2 ]] || { echo "start-runners: no such folder: $2" >&2; exit 1; }
DIR=$(cd "$2" && pwd -P)
[[ $DIR != *[[:space:]\'\"]* ]] || { echo "start-runners: the folder's path may hold no space or quote: $DIR" >&2; exit 1; }

BIND=127.0.0.1
FLINK_VERSION=${FLINK_VERSION:-2.2.1}
FLINK_SLOTS=${FLINK_SLOTS:-8}
FLINK_SCHEDULER=${FLINK_SCHEDULER:-adaptive}
FLINK_PORT=${FLINK_PORT:-18081}
FLINK_MEM_JM=${FLINK_MEM_JM:-1024m}
FLINK_MEM_TM=${FLINK_MEM_TM:-1400m}
FLINK_ASYNC_STORE=${FLINK_ASYNC_STORE:-5min}
FLINK_HEARTBEAT=${FLINK_HEARTBEAT:-8000}
FLINK_RETAINED=${FLINK_RETAINED:-1}
FLINK_WAIT=${FLINK_WAIT:-20s}
SPARK_VERSION=${SPARK_VERSION:-3.5.9}
SPARK_CORES=${SPARK_CORES:-8}
SPARK_MEM=${SPARK_MEM:-6g}
SPARK_PORT=${SPARK_PORT:-16066}
START_TIMEOUT=${START_TIMEOUT:-120}
FETCH_TIMEOUT=${FETCH_TIMEOUT:-900}
CACHE=${BEAM_MCP_CACHE:-${HOME:-/tmp}/.cache/beam-mcp}
FLINK_HOME=$CACHE/flink-$FLINK_VERSION
SPARK_HOME=$CACHE/spark-$SPARK_VERSION
RUN=$DIR/run
# Carried by every process started here, so that a reused pid is never taken for ours.
MARK=-Dbeam.mcp.cluster=$DIR

say() { printf '%s\n' "start-runners: $*" >&2; }
die() { say "$*"; exit 1; }

pid_of() { cat "$RUN/$1.pid" 2>/dev/null; }
alive() { # NAME: true while the recorded pid is a process of ours
  local pid
  pid=$(pid_of "$1") && [[ -n $pid && -r /proc/$pid/cmdline ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$MARK"
}

# --- Java ---------------------------------------------------------------------------------------

java_major() { "$1" -version 2>&1 | sed -n 's/^[^"]*version "\([0-9]*\)[."].*/\1/p' | head -n 1; }
find_java() {
  local candidate
  if [[ -n ${JAVA_HOME:-} ]]; then
    [[ -x $JAVA_HOME/bin/java ]] || die "JAVA_HOME has no bin/java: $JAVA_HOME"
    [[ $(java_major "$JAVA_HOME/bin/java") == 17 ]] && { echo "$JAVA_HOME/bin/java"; return; }
    say "JAVA_HOME is not a Java 17, looking for another"
  fi
  for candidate in "$(command -v java || true)" /usr/lib/jvm/*17*/bin/java /opt/java/*17*/bin/java; do
    [[ -x $candidate && $(java_major "$candidate") == 17 ]] && { echo "$candidate"; return; }
  done
  die "no Java 17 found: set JAVA_HOME"
}

# --- Installation -------------------------------------------------------------------------------

install() ( # HOME PACKAGE FOLDER: the folder of a source package, kept under HOME
  [[ -d $1 ]] && exit 0
  mkdir -p "$CACHE"
  exec 9>"$1.lock"
  flock -w "$FETCH_TIMEOUT" 9 || die "another process has held $1.lock for $FETCH_TIMEOUT s"
  [[ -d $1 ]] && exit 0
  say "fetching $2"
  work=$(mktemp -d "$CACHE/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m venv "$work/venv" || die "python3 -m venv failed"
  timeout "$FETCH_TIMEOUT" "$work/venv/bin/pip" download -q --no-deps --no-binary :all: -d "$work" "$2" || die "could not fetch $2"
  mkdir "$work/src"
  tar xzf "$work"/*.tar.gz -C "$work/src" --strip-components=1 || die "the package $2 does not unpack"
  [[ -d $work/src/$3 ]] || die "the package $2 has no folder $3"
  mv "$work/src/$3" "$1"
)

# --- Flink --------------------------------------------------------------------------------------

write_config() { # CONF
  cat >"$1/config.yaml" <<Y
jobmanager:
  rpc: {address: $BIND, port: $((FLINK_PORT + 1))}
  bind-host: $BIND
  scheduler: $FLINK_SCHEDULER
  memory: {process: {size: $FLINK_MEM_JM}}
  adaptive-scheduler:
    scaling-interval: {min: 0s}
    executing: {cooldown-after-rescaling: 0s, resource-stabilization-timeout: 1s}
    submission: {resource-stabilization-timeout: 1s, resource-wait-timeout: $FLINK_WAIT}
    resource-wait-timeout: $FLINK_WAIT
    resource-stabilization-timeout: 1s
blob: {server: {port: $((FLINK_PORT + 2))}}
rest:
  address: $BIND
  bind-address: $BIND
  port: $FLINK_PORT
  async: {store-duration: $FLINK_ASYNC_STORE}
taskmanager:
  host: $BIND
  bind-host: $BIND
  rpc: {port: $((FLINK_PORT + 3))}
  data: {port: $((FLINK_PORT + 4))}
  numberOfTaskSlots: $FLINK_SLOTS
  memory: {process: {size: $FLINK_MEM_TM}, network: {min: 96m}}
heartbeat: {interval: 1000, timeout: $FLINK_HEARTBEAT}
slot: {request: {timeout: 10000}}
web: {tmpdir: $DIR/web, refresh-interval: 500}
metrics: {fetcher: {update-interval: 500}}
io: {tmp: {dirs: $DIR/tmp}}
execution:
  checkpointing:
    interval: 1s
    num-retained: $FLINK_RETAINED
    dir: file://$DIR/checkpoints
    savepoint-dir: file://$DIR/savepoints
restart-strategy: {type: fixed-delay, fixed-delay: {attempts: 2, delay: 500ms}}
Y
  cat >"$1/log4j.properties" <<'L'
rootLogger.level=INFO
rootLogger.appenderRef.file.ref=File
appender.file.name=File
appender.file.type=File
appender.file.fileName=${sys:log.file}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{ISO8601} %-5p %c{1} - %m%n
L
}

launch() { # NAME COMMAND...: in a session of its own, so that signals to this script do not reach it
  local name=$1
  shift
  setsid nohup "$@" >"$RUN/$name.out" 2>&1 </dev/null 9>&- &
  echo $! >"$RUN/$name.pid"
}

appear() { # until each process shows the marker: java has replaced the shell scripts that start it
  local name end=$((SECONDS + START_TIMEOUT))
  for name in "${NAMES[@]}"; do
    until alive "$name"; do
      kill -0 "$(pid_of "$name")" 2>/dev/null || explain "$name died while starting"
      ((SECONDS < end)) || explain "$name was not started after $START_TIMEOUT s"
      sleep 0.1
    done
  done
}

explain() { # TEXT: what can be known of a failed start, then stop what was started
  local name
  say "$1"
  for name in "${NAMES[@]}"; do
    say "--- $name, last lines"
    tail -n 5 "$RUN/$name.out" "$DIR/log/$name/$name.log" >&2 2>/dev/null || true
  done
  stop_all
  exit 1
}

check_start() { # PORT VARIABLE: nothing of ours runs, nobody else is there, the tools are
  local name
  for name in "${NAMES[@]}"; do
    ! alive "$name" || die "$name already runs (pid $(pid_of "$name")): stop it first"
  done
  for name in curl python3 flock setsid; do command -v "$name" >/dev/null || die "$name is not installed"; done
  ! curl -s -m 2 -o /dev/null "http://$BIND:$1/" || die "port $1 is taken: set $2"
  mkdir -p "$RUN"
}

wait_for() { # URL TEXT
  local name end=$((SECONDS + START_TIMEOUT))
  until curl -fsS -m 2 "$1" 2>/dev/null | grep -q -- "$2"; do
    for name in "${NAMES[@]}"; do alive "$name" || explain "$name died while starting"; done
    ((SECONDS < end)) || explain "$runner was not ready after $START_TIMEOUT s"
    sleep 0.3
  done
}

start_flink() {
  local java conf=$DIR/conf cp module name flags=() jm=() tm=()
  [[ $FLINK_SCHEDULER == adaptive || $FLINK_SCHEDULER == default ]] || die "FLINK_SCHEDULER is adaptive or default, not $FLINK_SCHEDULER"
  java=$(find_java)
  check_start "$FLINK_PORT" FLINK_PORT
  install "$FLINK_HOME" "apache-flink-libraries==$FLINK_VERSION" deps
  mkdir -p "$conf" "$DIR"/{tmp,web,checkpoints,savepoints,log/jobmanager,log/taskmanager}
  write_config "$conf"

  cp=$(printf '%s:' "$FLINK_HOME"/lib/*.jar)
  for module in java.base/sun.net.util java.rmi/sun.rmi.registry java.security.jgss/sun.security.krb5; do
    flags+=("--add-exports=$module=ALL-UNNAMED")
  done
  for module in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
    java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
    flags+=("--add-opens=java.base/$module=ALL-UNNAMED")
  done
  flags+=("$MARK" "-Dlog4j.configurationFile=file:$conf/log4j.properties")

  # The distribution's own memory calculator: line 1 holds JVM options, line 2 settings; each a list of words.
  sizes() {
    timeout 60 "$java" -cp "$FLINK_HOME/bin/bash-java-utils.jar:$cp" org.apache.flink.runtime.util.bash.BashJavaUtils \
      "$1" --configDir "$conf" 2>"$RUN/sizes.out" | sed -n 's/^BASH_JAVA_UTILS_EXEC_RESULT://p'
  }
  mapfile -t jm < <(sizes GET_JM_RESOURCE_PARAMS)
  mapfile -t tm < <(sizes GET_TM_RESOURCE_PARAMS)
  [[ ${#jm[@]} == 2 && ${#tm[@]} == 2 ]] || die "Flink's memory calculation failed: $(grep -m 1 Exception "$RUN/sizes.out" || echo "see $RUN/sizes.out")"

  # Flink shows what programs print where it lies beside its log.
  for name in "${NAMES[@]}"; do ln -sf "$RUN/$name.out" "$DIR/log/$name/$name.out"; done
  # shellcheck disable=SC2086
  launch jobmanager "$java" ${jm[0]} "${flags[@]}" "-Dlog.file=$DIR/log/jobmanager/jobmanager.log" -cp "$cp" \
    org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint --configDir "$conf" --executionMode cluster ${jm[1]}
  # shellcheck disable=SC2086
  launch taskmanager "$java" ${tm[0]} "${flags[@]}" "-Dlog.file=$DIR/log/taskmanager/taskmanager.log" -cp "$cp" \
    org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir "$conf" ${tm[1]}

  appear
  wait_for "http://$BIND:$FLINK_PORT/overview" "\"slots-total\":$FLINK_SLOTS,"
  printf '%s\n' "FLINK_URL=http://$BIND:$FLINK_PORT" "FLINK_VERSION=$FLINK_VERSION" "FLINK_HOME=$FLINK_HOME" \
    "FLINK_SAVEPOINTS=file://$DIR/savepoints" "FLINK_CHECKPOINTS=file://$DIR/checkpoints" "FLINK_RUN=$RUN" | tee "$RUN/env"
}

# --- Spark --------------------------------------------------------------------------------------

# The worker gives its drivers no module flags: what the product sends must do.
start_spark() {
  local conf=$DIR/conf page=$((SPARK_PORT + 2)) history=$((SPARK_PORT + 5)) java run
  java=$(find_java)
  check_start "$SPARK_PORT" SPARK_PORT
  install "$SPARK_HOME" "pyspark==$SPARK_VERSION" deps
  mkdir -p "$conf" "$DIR"/{work,events,shared}
  cat >"$conf/spark-defaults.conf" <<S
spark.eventLog.enabled            true
spark.eventLog.dir                file://$DIR/events
spark.history.fs.logDirectory     file://$DIR/events
spark.history.fs.update.interval  1s
spark.history.ui.port             $history
spark.driver.bindAddress          $BIND
spark.driver.host                 $BIND
spark.master.rest.enabled         true
spark.master.rest.host            $BIND
spark.master.rest.port            $SPARK_PORT
S
  export SPARK_HOME SPARK_CONF_DIR=$conf SPARK_LOCAL_IP=$BIND SPARK_PUBLIC_DNS=$BIND SPARK_WORKER_DIR=$DIR/work
  export SPARK_DAEMON_MEMORY=384m SPARK_DAEMON_JAVA_OPTS=$MARK JAVA_HOME=${java%/bin/java}
  run=$SPARK_HOME/bin/spark-class
  launch master "$run" org.apache.spark.deploy.master.Master --host "$BIND" --port $((SPARK_PORT + 1)) --webui-port "$page"
  launch worker "$run" org.apache.spark.deploy.worker.Worker --host "$BIND" --port $((SPARK_PORT + 3)) \
    --webui-port $((SPARK_PORT + 4)) -c "$SPARK_CORES" -m "$SPARK_MEM" "spark://$BIND:$((SPARK_PORT + 1))"
  launch history "$run" org.apache.spark.deploy.history.HistoryServer
  appear
  wait_for "http://$BIND:$page/json/" '"aliveworkers" : 1'
  wait_for "http://$BIND:$history/api/v1/applications" '^\['
  printf '%s\n' "SPARK_URL=http://$BIND:$SPARK_PORT" "SPARK_MASTER_URL=http://$BIND:$page" "SPARK_HISTORY_URL=http://$BIND:$history" \
    "SPARK_SHARED=$DIR/shared" "SPARK_EVENTS=file://$DIR/events" "SPARK_RUN=$RUN" "SPARK_VERSION=$SPARK_VERSION" "SPARK_HOME=$SPARK_HOME" | tee "$RUN/env"
}

# --- Stop and status ----------------------------------------------------------------------------

fetch_one() {
  case $runner in
  flink) install "$FLINK_HOME" "apache-flink-libraries==$FLINK_VERSION" deps && echo "FLINK_HOME=$FLINK_HOME" ;;
  spark) install "$SPARK_HOME" "pyspark==$SPARK_VERSION" deps && echo "SPARK_HOME=$SPARK_HOME" ;;
  esac
}

stop_one() { # NAME: TERM, ten seconds of grace, KILL
  local pid tick
  [[ -f $RUN/$1.pid ]] || return 0
  pid=$(pid_of "$1")
  if alive "$1"; then
    kill -TERM "$pid" 2>/dev/null || true
    for tick in $(seq 1 100); do alive "$1" || break; sleep 0.1; done
    if alive "$1"; then kill -KILL "$pid" 2>/dev/null || true; say "killed $1 ($pid) after ${tick}00 ms"; else say "stopped $1 ($pid)"; fi
  fi
  rm -f "$RUN/$1.pid"
}
stop_all() { # the last started first
  local at
  for ((at = ${#NAMES[@]} - 1; at >= 0; at--)); do stop_one "${NAMES[at]}"; done
  rm -f "$RUN/env"
}

status_all() {
  local name bad=0
  for name in "${NAMES[@]}"; do
    if alive "$name"; then echo "$name $(pid_of "$name") up"; else echo "$name down"; bad=1; fi
  done
  if [[ $bad == 0 && -f $RUN/env ]]; then cat "$RUN/env"; fi
  return $bad
}

case $cmd in
start) "start_$runner" ;;
stop) stop_all ;;
status) status_all ;;
fetch) fetch_one ;;
esac
