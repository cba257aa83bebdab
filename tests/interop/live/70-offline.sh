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

part 'files, copies and bags'
printf 'ahoy\n' >file
first=oci:${layouts[0]}
bag=oci-archive:bag.tar:team/app:1
for command in "sign $first --key release.key" "attest $first --key release.key --type custom --predicate policy.json" \
  'sign-blob --key release.key --bundle file.json file' 'verify-blob --key release.pub --bundle file.json file' \
  "attest-blob --key release.key --type custom --predicate policy.json --bundle statement.json file" \
  'verify-blob --key release.pub --bundle statement.json file' "inspect --key release.pub $first" "copy $first oci:copied:1" \
  'pack oci:copied:1=team/app:1 -o bag.tar' "verify --key release.pub $bag" "tree --key release.pub $bag" \
  'unpack bag.tar --to oci:unpacked' 'policy check policy.yaml' 'trust show public-good'; do
  printf '{}' >policy.json
  # shellcheck disable=SC2086
  check "away and traced: ${command%% *}, ${command##* }" 0 '' "${away[@]}" strace -f -qq -o "$TEMP/trace" -e trace=network "${sw[@]}" $command --offline
  same '… opens no socket' '' "$(grep -E '\b(socket|connect|bind|sendto|sendmsg)\(' "$TEMP/trace" || true)"
done

part 'what is not local'
check 'a registry is refused before a socket is opened' '2|3|5' 'offline' strace -f -qq -o "$TEMP/trace" -e trace=network "${sw[@]}" verify --offline --key release.pub 127.0.0.1:9/app:1
same '… indeed' '' "$(grep -E '\b(socket|connect)\(' "$TEMP/trace" || true)"
