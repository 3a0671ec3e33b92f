"""What a package that is read holds, as contents to be written.

Spec: DSP0243 clauses 5.1 and 7.1. Files come in the order of References, then those the package
holds besides; files that are elsewhere (http) stay there. A signature survives where the descriptor
stays as it is, and is left out where it would be false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ovf.envelope import Envelope
from ovf.manifest import LARGEST, read_manifest
from ovf.package import Package, is_remote, name_of
from ovf.storage import plain_name
from ovf.writing.write import Contents, Member, Seal, held
from rehost.files import read_all

UNSIGNED = "the signature is left out, for it is not of what is written; sign the result again"
OUTSIDE = "is left out, for it does not lie beside or below the descriptor"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Contents, and what has to be said about them."""

    contents: Contents
    notes: tuple[str, ...]


def parcel(
    package: Package,
    *,
    envelope: Envelope | None = None,
    content: bytes | None = None,
    added: Mapping[str, Member] | None = None,
    removed: frozenset[str] = frozenset(),
    name: str | None = None,
    algorithm: str | None = "SHA256",
    keep: bool | None = None,
) -> Parcel:
    """Gather a package under a changed descriptor: its ``envelope`` and its ``content``.

    ``added`` are files that come into it by their names, ``removed`` the names of those that
    leave it, ``name`` is the descriptor's new one. Manifest and
    certificate of a package that stays as it is are kept if ``keep`` says so, or it is signed.
    """
    own = _own_name(package)
    content = package.descriptor.content if content is None else content
    changed = content != package.descriptor.content or name not in {None, own}
    files = _members(package, envelope or package.envelope, added or {})
    others, outside = _others(package)
    for each in others:
        if each not in removed:
            files.setdefault(each, _member(package, each, each))
    notes = [f"{package.path}!{each}: {OUTSIDE}" for each in outside]
    certificate = package.certificate_name
    seal = None
    keep = certificate is not None if keep is None else keep
    if keep and not (changed or added or removed):
        signed = None if certificate is None else read_all(package.member(certificate), LARGEST)
        seal = sealed(package, signed)
    if certificate is not None and seal is None:
        notes.append(f"{package.path}: {UNSIGNED}")
    descriptor = held(name or own, content)
    return Parcel(Contents(descriptor, tuple(files.values()), algorithm, seal), tuple(notes))


def _members(
    package: Package, envelope: Envelope, added: Mapping[str, Member]
) -> dict[str, Member]:
    """Return the files of References by their names."""
    found: dict[str, Member] = {}
    for reference in envelope.references:
        if is_remote(reference):
            continue
        if (name := name_of(reference)) in added:
            found[name] = added[name]
            continue
        for each in package.stored_names(reference):
            member = _member(package, each, str(reference.at))
            found[member.name] = member
    return found


def _member(package: Package, name: str, by: str) -> Member:
    return Member(plain_name(name), partial(package.member, name, by=by))


def _others(package: Package) -> tuple[list[str], list[str]]:
    """Return the files that nothing refers to: an archive's, or those a folder's manifest lists.

    Those of an archive that do not lie below the descriptor's folder come second.
    """
    own = {*package.manifest_names, package.certificate_name, _own_name(package)}
    if package.archive is None:
        manifest = read_manifest(package)
        listed = [entry.name for entry in manifest.entries] if manifest else []
        return [name for name in listed if name not in own and package.find(name)], []
    folder = package.beside("")
    below = [name[len(folder) :] for name in package.names() if name.startswith(folder)]
    outside = [name for name in package.names() if not name.startswith(folder)]
    return [name for name in below if name not in own], outside


def sealed(package: Package, certificate: bytes | None) -> Seal | None:
    """Return the manifest as it is, with a certificate if it has one; None if it cannot hold."""
    manifest = read_manifest(package)
    algorithms = {entry.algorithm for entry in manifest.entries} if manifest else set()
    if manifest is None or package.manifest_name is None or len(algorithms) != 1:
        return None
    return Seal(
        read_all(package.member(package.manifest_name), LARGEST),
        certificate,
        algorithms.pop(),
        {plain_name(entry.name): entry.digest for entry in manifest.entries},
    )


def _own_name(package: Package) -> str:
    return package.descriptor.name.rpartition("/")[2]
