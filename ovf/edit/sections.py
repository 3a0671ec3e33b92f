"""Names, annotations, licences, operating systems: the sections that are mostly text.

Spec: DSP0243 clauses 7.2 (Name), 9.4 (AnnotationSection), 9.6 (EulaSection), 9.9
(OperatingSystemSection).
"""

from __future__ import annotations

from lxml import etree

from ovf.cim import OPERATING_SYSTEMS
from ovf.edit.draft import Draft
from ovf.namespaces import VMW
from rehost.errors import UsageError
from rehost.tracked import summary

BEFORE_HARDWARE = (
    *("Info", "Name", "AnnotationSection", "ProductSection", "EulaSection"),
    *("OperatingSystemSection", "InstallSection"),
)
"""What stands before the hardware, in the order most writers use; the standard leaves it open."""


def set_name(draft: Draft, system: str | None, name: str) -> None:
    """Name a virtual system or collection; its id, which others refer to, stays."""
    if not name.strip() or len(name.splitlines()) != 1:
        raise UsageError(f"is no name of a machine ({name!r})", hint="Pass one line of text.")
    element = draft.content_of(system)
    draft.child(element, "Name", name, BEFORE_HARDWARE)
    path = (
        draft.name("VirtualHardwareSection"),
        draft.name("System"),
        "{*}VirtualSystemIdentifier",
    )
    for identifier in element.iterfind("/".join(path)):
        draft.write(identifier, name)
    draft.settle()


def set_annotation(draft: Draft, system: str | None, text: str) -> None:
    """Describe a virtual system or collection in words."""
    content = draft.content_of(system)
    _section(draft, content, "AnnotationSection", "A description of it", ("Annotation", text))


def set_eula(draft: Draft, system: str | None, text: str) -> None:
    """Give the licence that whoever deploys has to agree to; of several, the first."""
    content = draft.content_of(system)
    _section(draft, content, "EulaSection", "The licence to be accepted", ("License", text))


def set_operating_system(
    draft: Draft, system: str | None, number: int, description: str | None = None
) -> None:
    """Say what is installed, by a number of CIM_OperatingSystem.OSType."""
    if description is None and number not in OPERATING_SYSTEMS:
        raise UsageError(
            f"no operating system is known by this number ({number})",
            hint="Give a description with it.",
        )
    words = description or OPERATING_SYSTEMS[number]
    content = draft.system(system)
    section = draft.envelope.first(content, "OperatingSystemSection")
    named = None if section is None else section.get(f"{{{VMW}}}osType")
    if section is not None and named is not None:
        draft.notes.append(f"{draft.where(section)}: vmw:osType still says {summary(str(named))}")
    info = "The kind of installed guest operating system"
    _section(draft, content, "OperatingSystemSection", info, ("Description", words), id=str(number))


def _section(
    draft: Draft,
    content: etree._Element,
    name: str,
    info: str,
    said: tuple[str, str],
    **more: str,
) -> None:
    """Set what a section says, making the section where there is none."""
    section = draft.envelope.first(content, name)
    if section is None:
        made = draft.new(name, **more)
        made.extend((draft.new("Info", info), draft.new(*said)))
        draft.put(content, made, BEFORE_HARDWARE)
    else:
        for attribute, value in more.items():
            draft.set(section, attribute, value)
        draft.child(section, *said, ("Info", said[0]))
    draft.settle()
