"""What is generated from the code: JSON schemas, the README's matrix, the pages of the rules.

``python -m tests.support.generated`` writes them; a test compares them with what it would write.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from converters.disks.checking import Lost, Problem, Usage
from converters.matrix import matrix_markdown
from ovf.judging.pages import pages
from ovf.judging.rule import Basis, Needs
from ovf.signing.verify import Attestation
from ovf.summary import PackageSummary
from rehost.console.output import SCHEMA_VERSION
from rehost.judgement import Mending, State
from rehost.machine import Machine
from rehost.report import Finding, Loss, LossKind, Severity
from rehost.verdict import Verdict

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "rules"
BEGIN, END = "<!-- matrix: generated, see CONTRIBUTING.md -->", "<!-- end of matrix -->"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
COUNT = {"type": "integer", "minimum": 0}
BOOLEAN = {"type": "boolean"}
SAID = "What `rehost disk {} --json` prints; sizes and offsets in bytes"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every published schema by its file name."""
    (machine, loss, finding, verdict), parts = msgspec.json.schema_components(
        [Machine, Loss, Finding, Verdict],
        schema_hook=lambda kind: {"type": "string"} if issubclass(kind, Path) else {},
        ref_template="#/$defs/{name}",
    )
    plan = _object({"source": machine, "machine": machine, "carried": TEXTS, "losses": _list(loss)})
    subject = _object({"machine": machine, "losses": _list(loss)})
    report = {
        "target": {"type": "string"},
        "machines": _list(plan),
        "files": TEXTS,
        "findings": _list(finding),
        "verdicts": _list(verdict),
    }
    source = {
        "kind": {"enum": ["package", "configuration", "disk"]},
        "path": {"type": "string"},
        "machines": _list(subject),
    }
    return {
        "machine.schema.json": _document("What `rehost inspect --json` prints", source, parts),
        "report.schema.json": _document(
            "The report of `rehost convert`", report, parts, required=["target", "machines"]
        ),
        "ovf-validate.schema.json": _document(
            "What `rehost validate --format json` prints", _judgement(), {}
        ),
        "ovf-explain.schema.json": _document(
            "What `rehost ovf explain --json` prints", {"rules": _list(_rule())}, {}
        ),
        **disk_schemas(),
        **_signature_schemas(),
        "ovf-show.schema.json": _shown(),
        "ovf-restate.schema.json": _restated(parts["Loss"]),
    }


