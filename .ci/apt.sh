# Debian packages without installing them: for .ci/peers and .ci/cluster, which source it after setting $peers, the
# cache folder, and defining say and die. It sets codename, mirror, sid_mirror, and gives apt_in and unpack.
# shellcheck shell=bash

# Where Debian is: whatever mirror this machine already uses.
# No mirror is named in this file, so that it works behind any mirror, cache or proxy the machine has.
# shellcheck disable=SC1091
codename=$(. /etc/os-release && printf %s "${VERSION_CODENAME-}")
[ -n "$codename" ] || die 'no VERSION_CODENAME in /etc/os-release: this is not a Debian release'
mirror_of_machine() {
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
    awk -v c="$codename" '$1 == c && $2 == "main" { print $3; exit }'
}
mirror=$(mirror_of_machine)
if [ -z "$mirror" ]; then
  # A machine that never ran "apt-get update" has no index targets to name. This one thing it is given.
  say 'apt-get update, as this machine has no package lists yet'
  apt-get -q update >&2 9>&-
  mirror=$(mirror_of_machine)
fi
[ -n "$mirror" ] || die "no apt source for $codename main on this machine"
mirror=${mirror%/}
# The newest peers come from sid. Where the machine's mirror has no sid, name one that has.
sid_mirror=${SEAWORTHY_SID_MIRROR:-$mirror}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# A private apt: its own lists and cache, and an empty dpkg status, so that "install" resolves the whole
# closure of dependencies and the machine's own apt is neither read nor written.
apt_in() { # SUITE[-source] MIRROR COMMAND...
  local suite=$1 uri=$2 dir=$peers/apt/$1 kind=''
  shift 2
  case $suite in *-source) kind=-src ;; esac
  if [ ! -e "$dir/ready" ]; then
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    printf 'deb%s [signed-by=%s] %s %s main\n' "$kind" "$keyring" "$uri" "${suite%-source}" >"$dir/sources.list"
    : >"$dir/status"
    apt_run "$dir" update >&2
    : >"$dir/ready"
  fi
  apt_run "$dir" "$@"
}
apt_run() { # DIR COMMAND...
  local dir=$1
  shift
  # Check-Valid-Until: a snapshot mirror serves Release files that expired long ago, by design.
  # Sandbox::User: the cache may lie in a home folder that apt's own user cannot enter.
  # docker-clean and the like (apt.conf.d) may delete archives after use: Keep-Downloaded and no hooks.
  apt-get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Keep-Downloaded-Packages=true "$@" 9>&-
}

# Unpacks packages without running their maintainer scripts: the peers are programs, not services.
unpack() { # SUITE MIRROR DEST PACKAGE...
  local suite=$1 uri=$2 dest=$3 work deb
  shift 3
  work=$(mktemp -d "$peers/tmp.XXXXXX")
  (cd "$work" && apt_in "$suite" "$uri" download "$@" >&2)
  mkdir -p "$work/root"
  for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/root"; done
  rm -rf "$dest"
  mv "$work/root" "$dest" # last step: a half-done folder never has the final name
  rm -rf "$work"
}
