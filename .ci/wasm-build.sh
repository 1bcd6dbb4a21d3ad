#!/usr/bin/env bash
# Builds a cdylib crate for wasm32-unknown-unknown, small.
#
#   .ci/wasm-build.sh CRATE_DIR NAME FEATURES OUT
#
# CRATE_DIR  the crate (its lock file, or its workspace's, must exist)
# NAME       base name of the result: NAME.js, NAME_bg.wasm, NAME.d.ts
# FEATURES   comma separated; '' for none.  Default features are off.
# OUT        output directory; made if missing:
#   OUT/web/          wasm-bindgen --target web: an ES module whose default
#                     export takes a URL, Response, bytes or Module; also for
#                     Cloudflare/Deno, and for Node through initSync(bytes)
#   OUT/sizes.txt     NAME raw gzip brotli, in bytes
#   OUT/imports.txt   what the module imports: "module name kind", sorted
#
# Environment:
#   WASM_BINDGEN_TARGETS  more targets, each into OUT/TARGET (default "web"):
#                         nodejs (CommonJS), bundler (webpack, vite), deno,
#                         no-modules (one global, for classic workers),
#                         experimental-nodejs-module (ES module for Node)
#   WASM_CARGO_FLAGS      more flags for cargo build (default --locked)
#   CARGO_PROFILE_WASM_*  override the profile `wasm`
#   BEAM_MCP_CACHE, BEAM_MCP_WASM_TOOLCHAIN   see tools.sh
#
# The profile `wasm` comes from the workspace's Cargo.toml; where that has none
# it is given here: opt-level z, LTO, one codegen unit, panic abort, stripped.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TARGET=wasm32-unknown-unknown

log() { printf 'wasm-build: %s\n' "$*" >&2; }
die() {
    log "error: $*"
    exit 1
}

load_tools() { # tools.sh arguments -> shell variables
    local out k v
    out=$("$HERE/tools.sh" "$@")
    while IFS='=' read -r k v; do
        [ -z "$k" ] || printf -v "$k" '%s' "$v"
    done <<<"$out"
}

# Everything this script asks cargo must come from the toolchain that builds.
cargo_() { RUSTC=$WASM_RUSTC "$WASM_CARGO" "$@"; }

# --- what to build -----------------------------------------------------------

