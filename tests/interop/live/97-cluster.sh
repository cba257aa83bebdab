# A real Kubernetes API server asks the webhook, set up by the words of docs/guide/kubernetes.md: the manifests of deploy/kubernetes applied as they are, signed images
# come in with their digest pinned, unsigned ones are refused with our reason, in every kind that holds a Pod template,
# by create, apply, server-side apply, dry run, patch and ephemeral container; a registry that does not answer and a
# webhook that is gone keep things out and say so; policies as objects with their status, a policy of a namespace, pull
# secrets, a break-glass token, and PolicyReports of what runs. Needs SEAWORTHY_VERIFIER (feature `admission`) and .ci/cluster;
# without SEAWORTHY_VERIFIER it shows nothing and says so.
. "$(dirname "$0")/common.sh"
. "$interop/kubernetes.sh"
start_cluster

two_images
# The same images behind a password.
PRIVATE=127.0.0.1:$(free_port)
perl -e 'print "puller:", crypt("secret", q($2b$05$abcdefghijklmnopqrstuu)), "\n"' >htpasswd
sed -e "s|addr: $REG|addr: $PRIVATE|" -e "\$ a auth: { htpasswd: { realm: r, path: $TEMP/htpasswd } }" registry/config.yml >private.yml
OTEL_TRACES_EXPORTER=none "$REGISTRY" serve private.yml >private.log 2>&1 &
interop_pids+=($!)

# ---- deploy/kubernetes, as it is --------------------------------------------------------------------------------
part 'the manifests'
# This API server is of 1.20, which has PodDisruptionBudget as v1beta1 alone, and does not yet label namespaces with
# their own names. Nothing else is changed.
sed -i 's|^apiVersion: policy/v1$|&beta1|' deploy/kubernetes/12-deployment.yaml
guide 1 'a certificate' ''
guide 2 'its Secret' 'secret/seaworthy-verifier-tls created'
"${kubectl[@]}" label namespace seaworthy kubernetes.io/metadata.name=seaworthy >/dev/null
guide 3 'the webhook, asked by nobody' 'service/seaworthy-verifier created'
until_true 20 "${kubectl[@]}" get clusterimagepolicies
check 'the role for pull secrets' 0 created "${kubectl[@]}" apply -f "$deploy/kubernetes/30-pull-secrets.yaml"
token_of seaworthy-verifier
our_keys break-glass

# The webhook at the Service's address, with the policies of the ConfigMap.
webhook_address
mkdir policies
"${kubectl[@]}" -n seaworthy patch configmap seaworthy-policies --patch "$("$PEERS_PY" -c 'import json
print(json.dumps({"data": {"release.pub": open("release.pub").read()}}))')" >/dev/null
policies_now
start_webhook() {
  "$SEAWORTHY_VERIFIER" admission --listen "$address:443" --certificate webhook.crt --private-key webhook.key \
    --policy policies --registry "$REG" --registry "$PRIVATE" --plain-http "$REG" --plain-http "$PRIVATE" --poll 1 --linger 0 \
    --policy-objects --api-server https://127.0.0.1:6443 --api-ca ca.crt --api-token seaworthy-verifier.token --pull-secrets \
    --break-glass-key break-glass.pub --cluster-name live --when-registry-down remembered >>audit.jsonl 2>>webhook.log &
  webhook_pid=$!
  interop_pids+=("$webhook_pid")
  webhook_answers
}
start_webhook
guide 4 'the webhooks' 'validatingwebhookconfiguration.admissionregistration.k8s.io/seaworthy patched'
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

# ---- policies as objects ------------------------------------------------------------------------------------------
part 'policies as objects'
sed -i 's/^\( *\)mode: enforce$/\1mode: audit/' policies/policy.yaml
"${kubectl[@]}" label namespace default kubernetes.io/metadata.name=default --overwrite >/dev/null
guide 5 'a policy in audit mode' 'clusterimagepolicy.seaworthy.dev/release created'
condition() { # KIND NAME [ARGS]: status, reason and message of Ready
  "${kubectl[@]}" get "$@" -o 'jsonpath={.status.conditions[0].status} {.status.conditions[0].reason}: {.status.conditions[0].message}'
}
accepted() { [ "$(condition "$@")" = 'True Accepted: the policy is understood' ]; }
until_true 20 accepted clusterimagepolicy release || true
same 'its status' 'True Accepted: the policy is understood' "$(condition clusterimagepolicy release)"
guide 6 'images that come in unjudged, by name' 'system-images created'
sed 's/by: \[release\]/by: [nobody]/; s/^  name: release$/  name: bad/' release-policy.yaml >bad-policy.yaml
check 'one that cannot be used is refused while it is written' 1 "there is no authority 'nobody'" "${kubectl[@]}" apply -f bad-policy.yaml
sed 's/^  signatures:$/  signaturs:/; s/^  name: release$/  name: bad/' release-policy.yaml >bad-policy.yaml
check 'a field that does not exist is seen, and not dropped' 1 'signaturs' "${kubectl[@]}" apply --validate=false -f bad-policy.yaml
# Past the webhook, as if it had been written before there was one: its status says so, and it is never met.
"${kubectl[@]}" get validatingwebhookconfiguration seaworthy -o json >webhooks.json
"${kubectl[@]}" delete validatingwebhookconfiguration seaworthy >/dev/null
sleep 2
sed 's/by: \[release\]/by: [nobody]/; s/^  name: release$/  name: bad/; s/ClusterImagePolicy/ImagePolicy/' release-policy.yaml |
  "${kubectl[@]}" apply -f - >/dev/null
