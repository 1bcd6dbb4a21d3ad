#!/usr/bin/env bash
# Plants one bug at a time and demands that the suite which claims to see it turns red.
#
#   tests/planted/run.sh [FOLDER | PATCH ...]      default: every *.patch beside this script
#
# A patch is a unified diff with a header of plain lines in front of it:
#   suite: COMMAND    must fail with the bug and pass without it; may be repeated, each line must fail
#   build: COMMAND    must succeed with the bug, so that a bug that does not compile proves nothing (default below)
# Everything happens in a copy of the tree beneath $BEAM_MCP_CACHE. A patch that no longer applies is an error.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(git -C "$here" rev-parse --show-toplevel)
cache=${BEAM_MCP_CACHE:-$HOME/.cache/beam-mcp}/planted
tree=$cache/tree
export CARGO_TARGET_DIR=$cache/target
unset UPDATE_GOLDEN
BUILD="cargo test -q -p beam-mcp-tests --profile explore --no-default-features --features explore --locked --test explore --no-run"
LIMIT=1800

copy() { # the files git knows or would add, and nothing else; times stay, so that cargo builds what changed
  mkdir -p "$tree" "$cache/log"
  rm -rf "$tree" && mkdir -p "$tree"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf -) 2>/dev/null | tar -xf - -C "$tree"
  git init -q "$tree"
}

lines() { sed -n '/^--- /q; s/^'"$2"': //p' "$1"; } # of a header

in_tree() { (cd "$tree" && timeout "$LIMIT" bash -c "$1") >"$2" 2>&1 </dev/null; }

rows=() wrong=0
row() { # PATCH SUITE RESULT
  rows+=("$1|$2|$3")
  printf '%-34s %-46s %s\n' "$1" "$2" "$3"
  [[ $3 == caught ]] || wrong=1
}

short() { sed -E 's/^cargo test .* --test //' <<<"$1" | cut -c1-46; }

patches=()
for given in "${@:-$here}"; do
  if [[ -d $given ]]; then patches+=("$given"/*.patch); else patches+=("$given"); fi
done
copy

# Without a bug every suite is green, or its red would mean nothing.
sound() {
  local suite log=$cache/log/sound.txt
  in_tree "$BUILD" "$log" || { row "(no bug)" build "DOES NOT BUILD: $log"; return 1; }
  while read -r suite; do
    in_tree "$suite" "$log" || { row "(no bug)" "$(short "$suite")" "RED WITHOUT A BUG: $log"; return 1; }
  done < <(for patch in "${patches[@]}"; do lines "$patch" suite; done | sort -u)
}

plant() { # PATCH
  local patch=$1 name suite build log
  name=$(basename "$patch" .patch)
  log=$cache/log/$name.txt
  patch=$(cd "$(dirname "$patch")" && pwd)/$name.patch
  [[ -n $(lines "$patch" suite) ]] || { row "$name" - "NAMES NO SUITE"; return; }
  git -C "$tree" apply --whitespace=nowarn "$patch" 2>"$log" || { row "$name" - "DOES NOT APPLY: $log"; return; }
  build=$(lines "$patch" build)
  if ! in_tree "${build:-$BUILD}" "$log"; then
    row "$name" build "DOES NOT BUILD: $log"
  else
    while read -r suite; do
      if in_tree "$suite" "$log"; then row "$name" "$(short "$suite")" "NOT CAUGHT"; else row "$name" "$(short "$suite")" caught; fi
    done < <(lines "$patch" suite)
  fi
  git -C "$tree" apply -R --whitespace=nowarn "$patch"
}

printf '%-34s %-46s %s\n' bug suite result
if sound; then
  for patch in "${patches[@]}"; do plant "$patch"; done
fi
caught=$(printf '%s\n' "${rows[@]}" | grep -c '|caught$')
printf '\n%s bugs, %s of %s suites red\n' "${#patches[@]}" "$caught" "${#rows[@]}"
exit "$wrong"
