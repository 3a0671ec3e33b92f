"""Where it is known from what VirtualBox does, and what all of its messages name."""

from __future__ import annotations

from rehost.report import Location

READER = "VirtualBox 7.0.14, Main/xml/ovfreader.cpp"
TAR = "VirtualBox 7.0.14, Runtime/common/zip/tarvfs.cpp"
IMPORT = "VirtualBox 7.0.14, Main/src-server/ApplianceImplImport.cpp"


def line_of(at: Location) -> dict[str, str]:
    """Return the line that a message names."""
    return {"line": str(at.line)}
