"""Google Cloud: ``gcloud compute instances import``, by its OVF importer.

Spec: GoogleCloudPlatform/compute-image-tools, cli_tools/gce_ovf_import/ovf_utils/ovf_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.namespaces import VMW
from ovf.outline import items
from ovf.package import Package
from rehost.report import Severity

READER = "compute-image-tools, cli_tools/gce_ovf_import/ovf_utils/ovf_utils.go"
CONTROLLERS = (ResourceType.IDE, ResourceType.SCSI, 8, ResourceType.OTHER_STORAGE, ResourceType.USB)
Found = Iterator[Hit]


@check(
    "GCP-001",
    source=READER,
    sure=Sure.CODE,
    quote="OVF descriptor doesn't contain a virtual system",
)
def one_machine(package: Package, target: Target) -> Found:
    """The Envelope has a VirtualSystem of its own.

    Fix: export each machine of a collection by itself, as OVF 1.0.
    """
    envelope = package.envelope
    if envelope.first(envelope.root, "VirtualSystem") is None:
        yield Hit(envelope.at(envelope.root), "there is no VirtualSystem directly in the Envelope")


@check("GCP-002", source=READER, sure=Sure.CODE, quote="{what}")
def parts(package: Package, target: Target) -> Found:
    """There are processors, memory, a Disk and a controller for it.

    Fix: add what is missing.
    """
    envelope = package.envelope
    kinds = {item.kind for item in items(envelope)}
    missing = {
        "no CPUs found in OVF": ResourceType.PROCESSOR not in kinds,
        "no memory section found in OVF": ResourceType.MEMORY not in kinds,
        "diskSection cannot be nil": not envelope.disks,
        "no disk controllers found in OVF, can't retrieve disk info": not kinds.intersection(
            CONTROLLERS
        ),
    }
    for what, is_so in missing.items():
        if is_so:
            yield Hit(envelope.at(envelope.root), "a part it needs is missing", {"what": what})


@check(
    "GCP-003",
    source=READER,
    sure=Sure.CODE,
    quote="disk host resource {resource} has invalid format",
)
def host_resource(package: Package, target: Target) -> Found:
    """The HostResource of a disk begins with ovf:/disk/ or /disk/.

    Fix: write ovf:/disk/ and the diskId.
    """
    return hits.unreadable_drives(package.envelope)


@check(
    "GCP-004",
    source=READER,
    sure=Sure.CODE,
    quote="disk with reference {resource} couldn't be found in OVF descriptor",
)
def disk_is_listed(package: Package, target: Target) -> Found:
    """A disk drive names a Disk with a File.

    An empty disk, which is to be made new, ends the importer.

    Fix: remove the empty disk, and add it after the import.
    """
    return hits.drives_without_file(package.envelope, listed=True)


@check("GCP-005", source=READER, sure=Sure.CODE)
def place(package: Package, target: Target) -> Found:
    """A disk drive has a Parent and an AddressOnParent.

    The importer orders the disks by them, the first boots, and ends where one is missing.

    Fix: write Parent and AddressOnParent.
    """
    for item in items(package.envelope):
        missing = [name for name in ("Parent", "AddressOnParent") if name not in item.said]
        if item.kind == ResourceType.DISK and missing:
            yield Hit(item.at, f"{item.label} has no {' and no '.join(missing)}")


@check("GCP-006", source=READER, sure=Sure.CODE, quote="memory allocation unit not specified")
def memory_unit(package: Package, target: Target) -> Found:
    """Memory has a unit, as DSP0004 writes it.

    Fix: write `byte * 2^20`.
    """
    for item in reading.devices(package.envelope, ResourceType.MEMORY):
        if "AllocationUnits" not in item.said:
            yield Hit(item.at, f"{item.label} has no AllocationUnits")


@check(
    "GCP-007",
    severity=Severity.WARNING,
    source=READER,
    sure=Sure.CODE,
    quote="OperatingSystemSection.OSType must be defined to retrieve OS info",
)
def guest(package: Package, target: Target) -> Found:
    """The OperatingSystemSection has VMware's vmw:osType.

    Without it the system has to be named by --os.

    Fix: write vmw:osType, or import with --os.
    """
    envelope = package.envelope
    for system in envelope.systems:
        section = envelope.first(system, "OperatingSystemSection")
        if section is None or not section.get(f"{{{VMW}}}osType"):
            yield Hit(envelope.at(system if section is None else section), "guest is not named")


@check("GCP-008", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    The first processors and the first memory count, and the disks of all options are made.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


@check("GCP-009", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    They are not read; a guest gets its settings from the metadata server.

    Fix: configure the guest by metadata or a startup script.
    """
    return hits.properties(package.envelope)


@check("GCP-010", source=READER, sure=Sure.CODE)
def packed_file(package: Package, target: Target) -> Found:
    """No file is compressed or in chunks.

    It is imported as it is stored.

    Fix: unpack or join the file, and leave ovf:compression and ovf:chunkSize out.
    """
    yield from hits.compressed(package.envelope)
    yield from hits.chunks(package.envelope)


PROFILE = Profile(
    name="gcp",
    title="Google Cloud, by its OVF importer",
    aliases=("google-cloud", "gce"),
    checks=(
        one_machine,
        parts,
        host_resource,
        disk_is_listed,
        place,
        memory_unit,
        guest,
        deployment_options,
        properties,
        packed_file,
    ),
    enforces=MappingProxyType(dict.fromkeys(("DSK-002", "REF-004", "PKG-021"), Severity.ERROR)),
    source=f"{Sure.CODE.value}: {READER}, ovf_validator.go",
)
