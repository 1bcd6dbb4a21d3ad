#!/usr/bin/env bash
# What Docker workers need where there is neither an engine nor a registry of images: made once, kept in the cache, printed as
# KEY=VALUE lines. ENGINE is a folder with Debian's docker.io, which is unpacked and not installed: no service is started and
# nothing of the machine changes. ROOTS is a root file system with Python 3.11, apache-beam and Beam's boot program, as in
# Beam's own image. Needs root on a Debian 12 (apt-get), Go, and .venv with Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.77.0
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}
engine=$cache/docker-engine
roots=$cache/docker-worker-$version.tar
packages=(docker.io containerd runc libseccomp2 libdevmapper1.02.1 iptables debootstrap)

cannot() { echo "tests/clusters: Docker workers $*" >&2; exit 69; }
[[ $(id -u) == 0 ]] || cannot "need root: an engine is started, and a root file system made"
command -v apt-get >/dev/null || cannot "need apt-get: the engine is that of Debian 12"
.venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
  cannot "need a .venv with Python 3.11, which their image has: pipelines are pickled by one and read by the other"

mkdir -p "$cache"
work=$(mktemp -d "$cache/docker.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
if [[ ! -d $engine ]]; then
  echo "unpacking Debian's Docker engine (65 MB)" >&2
  (mkdir "$work/packages" && cd "$work/packages" && apt-get download -qq "${packages[@]}") >&2 || cannot "found no engine to download"
  for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/engine"; done
  mv "$work/engine" "$engine"
fi
if [[ ! -f $roots ]]; then
  boot=$(bash tests/clusters/boot.sh)
  echo "making the workers' root file system (some minutes, once)" >&2
  DEBOOTSTRAP_DIR=$engine/usr/share/debootstrap "$engine/usr/sbin/debootstrap" --variant=minbase \
    --include=ca-certificates,python3,python3-pip,python3-venv bookworm "$work/root" >"$work/log" || { tail -n 5 "$work/log" >&2; cannot "have no root file system"; }
  # Fetched outside, where pip knows its index.
  .venv/bin/pip wheel -q -w "$work/root/tmp/wheels" "apache-beam==$version" boto3 >&2
  env -i PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 chroot "$work/root" pip install -q --root-user-action=ignore \
    --no-warn-script-location --break-system-packages --no-index --find-links=/tmp/wheels apache-beam boto3 >&2
  ln -s python3 "$work/root/usr/bin/python"
  install -D "$boot" "$work/root/opt/apache/beam/boot"
  rm -rf "$work"/root/tmp/wheels "$work"/root/var/cache/apt/archives/*.deb
  tar -C "$work/root" -cf "$work/roots.tar" . && mv "$work/roots.tar" "$roots"
fi
printf '%s\n' "ENGINE=$engine" "ROOTS=$roots"
