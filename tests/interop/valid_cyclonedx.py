#!/usr/bin/env python3
"""Checks CycloneDX files, JSON or XML, against the published schema of their version, with the reference library.

    valid_cyclonedx.py FILE...          (run it with the peers' python: cyclonedx-python-lib)
"""

import json
import re
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from cyclonedx.validation.xml import XmlValidator


def main(paths):
    bad = 0
    for path in paths:
        with open(path) as f:
            text = f.read()
        if text.startswith("<"):
            name, validator = re.search(r"cyclonedx\.org/schema/bom/([0-9.]+)", text)[1], XmlValidator
        else:
            name, validator = json.loads(text)["specVersion"], JsonStrictValidator
        version = SchemaVersion.from_version(name)
        error = validator(version).validate_str(text)
        if error:
            bad += 1
            # The library repeats the whole offending value, which can be the whole document.
            print(f"{path}: {str(error)[:2000]}")
        else:
            print(f"{path}: valid CycloneDX {version.to_version()}")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1:]))
