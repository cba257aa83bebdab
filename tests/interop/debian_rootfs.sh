#!/usr/bin/env bash
# Makes a real Debian root file system into an OCI layout, with dpkg's own word on what is in it.
#
#   tests/interop/debian_rootfs.sh [--index] OUT_LAYOUT
#
# OUT_LAYOUT gets tag `image` (linux/amd64, one gzip layer), and with --index also `index` (linux/amd64 and
# linux/arm64). Beside it OUT_LAYOUT.dpkg.tsv: Package, Version, Architecture, Status-Abbrev as dpkg-query
# says them, which is what an inventory is measured against (Status-Abbrev is three characters: "ii ").
# Prints the path of the layout. debootstrap runs once and is cached beside the peers; needs root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
index=()
if [ "${1-}" = --index ]; then
  index=(--index)
  shift
fi
[ $# = 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1
eval "$("$here/../../.ci/peers" --env)"

cache=$PEERS/debian-$PEERS_CODENAME
exec 9>"$PEERS/.lock-debian"
flock 9
if [ ! -e "$cache/rootfs.tar.gz" ]; then
  work=$(mktemp -d "$PEERS/rootfs.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # The program is taken from its package without being installed, hence the path and DEBOOTSTRAP_DIR.
  if ! "$PEERS/stable/usr/sbin/debootstrap" --variant=minbase "$PEERS_CODENAME" "$work/root" \
    "$PEERS_MIRROR" >"$work/log" 2>&1 9>&-; then
    tail -20 "$work/log" >&2
    exit 1
  fi
  dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\n' \
    --admindir "$work/root/var/lib/dpkg" >"$work/dpkg.tsv"
  # As image builders do: no device nodes, no downloaded archives, no package lists.
  tar -C "$work/root" --numeric-owner --sort=name --exclude='./dev/*' --exclude='./proc/*' \
    --exclude='./sys/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -cf - . |
    gzip -1n >"$work/rootfs.tar.gz"
  rm -rf "$work/root"
  rm -rf "$cache"
  chmod 755 "$work"
  mv "$work" "$cache"
  trap - EXIT
fi
rm -rf "$out"
mkdir -p "$out"
"$PEERS_PY" "$here/tar_to_layout.py" "${index[@]}" "$cache/rootfs.tar.gz" "$out"
cp "$cache/dpkg.tsv" "$out.dpkg.tsv"
printf '%s\n' "$out"