"${kubectl[@]}" create -f webhooks.json >/dev/null
told() { condition imagepolicy bad | grep -q 'False Refused'; }
until_true 20 told || true
check 'past it, the status says line and reason' 0 'False Refused: line [0-9]+.*nobody' "${kubectl[@]}" get imagepolicy bad \
  -o 'jsonpath={.status.conditions[0].status} {.status.conditions[0].reason}: {.status.conditions[0].message}'
check 'and it is a policy of its own namespace' 0 deleted "${kubectl[@]}" delete imagepolicy bad

"${kubectl[@]}" create namespace shop --dry-run=client -o yaml | "${kubectl[@]}" apply -f - >/dev/null
in_shop() { "${kubectl[@]}" run probe -n shop --image "$unsigned" --dry-run=server 2>&1; }
guide 7 'warn' 'release patched'
warned() { in_shop | grep -q 'Warning: .*signature-missing'; }
until_true 20 warned || true
check 'warn: it comes in, with a warning' 0 'Warning: .*signature-missing' "${kubectl[@]}" run probe -n shop --image "$unsigned" --dry-run=server
guide 8 'enforce, a namespace at a time' 'release patched'
refused() { in_shop | grep -q 'denied the request'; }
until_true 20 refused || true
check 'enforced there' 1 "denied the request: .*policy 'release'.*signature-missing" "${kubectl[@]}" run probe -n shop --image "$unsigned" --dry-run=server
check 'and not elsewhere' 0 created "${kubectl[@]}" run lenient --image "$unsigned"
check 'the command line says the same of that namespace' 1 'signature-missing' "$SEAWORTHY" verify -n shop --policy <("${kubectl[@]}" get clusterimagepolicy release -o json |
  "$PEERS_PY" -c 'import json, sys
o = json.load(sys.stdin); o["metadata"] = {"name": o["metadata"]["name"]}; o.pop("status"); print(json.dumps(o))') "$unsigned"
guide 9 "a team's own policy" 'two-eyes'
check 'signed: comes in under both' 0 created "${kubectl[@]}" run good -n shop --image "$signed"
our_keys second
key=$(sed 's/$/\\n/' second.pub | tr -d '\n')
until_true 20 accepted imagepolicy two-eyes -n shop || true
check 'the team asks for another signer' 0 patched "${kubectl[@]}" patch imagepolicy two-eyes -n shop --type merge \
  -p "{\"spec\":{\"authorities\":[{\"name\":\"release\",\"keys\":[{\"data\":\"$key\"}]}]}}"
stricter() { "${kubectl[@]}" run probe -n shop --image "$signed" --dry-run=server 2>&1 | grep -q "shop/two-eyes"; }
until_true 20 stricter || true
check '… and gets it, in its namespace' 1 "denied the request: .*policy 'shop/two-eyes'" "${kubectl[@]}" run probe -n shop --image "$signed" --dry-run=server
check '… and nowhere else' 0 created "${kubectl[@]}" run probe --image "$signed" --dry-run=server
"${kubectl[@]}" delete imagepolicy two-eyes -n shop >/dev/null
looser() { "${kubectl[@]}" run probe -n shop --image "$signed" --dry-run=server; }
until_true 20 looser || true

part 'pull secrets'
pod_with() { # NAME IMAGE FIELDS ANNOTATIONS
  printf '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","annotations":{%s}},"spec":{%s"containers":[{"name":"main","image":"%s"}]}}' "$1" "${4-}" "$3" "$2"
}
"${kubectl[@]}" create secret docker-registry puller -n shop --docker-server "$PRIVATE" --docker-username puller --docker-password secret >/dev/null
"${kubectl[@]}" create secret docker-registry wrong -n shop --docker-server "$PRIVATE" --docker-username puller --docker-password other >/dev/null
pod_with pulled "$PRIVATE/team/app:signed" '' >pod.json
check 'without one: could not find out' 1 'could not find out' "${kubectl[@]}" create -n shop -f pod.json
pod_with pulled "$PRIVATE/team/app:signed" '"imagePullSecrets":[{"name":"wrong"}],' >pod.json
check 'with a wrong one: could not find out' 1 'could not find out' "${kubectl[@]}" create -n shop -f pod.json
pod_with pulled "$PRIVATE/team/app:unsigned" '"imagePullSecrets":[{"name":"puller"}],' >pod.json
check 'with the right one, unsigned: refused with the reason' 1 "$reason" "${kubectl[@]}" create -n shop -f pod.json
pod_with pulled "$PRIVATE/team/app:signed" '"imagePullSecrets":[{"name":"puller"}],' >pod.json
check 'with the right one, signed: comes in' 0 created "${kubectl[@]}" create -n shop -f pod.json

part 'break-glass'
token=$("$SEAWORTHY" break-glass --key break-glass.key --cluster live --namespace shop --expires 1h --reason 'ticket 7' "$unsigned")
pod_with broken "$unsigned" '' "\"seaworthy.dev/break-glass\":\"$token\"" >pod.json
check 'a good token: comes in, with a warning' 0 'Warning: .*let in by a break-glass token.*ticket 7' "${kubectl[@]}" create -n shop -f pod.json
same '… pinned' "$unsigned@$(digest_of "$unsigned")" "$("${kubectl[@]}" get pod broken -n shop -o 'jsonpath={.spec.containers[0].image}')"
check '… and logged' 0 'break-glass' grep -h '"way":"break-glass"' audit.jsonl
other=$("$SEAWORTHY" break-glass --key break-glass.key --cluster live --namespace default --reason 'ticket 7' "$unsigned")
forged=$("$SEAWORTHY" break-glass --key release.key --cluster live --namespace shop --reason 'ticket 7' "$unsigned")
pod_with broken2 "$unsigned" '' "\"seaworthy.dev/break-glass\":\"$other\"" >pod.json
check 'for another namespace: refused with that reason' 1 'it is for namespace default' "${kubectl[@]}" create -n shop -f pod.json
pod_with broken2 "$unsigned" '' "\"seaworthy.dev/break-glass\":\"$forged\"" >pod.json
check 'by another key: refused with that reason' 1 'signed by none of the keys' "${kubectl[@]}" create -n shop -f pod.json

part 'what runs'
cat >reports.yaml <<'YAML'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: policyreports.wgpolicyk8s.io
  annotations: { api-approved.kubernetes.io: "unapproved, for a test" }
spec:
  group: wgpolicyk8s.io
  scope: Namespaced
  names: { kind: PolicyReport, listKind: PolicyReportList, plural: policyreports, singular: policyreport }
  versions:
    - name: v1alpha2
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
YAML
"${kubectl[@]}" apply -f reports.yaml >/dev/null
check 'apply 40-revalidate.yaml' 0 'deployment.apps/seaworthy-revalidate created' "${kubectl[@]}" apply -f "$deploy/kubernetes/40-revalidate.yaml"
token_of seaworthy-revalidate
until_true 20 "${kubectl[@]}" get policyreports
again=("$SEAWORTHY_VERIFIER" revalidate --once --policy policies --policy-objects --registry "$REG" --plain-http "$REG"
  --api-server https://127.0.0.1:6443 --api-ca ca.crt --api-token seaworthy-revalidate.token)
# In shop run the signed image, the one behind a password that this account may not read, and the one that broke the glass.
check 'one round: something that runs is denied' 1 'Pods: .*reports' "${again[@]}"
report() { "${kubectl[@]}" get policyreport seaworthy -n "$1" -o json; }
report shop >report.json
result_of() { "$PEERS_PY" -c 'import json, sys
r = [x for x in json.load(open("report.json"))["results"] if x["resources"][0]["name"] == sys.argv[1]]
print(r[0]["result"], r[0]["message"])' "$1"; }
check 'the signed image passes' 0 '^pass ' "$PEERS_PY" -c 'import json
print([r["result"] + " " for r in json.load(open("report.json"))["results"] if r["resources"][0]["name"] == "good"][0])'
same 'what broke the glass is told as what it is' fail "$(result_of broken | cut -d' ' -f1)"
same 'in audit mode it is a warning' warn "$(report default >report.json; result_of lenient | cut -d' ' -f1)"
check 'and the Pod still runs' 0 broken "${kubectl[@]}" get pod broken -n shop
