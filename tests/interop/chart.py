"""deploy/helm/seaworthy, rendered by Helm, held against deploy/kubernetes and against its own values.

    chart.py HELM plain           what Helm makes of it are the objects of the plain manifests, and nothing else
    chart.py HELM values          a line for each value that values.yaml has, in the order of VALUES below
    chart.py HELM value NAME      that value, changed, comes out where it should, and nothing else changes
    chart.py HELM namespace NAME  everything stands in that namespace, and the webhooks never judge it
    chart.py HELM refused ARG...  what values.schema.json refuses: `--set` and the like; prints Helm's reason

Exit 1 and what differs otherwise.
"""

import base64
import os
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "deploy/helm/seaworthy")
PLAIN = os.path.join(ROOT, "deploy/kubernetes")
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
# What a YAML writer gets wrong first: quotation marks, backslashes, colons, other alphabets, what looks like a template.
TEXT = 'a: "b" \\ \'c\' # d\n\té {{ .Values.image }} %s\n'

VERIFIER, REVALIDATE = "Deployment/seaworthy-verifier", "Deployment/seaworthy-revalidate"
WEBHOOKS = ["MutatingWebhookConfiguration/seaworthy", "ValidatingWebhookConfiguration/seaworthy"]
POD = "/spec/template/spec"
ARGS, IMAGE = POD + "/containers/0/args", POD + "/containers/0/image"
NOTHING = "nothing"


def objects(text):
    found = {}
    for one in yaml.safe_load_all(text):
        if one is not None:
            name = f"{one['kind']}/{one['metadata']['name']}"
            assert name not in found, f"two of {name}"
            found[name] = one
    return found


def run(helm, *args, namespace="seaworthy"):
    command = [helm, "template", "seaworthy", CHART, "-n", namespace, *args]
    return subprocess.run(command, capture_output=True, text=True)


def rendered(helm, *args, namespace="seaworthy"):
    made = run(helm, *args, namespace=namespace)
    if made.returncode != 0:
        sys.exit(made.stderr)
    return objects(made.stdout)


def manifests(*numbers):
    found = {}
    for name in sorted(os.listdir(PLAIN)):
        if name.split("-")[0] in numbers:
            with open(os.path.join(PLAIN, name)) as file:
                found.update(objects(file.read()))
    # Helm's to make, or the administrator's: it has to be there before the Secret with the certificate.
    found.pop("Namespace/seaworthy", None)
    return found


