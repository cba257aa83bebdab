# containerd itself imports images, and the inventory is made of its files: while it runs, while it writes, after it ended.
# Needs root and, on the path, containerd with ctr (Debian: containerd); where they are not, it shows nothing and says so.
. "$(dirname "$0")/common.sh"
if ! command -v containerd >/dev/null || ! command -v ctr >/dev/null; then
  printf 'containerd: no containerd is here: nothing was shown\n' >&2
  exit 0
fi
part containerd
containerd --version >&2
images=$(cd "$(dirname "$0")/../../../testdata/images" && pwd)
cat >config.toml <<EOF
version = 2
root = "$TEMP/root"
state = "$TEMP/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$TEMP/containerd.sock"
EOF
containerd -c config.toml >containerd.log 2>&1 &
daemon=$!
interop_pids+=("$daemon")
export CONTAINERD_ADDRESS=$TEMP/containerd.sock
for _ in {1..100}; do ctr version >/dev/null 2>&1 && break; sleep 0.2; done
for image in harbor fleet; do tar -C "$images/$image" -cf "$image.tar" .; done
ctr images import --no-unpack --base-name registry.example/harbor harbor.tar >/dev/null
ctr -n k8s.io images import --no-unpack --all-platforms --base-name registry.example/fleet fleet.tar >/dev/null
own=("${sw[@]}" sbom --offline --containerd-root "$TEMP/root")
check 'an image while containerd runs' 0 'openssl +3\.0\.19' "${own[@]}" containerd:registry.example/harbor:1.0
check 'all platforms of an index in another namespace' 0 'linux/arm64' "${own[@]}" containerd:registry.example/fleet:1.0@k8s.io
check 'one that it does not have' 4 'add @k8s.io' "${own[@]}" containerd:registry.example/fleet:1.0
# Names come and go while the database is read: the same answer each time, or none.
(for n in {1..40}; do ctr images tag registry.example/harbor:1.0 "registry.example/harbor:$n"; done >/dev/null 2>&1) &
writer=$!
for _ in {1..20}; do
  code=0
  "${own[@]}" -o json containerd:registry.example/harbor:1.0 >busy 2>/dev/null || code=$?
  [ "$code" = 0 ] || [ "$code" = 3 ] || { printf 'exit %s while containerd writes\n' "$code" >&2; exit 1; }
  [ "$code" != 0 ] || { [ -e calm ] || cp busy calm; cmp calm busy; }
done
wait "$writer"
check 'a name that was made meanwhile' 0 'openssl +3\.0\.19' "${own[@]}" containerd:registry.example/harbor:40
kill "$daemon"
wait "$daemon" || true
check 'the same without the daemon' 0 'openssl +3\.0\.19' "${own[@]}" containerd:registry.example/harbor:40