crate_facts() { # sets PACKAGE LIB WORKSPACE BINDGEN_VERSION
    local facts
    facts=$(cargo_ metadata --format-version 1 --locked --filter-platform $TARGET \
        --manifest-path "$CRATE/Cargo.toml" | python3 -c '
import json, os, sys
meta, crate = json.load(sys.stdin), os.path.realpath(sys.argv[1])
me = [p for p in meta["packages"] if os.path.realpath(os.path.dirname(p["manifest_path"])) == crate]
if not me: sys.exit("no package in " + crate)
lib = [t["name"] for t in me[0]["targets"] if "cdylib" in t["crate_types"]]
if not lib: sys.exit("no cdylib in " + crate)
bindgen = {p["version"] for p in meta["packages"] if p["name"] == "wasm-bindgen"}
if len(bindgen) != 1: sys.exit("need exactly one wasm-bindgen, have: %s" % sorted(bindgen))
print(me[0]["name"], lib[0].replace("-", "_"), bindgen.pop(), meta["workspace_root"])
' "$CRATE")
    read -r PACKAGE LIB BINDGEN_VERSION WORKSPACE <<<"$facts"
}

# --- how to build ------------------------------------------------------------

set_profile() {
    if ! grep -Eq '^\[profile\.wasm\]' "$WORKSPACE/Cargo.toml"; then
        export CARGO_PROFILE_WASM_INHERITS=${CARGO_PROFILE_WASM_INHERITS:-release}
        export CARGO_PROFILE_WASM_OPT_LEVEL=${CARGO_PROFILE_WASM_OPT_LEVEL:-z}
        export CARGO_PROFILE_WASM_LTO=${CARGO_PROFILE_WASM_LTO:-fat}
        export CARGO_PROFILE_WASM_CODEGEN_UNITS=${CARGO_PROFILE_WASM_CODEGEN_UNITS:-1}
        export CARGO_PROFILE_WASM_PANIC=${CARGO_PROFILE_WASM_PANIC:-abort}
        export CARGO_PROFILE_WASM_STRIP=${CARGO_PROFILE_WASM_STRIP:-debuginfo}
    fi
}

# Panic messages carry source paths; keep this machine's out of the module.
# (With --target, RUSTFLAGS do not reach build scripts or proc macros.)
set_rustflags() {
    local d sep=$'\x1f' flags=() cargo_home=${CARGO_HOME:-$HOME/.cargo}
    flags+=("--remap-path-prefix=$WORKSPACE=.")
    # SHA-256 as a loop: its unrolled form is 8 kB that a module without bulk hashing has no use for.
    flags+=("--cfg=sha2_backend_soft=\"compact\"")
    for d in "$cargo_home"/registry/src/*/; do
        [ -d "$d" ] && flags+=("--remap-path-prefix=${d%/}=crates")
    done
    d=$("$WASM_RUSTC" --print sysroot)/lib/rustlib/src/rust
    [ -d "$d" ] && flags+=("--remap-path-prefix=$d=rust")
    if [ "$WASM_TOOLCHAIN" = build-std ]; then
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$WASM_LINKER
    fi
    local IFS=$sep
    export CARGO_ENCODED_RUSTFLAGS="${flags[*]}"
}

compile() {
    local args=(build --manifest-path "$CRATE/Cargo.toml" --package "$PACKAGE" --lib
        --target "$TARGET" --profile wasm --no-default-features)
    [ -z "$FEATURES" ] || args+=(--features "$FEATURES")
    # shellcheck disable=SC2206
    args+=(${WASM_CARGO_FLAGS---locked})
    # Sources first: set_rustflags looks where they were unpacked.
    cargo_ fetch --quiet --locked --target $TARGET --manifest-path "$CRATE/Cargo.toml"
    if [ "$WASM_TOOLCHAIN" = build-std ]; then
        export RUSTC_BOOTSTRAP=1
        args+=("-Zbuild-std=std,panic_abort")
    fi
    set_profile
    set_rustflags
    export CARGO_TARGET_DIR=$TARGET_DIR
    log "cargo ${args[*]}"
    cargo_ "${args[@]}"
}

# --- after the compiler ------------------------------------------------------

# What rustc takes as the baseline of this target; given by name because the
# target_features section does not survive stripping.
OPT_FEATURES=(--enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int
    --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue)

bind() { # TARGET
    local dir=$OUT/$1
    rm -rf "$dir"
    mkdir -p "$dir"
    "$WASM_BINDGEN" --target "$1" --out-dir "$dir" --out-name "$NAME" \
        --remove-name-section --remove-producers-section "$RAW"
    "$NODE" "$WASM_OPT" -Oz "${OPT_FEATURES[@]}" --strip-debug --strip-producers \
        "$dir/${NAME}_bg.wasm" -o "$dir/${NAME}_bg.wasm.opt"
    mv "$dir/${NAME}_bg.wasm.opt" "$dir/${NAME}_bg.wasm"
}

# grep -F on the bytes; a module that names this machine's directories is not
# reproducible anywhere else.
check_paths() {
    local p
    for p in "${HOME:-}" "$WORKSPACE" "${CARGO_HOME:-}"; do
        case $p in '' | /) continue ;; esac
        if grep -aqF "$p/" "$1"; then die "$(basename "$1") contains paths below $p"; fi
    done
}

report() { # WASM
    # shellcheck disable=SC2016
    "$NODE" --input-type=module -e '
import { readFileSync, writeFileSync } from "node:fs";
const [file, out] = process.argv.slice(1);
const rows = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(file)))
  .map((i) => `${i.module} ${i.name} ${i.kind}\n`).sort();
writeFileSync(out, rows.join(""));
' "$1" "$OUT/imports.txt"
    local raw gz br
    raw=$(wc -c <"$1")
    gz=$(python3 -c 'import gzip, sys; print(len(gzip.compress(open(sys.argv[1], "rb").read(), 9, mtime=0)))' "$1")
    br=$("$NODE" -e '
const z = require("node:zlib"), fs = require("node:fs"), d = fs.readFileSync(process.argv[1]);
const c = z.constants, params = { [c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_SIZE_HINT]: d.length };
console.log(z.brotliCompressSync(d, { params }).length);' "$1")
    printf '%s raw %d gzip %d brotli %d\n' "$NAME" "$raw" "$gz" "$br" | tee "$OUT/sizes.txt"
    log "$(wc -l <"$OUT/imports.txt") imports, listed in imports.txt"
}

# --- main --------------------------------------------------------------------

if [ $# -ne 4 ]; then
    sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
    exit 2
fi
CRATE=$(cd "$1" && pwd) NAME=$2 FEATURES=$3
mkdir -p "$4"
OUT=$(cd "$4" && pwd)

WASM_LINKER=
load_tools wasm node binaryen
crate_facts
load_tools wasm-bindgen "$BINDGEN_VERSION"
CACHE_ROOT=$(dirname "$(dirname "$(dirname "$WASM_BINDGEN")")")
# One directory per toolchain: their std and artefacts do not mix.
TARGET_DIR=${WASM_TARGET_DIR:-$CACHE_ROOT/target-wasm-$WASM_TOOLCHAIN}

compile
RAW=$TARGET_DIR/$TARGET/wasm/$LIB.wasm
[ -f "$RAW" ] || die "cargo did not leave $LIB.wasm"
for t in ${WASM_BINDGEN_TARGETS:-web}; do bind "$t"; done
first=${WASM_BINDGEN_TARGETS:-web}
MODULE=$OUT/${first%% *}/${NAME}_bg.wasm
check_paths "$MODULE"
report "$MODULE"
