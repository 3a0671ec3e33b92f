"""What is done with a descriptor by those who show, restate, mend and edit it.

Whatever the descriptor is like, some things hold of what is made of it: what was mended or set once
has nothing left to be mended or set, a machine stays the same in another version of OVF, and what
nobody asked to be changed is not.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
from lxml import etree

from ovf.edit import settings
from ovf.edit.draft import Draft
from ovf.environment.deployment import Deployment, environment_of
from ovf.foreign import ENVIRONMENT
from ovf.judging.profile import profiles
from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.mending.mend import mend
from ovf.outline import every_item
from ovf.package import Descriptor, Package
from ovf.showing import shown
from ovf.summary import summary_of
from ovf.versions.anew import restated_dialect
from ovf.versions.restate import restate
from rehost.errors import InteropError
from rehost.report import Severity
from rehost.tracked import local_name
from tests.fuzz.attempts import refusal
from tests.fuzz.parts import InMemory

NAME = "web.ovf"
RELEASES = tuple(target for profile in profiles() for target in profile.targets())
MOST_SYSTEMS = 3
HIDDEN = frozenset(("ENV-005", "ENV-007", "OEN-008", "DSK-003"))
"""What may be seen only after another thing was mended."""
OTHER = {"1": "2", "2": "1"}
OVF = "{http://schemas.dmtf.org/ovf/envelope/"


def package_of(content: bytes) -> Package:
    """Return a package of a descriptor alone."""
    return Package(Path(NAME), InMemory({NAME: content}), Descriptor(NAME, content))


def show(content: bytes) -> None:
    """Say what a package holds, in every form."""
    with refusal():
        found = summary_of(package_of(content))
        json.dumps(msgspec.to_builtins(found)).encode()
        for verbose in (False, True):
            shown(found, verbose=verbose).encode()


def environment(content: bytes) -> None:
    """Make the environment of each system, in which no rule may find anything."""
    with refusal():
        package = package_of(content)
        systems = [package.envelope.attribute(each, "id") for each in package.envelope.systems]
        for system in (None, *systems[:MOST_SYSTEMS]):
            with refusal():
                made = environment_of(Draft.of(package), system, Deployment())
                document = package_of(made.document)
                document.described = package
                assert document.written.version == ENVIRONMENT
                found = validate(document, descriptor_only=True)
                assert not found or not _is_sound(package), found


def restated(content: bytes) -> None:
    """Restate a descriptor in the other version and back, where the machines stay the same."""
    with refusal():
        package = package_of(content)
        read_as = package.envelope.dialect or package.envelope.version
        is_dialect = read_as not in OTHER
        draft = restated_dialect(package)[0] if is_dialect else Draft.of(package)
        version = "1" if is_dialect else OTHER[read_as]
        there = _restated(draft, version)
        assert _restated(Draft.of(package_of(there)), version) == there
        back = _restated(Draft.of(package_of(there)), OTHER[version])
        machines = _machines(content)
        if machines is not None and _is_of_one_version(package) and _says_all_once(package):
            assert _machines(there) == machines
            assert _machines(back) == machines


def _restated(draft: Draft, version: str) -> bytes:
    restate(draft, version)
    draft.settle()
    content = draft.content
    assert package_of(content).envelope.version == version
    return content


def _machines(content: bytes) -> list[dict[str, object]] | None:
    """Return the machines; devices in any order, for classes of OVF 2.x are in one of their own."""
    try:
        found = [machine for machine, _ in read_machines(package_of(content))]
    except InteropError:
        return None
    return [
        {
            each.name: sorted(map(repr, value)) if isinstance(value, tuple) else value
            for each in fields(machine)
            if each.name != "origin"
            for value in (getattr(machine, each.name),)
        }
        for machine in found
    ]


def _is_of_one_version(package: Package) -> bool:
    """Say whether no name is of the other version, which is of the same one once restated."""
    root = package.envelope.root
    names = [str(name) for each in root.iter(etree.Element) for name in (each.tag, *each.attrib)]
    return len({name.partition("}")[0] for name in names if name.startswith(OVF)}) == 1


def _says_all_once(package: Package) -> bool:
    """Say whether no item has two children of one name, of which each reader takes its own."""
    return all(
        max(
            Counter(
                local_name(str(child.tag)) for child in item.element.iter(etree.Element)
            ).values()
        )
        == 1
        for item in every_item(package.envelope)
    )


def _is_sound(package: Package) -> bool:
    return not any(
        finding.severity is Severity.ERROR for finding in validate(package, descriptor_only=True)
    )


def mended(content: bytes) -> None:
    """Mend a descriptor by the standard and for one importer; a second time nothing is left."""
    one = RELEASES[zlib.crc32(content) % len(RELEASES)]
    for targets in ((), (one,)):
        with refusal():
            done = mend(package_of(content), targets)
            text = done.draft.content
            again = mend(package_of(text), targets)
            assert (again.repairs, again.draft.content) == ((), text), (targets, again.repairs)
            if not targets and package_of(content).written.dialect is None:
                new = _broken(text) - _broken(content) - HIDDEN
                assert not new, (new, done.repairs)


def _broken(content: bytes) -> set[str]:
    found = validate(package_of(content), descriptor_only=True)
    return {finding.rule for finding in found if finding.severity is Severity.ERROR}


Asked = Mapping[str, Any]
Shape = tuple[object, ...]
NOTHING: Asked = {
    **dict.fromkeys(
        (
            *("system", "cpus", "memory", "name", "nics", "serial_ports", "annotation", "ide_type"),
            *("scsi_type", "sata_type", "product", "vendor", "product_version", "full_version"),
            *("product_url", "vendor_url", "app_url", "product_class", "properties_file", "eula"),
            *("system_number", "os_name", "default_configuration"),
        )
    ),
    **dict.fromkeys(
        (
            *("networks", "descriptions", "replaced", "configurations", "serial_connection"),
            *("hardware", "nic_type", "nic_network", "nic_name", "mac", "capacities"),
            *("properties", "transport"),
        ),
        (),
    ),
}
HARDWARE = frozenset(("VirtualHardwareSection",))
DEVICES = HARDWARE | {"NetworkSection"}
SETTINGS: tuple[tuple[Asked, frozenset[str]], ...] = (
    ({"name": "new <name>"}, HARDWARE | {"Name"}),
    ({"cpus": 3}, HARDWARE),
    ({"memory": 3 << 30}, HARDWARE),
    ({"nics": 0}, HARDWARE),
    ({"nics": 2}, DEVICES),
    ({"nic_type": ("E1000", "VmxNet3"), "nic_name": ("a", "b")}, HARDWARE),
    ({"nic_network": ("bridged",)}, DEVICES),
    ({"mac": ("00:11:22:33:44:55",)}, HARDWARE),
    ({"serial_ports": 2}, HARDWARE),
    ({"serial_connection": ("tcp://x",)}, HARDWARE),
    ({"scsi_type": "lsilogicsas"}, HARDWARE),
    ({"sata_type": "AHCI"}, HARDWARE),
    ({"hardware": ("vmx-13", "xen-3")}, HARDWARE),
    ({"annotation": "it's & <that>"}, frozenset(("AnnotationSection",))),
    ({"vendor": "V", "product_version": "1"}, frozenset(("ProductSection",))),
    ({"transport": ("iso",)}, HARDWARE),
    ({"system_number": 94}, frozenset(("OperatingSystemSection",))),
)
"""What is asked for, and the elements of a system or of the envelope that it may change."""


def edited(content: bytes) -> None:
    """Ask for changes, one by one; each leaves all else, and asked for again does nothing."""
    with refusal():
        package = package_of(content)
        systems = [package.envelope.attribute(each, "id") for each in package.envelope.systems]
        for asked, touched in (*SETTINGS, *_named(package)):
            with refusal():
                system = systems[0] if len(systems) > 1 else None
                there = _set(package, {**asked, "system": system})
                before, after = _units(package), _units(package_of(there))
                changed = {name for name, _ in (before - after) + (after - before)}
                assert changed <= touched, (asked, changed - touched)
                assert _set(package_of(there), {**asked, "system": system}) == there, asked


def _named(package: Package) -> Iterator[tuple[Asked, frozenset[str]]]:
    """Yield changes of what the package has names for."""
    options = frozenset(("DeploymentOptionSection",))
    for identifier in _names(package, "DeploymentOptionSection", "Configuration", "id"):
        yield {"default_configuration": identifier}, options
        yield {"cpus": 5, "configurations": (identifier,)}, HARDWARE
        yield {"memory": 5 << 30, "configurations": (identifier,)}, HARDWARE
    for identifier in _names(package, "NetworkSection", "Network", "name"):
        yield {"descriptions": ((identifier, "text"),)}, frozenset(("NetworkSection",))
    for identifier in _names(package, "DiskSection", "Disk", "diskId"):
        yield {"capacities": ((identifier, "5G"),)}, frozenset(("DiskSection",))


def _names(package: Package, section: str, entry: str, name: str) -> list[str]:
    """Return the first name and the last."""
    envelope = package.envelope
    found = [
        said
        for holder in envelope.sections(section)
        for each in envelope.children(holder, entry)
        if (said := envelope.attribute(each, name))
    ]
    return [*dict.fromkeys((*found[:1], *found[-1:]))]


def _set(package: Package, asked: Asked) -> bytes:
    draft = Draft.of(package)
    settings.apply(draft, {**NOTHING, **asked})
    draft.settle()
    return draft.content


def _units(package: Package) -> Counter[tuple[str, Shape]]:
    """Return what the envelope and its systems consist of: the names, and each in full."""
    found: Counter[tuple[str, Shape]] = Counter()
    homes = [package.envelope.root]
    while homes:
        for element in homes.pop().iterchildren(etree.Element):
            name = local_name(str(element.tag))
            if name in {"VirtualSystem", "VirtualSystemCollection"}:
                homes.append(element)
            else:
                found[name, _shape(element)] += 1
    return found


def _shape(element: etree._Element) -> Shape:
    """Return what an element says, whatever prefixes and white space it is written with."""
    return (
        str(element.tag),
        frozenset((str(name), str(value)) for name, value in element.attrib.items()),
        (element.text or "").strip(),
        tuple(_shape(child) for child in element.iterchildren(etree.Element)),
    )
