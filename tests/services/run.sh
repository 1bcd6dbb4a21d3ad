#!/usr/bin/env bash
# The contract suite against real services of Beam's Job API: Prism and Beam's Python local job service.
# Needs .venv with client, server and apache-beam[yaml] (make venv beam), and Go for Prism.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.77.0
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/prism-$version

if [[ ! -x $cache/prism ]]; then
  command -v go >/dev/null || { echo "tests/services: Prism is built with Go, and there is no go on the PATH" >&2; exit 69; }
  echo "building Prism $version with Go (about four minutes, once)"
  mkdir -p "$cache"
  GOBIN=$cache go install "github.com/apache/beam/sdks/v2/go/cmd/prism@v$version"
fi
.venv/bin/pip install -q -r tests/python/requirements.txt
BEAM_MCP_SERVER=$PWD/.venv/bin/beam-mcp-server PRISM=$cache/prism PYTHONPATH=tests/python \
  .venv/bin/python -m pytest -q -x --timeout 300 tests/services "$@"
