# shellcheck shell=bash
# DynamoDB Local, for those that source this: installed once into the cache (Maven, about 50 MB), run on a port.
local_jars=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/dynamodb-local-2.6.1
if [[ ! -f $local_jars/.whole ]]; then
  echo "installing DynamoDB Local 2.6.1 (Maven, about 50 MB)"
  rm -rf "$local_jars"
  mvn -B -q -f tests/dynamodb/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$local_jars"
  touch "$local_jars/.whole"
fi

dynamodb_local() { # PORT
  exec java -Djava.library.path="$local_jars" -DDDBLOCALTELEMETRY=0 -cp "$local_jars/*" \
    com.amazonaws.services.dynamodbv2.local.main.ServerRunner -inMemory -disableTelemetry -port "$1"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for() { # PORT NAME LOG
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.2
  done
  echo "$2 does not listen" >&2
  cat "$3" >&2
  return 1
}
