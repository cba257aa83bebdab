# A real Kubernetes API server asks the webhook: the manifests of deploy/kubernetes applied as they are, signed images
# come in with their digest pinned, unsigned ones are refused with our reason, in every kind that holds a Pod template,
# by create, apply, server-side apply, dry run, patch and ephemeral container; a registry that does not answer and a
# webhook that is gone keep things out and say so. Needs SEAWORTHY_VERIFIER (feature `admission`) and .ci/cluster;
# without SEAWORTHY_VERIFIER it shows nothing and says so.
#
# Everything runs in a network namespace of its own: the Service's address becomes an address of `lo` in it, so that
# the API server reaches the webhook as it would in a cluster, by the Service, with neither nodes nor a proxy.
. "$(dirname "$0")/common.sh"
if [ -z "${SEAWORTHY_VERIFIER-}" ]; then
  printf 'cluster: no SEAWORTHY_VERIFIER: cargo build -p seaworthy-verifier --features admission\n' >&2
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
deploy=$interop/../../deploy/kubernetes

# ---- etcd, the API server, a registry ---------------------------------------------------------------------------
pki() { # NAME SAN: NAME.key and NAME.crt, by ca.crt
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2") 2>/dev/null
}
openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca 2>/dev/null
pki api DNS:localhost,IP:127.0.0.1
pki webhook DNS:seaworthy-verifier.seaworthy.svc
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
until_true() { # SECONDS COMMAND...
  local seconds=$1 i
  shift
  for ((i = 0; i < seconds * 5; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  return 1
}
until_true 60 "${kubectl[@]}" get --raw /readyz || { tail -n 30 api.log etcd.log >&2; exit 1; }
until_true 20 "${kubectl[@]}" get namespace default

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

# ---- deploy/kubernetes, as it is --------------------------------------------------------------------------------
part 'the manifests'
for file in 10-namespace 11-policy; do
  check "apply $file.yaml" 0 created "${kubectl[@]}" apply -f "$deploy/$file.yaml"
done
# This API server is of 1.20, which has PodDisruptionBudget as v1beta1 alone, and does not yet label namespaces with
# their own names. Nothing else is changed.
sed 's|^apiVersion: policy/v1$|&beta1|' "$deploy/12-deployment.yaml" >12-deployment.yaml
check 'apply 12-deployment.yaml' 0 'service/seaworthy-verifier created' "${kubectl[@]}" apply -f 12-deployment.yaml
"${kubectl[@]}" label namespace seaworthy kubernetes.io/metadata.name=seaworthy >/dev/null

# The webhook at the Service's address, with the policies of the ConfigMap.
address=$("${kubectl[@]}" -n seaworthy get service seaworthy-verifier -o 'jsonpath={.spec.clusterIP}')
ip address add "$address/32" dev lo
mkdir policies
policies_now() { # what the kubelet does: the ConfigMap's content as files
  "${kubectl[@]}" -n seaworthy get configmap seaworthy-policies -o json | "$PEERS_PY" -c 'import json, os, sys
for name, text in json.load(sys.stdin)["data"].items():
    with open("policies/.new", "w") as f: f.write(text)
    os.rename("policies/.new", "policies/" + name)'
}
"${kubectl[@]}" -n seaworthy patch configmap seaworthy-policies --patch "$("$PEERS_PY" -c 'import json
print(json.dumps({"data": {"release.pub": open("release.pub").read()}}))')" >/dev/null
policies_now
start_webhook() {
  "$SEAWORTHY_VERIFIER" admission --listen "$address:443" --certificate webhook.crt --private-key webhook.key \
    --policy policies --registry "$REG" --plain-http "$REG" --poll 1 --linger 0 >>audit.jsonl 2>>webhook.log &
  webhook_pid=$!
  interop_pids+=("$webhook_pid")
  until_true 20 curl -fsS --noproxy '*' --cacert ca.crt --connect-to "::$address:443" https://seaworthy-verifier.seaworthy.svc/readyz
}
start_webhook
check 'apply 20-webhooks.yaml' 0 'validatingwebhookconfiguration.* created' "${kubectl[@]}" apply -f "$deploy/20-webhooks.yaml"
bundle=$(base64 -w0 <ca.crt)
for kind in mutating validating; do
  check "caBundle of the $kind webhook" 0 patched "${kubectl[@]}" patch "${kind}webhookconfiguration" seaworthy \
    --type json -p "[{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"$bundle\"}]"
done
# The API server learns of webhooks by a watch: the first Pod that comes back pinned says that it has.
pinned() {
  [ "$("${kubectl[@]}" run probe --image "$signed" --dry-run=server -o 'jsonpath={.spec.containers[0].image}')" = "$signed@$digest" ]
}
until_true 30 pinned || {
  "${kubectl[@]}" run probe --image "$signed" --dry-run=server -o yaml >&2 || true
  grep -nE -A 25 "^(fatal error|panic|runtime:)" api.log | head -60 >&2
  exit 1
}

part 'audit, then enforce'
check 'audit: the unsigned image comes in' 0 created "${kubectl[@]}" run audited --image "$unsigned"
check '… and the log says that it would not have' 0 'signature-missing' grep -h '"would' audit.jsonl
sed -i 's/^\( *\)mode: audit$/\1mode: enforce/' policies/policy.yaml
enforced() { ! "${kubectl[@]}" run probe --image "$unsigned" --dry-run=server; }
until_true 20 enforced

part 'kubectl run'
check 'signed: comes in' 0 created "${kubectl[@]}" run good --image "$signed"
same '… pinned' "$signed@$digest" "$("${kubectl[@]}" get pod good -o 'jsonpath={.spec.containers[0].image}')"
reason='denied the request: .*signature-missing'
check 'unsigned: refused with the reason' 1 "$reason" "${kubectl[@]}" run bad --image "$unsigned"
check 'unsigned by digest: refused' 1 "$reason" "${kubectl[@]}" run bad --image "$REG/team/app@$(digest_of "$unsigned")"
check 'dry run: refused as well' 1 "$reason" "${kubectl[@]}" run bad --image "$unsigned" --dry-run=server
check 'no such image: refused' 1 'denied the request: .*not found' "${kubectl[@]}" run bad --image "$REG/team/app:nowhere"
check 'another registry: refused, unasked' 1 'denied the request: ' "${kubectl[@]}" run bad --image registry.example/app:1
same 'no refused Pod is there' '' "$("${kubectl[@]}" get pod bad --ignore-not-found -o name)"

# ---- every kind, every way in -----------------------------------------------------------------------------------
template() { # IMAGE
  printf '{"metadata":{"labels":{"app":"x"}},"spec":{"restartPolicy":"%s","containers":[{"name":"main","image":"%s"}]}}' "${2-Always}" "$1"
}
object() { # KIND IMAGE
  local selector='"selector":{"matchLabels":{"app":"x"}}' name
  name=$(tr '[:upper:]' '[:lower:]' <<<"$1")
  case $1 in
    Pod) printf '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a-pod"},"spec":{"containers":[{"name":"main","image":"%s"}]}}' "$2" ;;
    PodTemplate) printf '{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"%s"},"template":%s}' "$name" "$(template "$2")" ;;
    ReplicationController) printf '{"apiVersion":"v1","kind":"%s","metadata":{"name":"%s"},"spec":{"selector":{"app":"x"},"template":%s}}' "$1" "$name" "$(template "$2")" ;;
    Deployment | ReplicaSet | DaemonSet) printf '{"apiVersion":"apps/v1","kind":"%s","metadata":{"name":"%s"},"spec":{%s,"template":%s}}' "$1" "$name" "$selector" "$(template "$2")" ;;
    StatefulSet) printf '{"apiVersion":"apps/v1","kind":"%s","metadata":{"name":"%s"},"spec":{"serviceName":"x",%s,"template":%s}}' "$1" "$name" "$selector" "$(template "$2")" ;;
    Job) printf '{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"%s"},"spec":{"template":%s}}' "$name" "$(template "$2" Never)" ;;
    # Its only version in this release.
    CronJob) printf '{"apiVersion":"batch/v1beta1","kind":"CronJob","metadata":{"name":"%s"},"spec":{"schedule":"0 0 * * *","jobTemplate":{"spec":{"template":%s}}}}' "$name" "$(template "$2" Never)" ;;
  esac
}
for kind in Pod Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob PodTemplate; do
  part "$kind"
  object "$kind" "$signed" >good.json
  object "$kind" "$unsigned" >bad.json
  check 'create, unsigned' 1 "$reason" "${kubectl[@]}" create -f bad.json
  check 'apply, unsigned' 1 "$reason" "${kubectl[@]}" apply -f bad.json
  check 'server-side apply, unsigned' 1 "$reason" "${kubectl[@]}" apply --server-side -f bad.json
  check 'dry run, unsigned' 1 "$reason" "${kubectl[@]}" create --dry-run=server -f bad.json
  check 'server-side apply, signed' 0 'serverside-applied' "${kubectl[@]}" apply --server-side -f good.json
  # The template of a Job never changes: the API server itself says no, before it asks anybody.
  [ "$kind" = Job ] ||
    check 'then changed to the unsigned one' 1 "$reason" "${kubectl[@]}" apply --server-side --force-conflicts -f bad.json
