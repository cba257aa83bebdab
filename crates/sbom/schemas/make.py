#!/usr/bin/env python3
"""Makes schemas.json.zst of the schemas that the reference libraries carry, and spdx-2.3.json beside this file.

    make.py > schemas.json        (run it with the peers' python: cyclonedx-python-lib, spdx-python-model)
    zstd -19 --rm -f schemas.json -o schemas.json.zst

CycloneDX: the JSON schemas (Apache-2.0) without titles, descriptions and examples, and the XML schemas as tables (xsd.py).
SPDX 3.0.1: the classes of the model's bindings as a table; the published JSON schema is generated from the same model.
"""

import ast
import json
import pathlib

import cyclonedx.schema
import xsd
from spdx_python_model.bindings import v3_0_1

WORDS = {"title", "description", "examples", "default", "deprecated", "meta:enum", "$comment", "$schema", "$id"}
NAMES = {"properties", "definitions", "patternProperties"}


def bare(schema):
    if isinstance(schema, list):
        return [bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key in WORDS:
            continue
        if key in NAMES:
            out[key] = {name: bare(sub) for name, sub in value.items()}
        elif key in {"enum", "const"}:
            out[key] = value
        else:
            out[key] = bare(value)
    return out


def cyclonedx_schemas():
    folder = pathlib.Path(cyclonedx.schema.__file__).parent / "_res"
    for name in ["bom-1.4", "bom-1.5", "bom-1.6", "bom-1.7", "jsf-0.82", "spdx", "cryptography-defs"]:
        file = f"{name}.SNAPSHOT.schema.json"
        yield file, bare(json.loads((folder / file).read_text()))


def constraint(call):
    """What a property takes: [kind, detail]."""
    kind = call.func.id
    words = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg == "pattern"}
    if kind == "ListProp":
        return constraint(call.args[0])
    if kind == "ObjectProp":
        known = [k.value for k in call.keywords if k.arg == "context"]
        # Individuals by their short names: `NoAssertionElement`.
        return ["object", [call.args[0].id, *(short for _, short in (ast.literal_eval(known[0]) if known else ()))]]
    if kind == "EnumProp":
        return ["enum", [short for _, short in ast.literal_eval(call.args[0])]]
    simple = {
        "StringProp": "string", "AnyURIProp": "string", "DateTimeProp": "time", "DateTimeStampProp": "time",
        "IntegerProp": "integer", "PositiveIntegerProp": "positive", "NonNegativeIntegerProp": "natural",
        "BooleanProp": "boolean", "FloatProp": "number",
    }[kind]
    return [simple, words["pattern"]] if words else [simple]


def spdx3_classes():
    source = pathlib.Path(v3_0_1.__file__).parent / "model.py"
    for node in ast.parse(source.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        said = {}
        for line in node.body:
            target = line.target if isinstance(line, ast.AnnAssign) else None
            if isinstance(target, ast.Name) and line.value is not None:
                said[target.id] = line.value
        if "TYPE" not in said:
            continue
        properties = {}
        for call in said["PROPERTIES"].elts if "PROPERTIES" in said else []:
            made = call.args[1].body
            words = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            name = words.get("compact") or words.get("iri") or ast.literal_eval(call.args[2])
            limits = [words.get("min_count") or 0, words.get("max_count")]
            properties[name] = constraint(made) + ([] if len(constraint(made)) > 1 else [None])
            properties[name] += [limits[0], "list" if made.func.id == "ListProp" else "one", limits[1]]
        literal = lambda name, other: ast.literal_eval(said[name]) if name in said else other
        parents = [base.id for base in node.bases if isinstance(base, ast.Name)]
        open_class = "SHACLExtensibleObject" in parents
        yield node.name, {
            "type": literal("COMPACT_TYPE", None) or literal("TYPE", None),
            "parents": [p for p in parents if not p.startswith("SHACL")],
            "open": open_class,
            "abstract": literal("IS_ABSTRACT", False),
            "id": literal("ID_ALIAS", None) or "@id",
            "named": said["NODE_KIND"].attr == "IRI",
            "properties": properties,
        }


schemas = dict(cyclonedx_schemas())
schemas.update(xsd.tables(pathlib.Path(cyclonedx.schema.__file__).parent / "_res"))
schemas["spdx-2.3"] = json.loads((pathlib.Path(__file__).parent / "spdx-2.3.json").read_text())
schemas["spdx-3.0.1"] = dict(spdx3_classes())
print(json.dumps(schemas, separators=(",", ":"), ensure_ascii=False))
