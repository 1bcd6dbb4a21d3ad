#!/usr/bin/env bash
# The store suite against two emulators, both kept in the cache: DynamoDB Local (a JDK 17 and Maven) and moto's server.
# moto ignores transaction tokens (the store does not rest on them) and takes requests in turn here. Each run has a table and processes of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT
# shellcheck source=tests/dynamodb/local.sh
. tests/dynamodb/local.sh

moto=$cache/venv-moto
if ! "$moto/bin/python" -c 'import moto, sys; sys.exit(moto.__version__ < "5.2.5")' 2>/dev/null; then
  echo "installing moto's server (pip)"
  python3 -m venv "$moto"
  "$moto/bin/pip" install -q 'moto[server,dynamodb]>=5.2.5,<6'
fi

# Credentials that emulators take for granted; botocore comes with moto.
make_table() { # ENDPOINT
  AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret "$moto/bin/python" - "$1" <<'PY'
import json, sys
from botocore.session import get_session

table = json.load(open("lambda/deploy/table.json"))
client = get_session().create_client("dynamodb", region_name="eu-west-1", endpoint_url=sys.argv[1])
client.create_table(**table)
client.get_waiter("table_exists").wait(TableName=table["TableName"])
PY
}

cargo test -q --locked -p beam-mcp-server --features dynamodb-emulator --lib --no-run
for emulator in "DynamoDB Local" moto; do
  port=$(free_port)
  if [[ $emulator == moto ]]; then
    "$moto/bin/python" tests/dynamodb/moto_in_turn.py "$port" >"$work/moto.log" 2>&1 &
    log=$work/moto.log
  else
    dynamodb_local "$port" >"$work/local.log" 2>&1 &
    log=$work/local.log
  fi
  pids+=($!)
  wait_for "$port" "$emulator" "$log"
  make_table "http://127.0.0.1:$port"
  echo "== $emulator"
  DYNAMODB_ENDPOINT=http://127.0.0.1:$port DYNAMODB_TABLE=beam-mcp \
    cargo test -q --locked -p beam-mcp-server --features dynamodb-emulator --lib store::dynamo::tests::emulator
done
