"""The validators that other people use, asked in this process. Each gives None (valid) or what it does not like.

CycloneDX: cyclonedx-python-lib (JSON by jsonschema, XML by libxml2). SPDX 2.3 and 3.0.1: the published schemas by
jsonschema. Beside them stand two second opinions that are no schema: xmlschema for XML, pyspdxtools for SPDX 2.3.
"""

import json
import re

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from cyclonedx.validation.xml import XmlValidator
from jsonschema import Draft7Validator, Draft202012Validator

VERSIONS = ["1.4", "1.5", "1.6", "1.7"]


class CycloneDx:
    """JSON or XML of one version."""

    def __init__(self, kind, version):
        self.name = f"cyclonedx-{kind}@{version}"
        self.validator = {"json": JsonStrictValidator, "xml": XmlValidator}[kind](SchemaVersion.from_version(version))
        self.error = None

    def __call__(self, text):
        try:
            error = self.validator.validate_str(text)
        except Exception as broken:  # noqa: BLE001: not well-formed is a refusal, whatever the class of the exception
            return f"{type(broken).__name__}: {broken}"[:300]
        data = getattr(error, "data", error)
        return None if error is None else str(getattr(data, "message", data))[:300]


class Schema:
    """JSON by a published schema."""

    def __init__(self, name, schema, validator):
        self.name, self.validator = name, validator(schema, format_checker=validator.FORMAT_CHECKER)

    def __call__(self, text):
        try:
            document = json.loads(text)
        except ValueError as broken:
            return str(broken)[:300]
        error = next(self.validator.iter_errors(document), None)
        return None if error is None else error.message[:300]


def all_of(spdx2, spdx3):
    """The references by the name of the format."""
    found = [CycloneDx(kind, version) for kind in ("json", "xml") for version in VERSIONS]
    found.append(Schema("spdx-2.3", json.loads(spdx2.read_text()), Draft7Validator))
    if spdx3:
        found.append(Schema("spdx-3.0.1", json.loads(spdx3.read_text()), Draft202012Validator))
    return {reference.name: reference for reference in found}


def format_of(text):
    """The name of a document's format, or None."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        found = re.search(r"http://cyclonedx\.org/schema/bom/(\d+\.\d+)", text)
        return found and f"cyclonedx-xml@{found[1]}"
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if document.get("bomFormat") == "CycloneDX":
        return f"cyclonedx-json@{document.get('specVersion')}"
    if "spdxVersion" in document:
        return {"SPDX-2.3": "spdx-2.3"}.get(document["spdxVersion"])
    return "spdx-3.0.1" if "@context" in document else None


def second_opinion_of_xml():
    """xmlschema on CycloneDX, as a function of format and text; None where it is not installed."""
    try:
        import xmlschema
    except ImportError:
        return None
    import pathlib

    import cyclonedx.schema

    folder, made = pathlib.Path(cyclonedx.schema.__file__).parent / "_res", {}

    def ask(format_name, text):
        version = format_name.partition("@")[2]
        if version not in made:
            made[version] = xmlschema.XMLSchema10(str(folder / f"bom-{version}.SNAPSHOT.xsd"))
        try:
            return made[version].is_valid(text)
        except Exception:  # noqa: BLE001: not well-formed
            return False

    return ask


def pyspdxtools(path):
    """What pyspdxtools says of an SPDX 2.3 file: a list of messages."""
    from spdx_tools.spdx.parser.error import SPDXParsingError
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    try:
        document = parse_file(str(path))
        return [message.validation_message for message in validate_full_spdx_document(document, "SPDX-2.3")]
    except SPDXParsingError as error:
        return error.get_messages()
    except Exception as error:  # noqa: BLE001: a value of another type than it expects ends it
        return [f"{type(error).__name__}: {error}"]
