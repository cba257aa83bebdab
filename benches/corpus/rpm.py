"""Rpms made of Debian's packages, and a database of them in each of rpm's three forms, written by rpm itself.

Debian 11's rpmbuild makes the packages, because both rpm 4.16 and rpm 6 read its format. What they say is
Debian's own word: name, version, description, maintainer, dependencies; their files are the documentation
that Debian's packages have, and the metadata of Python distributions.
"""

import glob
import os
import re
import shutil

import fetch
import images
from fetch import Apt, once, peers, run

# Debian's packages besides those of the root file system: they own Python distributions.
MORE = ("python3-six", "python3-requests", "python3-yaml", "python3-certifi")


def root(suite):
    """Debian's rpm, with the few programs that rpmbuild runs, in a root of its own."""
    def make(folder):
        for deb in Apt(suite).debs("rpm", "bash", "coreutils", "sed", "grep", "findutils", "tar", "gzip", closure=True):
            run(["dpkg-deb", "-x", deb, folder])
        for name in ("bin", "sbin", "lib", "lib64"):
            # What base-files of a release with merged /usr has.
            if not os.path.lexists(os.path.join(folder, name)):
                os.symlink(f"usr/{name}", os.path.join(folder, name))
        for name in ("tmp", "dev", "proc"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        if not os.path.exists(os.path.join(folder, "bin/sh")):
            os.symlink("bash", os.path.join(folder, "bin/sh"))
        open(os.path.join(folder, "dev/null"), "w").close()

    return once(os.path.join(fetch.CACHE, "tools", f"rpm-root-{suite}"), make)


def described():
    """Name, version, release, architecture, summary, maintainer, dependencies of each package."""
    said = run(["tar", "-xOzf", images.debian_base(), "./var/lib/dpkg/status"])
    paragraphs = said.split("\n\n")
    for deb in Apt(peers()["PEERS_CODENAME"]).debs(*MORE):
        paragraphs.append(run(["dpkg-deb", "-f", deb]))
    found = []
    for text in paragraphs:
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", text, re.M))
        if "Package" not in fields:
            continue
        epoch, version, release = re.fullmatch(r"(?:(\d+):)?(.*?)(?:-([^-]*))?", fields["Version"]).groups()
        needs = re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]*)", fields.get("Depends", ""))
        found.append({
            "name": fields["Package"], "epoch": epoch, "version": clean(version), "release": clean(release or "0") + ".sw1",
            "arch": "noarch" if fields["Architecture"] == "all" else "x86_64",
            "summary": fields["Description"].replace("%", "%%"), "maintainer": fields["Maintainer"], "needs": needs,
        })
    return sorted(found, key=lambda p: p["name"])


def clean(version):
    return re.sub(r"[^A-Za-z0-9._+~^]", "_", version)


def spec(packages, tree):
    lines = [
        "Name: corpus", "Version: 1", "Release: 1", "Summary: The packages of the corpus", "License: Apache-2.0",
        "AutoReqProv: no", "%global debug_package %{nil}", "%global __os_install_post %{nil}",
        "%global _build_id_links none", "%description", "Corpus.", "%install", "cp -a /tmp/tree/. %{buildroot}/",
    ]
    for p in packages:
        lines += [f"%package -n {p['name']}", f"Version: {p['version']}", f"Release: {p['release']}",
                  f"Summary: {p['summary']}", f"License: {p.get('license', 'GPL-2.0-or-later AND MIT')}",
                  f"Vendor: {p['maintainer']}", "AutoReqProv: no"]
        lines += [f"Epoch: {p['epoch']}"] if p["epoch"] else []
        lines += ["BuildArch: noarch"] if p["arch"] == "noarch" else []
        lines += [f"Requires: {name}" for name in p["needs"] if any(q["name"] == name for q in packages)]
        lines += [f"%description -n {p['name']}", p["summary"], f"%files -n {p['name']}"]
        # One pattern for each file: a package that owns a directory owns all that is in it.
        lines += [f'"/{path}"' for path in tree.get(p["name"], [])]
    return "\n".join(lines) + "\n"


