# A Kubernetes API server with etcd, and what a cluster would do around the webhook. Source it after common.sh:
#
#   (sourcing)                    starts the part again in a network namespace of its own; sets guide and deploy
#   start_cluster                 etcd and the API server; sets KUBECONFIG and kubectl, and PATH has kubectl
#   until_true SECONDS CMD…       tries until it is so
#   guide N TITLE REGEX           the Nth block of docs/guide/kubernetes.md, as it stands there
#   token_of SERVICE-ACCOUNT      the token that the kubelet would mount, as SERVICE-ACCOUNT.token
#   two_images                    a registry with a signed image and one without a signature: sets signed, unsigned, digest
#   webhook_address               sets address to the Service's, and makes it an address of this namespace
#   webhook_answers               waits for readiness, at that address
#   policies_now                  policies/ has what the ConfigMap has, as the kubelet would have it
#
# In that namespace the Service's address becomes an address of `lo`, so that the API server reaches the webhook as it
# would in a cluster, by the Service, with neither nodes nor a proxy.
# shellcheck shell=bash
if [ -z "${SEAWORTHY_VERIFIER-}" ]; then
  printf 'no SEAWORTHY_VERIFIER: cargo build -p seaworthy-verifier --features admission\n' >&2
  exit 1
fi
if [ -z "${IN_NAMESPACE-}" ]; then
  eval "$("$interop/../../.ci/cluster" --env)"
  export ETCD KUBE_APISERVER KUBECTL IN_NAMESPACE=yes
  unshare -n bash "$0" && exit 0 || exit $?
fi
ip link set lo up
# The address that the API server gives for itself: a documentation address, inside this namespace alone.
ip address add 192.0.2.1/32 dev lo
deploy=$interop/../../deploy guide=$interop/../../docs/guide/kubernetes.md

pki() { # NAME SAN: NAME.key and NAME.crt, by ca.crt
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2") 2>/dev/null
}
until_true() { # SECONDS COMMAND...
  local seconds=$1 i
  shift
  for ((i = 0; i < seconds * 5; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  return 1
}

start_cluster() {
  openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca 2>/dev/null
  pki api DNS:localhost,IP:127.0.0.1
  openssl genrsa -out accounts.key 2048 2>/dev/null

  "$ETCD" --data-dir etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --log-level error >etcd.log 2>&1 &
  interop_pids+=($!)
  printf 'admin-token,admin,admin,system:masters\n' >tokens.csv
  # ServiceAccount: there is no controller that would make the default account. EphemeralContainers: an alpha gate in
  # this release, on in every one that is alive.
  "$KUBE_APISERVER" --etcd-servers http://127.0.0.1:2379 --bind-address 127.0.0.1 --secure-port 6443 \
    --advertise-address 192.0.2.1 --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/24 \
    --tls-cert-file api.crt --tls-private-key-file api.key --cert-dir certs --token-auth-file tokens.csv \
    --authorization-mode RBAC --service-account-issuer https://localhost --service-account-key-file accounts.key \
    --service-account-signing-key-file accounts.key --disable-admission-plugins ServiceAccount \
    --feature-gates EphemeralContainers=true --runtime-config batch/v1beta1=true >api.log 2>&1 &
  interop_pids+=($!)
  cat >kubeconfig <<YAML
apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:6443", certificate-authority: $TEMP/ca.crt } }]
users: [{ name: u, user: { token: admin-token } }]
contexts: [{ name: x, context: { cluster: c, user: u, namespace: default } }]
current-context: x
YAML
  export KUBECONFIG=$TEMP/kubeconfig
  kubectl=("$KUBECTL")
  # The guide's blocks call it by its name, and find the manifests where the guide says.
  mkdir bin && ln -s "$KUBECTL" bin/kubectl && cp -r "$deploy" deploy
  PATH=$TEMP/bin:$PATH
  awk '/^```bash$/ { n++; file = sprintf("guide-%02d.sh", n); print "set -eu" >file; on = 1; next }
    /^```$/ { on = 0 } on { print >file }' "$guide"
  until_true 60 "${kubectl[@]}" get --raw /readyz || {
    tail -n 30 api.log etcd.log >&2
    exit 1
  }
  until_true 20 "${kubectl[@]}" get namespace default
}

guide() { # N TITLE REGEX: the Nth block of the page, as it stands there
  check "the guide: $2" 0 "$3" bash "$(printf 'guide-%02d.sh' "$1")"
}
token_of() { # SERVICE-ACCOUNT: what the kubelet mounts
  printf '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":7200}}' >token.json
  "${kubectl[@]}" create --raw "/api/v1/namespaces/seaworthy/serviceaccounts/$1/token" -f token.json |
    "$PEERS_PY" -c 'import json, sys; print(json.load(sys.stdin)["status"]["token"])' >"$1.token"
}
two_images() {
  start_registry "$TEMP/registry"
  "$PEERS_PY" "$interop/tiny_images.py" tiny
  our_keys release
  push_layout tiny image team/app
  push_layout tiny other team/app
  "$CRANE" tag --insecure "$REG/team/app:image" signed
  "$CRANE" tag --insecure "$REG/team/app:other" unsigned
  "$SEAWORTHY" sign --key release.key "$REG/team/app:signed" -q
  signed=$REG/team/app:signed unsigned=$REG/team/app:unsigned
  digest=$(digest_of "$signed")
}
webhook_address() {
  address=$("${kubectl[@]}" -n seaworthy get service seaworthy-verifier -o 'jsonpath={.spec.clusterIP}')
  ip address add "$address/32" dev lo
}
webhook_answers() {
  until_true 20 curl -fsS --noproxy '*' --cacert webhook-ca.crt --connect-to "::$address:443" https://seaworthy-verifier.seaworthy.svc/readyz
}
policies_now() { # what the kubelet does: the ConfigMap's content as files
  "${kubectl[@]}" -n seaworthy get configmap seaworthy-policies -o json | "$PEERS_PY" -c 'import json, os, sys
for name, text in json.load(sys.stdin)["data"].items():
    with open("policies/.new", "w") as f: f.write(text)
    os.rename("policies/.new", "policies/" + name)'
}
