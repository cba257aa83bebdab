# Helm itself, 3 and 4: the chart passes its lint, makes the objects of deploy/kubernetes and no other, every value comes
# out where it should, and a value that does not exist is refused. Then Helm installs it in a real API server by the words
# of docs/guide/kubernetes.md: the webhook runs with the flags that stand in the Deployment that Helm made, lets the signed
# image in and denies the unsigned one; an upgrade, a rollback and the end by `helm uninstall` do what they say. Needs
# SEAWORTHY_VERIFIER (feature `admission`) and .ci/cluster; without SEAWORTHY_VERIFIER it shows nothing and says so.
. "$(dirname "$0")/common.sh"
. "$interop/kubernetes.sh"
chart=("$PEERS_PY" "$interop/chart.py")

for helm in "$HELM3" "$HELM4"; do
  part "$("$helm" version --short) renders"
  check 'lint --strict' 0 '0 chart\(s\) failed' "$helm" lint --strict "$deploy/helm/seaworthy"
  check 'the objects of the plain manifests' 0 '' "${chart[@]}" "$helm" plain
  check 'every value is tried' 0 image "${chart[@]}" "$helm" values
  mapfile -t names <"$OUT"
  for name in "${names[@]}"; do check "value $name" 0 '' "${chart[@]}" "$helm" value "$name"; done
  check 'a namespace that looks like a number' 0 '' "${chart[@]}" "$helm" namespace 123
  check 'refused: a name that is none' 0 "'?registry'? (is )?not allowed" "${chart[@]}" "$helm" refused --set registry=registry.example
  check 'refused: no replicas' 0 replicas "${chart[@]}" "$helm" refused --set replicas=0
  check 'refused: a number as namespace' 0 exemptNamespaces "${chart[@]}" "$helm" refused --set 'exemptNamespaces={1}'
  check 'refused: base64 for PEM' 0 caBundle "${chart[@]}" "$helm" refused --set caBundle=LS0t
done

start_cluster
two_images
reason='denied the request: .*signature-missing'

# This API server is of 1.20: it has PodDisruptionBudget as v1beta1 alone, and does not yet label namespaces with their own
# names. Nothing else is changed.
sed -i 's|^apiVersion: policy/v1$|&beta1|' deploy/helm/seaworthy/templates/webhook.yaml
sed -i 's|>=1.21.0-0|>=1.20.0-0|' deploy/helm/seaworthy/Chart.yaml
named() { "${kubectl[@]}" label namespace "$1" "kubernetes.io/metadata.name=$1" --overwrite >/dev/null; }
"${kubectl[@]}" create namespace spared >/dev/null
named spared
named default

# The webhook as the Deployment that Helm made would start it: its flags, with the folders that the kubelet would mount.
start_webhook() {
  local flags
  mapfile -t flags < <("${kubectl[@]}" get deployment seaworthy-verifier -n seaworthy -o 'jsonpath={range .spec.template.spec.containers[0].args[*]}{@}{"\n"}{end}')
  flags=("${flags[@]/#--certificate=\/run\/tls\/tls.crt/--certificate=webhook.crt}")
  flags=("${flags[@]/#--private-key=\/run\/tls\/tls.key/--private-key=webhook.key}")
  flags=("${flags[@]/#--policy=\/run\/policies/--policy=policies}")
  "$SEAWORTHY_VERIFIER" "${flags[@]}" --listen "$address:443" \
    --api-server https://127.0.0.1:6443 --api-ca ca.crt --api-token seaworthy-verifier.token >>audit.jsonl 2>>webhook.log &
  webhook_pid=$!
  interop_pids+=("$webhook_pid")
  webhook_answers
}
probe() { "${kubectl[@]}" run probe -n "${2-default}" --image "$1" --dry-run=server -o 'jsonpath={.spec.containers[0].image}'; }
pinned() { [ "$(probe "$signed")" = "$signed@$digest" ]; }
refused() { ! probe "$unsigned" "${1-default}"; }
comes_in() { probe "$unsigned" "${1-default}"; }
field() { # KIND NAME JSONPATH
  "${kubectl[@]}" get "$1" "$2" -n seaworthy -o "jsonpath={$3}"
}

