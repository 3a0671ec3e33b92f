"""Signing a package: its manifest is signed, and the certificate put beside it.

Spec: DSP0243 clause 5.1. What is signed has been checked: every digest, and that the manifest
lists every file, for a signature over a false manifest would vouch for damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from ovf.manifest import LARGEST, coverage, differences, read_manifest
from ovf.package import Package
from ovf.signing import chain
from ovf.signing.insertion import insert
from ovf.signing.keys import Signer, pem, sign, subject_of
from ovf.writing.parcel import parcel, sealed
from ovf.writing.write import Contents, write_archive, write_folder
from rehost.errors import RefusedError, UnsupportedInputError, UsageError
from rehost.files import read_all
from rehost.outputs import staged, writing
from rehost.progress import SILENT, Progress
from rehost.report import Severity


@dataclass(frozen=True, slots=True)
class Signing:
    """What was signed: the file that holds it, and how."""

    path: Path
    certificate: str
    algorithm: str
    signer: str
    remarks: tuple[str, ...]


def signed_text(manifest: bytes, name: str, signer: Signer, algorithm: str) -> bytes:
    """Return a certificate file: the signature, the signer's certificate, then the chain."""
    signature = sign(signer.key, manifest, algorithm).hex()
    certificates = b"".join(map(pem, (signer.certificate, *signer.chain)))
    return f"{algorithm}({name})= {signature}\n".encode() + certificates


def sign_package(
    package: Package,
    signer: Signer,
    *,
    algorithm: str,
    now: datetime,
    dest: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> Signing:
    """Sign a package where it lies or into ``dest``; a manifest must be there."""
    _refuse_signer(signer, now)
    name = package.manifest_name
    if name is None:
        raise RefusedError(
            "has no manifest, which is what is signed",
            where=str(package.path),
            hint="Write the package with a manifest first.",
        )
    manifest = read_all(package.member(name), LARGEST)
    who = subject_of(signer.certificate)
    remarks = tuple(_remarks(package, algorithm))
    if dest is not None and dest.suffix.lower() == ".ovf":
        raise UsageError(
            "is named as a descriptor, not as a package",
            where=str(dest),
            hint="Name an .ova or, of a package in a folder, another folder.",
        )
    if dest is not None and package.archive is None:
        contents = _signed_contents(package, manifest, signer, algorithm)
        write = write_archive if dest.suffix.lower() == ".ova" else write_folder
        write(contents, dest, force=force, progress=progress)
        return Signing(dest, f"{_stem(package)}.cert", algorithm, who, remarks)
    own = package.certificate_name or str(PurePosixPath(name).with_suffix(".cert"))
    content = signed_text(manifest, name, signer, algorithm)
    path = package.path.parent / own if package.archive is None else dest or package.path
    with staged(path, force=force) as place:
        _refuse_false(package, progress)
        if package.archive is None:
            with writing(place):
                place.write_bytes(content)
        else:
            names = (package.beside(own), package.beside(name))
            insert(package.archive, names[0], content, place, after=names[1])
    return Signing(path, own, algorithm, who, remarks)


def _signed_contents(package: Package, manifest: bytes, signer: Signer, algorithm: str) -> Contents:
    """Return what to copy of a descriptor's files; digests are checked when that is written."""
    _refuse_unlisted(package)
    content = signed_text(manifest, f"{_stem(package)}.mf", signer, algorithm)
    seal = sealed(package, content)
    if seal is None:
        raise UnsupportedInputError(
            "manifest is not of one digest", where=str(package.path), hint="Write it again."
        )
    return replace(parcel(package).contents, seal=seal)


def _stem(package: Package) -> str:
    return PurePosixPath(package.descriptor.name).stem


def _refuse_signer(signer: Signer, now: datetime) -> None:
    where = subject_of(signer.certificate)
    why = chain.not_in_force(signer.certificate, now) or chain.unmeant(signer.certificate)
    if why:
        raise RefusedError(
            f"certificate {why}", where=where, hint="Nobody would accept it; take another."
        )


def _refuse_false(package: Package, progress: Progress) -> None:
    """Hash every file, and refuse to vouch for a manifest that is wrong or not whole."""
    _refuse_unlisted(package)
    for error in differences(package, read_manifest(package), progress=progress):
        raise error


def _refuse_unlisted(package: Package) -> None:
    manifest = read_manifest(package)
    for finding in coverage(package, manifest) if manifest else ():
        if finding.severity is Severity.ERROR:
            raise RefusedError(
                finding.message,
                where=str(finding.location),
                hint="Write the manifest again, then sign it.",
            )


def _remarks(package: Package, algorithm: str) -> Iterator[str]:
    manifest = read_manifest(package)
    used = {entry.algorithm for entry in manifest.entries} if manifest else set()
    if used - {algorithm}:
        yield (
            f"signature is of {algorithm}, the manifest of {', '.join(sorted(used))}:"
            " old importers read one digest for both"
        )
