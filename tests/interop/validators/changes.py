"""Small changes to documents, by a generator that is given its seed: what people and programs get wrong, and what looks
wrong and is not. Each change has a name; whether the changed document is valid is for the validators to say."""

import copy
import json
import re

from lxml import etree

#: Texts that some rule of some schema is about.
TEXTS = [
    "", " ", "x", "X", "x\n", "é", "a b", "NOASSERTION", "true", "1", "0", "1.5", "1.0000001", "-1",
    "https://example.org/a?b=c#d", "https://example.org/é", "http://[", "http://a b/", "a|b", "%zz", "a#b#c", "//", "1:",
    "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", "URN:UUID:3E671687-395B-41F5-A30F-A58921A69B79", "urn:uuid:1",
    "{3e671687-395b-41f5-a30f-a58921a69b79}", "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#a",
    "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/0", "urn:cdx:x",
    "2024-01-31T00:00:00Z", "2024-01-31T00:00:00z", "2024-01-31t00:00:00Z", "2024-01-31T00:00:00", "2024-01-31",
    "2024-02-30T00:00:00Z", "2023-02-29T12:00:00Z", "2024-02-29T12:00:00+01:00", "2024-01-31T24:00:00Z",
    "2024-01-31T00:00:60Z", "2024-01-31T00:00:00.123Z", "2024-01-31T00:00:00+14:01", "20240131T000000Z",
    "-2024-01-31T00:00:00Z", "12024-01-31T00:00:00Z", "0000-01-01T00:00:00Z", "2024-01-31T00:00:00 Z",
    "a@b", "a", "SHA-256", "SHA256", "sha256", "a" * 32, "A" * 64, "g" * 64, "a" * 63, "cpe:2.3:a:b:c:1:*:*:*:*:*:*:*",
    "cpe:/a:b:c", "cpe:a", "MIT", "mit", "Apache-2.0 OR MIT", "LicenseRef-x", "en-US", "en", "EN", "text/plain", "Text/Plain",
    "DESCRIBES", "describes", "library", "Library", "required", "OTHER", "SPDXRef-x", "3.0.1", "3.0", "v3.0.1", "_:b", "_:",
    "urn:x:y", "x:", ":x", "a:b", "https://spdx.org/rdf/3.0.1/terms/Core/NoneElement", "NoneElement", "y" * 5000,
]
NUMBERS = [0, 1, -1, 1.0, 1.5, 0.5, 100, 101, -0.0, 1e3, 2**31, 2**63, 2**64, 10**30, 1e-9, 6, 7]
OTHER_KINDS = [None, True, False, 1, 1.5, "x", [], {}, [1], ["x"], {"x": 1}]