for helm in "$HELM3" "$HELM4"; do
  ln -sfn "$helm" bin/helm
  part "$(helm version --short) installs"
  guide 1 'a certificate' ''
  guide 10 'install' 'STATUS: deployed'
  named seaworthy
  until_true 20 "${kubectl[@]}" get clusterimagepolicies
  token_of seaworthy-verifier
  webhook_address
  mkdir policies
  # What a machine without nodes and TLS needs, as values.
  check 'upgrade: registries, flags' 0 'STATUS: deployed' helm upgrade seaworthy deploy/helm/seaworthy -n seaworthy --reset-then-reuse-values \
    --set "registries={$REG}" --set "extraArgs={--plain-http=$REG,--poll=1,--linger=0}"
  policies_now
  same 'our key came along' "$(cat release.pub)" "$(cat policies/release.pub)"
  start_webhook
  until_true 30 pinned || true
  same 'signed: comes in, pinned' "$signed@$digest" "$(probe "$signed")"
  check 'audit: the unsigned image comes in' 0 '' "${kubectl[@]}" run audited --image "$unsigned" --dry-run=server
  sed 's/^\( *\)mode: audit$/\1mode: enforce/' policies/policy.yaml >enforce.yaml
  check 'upgrade: enforce' 0 'STATUS: deployed' helm upgrade seaworthy deploy/helm/seaworthy -n seaworthy --reset-then-reuse-values \
    --set-file 'policies.policy\.yaml=enforce.yaml'
  policies_now
  until_true 20 refused || true
  check 'unsigned: refused with the reason' 1 "$reason" "${kubectl[@]}" run bad --image "$unsigned"
  check '… in any namespace' 1 "$reason" "${kubectl[@]}" run bad -n spared --image "$unsigned"
  check 'signed: still comes in' 0 created "${kubectl[@]}" run "good-${helm: -6:1}" --image "$signed"
  check 'a policy that cannot be used is refused' 1 "there is no authority 'nobody'" "${kubectl[@]}" apply -f <(
    printf 'apiVersion: seaworthy.dev/v1alpha1\nkind: ClusterImagePolicy\nmetadata: { name: x }\nspec: { images: ["**"], signatures: [{ by: [nobody] }] }\n')
  guide 11 'upgrade' 'STATUS: deployed'
  same '… three replicas' 3 "$(field deployment seaworthy-verifier .spec.replicas)"
  same '… nothing forgotten' "--registry=$REG" "$(field deployment seaworthy-verifier '.spec.template.spec.containers[0].args[5]')"
  check 'upgrade: a namespace is spared' 0 'STATUS: deployed' helm upgrade seaworthy deploy/helm/seaworthy -n seaworthy --reset-then-reuse-values \
    --set 'exemptNamespaces={spared}'
  until_true 20 comes_in spared || true
  check '… the unsigned image comes in there' 0 created "${kubectl[@]}" run bad -n spared --image "$unsigned" --dry-run=server
  check '… and nowhere else' 1 "$reason" "${kubectl[@]}" run bad --image "$unsigned"
  check 'rollback' 0 'Rollback was a success' helm rollback seaworthy -n seaworthy
  until_true 20 refused spared || true
  check '… it is refused there again' 1 "$reason" "${kubectl[@]}" run bad -n spared --image "$unsigned" --dry-run=server
  kill "$webhook_pid"
  wait "$webhook_pid" || true
  check 'no webhook: nothing comes in' 1 'failed calling webhook' "${kubectl[@]}" run nobody --image "$signed"
  guide 12 'uninstall' 'uninstalled'
  until_true 20 comes_in || true
  check 'nobody is asked any more' 0 created "${kubectl[@]}" run free --image "$unsigned" --dry-run=server
  same 'nothing of it is left' '' "$("${kubectl[@]}" get clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations -o name | grep seaworthy || true)$(
    "${kubectl[@]}" get deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies -n seaworthy -o name | grep seaworthy || true)"
  check 'but the definitions of policies' 0 clusterimagepolicies "${kubectl[@]}" get crds -o name
  # The second Helm finds what the first found.
  "${kubectl[@]}" delete crds clusterimagepolicies.seaworthy.dev imagepolicies.seaworthy.dev >/dev/null
  "${kubectl[@]}" delete secret seaworthy-verifier-tls -n seaworthy >/dev/null
  "${kubectl[@]}" delete namespace seaworthy --wait=false >/dev/null
  "${kubectl[@]}" get namespace seaworthy -o json | sed 's/"kubernetes"//' | "${kubectl[@]}" replace --raw /api/v1/namespaces/seaworthy/finalize -f - >/dev/null
  ip address del "$address/32" dev lo
  rm -rf policies
done
