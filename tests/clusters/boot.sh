#!/usr/bin/env bash
# Beam's boot program of Python workers, for those that a cluster starts itself: built with Go once; prints where it is.
set -euo pipefail
version=2.77.0
boot=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/boot-$version

if [[ ! -x $boot/container ]]; then
  command -v go >/dev/null || { echo "tests/clusters: boot is built with Go, and there is no go on the PATH" >&2; exit 69; }
  echo "building Beam's boot program $version with Go (about a minute, once)" >&2
  mkdir -p "$boot"
  GOBIN=$boot go install "github.com/apache/beam/sdks/v2/python/container@v$version" >&2
fi
echo "$boot/container"
