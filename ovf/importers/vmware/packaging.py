"""VMware's checks of a package's files: manifests, compression, formats of disks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.envelope import Envelope
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.manifest import Entry, read_manifest
from ovf.namespaces import VMW
from ovf.outline import whole
from ovf.package import Package, is_remote
from rehost.errors import DamagedInputError
from rehost.files import read_all
from rehost.report import Location, Severity
from rehost.tracked import summary

VMDK = re.compile(r".*/vmdk\.html(#\w+)?")
ALGORITHM = re.compile(rb"\s*([^()\r\n]+)\(")
NAMES = frozenset(("SHA1", "SHA256", "SHA512"))
MOST = 4 << 20


def _entries(package: Package) -> tuple[Entry, ...]:
    try:
        manifest = read_manifest(package)
    except DamagedInputError:
        return ()
    return manifest.entries if manifest else ()


@check(
    "VMW-030",
    quote="The following manifest file entry (line {line}) is invalid: {algorithm} ({file})",
    source="github.com/nextcloud/vm/issues/910; VMware knowledge base 2151537",
    sure=Sure.ISSUE,
    needs=Needs.FILES,
    highest="6.0",
)
def new_algorithm(package: Package, target: Target) -> Iterator[Hit]:
    """A manifest for hosts before 6.5 has SHA1 digests.

    They know no other algorithm and refuse the package; SHA256 is read from 6.5 on.

    Fix: write the manifest with SHA1, or leave it out.
    """
    for entry in _entries(package)[:1]:
        if entry.algorithm != "SHA1":
            said = {
                "line": str(entry.at.line),
                "algorithm": entry.algorithm,
                "file": summary(entry.name),
            }
            yield Hit(entry.at, f"digests are {entry.algorithm}, not SHA1", said)


@check(
    "VMW-031",
    quote="The provided manifest file is invalid: Invalid OVF checksum algorithm: {algorithm}.",
    source="github.com/home-assistant/operating-system/issues/3654 and 826, nextcloud/vm #2607",
    sure=Sure.ISSUE,
    needs=Needs.FILES,
)
def misspelled_algorithm(package: Package, target: Target) -> Iterator[Hit]:
    """A line of the manifest begins with SHA1(, SHA256( or SHA512(.

    vCenter takes all before the bracket for the algorithm's name: a space before it, as `sha256sum
    --tag` and VirtualBox write it, or SHA2-256 makes an algorithm it does not know.

    Fix: write the manifest again, as 'SHA256(name)= digest'.
    """
    name = package.manifest_name
    if name is None:
        return
    content = read_all(package.member(name), MOST)
    for number, line in enumerate(content.split(b"\n"), 1):
        found = ALGORITHM.match(line[:200])
        algorithm = found[1].decode(errors="backslashreplace") if found else ""
        if found and algorithm not in NAMES:
            at = Location(package.where(name), number)
            message = f"manifest names an algorithm it does not know ({algorithm[:40]!r})"
            yield Hit(at, message, {"algorithm": algorithm})
            return


@check(
    "VMW-032",
    quote="The provided manifest file is invalid: Invalid OVF manifest entry: .",
    source="github.com/GNS3/gns3-vm/issues/96",
    sure=Sure.ISSUE,
    needs=Needs.FILES,
    lowest="6.5",
    highest="6.7",
)
def descriptor_is_not_listed(package: Package, target: Target) -> Iterator[Hit]:
    """The manifest lists the descriptor.

    Clients of vCenter 6.5 and 6.7 refuse a manifest without it; ovftool only warns.

    Fix: write the manifest again, with the descriptor in it.
    """
    entries = _entries(package)
    own = package.descriptor.name.rpartition("/")[2]
    if entries and own not in {entry.name.removeprefix("./") for entry in entries}:
        at = Location(entries[0].at.file)
        yield Hit(at, f"descriptor is not in the manifest ({summary(own)!r})")


@check(
    "VMW-033",
    quote="OVF package with compressed disks is currently not supported for OVF import",
    source="github.com/EMCECS/ECS-CommunityEdition/issues/329, sexilog #49, cypress #1868",
    sure=Sure.ISSUE,
    lowest="6.5",
)
def compressed_file(package: Package, target: Target) -> Iterator[Hit]:
    """No file is compressed with ovf:compression.

    The clients of vCenter 6.5 and later refuse it; ovftool unpacks it. A stream-optimized VMDK is
    compressed in itself, which they read.

    Fix: unpack the file, or convert the package with ovftool.
    """
    return hits.compressed(package.envelope)


@check("VMW-034", source="OVF Tool User's Guide", sure=Sure.DOCUMENTATION)
def disk_is_no_vmdk(package: Package, target: Target) -> Iterator[Hit]:
    """The format of every disk with a file is a VMDK's.

    VMware imports no VHD, VDI, qcow2 or raw disk. It reads the older spellings of its URI too.

    Fix: convert the disk with `rehost disk convert` to a stream-optimized VMDK.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and form and not VMDK.fullmatch(form):
            yield Hit(disk.at, f"disk is no VMDK ({summary(form)!r})")


@check(
    "VMW-035",
    source="kept by VMware's own test descriptors",
    sure=Sure.UNCONFIRMED,
)
def disk_in_an_empty_file(package: Package, target: Target) -> Iterator[Hit]:
    """A file that a disk lies in has a size, if ovf:size is given in OVF 1.x.

    No VMDK is empty: an importer that reserves or streams by that number gets no disk.

    Fix: write the file's size, or leave ovf:size out.
    """
    envelope = package.envelope
    used = {disk.file_ref for disk in envelope.disks}
    for file in envelope.references:
        if (
            whole(file.size) == 0
            and file.id in used
            and envelope.dialect is None
            and not is_remote(file)
        ):
            yield Hit(file.at, "a disk lies in the file, but ovf:size is 0")


@check(
    "VMW-036",
    quote="Unsupported value '{key}' for attribute 'key' on element 'ExtraConfig'.",
    source="github.com/GNS3/gns3-vm/issues/40",
    sure=Sure.ISSUE,
)
def required_extra(package: Package, target: Target) -> Iterator[Hit]:
    """A vmw:ExtraConfig is marked as not required.

    ESXi takes few of these settings from a package. One that is required makes it refuse, others
    it passes over; vCenter asks, for they may weaken a host.

    Fix: write ovf:required="false" on the element, or remove it.
    """
    envelope = package.envelope
    for entry, key in required_extras(envelope):
        yield Hit(envelope.at(entry), f"ExtraConfig is required ({key!r})", {"key": key})


@check(
    "VMW-038",
    quote="Error: Did not find an .ovf file at the beginning of the OVA package.",
    source="github.com/glennmatthews/cot/issues/82; vmware/open-vmdk, pull request 65",
    sure=Sure.ISSUE,
    needs=Needs.FILES,
)
def pax_headers(package: Package, target: Target) -> Iterator[Hit]:
    """No member of an archive has a PAX header.

    ovftool takes the header before the descriptor for the first file, and so finds no descriptor;
    vSphere does not read the sizes that such headers give. Python's tarfile writes them unless told
    otherwise.

    Fix: pack it again with `rehost ovf pack`, or `tar --format=ustar`.
    """
    return hits.pax_headers(package)


def required_extras(envelope: Envelope) -> Iterator[tuple[etree._Element, str]]:
    """Yield the vmw:ExtraConfig elements that an importer may not pass over, and their keys."""
    for entry in envelope.root.iter(f"{{{VMW}}}ExtraConfig"):
        if not reading.optional(entry, envelope):
            yield entry, summary(str(entry.get(f"{{{VMW}}}key")))


@check(
    "VMW-037",
    severity=Severity.WARNING,
    source="vSphere Virtual Machine Administration, Managing Multi-Tiered Applications with vApp",
    sure=Sure.DOCUMENTATION,
)
def needs_vcenter(package: Package, target: Target) -> Iterator[Hit]:
    """The package is one machine.

    A collection becomes a vApp, which only vCenter has; a host alone, or its web client, cannot
    import it.

    Fix: import it through vCenter, or each machine by itself.
    """
    return hits.collection(package.envelope)
