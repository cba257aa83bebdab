"""Where the corpus comes from: Debian's archive, PyPI and npm, by their ordinary clients, into a cache.

Nothing is installed on the machine: apt works on lists and an empty status of its own, packages are unpacked
with dpkg-deb, pip and npm install into folders. No mirror is named here: those that the machine has are asked.
"""

import importlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INTEROP = os.path.join(ROOT, "tests", "interop")
CACHE = os.environ.get("SEAWORTHY_CORPUS") or os.path.expanduser("~/.cache/seaworthy-corpus")


def die(message):
    raise SystemExit(f"benches/corpus: {message}")


def say(message):
    print(f"corpus: {message}", file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a command whose words matter only if it fails; gives back its standard output as text."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    if done.returncode != 0:
        die(f"exit {done.returncode} from {' '.join(map(str, command))[:300]}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def once(folder, make):
    """`folder`, made by `make(folder)` the first time. A half-made one never has the final name."""
    if not os.path.exists(folder):
        unfinished = empty(folder + ".unfinished")
        make(unfinished)
        os.rename(unfinished, folder)
    return folder


_PEERS = {}


def peers():
    """What .ci/peers says about itself: where the other programs are, and the mirror of this machine."""
    if not _PEERS:
        said = run(["bash", "-c", 'eval "$(.ci/peers --env 2>/dev/null)" && env'], cwd=ROOT)
        _PEERS.update(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return _PEERS


class Apt:
    """Debian's archive for one suite, without the machine's own state."""

    def __init__(self, suite):
        self.suite = suite
        self.dir = os.path.join(CACHE, "apt", suite)
        mirror = peers()["PEERS_MIRROR"]
        if suite != peers()["PEERS_CODENAME"]:
            mirror = os.environ.get("SEAWORTHY_SID_MIRROR", mirror)
        once(self.dir, lambda folder: self._start(folder, mirror))

    def _start(self, folder, mirror):
        for sub in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(folder, sub))
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        with open(os.path.join(folder, "sources.list"), "w") as f:
            f.write(f"deb [signed-by={keyring}] {mirror} {self.suite} main\n")
        open(os.path.join(folder, "status"), "w").close()
        run(["apt-get", "-q", *self._options(folder), "update"])

    @staticmethod
    def _options(folder):
        options = {
            "Dir::Etc::sourcelist": f"{folder}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": f"{folder}/lists", "Dir::State::status": f"{folder}/status",
            "Dir::Cache": f"{folder}/cache", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
            "Acquire::Check-Valid-Until": "false", "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false", "APT::Sandbox::User": "root",
            "APT::Keep-Downloaded-Packages": "true", "APT::Install-Recommends": "false",
        }
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def debs(self, *names, closure=False):
        """The files of these packages, with all that they depend on if `closure`, in order of their names."""
        kind = "closure" if closure else "debs"
        folder = os.path.join(CACHE, "debs", f"{self.suite}-{kind}-{'+'.join(names)}"[:200])

        def fetch(target):
            if closure:
                os.makedirs(os.path.join(target, "partial"))
                run(["apt-get", "-q", "-y", *self._options(self.dir), "-o", f"Dir::Cache::archives={target}",
                     "--download-only", "install", *names])
            else:
                run(["apt-get", "-q", *self._options(self.dir), "download", *names], cwd=target)

        once(folder, fetch)
        return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".deb"))

    def tool(self, name, *packages, closure=False):
        """A folder in which these packages are unpacked."""
        def make(folder):
            for deb in self.debs(*packages, closure=closure):
                run(["dpkg-deb", "-x", deb, folder])

        return once(os.path.join(CACHE, "tools", f"{name}-{self.suite}"), make)


def venv():
    """A Python with pip, and with what the checks of the documents need."""
    def make(folder):
        run([sys.executable, "-m", "venv", folder])
        run([os.path.join(folder, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
             *VENV])

    return once(os.path.join(CACHE, "venv"), make)


def fast_gzip():
    """zlib-ng's gzip module, which is no part of the Python that runs this: three times as fast as gzip."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    place = os.path.join(venv(), "lib", version, "site-packages")
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module("zlib_ng.gzip_ng")


# spdx-tools brings pyspdxtools; the others check what it does not.
VENV = ["spdx-tools==0.8.5", "cyclonedx-python-lib[validation]==11.12.0", "ntia-conformance-checker==6.0.0",
        "zlib-ng==1.1.0"]


def pip_install(folder, *requirements):
    """Wheels of CPython 3.11 on glibc, whatever Python runs this, without running anything of theirs."""
    run([os.path.join(venv(), "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "--no-compile", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp",
         "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64",
         "--platform", "manylinux_2_17_x86_64", "--target", folder, "--upgrade", *requirements])


def npm_install(folder, *packages):
    """Packages of npm and their dependencies, without running their scripts."""
    os.makedirs(folder, exist_ok=True)
    run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
         "--loglevel=error", "--omit=dev", *packages], cwd=folder)
