"""Documents made of a schema: with everything in them that a format has, which no document at hand has.

Most are valid, and those that are not are compared just the same. The tables are those of crates/sbom/schemas; that they are
complete is what make.py refuses to leave open.
"""

import json
import re
from xml.sax.saxutils import escape, quoteattr

from changes import TEXTS

DEEP = 7
PATTERNED = TEXTS + ["CRE:1-2", "EP1234567", "US", "NOASSERTION", "urn:x:y#z", "0.1", "1.2.3"]


def chance(rng, depth):
    return rng.random() < 0.7 / (1 + depth)


class Json:
    """From a JSON schema of draft 7."""

    def __init__(self, schemas, name, rng):
        self.schemas, self.name, self.rng = schemas, name, rng

    def document(self):
        return self.sample(self.schemas[self.name], self.name, 0)

    def resolve(self, target, file):
        other, _, pointer = target.partition("#")
        file = other.rsplit("/", 1)[-1] if other else file
        found = self.schemas[file]
        for step in filter(None, pointer.split("/")):
            found = found[step]
        return found, file

    def sample(self, schema, file, depth):
        rng = self.rng
        if not isinstance(schema, dict):
            return "x"
        if "$ref" in schema:
            return self.sample(*self.resolve(schema["$ref"], file), depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        merged = dict(schema)
        for part in [*schema.get("allOf", []), rng.choice(schema.get("oneOf") or schema.get("anyOf") or [{}])]:
            while isinstance(part, dict) and "$ref" in part and "properties" not in merged and "type" not in merged:
                return self.sample(part, file, depth)
            if isinstance(part, dict):
                merged.update({k: v for k, v in part.items() if k not in ("properties", "required")})
                merged["properties"] = {**merged.get("properties", {}), **part.get("properties", {})}
                merged["required"] = [*merged.get("required", []), *part.get("required", [])]
        kind = merged.get("type") or ("object" if merged.get("properties") else "string")
        return self.of_kind(rng.choice(kind) if isinstance(kind, list) else kind, merged, file, depth)

    def of_kind(self, kind, schema, file, depth):
        rng = self.rng
        if kind == "object":
            wanted = set(schema.get("required", []))
            known = schema.get("properties", {})
            if depth < DEEP:
                # A signature is seldom right by chance.
                wanted |= {name for name in known if chance(rng, depth) and (name != "signature" or rng.random() < 0.1)}
            return {name: self.sample(known.get(name, {}), file, depth + 1) for name in sorted(wanted)}
        if kind == "array":
            items = schema.get("items", {})
            if isinstance(items, list):
                return [self.sample(item, file, depth + 1) for item in items]
            count = max(schema.get("minItems", 0), rng.choice([0, 1, 1, 2]) if depth < DEEP else 0)
            return [self.sample(items, file, depth + 1) for _ in range(count)]
        if kind in ("integer", "number"):
            least, most = schema.get("minimum", 0), schema.get("maximum", 100)
            return rng.randint(int(least), int(most)) if kind == "integer" else rng.choice([least, most, (least + most) / 2])
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "null":
            return None
        if "pattern" in schema:
            return rng.choice([text for text in PATTERNED if re.search(schema["pattern"], text)] or ["x"])
        return {"date-time": "2024-01-31T00:00:00Z", "date": "2024-01-31", "idn-email": "a@b"}.get(schema.get("format")) or rng.choice(
            ["x", "https://example.org/a", "é y"][: 2 if "format" in schema else 3]
        )


class Xml:
    """From a table of an XML schema."""

    def __init__(self, tables, name, rng):
        self.table, self.licenses, self.rng, self.count = tables[name], tables["spdx.xsd"], rng, 0

    def document(self):
        made = self.element("bom", self.table["roots"]["bom"], 0)
        return made.replace("<bom", f"<bom xmlns={quoteattr(self.table['namespace'])} xmlns:own=\"urn:x:own\"", 1)

    def element(self, name, kind, depth):
        kind = self.table["types"].get(kind, {}).get("complex") or kind
        if isinstance(kind, str):
            return f"<{name}>{escape(self.value(kind))}</{name}>"
        given = ""
        for attribute, (of, required) in kind["attributes"].items():
            if required or chance(self.rng, 0):
                self.count += 1
                value = f"ref-{self.count}" if attribute == self.table["unique"] else self.value(of)
                given += f" {attribute}={quoteattr(value)}"
        if kind.get("others") and chance(self.rng, 2):
            given += ' own:a="x"'
        inner = escape(self.value(kind["text"])) if "text" in kind else self.content(kind.get("content"), depth)
        return f"<{name}{given}>{inner}</{name}>"

    def content(self, particle, depth):
        if particle is None:
            return ""
        rng, least, most = self.rng, particle.get("min", 1), particle.get("max", 1)
        more = depth < DEEP and (chance(rng, depth / 2) or depth == 0)
        times = max(least, rng.choice([1, 2]) if most != 1 else 1) if more or least else 0
        return "".join(self.once(particle, depth) for _ in range(times))

    def once(self, particle, depth):
        if "element" in particle:
            return self.element(particle["element"]["name"], particle["element"]["type"], depth + 1)
        if "other" in particle:
            return "<own:b>x</own:b>"
        if "choice" in particle:
            simplest = min(range(len(particle["choice"])), key=lambda i: len(json.dumps(particle["choice"][i])))
            return self.content(particle["choice"][simplest] if depth >= DEEP else self.rng.choice(particle["choice"]), depth)
        return "".join(self.content(part, depth) for part in particle["sequence"])

    def value(self, kind):
        rng = self.rng
        simple = (self.licenses if kind.startswith("spdx:") else self.table)["types"].get(kind.removeprefix("spdx:"), {}).get("simple")
        if simple is None:
            return {
                "xs:dateTime": "2024-01-31T00:00:00Z", "xs:date": "2024-01-31", "xs:boolean": "true", "xs:decimal": "0.5",
                "xs:integer": "1", "xs:positiveInteger": "1", "xs:nonNegativeInteger": "0", "xs:anyURI": "https://example.org/a",
            }.get(kind) or rng.choice(["x", "é y", "a\tb"])
        if "union" in simple:
            return self.value(rng.choice(simple["union"]))
        if "enum" in simple:
            return rng.choice(simple["enum"])
        if "pattern" in simple:
            return rng.choice([text for text in PATTERNED if re.fullmatch(simple["pattern"][0], text)] or ["x"])
        if "least" in simple:
            return str(rng.choice([simple["least"], simple.get("most", 1)]))
        return "x"


class Spdx3:
    """From the classes of SPDX 3's model."""

    def __init__(self, classes, rng):
        self.classes, self.rng = classes, rng
        self.usable = [key for key, c in classes.items() if not c["abstract"]]

    def document(self):
        graph = [self.object(self.rng.choice(self.usable), 0) for _ in range(self.rng.randint(1, 3))]
        return {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}

    def lineage(self, key):
        out = {key: self.classes[key]}
        for parent in self.classes[key]["parents"]:
            out.update(self.lineage(parent))
        return out

    def object(self, key, depth):
        lineage = list(self.lineage(key).values())
        top = self.classes[key]
        out = {"type": top["type"]}
        if top["named"] or self.rng.random() < 0.3:
            out[top["id"]] = f"urn:x:{self.rng.randrange(10**6)}"
        for owner in lineage:
            for name, (kind, detail, least, shape, most) in owner["properties"].items():
                if not least and not chance(self.rng, depth):
                    continue
                value = [self.value(kind, detail, depth) for _ in range(max(least, 1))] if shape == "list" else self.value(kind, detail, depth)
                out[name] = value
        if any(owner["open"] for owner in lineage) and self.rng.random() < 0.3:
            out["https://example.org/own"] = self.rng.choice([1, "x", {"a": 1}])
        return out

    def value(self, kind, detail, depth):
        rng = self.rng
        if kind == "object":
            below = [key for key in self.usable if detail[0] in self.lineage(key)]
            if below and depth < 3 and rng.random() < 0.3:
                return self.object(rng.choice(below), depth + 1)
            return rng.choice(["urn:x:1", "_:b", *detail[1:]])
        if kind == "enum":
            return rng.choice(detail)
        if detail:
            return rng.choice([text for text in PATTERNED if re.search(detail, text)] or ["x"])
        return {
            "time": "2024-01-31T00:00:00Z", "integer": 1, "natural": 0, "positive": 1, "boolean": True, "number": rng.choice([1, 0.5, "0.5"]),
        }.get(kind, "x")


def grown(name, tables, rng):
    """A document of the format, as text."""
    kind, _, version = name.partition("@")
    if kind == "cyclonedx-xml":
        return Xml(tables, f"bom-{version}.xsd", rng).document()
    if name == "spdx-3.0.1":
        return json.dumps(Spdx3(tables["spdx-3.0.1"], rng).document())
    made = Json(tables, f"bom-{version}.SNAPSHOT.schema.json" if version else name, rng).document()
    if kind == "cyclonedx-json":
        made.update(bomFormat="CycloneDX", specVersion=version)
    else:
        made["spdxVersion"] = "SPDX-2.3"
    return json.dumps(made)
