"""Rules of what OVF 2 adds for the start of a guest: boot devices, files of the environment.

Clauses 9.11 and 9.12.
"""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.rule import VERSION_2, Basis, rule
from ovf.namespaces import CIM
from ovf.outline import ITEMS
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

Found = Iterator[tuple[Location, str]]
SETTING = f"{{{CIM}BootConfigSetting}}CIM_BootConfigSetting"
SOURCE = f"{{{CIM}BootSourceSetting}}CIM_BootSourceSetting"
NEEDED = ("ElementName", "InstanceID")


@rule("EFS-001", clause="9.11", basis=Basis.UNCONFIRMED, versions=VERSION_2)
def environment_files(package: Package) -> Found:
    """A File of an EnvironmentFilesSection names a File of the References, and a path of its own.

    The path is relative to where the guest finds the environment, and stays below it.

    Fix: correct the fileRef, or the path.
    """
    envelope = package.envelope
    for section in package.envelope.every("EnvironmentFilesSection"):
        seen: set[str] = set()
        for file in envelope.children(section, "File"):
            at, reference = envelope.at(file), envelope.attribute(file, "fileRef")
            path = envelope.attribute(file, "path") or ""
            if not reference:
                yield at, "File has no ovf:fileRef"
            elif envelope.reference(reference) is None:
                yield at, f"no File has the id {summary(reference)!r}"
            if not path or path.startswith(("/", "\\")) or ".." in path.split("/"):
                yield at, f"ovf:path is not below the environment ({summary(path)!r})"
            elif path in seen:
                yield at, f"ovf:path {summary(path)!r} is used again"
            seen.add(path)


@rule("BDS-001", clause="9.12", basis=Basis.SCHEMA, versions=VERSION_2)
def boot_settings(package: Package) -> Found:
    """A BootDeviceSection has one CIM_BootConfigSetting, with CIM_BootSourceSettings in it.

    Each of them has an ElementName and an InstanceID.

    Fix: add what is missing.
    """
    envelope = package.envelope
    for section in package.envelope.every("BootDeviceSection"):
        settings = list(section.iterchildren(SETTING))
        if len(settings) != 1:
            count = len(settings) or "no"
            yield envelope.at(section), f"BootDeviceSection has {count} CIM_BootConfigSetting"
        for setting in settings:
            sources = list(setting.iterchildren(SOURCE))
            if not sources:
                yield envelope.at(setting), "CIM_BootConfigSetting has no CIM_BootSourceSetting"
            for each in (setting, *sources):
                missing = [name for name in NEEDED if each.find(f"{{*}}{name}") is None]
                if missing:
                    name = local_name(str(each.tag))
                    yield envelope.at(each), f"{name} has no {' and no '.join(missing)}"


@rule(
    "BDS-002",
    clause="9.12",
    severity=Severity.WARNING,
    basis=Basis.UNCONFIRMED,
    versions=VERSION_2,
)
def boot_sources_exist(package: Package) -> Found:
    """The InstanceID of a CIM_BootSourceSetting is that of an item of the machine.

    A machine does not start from a device it has not.

    Fix: write the InstanceID of the disk, drive or adapter.
    """
    envelope = package.envelope
    known: dict[object, frozenset[str]] = {}
    for section in package.envelope.every("BootDeviceSection"):
        owner = section.getparent()
        if owner is None:
            continue
        if owner not in known:
            items = owner.iter(*(f"{{{envelope.namespace}}}{name}" for name in ITEMS))
            numbers = ((item.findtext("{*}InstanceID") or "").strip() for item in items)
            known[owner] = frozenset(numbers)
        for source in section.iter(SOURCE):
            name = (source.findtext("{*}InstanceID") or "").strip()
            if name and name not in known[owner]:
                yield envelope.at(source), f"no item has the InstanceID {summary(name)!r}"
