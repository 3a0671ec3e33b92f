"""The files of a package: added, removed, and their sizes.

Spec: DSP0243 clause 7.1 (References).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from lxml import etree

from ovf.backing import Backing, backing_of
from ovf.edit.draft import AROUND, Draft
from ovf.envelope import Reference
from ovf.outline import items
from ovf.package import is_remote, name_of
from ovf.writing.write import Member
from rehost.errors import UsageError
from rehost.files import LocalFile
from rehost.tracked import local_name

OWN = (".ovf", ".mf", ".cert")


def add_file(
    draft: Draft, path: Path, *, name: str | None = None, identifier: str | None = None
) -> str:
    """Add a file of this computer as the last of References; return its id."""
    return add_member(draft, local(path, name), identifier)


def local(path: Path, name: str | None = None) -> Member:
    """Return a file of this computer as a member to be, under its own name or another."""
    return Member(name or path.name, partial(LocalFile, path))


def remove_file(draft: Draft, name: str) -> None:
    """Remove a file, by its id or its name, that nothing refers to."""
    element, reference = file_of(draft, name)
    user = next(users_of(draft, reference.id), None)
    if user is not None:
        raise UsageError(
            f"file {name!r} is in use by {user}",
            where=str(draft.where(element)),
            hint="Remove that first: `rehost ovf remove disk` takes its file along.",
        )
    take_out(draft, element, reference)
    draft.settle()


def replace_file(draft: Draft, name: str, path: Path) -> Reference:
    """Put another file in the place of one, under its name; return what it was."""
    element, reference = file_of(draft, name)
    member = local(path, name_of(reference))
    for attribute in ("chunkSize", "compression"):
        draft.set(element, attribute, None)
    draft.set(element, "size", str(member.open().size))
    if draft.package is not None and not is_remote(reference):
        draft.removed |= set(draft.package.stored_names(reference)) - {member.name}
    draft.added[member.name] = member
    draft.settle()
    return reference


def file_of(draft: Draft, name: str) -> tuple[etree._Element, Reference]:
    """Return the File of an id or, failing that, of a name."""
    known = listed(draft)
    found = [each for each in known if each[1].id == name]
    found = found or [each for each in known if name in {each[1].href, name_of(each[1])}]
    if not found:
        named = ", ".join(f"{each.id} {name_of(each)!r}" for each in draft.envelope.references)
        raise UsageError(
            f"has no file {name!r}",
            where=draft.envelope.label,
            hint=f"There are {named}." if named else "",
        )
    return found[0]


def users_of(draft: Draft, identifier: str | None) -> Iterator[str]:
    """Yield what refers to a file by its id, in the words of messages."""
    if identifier is None:
        return
    for element in draft.envelope.root.iter(etree.Element):
        if draft.envelope.attribute(element, "fileRef") == identifier:
            kind = local_name(str(element.tag))
            named = draft.envelope.attribute(element, "diskId")
            yield f"{kind} {named!r}" if named else kind
    for item in items(draft.envelope):
        if backing_of(item.said.get("HostResource")) == Backing("file", identifier):
            yield item.label


def take_out(draft: Draft, element: etree._Element, reference: Reference) -> None:
    """Remove a File, and its bytes from the package."""
    draft.text.remove(element)
    name = name_of(reference)
    if name in draft.added:
        del draft.added[name]
    elif draft.package is not None and not is_remote(reference):
        draft.removed |= set(draft.package.stored_names(reference))


def state_sizes(draft: Draft, *, missing: bool = False) -> None:
    """Correct each ``ovf:size`` that is wrong, and with ``missing`` state those that are not."""
    package = draft.package
    for element, reference in listed(draft):
        stated = reference.size is not None or missing
        if package is None or is_remote(reference) or name_of(reference) in draft.added:
            continue
        if stated:
            names = package.stored_names(reference)
            size = str(sum(package.member(name).size for name in names))
            if (reference.size or "").strip() != size:
                draft.set(element, "size", size)
    draft.settle()


def listed(draft: Draft) -> list[tuple[etree._Element, Reference]]:
    """Return the files of References, each as element and as what it says."""
    elements = (
        file
        for section in draft.envelope.sections("References")
        for file in draft.envelope.children(section, "File")
    )
    return list(zip(elements, draft.envelope.references, strict=True))


def add_member(draft: Draft, member: Member, identifier: str | None = None) -> str:
    """Add a file as the last of References; return its id."""
    size = member.open().size
    _refuse_taken(draft, member.name)
    identifier = identifier or free_id({each.id for each in draft.envelope.references}, "file")
    if draft.envelope.reference(identifier) is not None:
        raise UsageError(f"there is a file of the id {identifier!r}", where=draft.envelope.label)
    new = draft.new("File", id=identifier, href=quote(member.name), size=str(size))
    section = next(iter(draft.envelope.sections("References")), None)
    if section is None:
        section = draft.new("References")
        section.append(new)
        draft.put(draft.envelope.root, section, AROUND)
    else:
        draft.put(section, new, ("File",))
    draft.added[member.name] = member
    draft.settle()
    return identifier


def free_id(used: set[str | None], stem: str) -> str:
    """Return the first of ``file1``, ``file2`` and so on that is not used."""
    number = 1
    while f"{stem}{number}" in used:
        number += 1
    return f"{stem}{number}"


def _refuse_taken(draft: Draft, name: str) -> None:
    odd = name.endswith(OWN) or "/" in name or not name.isprintable()
    if odd or name in {"", ".", ".."}:
        raise UsageError(
            f"is no name for a file of a package ({name!r})",
            hint="Name it otherwise: --name NAME, without a folder.",
        )
    taken = {name_of(each) for each in draft.envelope.references}
    if name in taken:
        raise UsageError(
            f"there is a file {name!r} already",
            where=draft.envelope.label,
            hint="Give the new one another name: --name.",
        )
