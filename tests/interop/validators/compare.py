#!/usr/bin/env python3
"""Compares `seaworthy sbom validate` with the reference validators on changed documents.

    compare.py --seaworthy BIN [--spdx3 SCHEMA] [--changes N] [--grown N] [--seed N] [--only FORMAT]
               [--record FILE] [--record-each N] DOCUMENT...

Run it with the peers' python (.ci/peers). Each document, shrunk, is changed N times, and so is each of N documents that are
made of the schema; both sides are asked, and every disagreement without a row in explained.tsv is told and fails the run.
SPDX 3.0.1 needs its published JSON schema: npm's @cyclonedx/cdxgen carries it as data/spdx-export.schema.json.
--record writes some of the changed documents with the references' verdicts, as testdata/validate/vectors.jsonl has them.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import changes
import grow
import references

HERE = pathlib.Path(__file__).resolve().parent
SCHEMAS = HERE.parents[2] / "crates" / "sbom" / "schemas"
BATCH = 400


def ours(binary, texts):
    """`sbom validate` of each text: True, False, or None for no answer; with what was said."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for index, text in enumerate(texts):
            file = pathlib.Path(folder) / f"{index}"
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
            files.append(str(file))
        for start in range(0, len(files), BATCH):
            made = subprocess.run(
                [binary, "sbom", "validate", "--output", "json", *files[start : start + BATCH]], capture_output=True, text=True
            )
            try:
                # One file alone without an answer is an error of the command, told on standard error.
                answers = json.loads(made.stdout)["files"] if made.stdout else [{"error": made.stderr}]
            except (ValueError, KeyError):
                raise SystemExit(f"compare.py: {made.args[:4]} gave {made.returncode}: {made.stderr[:500]}") from None
            for answer in answers:
                said = answer.get("error") or "; ".join(f"{p['path']}: {p['expected']}, not {p['found']}" for p in answer["problems"])
                out.append((answer.get("valid"), str(said)))
    return out


def tables():
    """The tables of crates/sbom/schemas, unpacked."""
    packed = subprocess.run(["zstd", "-dc", SCHEMAS / "schemas.json.zst"], capture_output=True, check=True)
    return json.loads(packed.stdout)


class Explained:
    """Rows: format, ours, reference (yes or no each), pattern of what was said by either, why. `*` stands for anything."""

    def __init__(self, path):
        lines = [line.rstrip("\n") for line in open(path, encoding="utf-8")]
        self.rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        self.used = collections.Counter()

    def why(self, name, mine, theirs, said):
        for row in self.rows:
            form, our, their, pattern, why = row
            verdicts = our == ("yes" if mine else "no") and their == ("yes" if theirs else "no")
            if fnmatch.fnmatch(name, form) and verdicts and re.search(pattern, said, re.S):
                self.used[why] += 1
                return why
        return None


def changed(name, text, count, rng):
    """The text itself and `count` changes of it, with their names."""
    yield "as it is", text
    document = None if name.startswith("cyclonedx-xml") else json.loads(text)
    for _ in range(count):
        if rng.random() < 0.03:
            yield changes.broken(text, rng)
        elif document is None:
            kind, made = changes.change_xml(text, rng)
            yield kind, made
            if rng.random() < 0.2:
                again, made = changes.change_xml(made, rng)
                yield f"{kind}, {again}", made
        else:
            kind, made = changes.change_json(document, rng)
            yield kind, made


