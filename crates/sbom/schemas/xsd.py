"""Compiles CycloneDX's XML schemas into tables that crates/sbom/src/validate/xsd.rs walks.

Part of make.py. Refused, loudly, is everything of XML Schema that CycloneDX does not use: a construct that is passed over
in silence would make what it forbids valid.

The table of one version: `namespace`; `roots`, the type of each global element; `types` by name, anonymous ones as `~1`:

    {"complex": {"content": particle, "text": type of simple content, "mixed": true, "attributes": {name: [type, required]},
                 "others": "any" or "other"}}
    {"simple": {"base": type, "enum": [...], "pattern": [...], "least", "most", "shortest", "longest", "union": [types]}}

and particles `{"element": {"name", "type", "default"}}`, `{"sequence": [...]}`, `{"choice": [...]}`, `{"other": {}}`, each
with `min` and `max` beside it where they are not 1; a `max` of -1 is without bound. `unique` is the attribute that no two
elements may share.
"""

import xml.etree.ElementTree as ET

XS = "{http://www.w3.org/2001/XMLSchema}"
#: Type names that the walker knows.
BUILT_IN = {
    "xs:string", "xs:normalizedString", "xs:token", "xs:anyURI", "xs:dateTime", "xs:date", "xs:boolean", "xs:decimal",
    "xs:integer", "xs:positiveInteger", "xs:nonNegativeInteger",
}
FACETS = {"minInclusive": "least", "maxInclusive": "most", "minLength": "shortest", "maxLength": "longest"}


def refuse(node):
    raise SystemExit(f"xsd.py: {node.tag.replace(XS, 'xs:')} {node.attrib} is not known here")


def allowed(node, *names):
    if set(node.attrib) - set(names):
        refuse(node)


def parts(node):
    """The children without documentation."""
    return [child for child in node if isinstance(child.tag, str) and child.tag != XS + "annotation"]


class Compiled:
    def __init__(self, path):
        self.root = ET.parse(path).getroot()
        self.types, self.unique = {}, None
        self.elements = {e.get("name"): e for e in self.root.findall(XS + "element")}
        self.groups = {g.get("name"): g for g in self.root.findall(XS + "attributeGroup")}

    def table(self):
        for node in parts(self.root):
            kind = node.tag.replace(XS, "")
            if kind in ("simpleType", "complexType"):
                self.types[node.get("name")] = self.type(node)
            elif kind not in ("element", "attributeGroup", "import"):
                refuse(node)
        roots = {name: self.type_of(node) for name, node in self.elements.items()}
        return {
            "namespace": self.root.get("targetNamespace"), "roots": roots, "types": self.types, "unique": self.unique,
        }

    def name(self, qname):
        prefix, _, local = qname.rpartition(":")
        if prefix == "xs" and qname not in BUILT_IN:
            raise SystemExit(f"xsd.py: {qname} is not known here")
        return local if prefix == "bom" else qname

    def anonymous(self, node):
        name = f"~{sum(key.startswith('~') for key in self.types)}"
        self.types[name] = None
        self.types[name] = self.type(node)
        return name

    def type_of(self, node):
        """The type that an element or attribute declares."""
        inner = parts(node)
        for child in inner:
            kind = child.tag.replace(XS, "")
            if kind == "unique":
                selector, field = parts(child)
                if selector.get("xpath") != ".//*" or not field.get("xpath").startswith("@"):
                    refuse(child)
                self.unique = field.get("xpath")[1:]
            elif kind not in ("simpleType", "complexType"):
                refuse(child)
        if node.get("type"):
            return self.name(node.get("type"))
        return self.anonymous(inner[0]) if inner else "xs:anyType"

    def type(self, node):
        if node.tag == XS + "simpleType":
            allowed(node, "name", "final")
            return {"simple": self.simple(node)}
        allowed(node, "name", "mixed")
        out = {"attributes": {}}
        if node.get("mixed") == "true":
            out["mixed"] = True
        for child in parts(node):
            kind = child.tag.replace(XS, "")
            if kind in ("sequence", "choice"):
                out["content"] = self.particle(child)
            elif kind == "simpleContent":
                (extension,) = parts(child)
                if extension.tag != XS + "extension":
                    refuse(extension)
                allowed(extension, "base")
                out["text"] = self.name(extension.get("base"))
                for attribute in parts(extension):
                    self.attribute(attribute, out)
            else:
                self.attribute(child, out)
        return {"complex": out}

    def attribute(self, node, out):
        kind = node.tag.replace(XS, "")
        if kind == "attribute":
            allowed(node, "name", "type", "use", "default")
            if node.get("use") not in (None, "required", "optional"):
                refuse(node)
            out["attributes"][node.get("name")] = [self.type_of(node), node.get("use") == "required"]
        elif kind == "attributeGroup":
            for child in parts(self.groups[node.get("ref").partition(":")[2]]):
                self.attribute(child, out)
        elif kind == "anyAttribute" and node.get("processContents") == "lax":
            out["others"] = {"##any": "any", "##other": "other"}[node.get("namespace")]
        else:
            refuse(node)

    def particle(self, node):
        kind = node.tag.replace(XS, "")
        least, most = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
        if kind == "element":
            allowed(node, "name", "type", "minOccurs", "maxOccurs", "default")
            out = {"element": {"name": node.get("name"), "type": self.type_of(node)}}
            if node.get("default") is not None:
                out["element"]["default"] = node.get("default")
        elif kind in ("sequence", "choice"):
            allowed(node, "minOccurs", "maxOccurs")
            out = {kind: [self.particle(child) for child in parts(node)]}
        elif kind == "any":
            if node.get("namespace") != "##other" or node.get("processContents") != "lax":
                refuse(node)
            out = {"other": {}}
        else:
            refuse(node)
        if least != "1":
            out["min"] = int(least)
        if most != "1":
            out["max"] = -1 if most == "unbounded" else int(most)
        return out

    def simple(self, node):
        (inner,) = parts(node)
        if inner.tag == XS + "union":
            allowed(inner, "memberTypes")
            members = [self.name(name) for name in inner.get("memberTypes", "").split()]
            return {"union": members + [self.anonymous(child) for child in parts(inner)]}
        if inner.tag != XS + "restriction":
            refuse(inner)
        out = {"base": self.name(inner.get("base"))}
        for facet in parts(inner):
            kind, value = facet.tag.replace(XS, ""), facet.get("value")
            if kind == "enumeration":
                out.setdefault("enum", []).append(value)
            elif kind == "pattern":
                out.setdefault("pattern", []).append(value)
            elif kind in FACETS:
                out[FACETS[kind]] = int(value)
            else:
                refuse(facet)
        return out


def tables(folder):
    """The tables by name; the licence identifiers are a table of their own, with the prefix `spdx:` in the others."""
    for name in ["bom-1.4", "bom-1.5", "bom-1.6", "bom-1.7", "spdx"]:
        yield f"{name}.xsd", Compiled(folder / f"{name}.SNAPSHOT.xsd").table()
