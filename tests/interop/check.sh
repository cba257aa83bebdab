# Checks for live.sh and its parts. Source it; it needs $RESULTS, a file that rows are added to, $CHECKS, a
# folder, and $LIVE_PART, the name of the part that is running.
#
#   part NAME                     what the next checks belong to
#   check TITLE CODE REGEX CMD…   runs CMD; passes if it exits with CODE (3|4: either) and its standard output or error
#                                 has a line that matches REGEX (grep -E; '' for "whatever it says")
#   refuse TITLE REGEX            passes if the output of the last check does NOT match REGEX
#   same TITLE EXPECTED ACTUAL    passes if the two strings are equal
#
# After check, $OUT and $ERR name files with what the command wrote. A failed check shows the command and
# its words, is counted, and lets the rest go on: one run shows everything that is broken.
# shellcheck shell=bash

part=$LIVE_PART
part() {
  part="$LIVE_PART: $1"
  printf '\n== %s\n' "$part"
}

OUT=$CHECKS/out ERR=$CHECKS/err
row() { # passed|FAILED TITLE
  printf '%s\t%s\t%s\n' "$1" "$part" "$2" >>"$RESULTS"
  printf '%-6s  %s\n' "$1" "$2"
}

check() { # TITLE CODE REGEX COMMAND...
  local title=$1 code=$2 regex=$3 got=0
  shift 3
  # A peer must never wait for somebody to type, nor hang CI.
  timeout 300 "$@" >"$OUT" 2>"$ERR" </dev/null || got=$?
  if [[ "$got" =~ ^($code)$ ]] && { [ -z "$regex" ] || grep -qE -- "$regex" "$OUT" "$ERR"; }; then
    row passed "$title"
    return 0
  fi
  row FAILED "$title"
  {
    printf '        command: %s\n' "$*"
    printf '        exit %s, wanted %s' "$got" "$code"
    [ -z "$regex" ] || printf ' and /%s/' "$regex"
    printf '\n'
    tail -n 25 "$OUT" | cut -c1-400 | sed 's/^/        out: /'
    tail -n 25 "$ERR" | cut -c1-400 | sed 's/^/        err: /'
  } >&2
  return 0
}

refuse() { # TITLE REGEX
  if grep -hE -m 3 -- "$2" "$OUT" "$ERR" >"$CHECKS/hit"; then
    row FAILED "$1"
    cut -c1-400 "$CHECKS/hit" | sed 's/^/        found: /' >&2
  else
    row passed "$1"
  fi
}

same() { # TITLE EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then
    row passed "$1"
  else
    row FAILED "$1"
    printf '        wanted: %s\n        got:    %s\n' "$2" "$3" >&2
  fi
}
