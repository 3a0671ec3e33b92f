"""Sections and sayings of one version of OVF in another.

Spec: DSP0243 2.x clauses 7.3 (extensions), 9.2 (networks), 9.10 to 9.16 (what 2.0 added) and 10.3
(texts in files). A section that OVF 1.x does not know stays as an extension in the namespace of
2.x, as VMware writes them: its ``Info``, and whether it is required, in that of 1.x.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache

from lxml import etree

from ovf.extensions import HOLDERS
from ovf.schema.judged_copy import ENVELOPE
from ovf.schema.vocabulary import vocabulary
from ovf.versions.restatement import Restatement
from rehost.tracked import content, local_name, summary

OPTIONAL = "OVF 1.x does not know it; kept as an extension that may be ignored"
ESSENTIAL = "OVF 1.x does not know it; kept as an extension that has to be understood"
PROFILE = "a network of OVF 1.x has no such profile"
SHARED = "OVF 1.x cannot say that machines share a disk; each may get one of its own"
WRITABLE = "OVF 1.x cannot say that a disk is only read"
IN_FILE = "the text is in a file, which OVF 1.x does not read"
DELAY = "OVF 2.x wants it said; this is what its absence means in 1.x"
FILES = frozenset(("Disk", "SharedDisk", "Icon", "Strings", "File", "Msg"))
"""What names a file in OVF 1.x, too."""
BETWEEN = ("Info", "Disk")


@cache
def new_sections() -> frozenset[str]:
    """Return the names of the sections that OVF 2.0 added."""
    old, new = (
        {name.rpartition("}")[2] for name in vocabulary(version).elements} for version in "12"
    )
    return frozenset(name for name in new - old if name.endswith("Section"))


def needs_extensions(restating: Restatement) -> bool:
    """Say whether something stays that is in the namespace of OVF 2.x."""
    added = any(local_name(str(section.tag)) != "SharedDiskSection" for section in _new(restating))
    return added or any(True for _ in _texts_in_files(restating))


def restate_sections(restating: Restatement, version: str) -> None:
    """Find a place for what only the other version says in this way."""
    if version == "2":
        _delays(restating)
        return
    _networks(restating)
    _texts(restating)
    for section in _new(restating):
        if local_name(str(section.tag)) == "SharedDiskSection":
            _shared_disks(restating, section)
        else:
            _extension(restating, section)


def _new(restating: Restatement) -> Iterator[etree._Element]:
    draft, names = restating.draft, new_sections()
    holders = draft.envelope.root.iter(*(draft.name(name) for name in sorted(HOLDERS)))
    for holder in holders:
        yield from draft.envelope.children(holder, *names)


def _extension(restating: Restatement, section: etree._Element) -> None:
    """Put a section into the namespace of OVF 2.x, but for its Info."""
    draft, place = restating.draft, restating.place(section)
    here = f"{{{draft.envelope.namespace}}}"
    for element in section.iter(f"{here}*"):
        if local_name(str(element.tag)) == "Info":
            continue
        draft.text.rename(element, f"{{{ENVELOPE['2']}}}{local_name(str(element.tag))}")
        for name, value in element.attrib.items():
            if str(name).startswith(here) and str(name) != draft.name("required"):
                draft.text.unset(element, str(name))
                draft.text.set(element, f"{{{ENVELOPE['2']}}}{local_name(str(name))}", str(value))
    essential = local_name(str(section.tag)) == "EncryptionSection"
    draft.set(section, "required", "true" if essential else "false")
    restating.change(place, None, "extension", ESSENTIAL if essential else OPTIONAL)


def _networks(restating: Restatement) -> None:
    envelope = restating.draft.envelope
    for section in envelope.sections("NetworkSection"):
        for network in envelope.children(section, "Network"):
            profiles = envelope.children(network, "NetworkPortProfile", "NetworkPortProfileURI")
            for profile in list(profiles):
                restating.drop(restating.place(profile), content(profile), PROFILE)
                restating.draft.text.remove(profile)


def _texts_in_files(restating: Restatement) -> Iterator[etree._Element]:
    draft = restating.draft
    for element in draft.envelope.root.iter(f"{{{draft.envelope.namespace}}}*"):
        parent = element.getparent()
        within = "" if parent is None else local_name(str(parent.tag))
        known = local_name(str(element.tag)) in FILES or within in new_sections()
        if element.get(draft.name("fileRef")) is not None and not known:
            yield element


def _texts(restating: Restatement) -> None:
    for element in _texts_in_files(restating):
        draft = restating.draft
        named = str(element.get(draft.name("fileRef")))
        draft.text.unset(element, draft.name("fileRef"))
        draft.text.set(element, f"{{{ENVELOPE['2']}}}fileRef", named)
        restating.change(f"{restating.place(element)}/@fileRef", named, "extension", IN_FILE)


def _shared_disks(restating: Restatement, section: etree._Element) -> None:
    """Make shared disks plain ones: those of the section there is, or else this one's."""
    draft = restating.draft
    home = next(iter(draft.envelope.sections("DiskSection")), None)
    for disk in draft.envelope.children(section, "SharedDisk"):
        identifier = summary(draft.envelope.attribute(disk, "diskId") or "")
        restating.change(f"{restating.place(disk)} '{identifier}'", "SharedDisk", "Disk", SHARED)
        read_only = draft.envelope.attribute(disk, "readOnly")
        if read_only is not None:
            restating.drop(f"{restating.place(disk)}/@readOnly", read_only, WRITABLE)
        if home is not None:
            moved = copy.deepcopy(disk)
            moved.tag, moved.tail = draft.name("Disk"), None
            if draft.name("readOnly") in moved.attrib:
                del moved.attrib[draft.name("readOnly")]
            draft.put(home, moved, BETWEEN)
            continue
        draft.text.rename(disk, "Disk")
        draft.set(disk, "readOnly", None)
    if home is None:
        draft.text.rename(section, "DiskSection")
    else:
        draft.text.remove(section)


def _delays(restating: Restatement) -> None:
    draft = restating.draft
    for section in draft.envelope.root.iter(draft.name("InstallSection")):
        if draft.envelope.attribute(section, "initialBootStopDelay") is None:
            draft.set(section, "initialBootStopDelay", "0")
            restating.assume(f"{restating.place(section)}/@initialBootStopDelay", "0", DELAY)
