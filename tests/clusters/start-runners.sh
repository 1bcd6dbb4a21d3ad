#!/usr/bin/env bash
# A real Flink standalone cluster on loopback, installed from PyPI only.
#
#   start-runners.sh start  DIR   install what is missing, start, wait, print KEY=VALUE lines
#   start-runners.sh stop   DIR   stop the processes recorded in DIR, and no others
#   start-runners.sh status DIR   print each process and whether it lives; exit 1 when one does not
#
# Environment (defaults):
#   FLINK_VERSION=2.2.1 (or 1.20.5)   FLINK_SLOTS=8   FLINK_SCHEDULER=adaptive (or default)
#   FLINK_PORT=18081 (REST; the next four ports serve RPC, blobs, TaskManager RPC and data)
#   FLINK_MEM_JM=1024m FLINK_MEM_TM=1400m   FLINK_ASYNC_STORE=5min (how long savepoint answers are kept)
#   FLINK_START_TIMEOUT=120 FLINK_FETCH_TIMEOUT=900 (seconds)
#   BEAM_MCP_CACHE=~/.cache/beam-mcp   JAVA_HOME (else a Java 17 is looked for)
# Needs: java 17, python3 with venv and pip, curl, flock, setsid.
set -euo pipefail

usage() { sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64; }
[[ $# == 2 && -n $2 ]] || usage
cmd=$1
case $cmd in start | stop | status) ;; *) usage ;; esac
if [[ $cmd == start ]]; then mkdir -p "$2"; fi
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
FLINK_START_TIMEOUT=${FLINK_START_TIMEOUT:-120}
FLINK_FETCH_TIMEOUT=${FLINK_FETCH_TIMEOUT:-900}
CACHE=${BEAM_MCP_CACHE:-${HOME:-/tmp}/.cache/beam-mcp}
FLINK_HOME=$CACHE/flink-$FLINK_VERSION
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

install_flink() (
  [[ -d $FLINK_HOME/lib ]] && exit 0
  mkdir -p "$CACHE"
  exec 9>"$CACHE/flink-$FLINK_VERSION.lock"
  flock -w "$FLINK_FETCH_TIMEOUT" 9 || die "another process has held $CACHE/flink-$FLINK_VERSION.lock for $FLINK_FETCH_TIMEOUT s"
  [[ -d $FLINK_HOME/lib ]] && exit 0
  say "fetching Flink $FLINK_VERSION"
  work=$(mktemp -d "$CACHE/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m venv "$work/venv" || die "python3 -m venv failed"
  timeout "$FLINK_FETCH_TIMEOUT" "$work/venv/bin/pip" download -q --no-deps --no-binary :all: -d "$work" \
    "apache-flink-libraries==$FLINK_VERSION" || die "could not fetch apache-flink-libraries==$FLINK_VERSION"
  mkdir "$work/src"
  tar xzf "$work"/apache_flink_libraries-*.tar.gz -C "$work/src" --strip-components=1 || die "the Flink package does not unpack"
  [[ -d $work/src/deps/lib && -f $work/src/deps/bin/bash-java-utils.jar ]] || die "the Flink package has no deps/lib"
  mv "$work/src/deps" "$FLINK_HOME"
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
    submission: {resource-stabilization-timeout: 1s, resource-wait-timeout: 20s}
    resource-wait-timeout: 20s
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
heartbeat: {interval: 1000, timeout: 8000}
slot: {request: {timeout: 10000}}
web: {tmpdir: $DIR/web, refresh-interval: 500}
metrics: {fetcher: {update-interval: 500}}
io: {tmp: {dirs: $DIR/tmp}}
execution:
  checkpointing:
    interval: 1s
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

explain() { # TEXT: what can be known of a failed start, then stop what was started
  local name
  say "$1"
  for name in jobmanager taskmanager; do
    say "--- $name, last lines"
    tail -n 5 "$RUN/$name.out" "$DIR/log/$name/$name.log" >&2 2>/dev/null || true
  done
  stop_all
  exit 1
}

start_all() {
  local name java conf=$DIR/conf cp module flags=() jm=() tm=() end
  for name in jobmanager taskmanager; do
    ! alive "$name" || die "$name already runs (pid $(pid_of "$name")): stop it first"
  done
  [[ $FLINK_SCHEDULER == adaptive || $FLINK_SCHEDULER == default ]] || die "FLINK_SCHEDULER is adaptive or default, not $FLINK_SCHEDULER"
  for name in curl python3 flock setsid; do command -v "$name" >/dev/null || die "$name is not installed"; done
  java=$(find_java)
  ! curl -s -m 2 -o /dev/null "http://$BIND:$FLINK_PORT/" || die "port $FLINK_PORT is taken: set FLINK_PORT"
  install_flink
  mkdir -p "$RUN" "$conf" "$DIR"/{tmp,web,checkpoints,savepoints,log/jobmanager,log/taskmanager}
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

  # shellcheck disable=SC2086
  launch jobmanager "$java" ${jm[0]} "${flags[@]}" "-Dlog.file=$DIR/log/jobmanager/jobmanager.log" -cp "$cp" \
    org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint --configDir "$conf" --executionMode cluster ${jm[1]}
  # shellcheck disable=SC2086
  launch taskmanager "$java" ${tm[0]} "${flags[@]}" "-Dlog.file=$DIR/log/taskmanager/taskmanager.log" -cp "$cp" \
    org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir "$conf" ${tm[1]}

  end=$((SECONDS + FLINK_START_TIMEOUT))
  sleep 0.5 # the marker shows once java has replaced setsid
  until curl -fsS -m 2 "http://$BIND:$FLINK_PORT/overview" 2>/dev/null | grep -q "\"slots-total\":$FLINK_SLOTS,"; do
    for name in jobmanager taskmanager; do alive "$name" || explain "$name died while starting"; done
    ((SECONDS < end)) || explain "Flink was not ready after $FLINK_START_TIMEOUT s"
    sleep 0.3
  done
  printf '%s\n' "FLINK_URL=http://$BIND:$FLINK_PORT" "FLINK_VERSION=$FLINK_VERSION" "FLINK_HOME=$FLINK_HOME" \
    "FLINK_SAVEPOINTS=file://$DIR/savepoints" "FLINK_CHECKPOINTS=file://$DIR/checkpoints" | tee "$RUN/env"
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
stop_all() { stop_one taskmanager; stop_one jobmanager; rm -f "$RUN/env"; }

status_all() {
  local name bad=0
  for name in jobmanager taskmanager; do
    if alive "$name"; then echo "$name $(pid_of "$name") up"; else echo "$name down"; bad=1; fi
  done
  if [[ $bad == 0 && -f $RUN/env ]]; then cat "$RUN/env"; fi
  return $bad
}

case $cmd in
start) start_all ;;
stop) stop_all ;;
status) status_all ;;
esac
