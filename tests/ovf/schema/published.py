"""The DMTF's own schemas, where a copy is at hand: the oracle rehost's are compared with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

from lxml import etree

from ovf.schema.vocabulary import OWN_SCHEMAS
from tests.support.corpus import CORPUS

FOLDER = CORPUS / "schemas"
ENVELOPES = {
    "1": ("1.0.0", "1.1.0", "1.1.1"),
    "2": ("2.0.1",),
}
ENVIRONMENTS = ("1.0.0", "1.1.0")


@cache
def own(name: str) -> etree.XMLSchema:
    """Return rehost's schema of a name: "envelope-1"."""
    return etree.XMLSchema(etree.parse(str(OWN_SCHEMAS / f"{name}.xsd")))


@cache
def envelope(release: str) -> etree.XMLSchema:
    """Return the DMTF's schema of envelopes of a release."""
    return _read(FOLDER / f"ovf-{release}" / "local" / f"dsp8023_{release}.xsd")


@cache
def environment(release: str) -> etree.XMLSchema:
    """Return the DMTF's schema of environments of a release."""
    return _read(FOLDER / f"ovf-{release}" / "local" / f"dsp8027_{release}.xsd")


def accepted(document: bytes, schema: Path) -> bool:
    """Ask xmllint; without the corpus there is no schema to ask it about."""
    if not schema.exists():
        return True
    argv = ["xmllint", "--nonet", "--noout", "--schema", str(schema), "-"]
    return subprocess.run(argv, input=document, capture_output=True, check=False).returncode == 0


def messages(schema: etree.XMLSchema) -> list[str]:
    """Return what lxml said of the last document."""
    return [entry.message for entry in cast("Iterable[etree._LogEntry]", schema.error_log)]


def _read(path: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(path)))
