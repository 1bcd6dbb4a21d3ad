#!/usr/bin/env bash
# The command of a target whose `environment_type` is PROCESS: Beam's boot program for one Python worker, in a folder and
# a Python environment of its own. By itself boot writes into the folder it is started in, /tmp/staged and
# /opt/apache/beam-venv, where the workers of two jobs meet, since each job numbers its own from one.
#
#   BEAM_PYTHON   a Python with the apache_beam of the pipelines, and pip for those that bring packages
#   BEAM_BOOT     boot: GOBIN=DIR go install github.com/apache/beam/sdks/v2/python/container@v2.77.0 makes DIR/container
set -euo pipefail
: "${BEAM_PYTHON:?}" "${BEAM_BOOT:?}"

place=$(mktemp -d "${TMPDIR:-/tmp}/beam-worker.XXXXXX")
# boot takes this process over: what is left of it goes when it is gone, however it ended.
(while kill -0 $$; do sleep 5; done; rm -rf "$place") >/dev/null 2>&1 </dev/null &

# What a pipeline brings is installed here; all else is BEAM_PYTHON's.
"$BEAM_PYTHON" -m venv --without-pip "$place/python"
"$BEAM_PYTHON" -c 'import site
for folder in site.getsitepackages(): print(f"import site; site.addsitedir({folder!r})")' \
  >"$(echo "$place"/python/lib/python3*/site-packages)/beam.pth"

cd "$place"
export PATH=$place/python/bin:$PATH VIRTUAL_ENV=$place/python RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
exec "$BEAM_BOOT" "$@" --semi_persist_dir="$place"