def differences(old, new, at=""):
    """Place -> (before, after). A list of plain values is one value."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = {}
        for key in sorted({*old, *new}):
            found.update(differences(old.get(key, NOTHING), new.get(key, NOTHING), f"{at}/{key}" if at else key))
        return found
    deep = isinstance(old, list) and isinstance(new, list) and all(isinstance(x, dict) for x in [*old, *new])
    if deep and len(old) == len(new):
        found = {}
        for number, (a, b) in enumerate(zip(old, new)):
            found.update(differences(a, b, f"{at}/{number}"))
        return found
    return {} if old == new else {at: (old, new)}


def hold(expected, found):
    """Both place -> value after."""
    wrong = differences(expected, found)
    for place, (wanted, got) in wrong.items():
        print(f"{place}\n    wanted {wanted!r}\n    got    {got!r}")
    sys.exit(1 if wrong else 0)


def base_args(base, name):
    return base[name]["spec"]["template"]["spec"]["containers"][0]["args"]


def without(flags, flag):
    return [f for f in flags if f != flag]


def registries(flags, names):
    kept = [f for f in flags if not f.startswith("--registry=")]
    return kept + [f"--registry={name}" for name in names]


def values(base):
    """Value -> (arguments of Helm, place -> what stands there afterwards). Written with care for types: a name of digits
    is a name, and a large number no power of ten."""
    verifier, revalidate = base_args(base, VERIFIER), base_args(base, REVALIDATE)
    pull = list(verifier)
    pull.insert(verifier.index("--policy-objects") + 1, "--pull-secrets")
    selector = "/webhooks/0/namespaceSelector/matchExpressions/0/values"
    digest = "registry.example/a/b:1@sha256:" + "0" * 64
    hour = [f for f in revalidate if not f.startswith("--every=")]
    hour.insert(revalidate.index("--every=60"), "--every=1000000")
    role = lambda file: {name: one for name, one in manifests(file).items()}
    return {
        "image": (["--set", f"image={digest}"], {VERIFIER + IMAGE: digest, REVALIDATE + IMAGE: digest}),
        "replicas": (["--set", "replicas=1000000"], {VERIFIER + "/spec/replicas": 1000000}),
        "tlsSecret": (["--set-string", "tlsSecret=123"], {VERIFIER + POD + "/volumes/0/secret/secretName": "123"}),
        "caBundle": (
            ["--set-file", "caBundle=ca.pem"],
            {w + "/webhooks/0/clientConfig/caBundle": base64.b64encode(PEM.encode()).decode() for w in WEBHOOKS},
        ),
        "registries": (
            ["--set", "registries={a.example:5000,b.example}"],
            {
                VERIFIER + ARGS: registries(verifier, ["a.example:5000", "b.example"]),
                REVALIDATE + ARGS: registries(revalidate, ["a.example:5000", "b.example"]),
            },
        ),
        "exemptNamespaces": (
            ["--set-string", "exemptNamespaces={kube-system,123}"],
            {w + selector: ["seaworthy", "kube-system", "123"] for w in WEBHOOKS},
        ),
        "policies": (
            ["--set-file", "policies.more\\.yaml=text"],
            {"ConfigMap/seaworthy-policies/data/more.yaml": TEXT},
        ),
        "policyObjects": (
            ["--set", "policyObjects=false"],
            {
                **{name: NOTHING for name in manifests("13")},
                VERIFIER + POD + "/automountServiceAccountToken": False,
                VERIFIER + ARGS: without(verifier, "--policy-objects"),
                REVALIDATE + ARGS: without(revalidate, "--policy-objects"),
            },
        ),
        "extraArgs": (
            ["--set", "extraArgs={--poll=1,--cluster-name=a b}"],
            {VERIFIER + ARGS: [*verifier, "--poll=1", "--cluster-name=a b"]},
        ),
        "pullSecrets": (["--set", "pullSecrets=true"], {**role("30"), VERIFIER + ARGS: pull}),
        "revalidate.enabled": (["--set", "revalidate.enabled=false"], {name: NOTHING for name in manifests("40")}),
        "revalidate.everyMinutes": (["--set", "revalidate.everyMinutes=1000000"], {REVALIDATE + ARGS: hour}),
        **{
            "resources." + name: (
                ["--set", f"resources.{name}={value}"],
                {VERIFIER + POD + "/containers/0/resources/" + place: value},
            )
            for name, place, value in [
                ("cpu", "requests/cpu", "2"),
                ("memory", "requests/memory", "96Mi"),
                ("memoryLimit", "limits/memory", "1Gi"),
            ]
        },
    }


def documented():
    """The names of values.yaml; what is in `policies` are names of files."""
    with open(os.path.join(CHART, "values.yaml")) as file:
        given = yaml.safe_load(file)
    for name, value in given.items():
        if isinstance(value, dict) and name != "policies":
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def main(helm, what, *rest):
    everything = ["--set", "revalidate.enabled=true"]
    if what == "plain":
        default = differences({}, rendered(helm, "--include-crds"))
        expected = manifests("05", "10", "11", "12", "13", "20")
        hold(expected, {name: one for name, (_, one) in default.items()})
    base = rendered(helm, *everything)
    table = values(base)
    if what == "values":
        missing = {*documented()} ^ {*table}
        if missing:
            sys.exit(f"in values.yaml or in this table alone: {sorted(missing)}")
        print("\n".join(table))
    elif what == "value":
        args, expected = table[rest[0]]
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("ca.pem", PEM), ("text", TEXT)):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
            changed = rendered(helm, *everything, *[a.replace("=ca.pem", f"={folder}/ca.pem").replace("=text", f"={folder}/text") for a in args])
        hold(expected, {place: after for place, (_, after) in differences(base, changed).items()})
    elif what == "namespace":
        made = rendered(helm, *everything, "--set", "pullSecrets=true", namespace=rest[0])
        cluster = ("ClusterRole", "ClusterRoleBinding", *(w.split("/")[0] for w in WEBHOOKS))
        found, expected = {}, {}
        for name, one in made.items():
            if not name.startswith(cluster):
                found[name], expected[name] = one["metadata"].get("namespace"), rest[0]
            for number, subject in enumerate(one.get("subjects", [])):
                found[f"{name} subject {number}"], expected[f"{name} subject {number}"] = subject["namespace"], rest[0]
            for hook in one.get("webhooks", []):
                exempt = hook["namespaceSelector"]["matchExpressions"][0]
                found[name] = [hook["clientConfig"]["service"]["namespace"], exempt["operator"], exempt["values"]]
                expected[name] = [rest[0], "NotIn", [rest[0]]]
        hold(expected, found)
    elif what == "refused":
        made = run(helm, *rest)
        print(made.stderr)
        sys.exit(0 if made.returncode != 0 else "Helm took it")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
