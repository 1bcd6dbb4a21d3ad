#!/usr/bin/env bash
# install-packages.sh VENV : builds the client and server wheels and installs them, when their sources changed.
set -euo pipefail
venv=$1
stamp=$venv/.beam-mcp-sources
sources=$(cat Cargo.lock pyproject.toml <(git ls-files -s core python lambda Cargo.toml) <(git diff HEAD -- core python lambda) | sha256sum)
[[ -f $stamp && $(<"$stamp") == "$sources" ]] && exit 0

"$venv/bin/python" -c 'import maturin' 2>/dev/null || "$venv/bin/pip" install -q 'maturin>=1.9,<2'
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
echo "building the client (beam_mcp_client) and the server (beam-mcp-server); the first time takes some minutes"
PATH="$PWD/$venv/bin:$PATH" maturin build -q --release --locked --out "$wheels" --interpreter "$venv/bin/python"
PATH="$PWD/$venv/bin:$PATH" maturin build -q --release --locked --out "$wheels" -m lambda/Cargo.toml
"$venv/bin/pip" install -q --force-reinstall --no-deps "$wheels"/*.whl
printf '%s' "$sources" >"$stamp"
