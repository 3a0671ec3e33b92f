"""The URIs of disk formats, and what they stand for.

Spec: DSP0243 clause 5.2 wants a URI that leads to the format's specification, but names none. These
are those that VMware, VirtualBox, oVirt, virt-v2v and others write. Addresses are compared without
their scheme and in lower case; what follows ``#`` is the kind within the format.
"""

from __future__ import annotations

from dataclasses import dataclass

SPARSE = frozenset(("monolithicSparse", "twoGbMaxExtentSparse", "streamOptimized"))
STREAM = frozenset(("streamOptimized",))
VMDK = "vmdk"
VHD = "vhd"

ADDRESSES = {
    "www.vmware.com/interfaces/specifications/vmdk.html": VMDK,
    "www.vmware.com/interfaces/interfaces/specifications/vmdk.html": VMDK,
    "www.vmware.com/specifications/vmdk.html": VMDK,
    "www.vmware.com/technical-resources/interfaces/vmdk.html": VMDK,
    "go.microsoft.com/fwlink/?linkid=137171": VHD,
    "technet.microsoft.com/en-us/virtualserver/bb676673.aspx": VHD,
    "technet.microsoft.com/en-us/library/bb676673.aspx": VHD,
    "www.microsoft.com/windowsserversystem/virtualserver/downloads/vhdspec.mspx": VHD,
    "vhd": VHD,
    "technet.microsoft.com/en-us/library/hh831446.aspx": "vhdx",
    "www.gnome.org/~markmc/qcow-image-format.html": "qcow2",
    "en.wikipedia.org/wiki/byte": "raw",
    "raw": "raw",
    "www.ecma-international.org/publications/standards/ecma-119.htm": "iso",
}
VARIANTS = {
    (VMDK, "sparse"): SPARSE,
    (VMDK, "compressed"): STREAM,
    (VHD, "monolithic_flat"): frozenset(("fixed",)),
    (VHD, "monolithic_sparse"): frozenset(("dynamic",)),
    ("vhdx", "monolithic_sparse"): frozenset(("dynamic",)),
}
IS_RAW_TOO = "iso"
"""A medium is read byte for byte, so either URI is true of it."""


@dataclass(frozen=True, slots=True)
class DeclaredFormat:
    """What an ``ovf:format`` stands for; without ``variants`` every kind of the format will do."""

    format: str
    kind: str = ""
    variants: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.format} {self.kind}" if self.kind else self.format

    def covers(self, format: str, variant: str | None) -> bool:  # noqa: A002
        """Say whether an image of this format and kind, if that is known, is what was declared."""
        if format == IS_RAW_TOO and self.format == "raw":
            return True
        kinds = {each.lower() for each in self.variants}
        return format == self.format and (not kinds or not variant or variant.lower() in kinds)


def declared_format(uri: str) -> DeclaredFormat | None:
    """Return what a URI stands for, or None if it is none that is known."""
    address, _, kind = uri.strip().partition("#")
    plain = address.lower().removeprefix("http://").removeprefix("https://").rstrip("/")
    found = ADDRESSES.get(plain)
    if found is None:
        return None
    variants = VARIANTS.get((found, kind.lower()), frozenset((kind,)) if kind else frozenset())
    return DeclaredFormat(found, kind, variants)
