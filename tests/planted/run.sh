#!/usr/bin/env bash
# Plants one bug at a time in a copy of the tree: every exploration that claims to see it must turn red.
#
#   tests/planted/run.sh [PATCH ...]      default: every *.patch beside this script
#
# A patch is a unified diff behind a sentence that says what the bug is, and lines
#   test: NAME    a test of tests/rust/explore, green without the bug and red with it
# Wrong are: a patch that does not apply or does not build (it proves nothing), a named test that stays green, and, when
# all patches run, an exploration for which no bug is planted. The copy and its build lie beneath $BEAM_MCP_CACHE.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(git -C "$here" rev-parse --show-toplevel)
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/planted
tree=$cache/tree
export CARGO_TARGET_DIR=${PLANTED_TARGET_DIR:-$cache/target} CARGO_TERM_COLOR=never
unset UPDATE_GOLDEN
LIMIT=1800
EXPLORE=(cargo test --profile explore -p beam-mcp-tests --no-default-features --features explore --locked --test explore)

copy() { # the files git knows or would add, and nothing else
  rm -rf "$tree"
  mkdir -p "$tree" "$cache/log"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf -) 2>/dev/null | tar -xf - -C "$tree"
  git init -q "$tree"
  # Their times are old, and what was built last may hold a bug: cargo must look at both crates again.
  touch "$tree"/core/src/lib.rs "$tree"/tests/src/lib.rs "$tree"/tests/rust/explore/main.rs
}

explore() { # LOG ARGUMENT...: of cargo test
  (cd "$tree" && timeout "$LIMIT" "${EXPLORE[@]}" "${@:2}") >"$1" 2>&1 </dev/null
}

tests_of() { awk 'FNR == 1 { head = 1 } /^--- / { head = 0 } head && sub(/^test: /, "")' "$@"; }

rows=0 caught=0
row() { # BUG TEST RESULT
  printf '%-36s %-46s %s\n' "$1" "$2" "$3"
  rows=$((rows + 1))
  [[ $3 != caught ]] || caught=$((caught + 1))
}

# Without a bug every test is green, or its red would mean nothing.
sound() {
  local log=$cache/log/sound.txt named
  mapfile -t named < <(tests_of "${patches[@]}" | sort -u)
  explore "$log" --no-run || { row "(no bug)" build "DOES NOT BUILD: $log"; return 1; }
  explore "$cache/log/list.txt" -- --list
  for name in "${named[@]}"; do
    grep -qx "$name: test" "$cache/log/list.txt" || { row "(no bug)" "$name" "NO SUCH TEST"; return 1; }
  done
  explore "$log" -- --exact "${named[@]}" || { row "(no bug)" "$(grep -m1 ' FAILED$' "$log")" "RED WITHOUT A BUG: $log"; return 1; }
}

plant() { # PATCH
  local bug log named
  bug=$(basename "$1" .patch) log=$cache/log/$(basename "$1" .patch).txt
  mapfile -t named < <(tests_of "$1")
  ((${#named[@]})) || { row "$bug" - "NAMES NO TEST"; return; }
  git -C "$tree" apply --whitespace=nowarn "$1" 2>"$log" || { row "$bug" - "DOES NOT APPLY: $log"; return; }
  if explore "$log" --no-run; then
    explore "$log" -- --exact "${named[@]}"
    for name in "${named[@]}"; do
      if grep -qx "test $name \.\.\. FAILED" "$log"; then row "$bug" "$name" caught; else row "$bug" "$name" "NOT CAUGHT: $log"; fi
    done
  else
    row "$bug" build "DOES NOT BUILD: $log"
  fi
  git -C "$tree" apply -R --whitespace=nowarn "$1"
}

# Every exploration has shown once that it sees a bug.
covered() {
  local name
  while read -r name; do
    tests_of "${patches[@]}" | grep -qx "$name" || row - "$name" "NO BUG IS PLANTED"
  done < <(sed -n '/^\(planted\|table\)::/d; s/: test$//p' "$cache/log/list.txt")
}

patches=()
for given in "$@"; do patches+=("$(realpath "$given")"); done
((${#patches[@]})) || patches=("$here"/*.patch)
copy
printf '%-36s %-46s %s\n' bug test result
if sound; then
  for patch in "${patches[@]}"; do plant "$patch"; done
  (($#)) || covered
fi
printf '\n%s bugs; %s of %s rows caught\n' "${#patches[@]}" "$caught" "$rows"
((rows > 0 && caught == rows))
