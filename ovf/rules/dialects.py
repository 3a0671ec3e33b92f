"""The rule of the dialects that are read as if they were the standard: clause 6."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.package import Package
from ovf.rule import rule
from rehost.report import Location


@rule("DIA-001", clause="6")
def no_dialect(package: Package) -> Iterator[tuple[Location, str]]:
    """A descriptor is written in OVF 1.x or 2.x, not in a draft of it.

    VMware's and VirtualBox's importers still read the drafts, few others do. The other rules judge
    such a descriptor as if its sections had the standard's names.

    Fix: export the machine anew, or convert the descriptor with VMware's ovftool.
    """
    envelope = package.envelope
    if envelope.dialect is not None:
        yield envelope.at(envelope.root), f"descriptor is written in {envelope.dialect}"
