#!/usr/bin/env python3
"""Checks that links in the project's Markdown lead somewhere: files, folders, and headings in them.

    .ci/doc-links.py        (no network: links to other sites are not followed)
"""

import os
import re
import subprocess
import sys
from urllib.parse import unquote

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def without_code(text):
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """The anchors of a Markdown file, as the usual renderers name them."""
    seen = {}
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for match in re.finditer(r"<a\s+(?:id|name)=\"([^\"]+)\"", text):
        seen[match[1]] = 1
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.M | re.S)
    for match in re.finditer(r"^#{1,6}\s+(.+?)\s*#*$", text, re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        if slug in seen:
            seen[f"{slug}-{seen[slug]}"] = 1
            seen[slug] += 1
        else:
            seen[slug] = 1
    return seen


def main():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    ).stdout.decode().split("\0")
    bad, count = [], 0
    for name in sorted(set(filter(None, listed))):
        path = os.path.join(ROOT, name)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            text = without_code(f.read())
        targets = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", text)
        targets += re.findall(r"^\[[^\]]+\]:\s+(\S+)", text, re.M)
        for target in targets:
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            count += 1
            file, _, anchor = target.partition("#")
            goal = os.path.normpath(os.path.join(os.path.dirname(path), unquote(file))) if file else path
            if not (goal + os.sep).startswith(ROOT + os.sep):
                bad.append(f"{name}: {target} leads out of the project")
            elif not os.path.exists(goal):
                bad.append(f"{name}: {target} does not exist")
            elif anchor and goal.endswith(".md") and unquote(anchor) not in anchors(goal):
                bad.append(f"{name}: {target}: no such heading")
    for line in bad:
        print(line, file=sys.stderr)
    print(f"{count} links, {len(bad)} broken")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
