"""What is in a root file system, asked of the tools that installed it.

Rows are (type of purl, name, version). A name carries its namespace as purls write it (`@scope/name`,
`group/artifact`); an empty version says that nothing states one, and `?/artifact` that nothing states a group.
"""

import io
import json
import os
import re
import subprocess
import tempfile
import tomllib
import zipfile
import zlib

import fetch
from fetch import Apt, run


def debs(root):
    """dpkg-query; what is only configured to be removed ("rc") is not installed."""
    said = run(["dpkg-query", "--admindir", os.path.join(root, "var/lib/dpkg"), "-W", "-f",
                "${db:Status-Abbrev}\t${Package}\t${Version}\n"])
    rows = [line.split("\t") for line in said.splitlines()]
    return [("deb", name, version) for state, name, version in rows if state[1] not in "nc"]


def python(root, *places):
    """pip inspect."""
    rows = []
    for place in places:
        folder = os.path.join(root, place)
        if not os.path.isdir(folder):
            continue
        said = run([os.path.join(fetch.venv(), "bin", "python"), "-m", "pip", "inspect", "--path", folder,
                    "--disable-pip-version-check"])
        for found in json.loads(said)["installed"]:
            name = re.sub(r"[-_.]+", "-", found["metadata"]["name"]).lower()
            rows.append(("pypi", name, found["metadata"]["version"]))
    return rows


def node(root, *places):
    """npm ls --all; of a prefix (one that has lib/node_modules), what is installed there globally."""
    rows = []
    for place in places:
        folder = os.path.join(root, place)
        everywhere = ["-g", "--prefix", folder] if os.path.isdir(os.path.join(folder, "lib/node_modules")) else []
        # It exits with 1 where a peer dependency is missing, and lists all the same.
        said = subprocess.run(["npm", "ls", "--all", "--json", "--long", *everywhere], cwd=folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        waiting = list(json.loads(said).get("dependencies", {}).values())
        while waiting:
            found = waiting.pop()
            waiting.extend(found.get("dependencies", {}).values())
            if not found.get("missing") and found.get("version") and found.get("path"):
                # The name in its own package.json: an alias installs it under another.
                name = found["_id"].rpartition("@")[0] if found.get("_id", "").rpartition("@")[0] else found["name"]
                rows.append(("npm", name, found["version"]))
    return rows


ARCHIVES = (".jar", ".war", ".ear")


def java(root):
    """What the archives hold, read with Python's zipfile."""
    rows = []
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(ARCHIVES) and os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f:
                    rows += archive_rows(name, f, 0)
    return rows


def archive_rows(name, file, depth):
    rows, inside = [], []
    with zipfile.ZipFile(file) as archive:
        manifest = {}
        for entry in archive.namelist():
            if re.fullmatch(r"META-INF/maven/[^/]+/[^/]+/pom\.properties", entry):
                said = dict(
                    line.split("=", 1) for line in archive.read(entry).decode(errors="replace").splitlines() if "=" in line
                )
                said = {key.strip(): value.strip() for key, value in said.items()}
                if said.get("groupId") and said.get("artifactId"):
                    rows.append(("maven", f"{said['groupId']}/{said['artifactId']}", said.get("version", "")))
            elif entry.upper() == "META-INF/MANIFEST.MF":
                manifest = manifest_of(archive.read(entry).decode(errors="replace"))
            elif entry.endswith(ARCHIVES) and depth < 6:
                inside += archive_rows(os.path.basename(entry), io.BytesIO(archive.read(entry)), depth + 1)
    stem = name.rpartition(".")[0]
    # As Maven, Gradle and Debian name it.
    versioned = re.fullmatch(r"(.+?)-(\d[\w.+~-]*?)(-jar-with-dependencies)?", stem)
    artifact, version = versioned.groups()[:2] if versioned else (stem, "")
    own = [n for _, n, _ in rows if stem.replace("_", "-").startswith(n.rpartition("/")[2].replace("_", "-"))]
    lone = len(rows) == 1 and (not version or version == rows[0][2])
    if not own and not lone:
        # No pom, or only those of what was put into it: the name of the file, and where that has no version,
        # the manifest's word.
        version = version or manifest.get("Implementation-Version") or manifest.get("Bundle-Version") or ""
        rows.append(("maven", f"?/{artifact}", version))
    return rows + inside


def manifest_of(text):
    """The main section of a manifest, its folded lines put together."""
    section = re.split(r"\r?\n\r?\n", text.replace("\r\n ", "").replace("\n ", ""), maxsplit=1)[0]
    return dict(line.split(": ", 1) for line in section.splitlines() if ": " in line)


def archive(path, entries):
    """An archive that holds other archives: `entries` names the file behind each name in it."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), "Manifest-Version: 1.0\r\nMain-Class: Harbour\r\n\r\n")
        for name, source in sorted(entries.items()):
            with open(source, "rb") as f:
                made.writestr(zipfile.ZipInfo(name), f.read())
    return path


def executables(root):
    """go version -m, and the list that cargo-auditable put into programs."""
    rows, programs = [], []
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    programs.append(path)
    go = os.path.join(Apt("sid").tool("go", "golang-1.27-go"), "usr/lib/go-1.27/bin/go")
    # Go keeps notes about itself in its user's home.
    home = tempfile.TemporaryDirectory()
    env = {"GOROOT": os.path.dirname(os.path.dirname(go)), "HOME": home.name, "GOTOOLCHAIN": "local", "PATH": os.environ["PATH"]}
    for path in programs:
        said = subprocess.run([go, "version", "-m", path], text=True, env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if said.returncode == 0:
            rows += go_rows(said.stdout)
        else:
            rows += auditable_rows(path)
    return rows


def go_rows(said):
    first, *lines = said.splitlines()
    rows = [("golang", "stdlib", first.rpartition(": ")[2].split()[0].removeprefix("go"))]
    for line in lines:
        kind, name, version, *_ = (line.strip().split("\t") + ["", ""])
        version = "" if version == "(devel)" else version
        if kind in ("mod", "dep"):
            rows.append(("golang", name, version))
        elif kind == "=>" and not name.startswith((".", "/")):
            # What was built in instead of the one above.
            rows[-1] = ("golang", name, version)
    return rows


def auditable_rows(path):
    done = subprocess.run(["objcopy", "--dump-section", ".dep-v0=/dev/stdout", path, "/dev/null"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0 or not done.stdout:
        return []
    listed = json.loads(zlib.decompress(done.stdout))["packages"]
    return [("cargo", p["name"], p["version"]) for p in listed if p.get("kind") != "build"]


def make_auditable(program, lock, target):
    """A copy of a program with the list that cargo-auditable would give it for the packages of `lock`."""
    with open(lock, "rb") as f:
        packages = tomllib.load(f)["package"]
    listed = [{"name": p["name"], "version": p["version"], "source": "crates.io" if "source" in p else "local"} for p in packages]
    listed[0]["root"] = True
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with tempfile.NamedTemporaryFile() as section:
        section.write(zlib.compress(json.dumps({"packages": listed}).encode()))
        section.flush()
        run(["objcopy", "--add-section", f".dep-v0={section.name}", program, target])