def cases(args, known, rng):
    """Format, change and text of everything that is asked."""
    for path in args.documents:
        text = path.read_text()
        name = references.format_of(text)
        if name not in known or (args.only and not fnmatch.fnmatch(name, args.only)):
            continue
        yield name, "whole", text
        if not name.startswith("cyclonedx-xml"):
            text = json.dumps(changes.shrunk(json.loads(text), rng))
        elif len(text) > 20_000:
            text = shrunk_xml(text, rng)
        for kind, made in changed(name, text, args.changes, rng):
            yield name, kind, made
    for name in known:
        if args.only and not fnmatch.fnmatch(name, args.only):
            continue
        for _ in range(args.grown):
            # Changes of what is valid say more than changes of what is not.
            tries = [grow.grown(name, args.tables, rng) for _ in range(rng.choice([1, 12]))]
            text = next((text for text in tries if known[name](text) is None), tries[0])
            if len(text) < 20_000:
                for kind, made in changed(name, text, max(1, args.changes // 40), rng):
                    yield name, kind, made


def shrunk_xml(text, rng):
    from lxml import etree

    root = etree.fromstring(text.encode())
    for element in list(root.iter()):
        if len(element) > 4 and len({child.tag for child in element}) == 1:
            for child in rng.sample(list(element), len(element) - 3):
                element.remove(child)
    return etree.tostring(root, encoding="unicode")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", type=pathlib.Path)
    parser.add_argument("--seaworthy", required=True)
    parser.add_argument("--spdx2", type=pathlib.Path, default=SCHEMAS / "spdx-2.3.json")
    parser.add_argument("--spdx3", type=pathlib.Path)
    parser.add_argument("--changes", type=int, default=400)
    parser.add_argument("--grown", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--record-each", type=int, default=40)
    parser.add_argument("--show", type=int, default=12)
    args = parser.parse_args()
    args.tables = tables()
    rng = random.Random(args.seed)
    known, explained = references.all_of(args.spdx2, args.spdx3), Explained(HERE / "explained.tsv")
    second = references.second_opinion_of_xml()

    all_cases = list({(name, text): (name, kind, text) for name, kind, text in cases(args, known, rng)}.values())
    answers = ours(args.seaworthy, [text for _, _, text in all_cases])
    counts = collections.defaultdict(collections.Counter)
    open_questions, recorded = collections.defaultdict(list), collections.defaultdict(list)
    for (name, kind, text), (mine, said) in zip(all_cases, answers):
        error = known[name](text)
        yes, theirs = mine is True, error is None
        count = counts[name]
        count["asked"] += 1
        count["no answer"] += mine is None
        if yes == theirs:
            count["both valid" if yes else "both refuse"] += 1
            if kind != "whole" and len(text) < 1500:
                recorded[name, kind, yes].append((kind, text, yes))
            continue
        why = explained.why(name, yes, theirs, f"{said}\n{error}")
        if why is None and second and name.startswith("cyclonedx-xml") and second(name, text) == yes:
            why = "libxml2 alone"
        if why is None:
            count["unexplained"] += 1
            open_questions[name, kind, yes].append((said, error, text))
        else:
            count[f"explained: {why}"] += 1

    report(counts, open_questions, args.show)
    beyond(rng, [text for (name, _, text), (mine, _) in zip(all_cases, answers) if name == "spdx-2.3" and mine])
    if args.record:
        record(args, recorded, rng)
    return 1 if open_questions else 0


def report(counts, open_questions, show):
    print(f"{'format':22} {'asked':>7} {'valid':>7} {'refused':>8} {'explained':>10} {'unexplained':>12}")
    reasons = collections.Counter()
    for name, count in sorted(counts.items()):
        here = {key: value for key, value in count.items() if key.startswith("explained")}
        reasons.update(here)
        print(
            f"{name:22} {count['asked']:7} {count['both valid']:7} {count['both refuse']:8} {sum(here.values()):10} {count['unexplained']:12}"
        )
    for reason, count in reasons.most_common():
        print(f"  {count:6} {reason}")
    for (name, kind, mine), found in sorted(open_questions.items(), key=lambda item: -len(item[1]))[:show]:
        said, error, text = min(found, key=lambda one: len(one[2]))
        print(f"\n{len(found)} times {name}, {kind}: ours {'yes' if mine else 'no'}\n  ours: {said[:400]}\n  reference: {error}\n  {text[:1500]}")


def beyond(rng, texts, most=60):
    """What pyspdxtools says beyond the schema, of some documents that the schema takes: told, and no disagreement."""
    reasons = collections.Counter()
    for text in rng.sample(texts, min(most, len(texts))):
        with tempfile.NamedTemporaryFile("w", suffix=".spdx.json") as file:
            file.write(text)
            file.flush()
            messages = references.pyspdxtools(file.name)
        reasons["nothing" if not messages else re.sub(r"[:'\"].*", "", str(messages[0]), flags=re.S)[:70]] += 1
    if reasons:
        print(f"of {sum(reasons.values())} SPDX 2.3 documents that the schema takes pyspdxtools says:")
        for reason, count in reasons.most_common(12):
            print(f"  {count:6} {reason}")


def record(args, recorded, rng):
    """As many of each format, change and verdict as fit, the smallest first among those that are drawn."""
    lines = []
    for (name, kind, _), found in sorted(recorded.items()):
        for _, text, valid in sorted(rng.sample(found, min(6, len(found))), key=lambda one: len(one[1]))[:1]:
            lines.append({"format": name, "change": kind, "valid": valid, "document": text})
    by_format = collections.defaultdict(list)
    for line in lines:
        by_format[line["format"]].append(line)
    with open(args.record, "w", encoding="utf-8") as out:
        for name, found in sorted(by_format.items()):
            for line in sorted(rng.sample(found, min(args.record_each, len(found))), key=lambda one: (one["change"], one["valid"])):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
