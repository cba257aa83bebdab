# An OCI layout on disk is a home like any other: everything works there without a network, and --offline
# opens no socket, which is shown twice: in a network namespace without interfaces, and by tracing.
. "$(dirname "$0")/common.sh"
images=$interop/../../testdata/images
our_keys release
our_keys other
write_policy policy.yaml release.pub
"$PEERS_PY" "$interop/tiny_images.py" tiny
layouts=(tiny:image tiny:index)
for image in "$images"/*/; do
  [ -e "$image/oci-layout" ] || continue
  name=$(basename "$image")
  cp -r "$image" "$name"
  layouts+=("$name")
done
# Neither interface nor loopback is up in there: whoever tries the network fails.
away=(unshare -n)

for layout in "${layouts[@]}"; do
  part "oci:$layout"
  check 'release, away from any network' 0 'allow' "${away[@]}" "${sw[@]}" release --offline "oci:$layout" --key release.key --policy policy.yaml
  check 'verify' 0 '"decision": ?"allow"' "${away[@]}" "${sw[@]}" verify --offline --policy policy.yaml --output json "oci:$layout"
  check 'another key: denied' 1 '' "${away[@]}" "${sw[@]}" verify --offline --key other.pub "oci:$layout"
  check 'sbom' 0 '' "${away[@]}" "${sw[@]}" sbom --offline -o json "oci:$layout"
  check 'tree' 0 '' "${away[@]}" "${sw[@]}" tree --offline --key release.pub "oci:$layout"
  for command in 'verify --policy policy.yaml' 'sbom -o json' 'tree'; do
    trace=$TEMP/trace
    # shellcheck disable=SC2086
    check "traced: ${command%% *}" 0 '' strace -f -qq -o "$trace" -e trace=network "${sw[@]}" ${command} --offline "oci:$layout"
    # A socket of any family counts, so that a name service's AF_UNIX socket would be seen too. socketpair
    # is none: it is how the signal handler wakes its own process, and it has no address.
    same '… opens no socket' '' "$(grep -E '\b(socket|connect|bind|sendto|sendmsg)\(' "$trace" || true)"
  done
done

part 'what is not local'
check 'a registry is refused before a socket is opened' '2|3|5' 'offline' strace -f -qq -o "$TEMP/trace" -e trace=network "${sw[@]}" verify --offline --key release.pub 127.0.0.1:9/app:1
same '… indeed' '' "$(grep -E '\b(socket|connect)\(' "$TEMP/trace" || true)"