def places(value, path=()):
    """Every value in a document with its path."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def shrunk(value, rng, most=3):
    """The document with at most `most` items in each list."""
    if isinstance(value, dict):
        return {key: shrunk(inner, rng, most) for key, inner in value.items()}
    if isinstance(value, list):
        kept = sorted(rng.sample(range(len(value)), min(most, len(value))))
        return [shrunk(value[index], rng, most) for index in kept]
    return value


def change_json(document, rng):
    """One change: its name and the changed document."""
    document = copy.deepcopy(document)
    all_places = [(path, value) for path, value in places(document) if path]
    for _ in range(50):
        path, value = rng.choice(all_places)
        parent, key = at(document, path[:-1]), path[-1]
        made = one_json(parent, key, value, document, rng)
        if made:
            return made, json.dumps(document, ensure_ascii=rng.random() < 0.5)
    return "nothing", json.dumps(document)


def one_json(parent, key, value, document, rng):
    kind = rng.choice(
        ["drop", "type", "text", "near text", "number", "unknown", "twice", "empty", "rename", "reference", "wrap", "case", "move"]
    )
    if kind == "drop":
        del parent[key]
    elif kind == "type":
        parent[key] = copy.deepcopy(rng.choice([o for o in OTHER_KINDS if type(o) is not type(value)]))
    elif kind == "text" and isinstance(value, str):
        parent[key] = rng.choice(TEXTS)
    elif kind == "near text" and value and isinstance(value, str):
        where = rng.randrange(len(value) + 1)
        letter = rng.choice([" ", "\n", "\t", "-", "_", ":", "/", "#", "%", "é", "0", "a", "Z", "[", "\u00a0", "\u0660"])
        parent[key] = rng.choice([value[:where] + letter + value[where:], value[:where] + value[where + 1 :], value + letter])
    elif kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        parent[key] = rng.choice(NUMBERS)
    elif kind == "unknown" and isinstance(value, dict):
        value[rng.choice(["nobodys", "x-own", "$schema", "Name", "@id", "https://example.org/own", "comment"])] = rng.choice(["x", 1, None])
    elif kind == "twice" and isinstance(parent, list):
        parent.append(copy.deepcopy(value))
    elif kind == "empty" and isinstance(value, (list, dict)):
        parent[key] = type(value)()
    elif kind == "rename" and isinstance(parent, dict):
        name = rng.choice([key.lower(), key.upper(), key + "s", key[:-1], key.capitalize()])
        if name in parent:
            return None
        parent[name] = parent.pop(key)
    elif kind == "reference" and isinstance(value, str) and re.search("ref|ID|Id|Element|from|to$|dependsOn", str(key)):
        parent[key] = rng.choice(["SPDXRef-nowhere", "nowhere", "urn:cdx:x#y", "urn:nowhere:1", "_:nowhere"])
    elif kind == "wrap":
        parent[key] = [value] if not isinstance(value, list) else (value[0] if value else {})
    elif kind == "case" and isinstance(value, str) and value.swapcase() != value:
        parent[key] = rng.choice([value.swapcase(), value.upper(), value.lower()])
        if parent[key] == value:
            return None
    elif kind == "move":
        source, moved = rng.choice([(p, v) for p, v in places(document) if p])
        if not isinstance(parent, dict) or not isinstance(source[-1], str):
            return None
        parent[source[-1]] = copy.deepcopy(moved)
    else:
        return None
    return kind


def change_xml(text, rng):
    """One change of an XML document: its name and the changed text."""
    root = etree.fromstring(text.encode())
    space = etree.QName(root).namespace
    elements = [e for e in root.iter() if isinstance(e.tag, str)]
    for _ in range(50):
        made = one_xml(rng.choice(elements), elements, root, space, rng)
        if made:
            return made, etree.tostring(root, encoding="unicode")
    return "nothing", text


def one_xml(element, elements, root, space, rng):
    parent = element.getparent()
    kind = rng.choice(
        [
            "drop", "drop attribute", "attribute", "near attribute", "unknown attribute", "foreign attribute", "text",
            "near text", "twice", "swap", "to the end", "unknown element", "foreign element", "no namespace", "text between",
            "rename", "move", "empty", "comment", "same name",
        ]
    )
    names = list(element.attrib)
    if kind == "drop" and parent is not None:
        parent.remove(element)
    elif kind == "drop attribute" and names:
        del element.attrib[rng.choice(names)]
    elif kind == "attribute" and names:
        element.set(rng.choice(names), rng.choice(TEXTS))
    elif kind == "near attribute" and names:
        name = rng.choice(names)
        element.set(name, rng.choice([" " + element.get(name), element.get(name) + "\n", element.get(name).upper(), element.get(name)[1:]]))
    elif kind == "unknown attribute":
        element.set(rng.choice(["nobodys", "type", "bom-ref", "ref", "{http://www.w3.org/XML/1998/namespace}lang"]), "x")
    elif kind == "foreign attribute":
        element.set(rng.choice(["{urn:x:own}a", f"{{{space}}}type", "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation",
                                "{http://www.w3.org/2001/XMLSchema-instance}nil"]), "false")
    elif kind == "text" and len(element) == 0:
        element.text = rng.choice(TEXTS)
    elif kind == "near text" and len(element) == 0 and element.text:
        element.text = rng.choice([" " + element.text, element.text + "\n", element.text.upper(), element.text[1:], element.text + "é"])
    elif kind == "twice" and parent is not None:
        parent.insert(parent.index(element), copy.deepcopy(element))
    elif kind == "swap" and element.getnext() is not None and parent is not None:
        parent.insert(parent.index(element), element.getnext())
    elif kind == "to the end" and element.getnext() is not None and parent is not None:
        parent.append(element)
    elif kind == "unknown element":
        etree.SubElement(element, f"{{{space}}}{rng.choice(['nobodys', 'name', 'properties', 'bom', 'url'])}").text = rng.choice([None, "x"])
    elif kind == "foreign element":
        own = etree.Element("{urn:x:own}a")
        etree.SubElement(own, f"{{{space}}}{rng.choice(['bom', 'component', 'nobodys'])}").text = rng.choice([None, "x"])
        element.insert(rng.randrange(len(element) + 1), own)
    elif kind == "no namespace" and element is not root:
        element.tag = etree.QName(element).localname
    elif kind == "text between" and len(element):
        element[rng.randrange(len(element))].tail = rng.choice(["x", " ", "\u00a0", "\n\t"])
    elif kind == "rename" and element is not root:
        other = rng.choice(elements)
        element.tag = other.tag
    elif kind == "move" and element is not root:
        target = rng.choice(elements)
        if element in list(target.iterancestors()) or target is element:
            return None
        target.insert(rng.randrange(len(target) + 1), copy.deepcopy(element))
    elif kind == "empty":
        for child in list(element):
            element.remove(child)
        element.text = None
    elif kind == "comment":
        element.insert(0, etree.Comment(" x "))
    elif kind == "same name":
        named = [e for e in elements if e.get("bom-ref")]
        if len(named) < 2:
            return None
        a, b = rng.sample(named, 2)
        a.set("bom-ref", b.get("bom-ref"))
    else:
        return None
    return kind


def broken(text, rng):
    """A change of the text itself: one character less, more or other."""
    where = rng.randrange(len(text))
    letter = rng.choice(list('<>&"\'{}[]:,/ =;\\') + ["\u0001", "é"])
    return "letter", rng.choice([text[:where] + text[where + 1 :], text[:where] + letter + text[where:], text[:where] + letter + text[where + 1 :]])
