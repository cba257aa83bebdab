#!/usr/bin/env python3
"""Checks SPDX 3.0.1 JSON-LD files against the model's own bindings: classes, properties, types, cardinalities.

    valid_spdx3.py FILE...          (run it with the peers' python: spdx-python-model)
"""

import io
import sys

from spdx_python_model import v3_0_1 as spdx


def main(paths):
    bad = 0
    for path in paths:
        objects = spdx.SHACLObjectSet()
        try:
            with open(path, "rb") as f:
                spdx.JSONLDDeserializer().read(f, objects)
            # Writing checks what reading takes as it comes: properties that must be there.
            spdx.JSONLDSerializer().write(objects, io.BytesIO())
            missing = sorted(objects.missing_ids)
            if missing:
                raise ValueError(f"{len(missing)} references lead nowhere, the first is {missing[0]}")
            packages = len(list(objects.foreach_type(spdx.software_Package)))
            print(f"{path}: valid SPDX 3.0.1, {packages} packages")
        except Exception as error:  # noqa: BLE001: whatever it says is the finding
            bad += 1
            print(f"{path}: {type(error).__name__}: {str(error)[:2000]}")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1:]))