done

part 'other ways in'
check 'patch of one image' 1 "$reason" "${kubectl[@]}" set image deployment/deployment "main=$unsigned"
check 'an init container' 1 "$reason" "${kubectl[@]}" patch deployment deployment --type json \
  -p "[{\"op\":\"add\",\"path\":\"/spec/template/spec/initContainers\",\"value\":[{\"name\":\"i\",\"image\":\"$unsigned\"}]}]"
check 'a second container' 1 "$reason" "${kubectl[@]}" patch deployment deployment --type json \
  -p "[{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/-\",\"value\":{\"name\":\"two\",\"image\":\"$unsigned\"}}]"
check 'an ephemeral container, unsigned' 1 "$reason" "${kubectl[@]}" debug good --image "$unsigned" -c bad --attach=false
check 'an ephemeral container, signed' 0 '' "${kubectl[@]}" debug good --image "$signed" -c fine --attach=false
check 'scaling asks nobody' 0 scaled "${kubectl[@]}" scale deployment deployment --replicas 3
check 'labels change nothing' 0 labeled "${kubectl[@]}" label pod good touched=yes
check 'and what is unsigned can be deleted' 0 deleted "${kubectl[@]}" delete pod audited --grace-period 0 --force

part 'could not find out'
kill -STOP "$REG_PID"
# Another tag than those in its memory; a tag is asked for each time anyway.
check 'a registry that hangs: kept out, and not called unsigned' 1 'could not find out' "${kubectl[@]}" run waiting --image "$REG/team/app:signed" --request-timeout 30s
refuse '… and nobody calls it unsigned' 'signature-missing'
kill -CONT "$REG_PID"
check 'it is back: the image comes in' 0 created "${kubectl[@]}" run waiting --image "$signed"
kill "$webhook_pid"
wait "$webhook_pid" || true
check 'no webhook: nothing comes in' 1 'failed calling webhook' "${kubectl[@]}" run nobody --image "$signed"
start_webhook
check 'the webhook is back' 0 created "${kubectl[@]}" run somebody --image "$signed"
