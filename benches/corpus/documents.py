"""What is said about every document that Seaworthy writes: valid, the same twice, the same when read back."""

import filecmp
import json
import os
import shutil
import subprocess

import fetch

SPDX, CYCLONEDX = "spdx-json", "cyclonedx-json"


def checks(seaworthy, reference, folder, environment):
    """Pairs of a claim and why it does not hold (None where it does)."""
    first, again = ({form: os.path.join(folder, f"{name}.{form}") for form in (SPDX, CYCLONEDX, "json")} for name in ("first", "again"))
    for files in (first, again):
        said = run([seaworthy, "sbom", reference, *(f"-o{form}={path}" for form, path in files.items())], environment)
        if said:
            return [("sbom", said)]
    results = [("twice the same bytes", next((f"{form} differs" for form in first if not filecmp.cmp(first[form], again[form], shallow=False)), None))]
    results.append(("nothing written but the document", writes(seaworthy, reference, folder, environment)))
    python = os.path.join(fetch.venv(), "bin", "python")
    results.append(("pyspdxtools", run([python, "-m", "spdx_tools.spdx.clitools.pyspdxtools", "-i", spdx_name(first[SPDX]), "--version", "SPDX-2.3"], environment)))
    results.append(("CycloneDX JSON schema", run([python, os.path.join(fetch.INTEROP, "valid_cyclonedx.py"), first[CYCLONEDX]], environment)))
    results.append(("ntia-conformance-checker", ntia(python, spdx_name(first[SPDX]), first["json"], environment)))
    results.append(("read back, the same inventory", read_back(seaworthy, first, environment)))
    return results


def writes(seaworthy, reference, folder, environment):
    """What a run without the cache opens for writing or makes, as strace sees it, beside standard output."""
    if not shutil.which("strace"):
        return "strace is not there"
    trace = os.path.join(folder, "trace")
    said = run(["strace", "-f", "-qq", "-e", "trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat",
                "-o", trace, seaworthy, "sbom", reference, "--no-cache", "-o", "spdx-json"], environment, subprocess.DEVNULL)
    if said:
        return said
    with open(trace) as f:
        made = [line.strip() for line in f if "/dev/null" not in line and (
            "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line or " open" not in line) and "(" in line]
    return made[0][:300] if made else None


def spdx_name(path):
    """The reference tools go by the end of the name."""
    named = path.removesuffix(SPDX) + "spdx.json"
    if not os.path.exists(named):
        os.link(path, named)
    return named


def run(command, environment, out=subprocess.PIPE):
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, text=True)
    return None if done.returncode == 0 else f"exit {done.returncode}: {(done.stdout or '')[-600:]}"


def ntia(python, path, inventory, environment):
    """What the checker misses, less what nothing in the image states: a supplier or a version that we left out
    although the inventory has it is a failure, one that nobody named is not made up."""
    done = subprocess.run([python, "-m", "ntia_conformance_checker.main", path, "--output", "json", "-c", "ntia"],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = json.loads(done.stdout[done.stdout.index("{"):])
    except ValueError:
        return f"exit {done.returncode}: {(done.stdout + done.stderr)[-600:]}"
    if said["isConformant"]:
        return None
    with open(inventory) as f:
        packages = json.load(f)["packages"]
    unnamed = {p["name"] for p in packages if not p["supplier"] and not p["originator"]}
    unversioned = {p["name"] for p in packages if not p["version"]}
    wrong = [f"{key} is missing" for key in ("authorNameProvided", "timestampProvided", "dependencyRelationshipsProvided") if not said[key]]
    for element, known in (("componentNames", set()), ("componentIdentifiers", set()), ("componentSuppliers", unnamed), ("componentVersions", unversioned)):
        left = [name for name in said[element]["nonconformantComponents"] if name not in known]
        if left:
            wrong.append(f"{element}: {', '.join(left[:5])} and {max(len(left) - 5, 0)} more")
    return "; ".join(wrong) or None


def read_back(seaworthy, files, environment):
    """Packages, relationships and gaps as `inspect` reads them from each document, against the inventory."""
    with open(files["json"]) as f:
        inventory = json.load(f)
    for form in (SPDX, CYCLONEDX):
        done = subprocess.run([seaworthy, "inspect", files[form], "--packages", "--output", "json"], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            return f"{form}: exit {done.returncode}: {done.stderr[-600:]}"
        read = json.loads(done.stdout)
        if len(read["packages"]) != len(inventory["packages"]):
            return f"{form}: {len(read['packages'])} packages, written were {len(inventory['packages'])}"
        for ours, theirs in zip(inventory["packages"], read["packages"]):
            for field in ours:
                if ours[field] != theirs.get(field):
                    return f"{form}: {field} of {ours['name']}: {str(theirs.get(field))[:200]} was {str(ours[field])[:200]}"
        if len(read["summary"]["gaps"]) != len(inventory["gaps"]):
            return f"{form}: {len(read['summary']['gaps'])} gaps, written were {len(inventory['gaps'])}"
    return None
