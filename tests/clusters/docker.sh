#!/usr/bin/env bash
# Python workers in containers, which a real Flink 1.20 (FLINK_VERSIONS) and Spark 3.5 (SPARK_VERSIONS) start with `docker`.
# An empty list leaves one out. The engine is a real one, of this run alone: its own socket, images and containers. Files are
# in an emulated S3, since Beam gives its containers no folder of the machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
flinks=${FLINK_VERSIONS-1.20.5}
sparks=${SPARK_VERSIONS-3.5.9}
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
work=$(mktemp -d)
python=$PWD/.venv/bin/python
engine_pid='' store_pid=''

stop() {
  for runner in flink spark; do bash tests/clusters/start-runners.sh stop "$work/cluster" "$runner" >/dev/null 2>&1 || true; done
  rm -rf "$work/cluster"
}
cleanup() {
  stop
  for pid in $store_pid $engine_pid; do kill "$pid" 2>/dev/null && wait "$pid" || true; done
  # The engine leaves its name for the host's network mounted.
  umount "$work/exec/netns/default" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
cannot() { echo "tests/clusters: $1" >&2; tail -n 20 "$2" >&2; exit 69; }
wait_for() { # PID WHAT LOG COMMAND...
  local pid=$1 what=$2 log=$3
  shift 3
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.2
  done
  cannot "$what does not start on this machine" "$log"
}

start_engine() {
  export PATH=$ENGINE/usr/bin:$ENGINE/usr/sbin:$PATH DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/docker
  # No network of its own and no word to netfilter: workers use the host's. Its proxy is nobody, so that the image is ours
  # also where a registry has one of that name.
  LD_LIBRARY_PATH=$(printf '%s:' "$ENGINE"/usr/lib/*-linux-gnu) HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 dockerd -H "$DOCKER_HOST" --data-root "$work/images" \
    --exec-root "$work/exec" --pidfile "$work/docker.pid" --bridge=none --iptables=false --ip-forward=false \
    >"$work/engine.log" 2>&1 &
  engine_pid=$!
  wait_for "$engine_pid" "Docker's engine" "$work/engine.log" docker info
}

start_store() {
  local place=$cache/venv-moto-s3 port
  if ! "$place/bin/python" -c 'import moto, py_partiql_parser' 2>/dev/null; then
    echo "installing moto's server (pip)"
    python3 -m venv "$place"
    "$place/bin/pip" install -q 'moto[server,s3]>=5.2.5,<6'
  fi
  port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$place/bin/moto_server" -p "$port" >"$work/store.log" 2>&1 &
  store_pid=$!
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=eu-west-1
  wait_for "$store_pid" "moto's server" "$work/store.log" curl -fs "$AWS_ENDPOINT_URL/moto-api/"
}

load_images() { # one under the name that Beam asks for by itself, one that ends at once
  local variables="ENV AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=eu-west-1"
  export WORKER_IMAGE=beam-mcp/worker:2.77.0 ENDING_IMAGE=beam-mcp/ending:1
  docker import -c 'ENTRYPOINT ["/opt/apache/beam/boot"]' -c "$variables" "$ROOTS" "$WORKER_IMAGE"
  docker tag "$WORKER_IMAGE" apache/beam_python3.11_sdk:2.77.0
  printf 'FROM %s\nENTRYPOINT ["sh", "-c", "echo no worker here; exit 3"]\n' "$WORKER_IMAGE" | docker build -q -t "$ENDING_IMAGE" -
}

suite() { # RUNNER
  mvn -B -q "-P$1" -f examples/job-server/pom.xml package
  bash tests/clusters/start-runners.sh start "$work/cluster" "$1" >"$work/env"
  echo "JOB_SERVER_JAR=$(echo "$PWD/examples/job-server/target/beam-job-server-$1"-*.jar)" >>"$work/env"
  # shellcheck disable=SC1091  # made by start-runners.sh
  (set -a && . "$work/env" && JARS=$work exec "$python" -m pytest -q -x --timeout 500 -o timeout=500 tests/clusters/test_docker_workers.py "${@:2}")
  stop
}

kept=$(bash tests/clusters/docker-image.sh)
eval "$kept"
.venv/bin/pip install -q -r tests/clusters/requirements.txt boto3
start_engine
start_store
load_images
for version in $flinks; do
  printf '\n== Flink %s\n' "$version"
  FLINK_VERSION=$version FLINK_SLOTS=8 suite flink "$@"
done
for version in $sparks; do
  printf '\n== Spark %s\n' "$version"
  SPARK_VERSION=$version suite spark "$@"
done