def packages():
    """The folder of rpms, and the tree of the files that they own."""
    def make(folder):
        chroot = root("bullseye")
        listed = described()
        stage = fetch.empty(os.path.join(chroot, "tmp/tree"))
        tree = {}
        for p in listed:
            path = f"usr/share/doc/{p['name'].replace('+', 'x')}/README"
            os.makedirs(os.path.dirname(os.path.join(stage, path)))
            with open(os.path.join(stage, path), "w") as f:
                f.write(p["summary"] + "\n")
            tree[p["name"]] = [path]
        for name, deb in zip(sorted(MORE), Apt(peers()["PEERS_CODENAME"]).debs(*MORE)):
            unpacked = fetch.empty(os.path.join(folder, "unpacked"))
            run(["dpkg-deb", "-x", deb, unpacked])
            for found in sorted(glob.glob(os.path.join(unpacked, images.DEB_PYTHON, "*-info/*"))):
                path = os.path.relpath(found, unpacked)
                images.copy(found, os.path.join(stage, path))
                tree[name].append(path)
            shutil.rmtree(unpacked)
        with open(os.path.join(chroot, "tmp/corpus.spec"), "w") as f:
            f.write(spec(listed, tree))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "SOURCE_DATE_EPOCH": "1700000000", "LC_ALL": "C.UTF-8"}
        shutil.rmtree(os.path.join(chroot, "tmp/top"), ignore_errors=True)
        run(["chroot", chroot, "rpmbuild", "-bb", "--quiet", "--define", "_topdir /tmp/top", "--define", "_buildhost corpus",
             "--target", "x86_64", "/tmp/corpus.spec"], env=environment)
        shutil.move(os.path.join(chroot, "tmp/top/RPMS"), os.path.join(folder, "rpms"))
        shutil.move(stage, os.path.join(folder, "tree"))

    return once(os.path.join(fetch.CACHE, "rpms"), make)


def install(target, suite, backend, place):
    made, chroot = packages(), root(suite)
    shutil.copytree(os.path.join(made, "tree"), target, dirs_exist_ok=True)
    os.makedirs(os.path.join(target, "etc"))
    with open(os.path.join(target, "etc/os-release"), "w") as f:
        f.write('NAME="Fedora Linux"\nID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora Linux 40 (of the corpus)"\n')
    shared = fetch.empty(os.path.join(chroot, "tmp/rpms"))
    for found in sorted(glob.glob(os.path.join(made, "rpms/*/*.rpm"))):
        shutil.copy2(found, shared)
    fetch.empty(os.path.join(chroot, "tmp/db"))
    names = [f"/tmp/rpms/{name}" for name in sorted(os.listdir(shared))]
    run([*rpm(chroot, backend), "--initdb"])
    run([*rpm(chroot, backend), "-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", "--ignoreos",
         "--ignorearch", *names])
    shutil.rmtree(shared)
    for found in glob.glob(os.path.join(chroot, "tmp/db/__db.*")):
        os.unlink(found)
    shutil.copytree(os.path.join(chroot, "tmp/db"), os.path.join(target, place))


def rpm(chroot, backend):
    return ["chroot", chroot, "rpm", "--dbpath", "/tmp/db", "--define", f"_db_backend {backend}"]


def query(target, suite, backend, place):
    """What rpm says is in the image's own copy of the database."""
    chroot = root(suite)
    shutil.rmtree(os.path.join(chroot, "tmp/db"))
    shutil.copytree(os.path.join(target, place), os.path.join(chroot, "tmp/db"))
    said = run([*rpm(chroot, backend), "-qa", "--qf", r"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n"])
    rows = [tuple(line.split("\t")) for line in said.splitlines()]
    return [("rpm", name, version) for name, version in rows if name != "gpg-pubkey"]
