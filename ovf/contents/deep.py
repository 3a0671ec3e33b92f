"""Reading all of a package once: digests of its files, and what is in its disks.

Spec: DSP0243 clauses 5.1 and 9.1. What is found is kept with the package, where the rules look.
A disk inside gzip is unpacked once if its size is what it was likely to be, and nothing but its
content has to be looked for all over the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ovf.contents.disks import DiskFile, contents, plain_file, stored_disks
from ovf.contents.gate import PackageGate
from ovf.contents.passing import Passing, PassingStorage
from ovf.contents.probe import PLAIN, DiskContent, Probe
from ovf.contents.unpacking import foretold
from ovf.manifest import Manifest, compared, readable_manifest, unequal
from ovf.package import Package, name_of
from ovf.storage import plain_name
from rehost.errors import InteropError
from rehost.files import File, Inflated
from rehost.progress import SILENT, Progress


def read_everything(package: Package, progress: Progress = SILENT) -> None:
    """Read every byte of a package's files, of each disk up to its first damaged block."""
    manifest = package.once(readable_manifest)
    wanted = _algorithms(package, manifest)
    found = package.once(contents)
    with ThreadPoolExecutor(1) as hashing:
        progress.start("reading", _size(package, set(wanted)))
        passing = package.reached(
            lambda storage: PassingStorage(storage, wanted, hashing, progress)
        )
        package.keep(contents, tuple(_read(passing, each) for each in found))
        package.keep(unequal, compared(passing, manifest))
    progress.close()


def _algorithms(package: Package, manifest: Manifest | None) -> dict[str, frozenset[str]]:
    """Return the digests to make of the files a manifest lists, by their plain names."""
    wanted: dict[str, frozenset[str]] = {}
    for entry in manifest.entries if manifest else ():
        name = plain_name(package.beside(entry.name))
        wanted[name] = wanted.get(name, frozenset()) | {entry.algorithm}
    return wanted


def _size(package: Package, listed: set[str]) -> int:
    """Return how many bytes there are to read: files listed, and those that disks are in."""
    disks = (
        name for _, reference in stored_disks(package) for name in package.stored_names(reference)
    )
    names = listed | {plain_name(package.beside(name)) for name in disks}
    return sum(file.size for file in _files(package, names))


def _files(package: Package, names: set[str]) -> Iterator[File]:
    for name in names:
        try:
            file = package.stored(name)
        except InteropError:
            continue
        if file is not None:
            yield file


def _read(passing: Package, each: DiskFile) -> DiskFile:
    """Read a disk that can be opened and whose tables are whole."""
    probe = passing.probe
    if probe is None or each.error is not None or (each.facts and each.facts.flaws):
        return each
    try:
        return _with_content(passing, each, probe)
    except InteropError as error:
        return replace(each, error=error)


def _with_content(passing: Package, each: DiskFile, probe: Probe) -> DiskFile:
    file, gate = plain_file(passing, each.reference), PackageGate(passing, name_of(each.reference))
    if not isinstance(file, Inflated):
        return replace(each, content=probe.read(file, gate))
    ahead = foretold(file, passing.envelope.legible_capacity(each.disk))
    plain = Passing(ahead)
    content = _read_ahead(probe, plain, gate, each)
    if content is None or not ahead.is_true:
        plain, content = Passing(file), None
    facts = probe.look(plain, gate)
    if content is None or facts.format != (each.facts.format if each.facts else PLAIN):
        content = probe.read(plain, gate)
    return replace(each, facts=facts, content=content)


def _read_ahead(probe: Probe, file: File, gate: PackageGate, each: DiskFile) -> DiskContent | None:
    """Read what is unpacked as what it begins like; None if it cannot be opened so."""
    try:
        return probe.read_ahead(file, gate, each.facts)
    except InteropError:
        return None