def _restated(loss: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what `ovf restate` prints."""
    versions = {"enum": ["1", "2"]}
    said = {
        "path": TEXT,
        "from": TEXT,
        "to": versions,
        "losses": _list({"$ref": "#/$defs/Loss"}),
        "files": TEXTS,
    }
    kinds = {"LossKind": {"enum": [kind.value for kind in LossKind]}}
    return _document("What `rehost ovf restate --json` prints", said, {"Loss": loss, **kinds})


def _shown() -> dict[str, Any]:
    """Return the schema of what `ovf show` prints."""
    (whole,), parts = msgspec.json.schema_components(
        [PackageSummary], ref_template="#/$defs/{name}"
    )
    for part in parts.values():
        part |= {"additionalProperties": False}
    top = parts.pop(whole["$ref"].rpartition("/")[2])
    return _document("What `rehost ovf show --json` prints", top["properties"], parts)


def _signature_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of what `ovf sign` and `ovf verify` print."""
    (attestation,), parts = msgspec.json.schema_components(
        [Attestation], ref_template="#/$defs/{name}"
    )
    for part in parts.values():
        part |= {"additionalProperties": False}
    signed = dict.fromkeys(("path", "certificate", "algorithm", "signer"), TEXT)
    verified = {"source": TEXT, "verified": BOOLEAN, "attestation": attestation}
    return {
        "ovf-sign.schema.json": _document(
            "What `rehost ovf sign --json` prints", {**signed, "remarks": TEXTS}, {}
        ),
        "ovf-verify.schema.json": _document(
            "What `rehost ovf verify --json` prints", verified, parts
        ),
    }


def _rule() -> dict[str, Any]:
    """Return the shape of a rule of the standard, or of a check of an importer."""
    common = {
        "id": TEXT,
        "severity": {"enum": [severity.name.lower() for severity in Severity]},
        "needs": {"enum": [needs.value for needs in Needs]},
        "importers": TEXTS,
        "requirement": TEXT,
        "reason": TEXT,
        "fix": TEXT,
        "mending": TEXTS,
    }
    rule = {
        "kind": {"const": "rule"},
        "clause": TEXT,
        "basis": {"enum": [basis.name.lower() for basis in Basis]},
        "versions": TEXTS,
    }
    check = {
        "kind": {"const": "check"},
        "quote": TEXT,
        "known_from": TEXT,
        "lowest": _or_null(TEXT),
        "highest": _or_null(TEXT),
    }
    return {"anyOf": [_object(common | rule), _object(common | check)]}


def _judgement() -> dict[str, Any]:
    """Return the properties of what was judged and found."""
    failure = _object({"where": TEXT, "what": TEXT, "hint": TEXT})
    target = _object({"name": TEXT, "outcome": TEXT})
    counts = {state.value: COUNT for state in State}
    word, size = _or_null(TEXT), _or_null(COUNT)
    disk = {
        "id": word,
        "file": TEXT,
        **dict.fromkeys(("format", "variant", "adapter_type", "digest"), word),
        **dict.fromkeys(("virtual_size", "populated_size"), size),
        **dict.fromkeys(("stream_version", "stream_end", "bytes_behind_end"), size),
    }
    repair = _object({"rule": TEXT, "where": TEXT, "what": TEXT, "target": TEXT})
    mending = {"enum": [None, *(each.name.lower() for each in Mending)]}
    told = {"disks": _list(_object(disk)), "targets": _list(target), "repairs": _list(repair)}
    told |= {"mending": mending}
    source = _object({"source": TEXT, **counts, **told, "failure": _or_null(failure)})
    number = _or_null({"type": "integer", "minimum": 1})
    finding = {
        "source": TEXT,
        "rule": TEXT,
        "severity": {"enum": [severity.name.lower() for severity in Severity]},
        "message": TEXT,
        "file": TEXT,
        "line": _said(number, "counted from 1"),
        "column": _said(number, "in characters, counted from 1"),
        "length": _said(_or_null(COUNT), "in characters"),
        "offset": _said(_or_null(COUNT), "in bytes from the beginning of the file"),
        "hint": TEXT,
        "target": TEXT,
        "quote": TEXT,
        "known_from": TEXT,
        "state": {"enum": [state.value for state in State]},
        "accepted_in": _or_null(TEXT),
        "reason": _or_null(TEXT),
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    return {
        "version": TEXT,
        "failed": BOOLEAN,
        "sources": _list(source),
        "findings": _list(_object(finding)),
    }


def disk_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of what the ``disk`` commands print, by their file names."""
    (problem, lost, usage), parts = msgspec.json.schema_components(
        [Problem, Lost, Usage], ref_template="#/$defs/{name}"
    )
    for name in ("Problem", "Lost", "Usage"):
        fields = parts[name]["properties"]
        parts[name] |= {"required": list(fields), "additionalProperties": False}
    checked = {
        "path": TEXT,
        "format": TEXT,
        "deep": BOOLEAN,
        "sound": BOOLEAN,
        "errors": COUNT,
        "warnings": COUNT,
        "found": {"type": "object", "additionalProperties": COUNT},
        "problems": _list(problem),
        "usage": usage,
        "lost": _list(lost),
        "forgone": TEXTS,
        "copy": _or_null(_object({"path": TEXT, "merged": BOOLEAN})),
    }
    file = _object({"name": TEXT, "size": COUNT, "allocated": _or_null(COUNT)})
    layer = _object(
        {
            "files": _list(file),
            "format": TEXT,
            "variant": _or_null(TEXT),
            "virtual_size": COUNT,
            "allocated": COUNT,
            "packed": COUNT,
            "pieces": COUNT,
            "oddities": TEXTS,
        }
    )
    layer["additionalProperties"] = True
    place = {"file": _or_null(TEXT), "offset": _or_null(COUNT)}
    kind = {"enum": ["stored", "packed", "zero"]}
    stretch = _object({"start": COUNT, "length": COUNT, "kind": kind, **place})
    mapped = {"path": TEXT, "stretches": _list(stretch)}
    return {
        "disk-check.schema.json": _document(SAID.format("check"), checked, parts),
        "disk-info.schema.json": _document(
            SAID.format("info"), {"path": TEXT, "chain": _list(layer)}, {}
        ),
        "disk-map.schema.json": _document(SAID.format("map"), mapped, {}),
        **_content_schemas(),
    }


def _content_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of the commands that go through a disk's content."""
    stretches = _list(_object({"start": COUNT, "length": COUNT}))
    compared = {
        "identical": BOOLEAN,
        "sizes": _list(COUNT),
        "first_difference": _or_null(COUNT),
        "changed": stretches,
    }
    converted = {
        "source": TEXT,
        "dest": TEXT,
        "format": TEXT,
        "virtual_size": COUNT,
        "unreadable": stretches,
        "dropped_bitmaps": TEXTS,
    }
    return {
        "disk-convert.schema.json": _document(
            SAID.format("convert"), {"disks": _list(_object(converted))}, {}
        ),
        "disk-compare.schema.json": _document(
            SAID.format("compare"), compared, {}, required=["identical", "sizes"]
        ),
    }


def readme(text: str) -> str:
    """Return the README with its matrix renewed."""
    pattern = re.escape(BEGIN) + r".*?" + re.escape(END)
    matrix = f"{BEGIN}\n\n{matrix_markdown()}\n{END}"
    return re.sub(pattern, lambda _: matrix, text, count=1, flags=re.DOTALL)


def _document(
    title: str,
    properties: dict[str, Any],
    parts: dict[str, Any],
    required: list[str] | None = None,
) -> dict[str, Any]:
    version = {"schema_version": {"const": SCHEMA_VERSION}}
    body = _object({**version, **properties})
    body["required"] = ["schema_version", *(required or properties)]
    return {"$schema": DRAFT, "title": title, **body, "$defs": parts}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _said(item: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, **item}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _or_null(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "null"}]}


def generated() -> dict[Path, str]:
    """Return the text of every file that is generated, or that has a generated part."""
    readme_file = ROOT / "README.md"
    return {
        **{
            ROOT / "schemas" / name: json.dumps(schema, indent=2) + "\n"
            for name, schema in schemas().items()
        },
        **{RULES / name: text for name, text in pages().items()},
        readme_file: readme(readme_file.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Write everything that is generated, and remove pages of rules there no longer are."""
    texts = generated()
    RULES.mkdir(parents=True, exist_ok=True)
    for stale in set(RULES.glob("*.md")) - texts.keys():
        stale.unlink()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
