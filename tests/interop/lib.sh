# Helpers for scripts that need a real registry on loopback. Source it; it does nothing by itself:
#
#   . tests/interop/lib.sh        asks .ci/peers for the programs (installs them the first time)
#   start_registry DIR            Debian's docker-registry on a free port, with config, data and log in
#                                 DIR; sets REG=127.0.0.1:PORT and REG_PID; ends with the script
#   push_layout LAYOUT TAG REPO   the image with ref.name TAG of an OCI layout, to $REG/REPO:TAG
#   digest_of REF                 sha256:<hex> of a reference
#   make_temp                     sets TEMP to a new folder that goes when the script ends
#
# This registry (2.8) answers 404 for the Referrers API, so signatures land under fallback tags. crane's
# `registry serve` is no way round that: it answers 404 as well, so the Referrers API needs our own lab.
# Several registries may run at once: each start_registry overwrites REG, so keep a copy of it.
# shellcheck shell=bash

interop_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
eval "$("$interop_dir/../../.ci/peers" --env)"

# A proxy set for the outside world must never see loopback traffic, and a user's own credentials and
# settings must not change what a test does.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

interop_pids=()
interop_temps=()
interop_cleanup() {
  local p
  for p in "${interop_pids[@]}"; do kill "$p" 2>/dev/null || true; done
  for p in "${interop_pids[@]}"; do wait "$p" 2>/dev/null || true; done
  for p in "${interop_temps[@]}"; do rm -rf "$p"; done
}
# EXIT alone: bash runs it after INT and TERM too once those end the script.
trap interop_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A temporary folder that goes when the script ends. Sets TEMP: a command substitution would run in a
# subshell, whose additions to the list of folders are lost.
make_temp() {
  TEMP=$(mktemp -d)
  interop_temps+=("$TEMP")
}

free_port() {
  "$PEERS_PY" -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_registry() { # DIR
  local dir=$1 port try i
  mkdir -p "$dir/data"
  dir=$(cd "$dir" && pwd -P)
  # Between choosing a port and binding it another process may take it: three tries.
  for try in 1 2 3; do
    port=$(free_port)
    REG=127.0.0.1:$port
    cat >"$dir/config.yml" <<YML
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $dir/data }
  delete: { enabled: true }
http: { addr: $REG }
YML
    # OTEL_*: this version tries to reach a trace collector unless told otherwise.
    OTEL_TRACES_EXPORTER=none "$REGISTRY" serve "$dir/config.yml" >"$dir/log" 2>&1 &
    REG_PID=$!
    interop_pids+=("$REG_PID")
    for i in {1..100}; do
      kill -0 "$REG_PID" 2>/dev/null || break
      if curl -fsS --noproxy '*' -m 2 -o /dev/null "http://$REG/v2/" 2>/dev/null; then
        return 0
      fi
      sleep 0.05
    done
    kill "$REG_PID" 2>/dev/null || true
  done
  printf 'start_registry: none of three ports came up after %s tries:\n' "$try" >&2
  cat "$dir/log" >&2
  return 1
}

# oras, not crane: crane push takes a layout's one image only, and repacks an index it has to choose from.
push_layout() { # LAYOUT TAG REPO
  "$ORAS" cp --from-oci-layout "$1:$2" --to-plain-http "$REG/$3:$2" >/dev/null
}

digest_of() { # REF
  "$CRANE" digest --insecure "$1"
}
