"""Manifests: the digests of a package's files, read tolerantly and verified beside other work.

Spec: DSP0243 clause 5.1. A line is ``SHA256(disk.vmdk)= <hexadecimal digest>``. Digests are over
the files as they are stored: chunks one by one, compressed files compressed.

Spellings that leave no doubt are read and become findings; a line that leaves doubt is an error,
for a digest that is skipped silently protects nobody. Who only judges is told of every such line,
and of what the others say.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from ovf.contents.passing import Passing
from ovf.envelope import Reference
from ovf.package import Package, is_remote, leads_out, name_of, outside, percent_decoded
from ovf.storage import plain_name
from rehost.errors import DamagedInputError, InteropError, RefusedError, TransferError
from rehost.files import File, read_all
from rehost.holes import Sparing
from rehost.progress import SILENT, Progress
from rehost.report import Finding, Location, Severity
from rehost.tracked import summary

LARGEST = 4 << 20
MOST_ENTRIES = 20_000
"""Lines, too: nobody reads more findings."""
LONGEST_LINE = 5000
MOST_UNREAD = 64 << 10
STEP = 4 << 20
ALGORITHMS = {"SHA1": 40, "SHA256": 64, "SHA384": 96, "SHA512": 128}
LINE = re.compile(r"(?P<algorithm>[A-Za-z0-9-]+)\s*\((?P<name>.+)\)\s*=\s*(?P<digest>\S+)")
LINE_END = re.compile(rb"\r{0,2}\n|\r")
"""That of any system, and what comes of one turned into CR LF twice."""
EXACT = re.compile(r"SHA(1|256|384|512)\(.+\)= [0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: the digest a file should have, in lower-case hexadecimal."""

    algorithm: str
    name: str
    digest: str
    at: Location


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries of a manifest, and what is odd about the way they are written.

    ``unread`` is the text of the lines that a tolerant reading passed over.
    """

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    unread: str = ""


def parse_manifest(content: bytes, where: str, *, tolerant: bool = False) -> Manifest:
    """Read a manifest; a line that cannot be understood is an error with its number.

    In a ``tolerant`` reading it is a finding, and the other lines are read.
    """
    findings = []
    if content.startswith(b"\xef\xbb\xbf"):
        findings.append(_odd("MAN-010", "begins with a byte order mark", Location(where, 1)))
        content = content[3:]
    if b"\r" in content:
        end = "CR LF" if b"\r\n" in content else "CR"
        findings.append(_odd("MAN-010", f"lines end in {end}, not LF", Location(where, 1)))
    entries: list[Entry] = []
    unread: list[bytes] = []
    lines = LINE_END.split(content)
    for number, line in enumerate(lines, 1):
        at = Location(where, number)
        if number > MOST_ENTRIES and (line or number < len(lines)):
            raise DamagedInputError(f"has more than {MOST_ENTRIES} lines", where=str(at))
        if line.strip():
            try:
                entries.append(_entry(line, at))
            except DamagedInputError as error:
                if not tolerant:
                    raise
                findings.append(Finding("MAN-001", Severity.ERROR, error.what, at))
                unread.append(line)
            else:
                findings += _oddities(line.decode(), at)
        elif number < len(lines):
            findings.append(_odd("MAN-010", "line is blank", at))
    passed = b"\n".join(unread)[:MOST_UNREAD].decode(errors="replace")
    return Manifest(tuple(entries), tuple(findings), passed)


def _entry(line: bytes, at: Location) -> Entry:
    try:
        found = LINE.fullmatch(line.decode().strip()) if len(line) <= LONGEST_LINE else None
    except UnicodeDecodeError:
        found = None
    algorithm = re.sub(r"^SHA-?(2-)?", "SHA", found["algorithm"].upper()) if found else ""
    digest = found["digest"].lower() if found else ""
    if found is None or algorithm not in ALGORITHMS or digest.strip("0123456789abcdef"):
        said = summary(line[:200].decode(errors="backslashreplace"))
        raise DamagedInputError(
            f"manifest line cannot be read ({said!r})",
            where=str(at),
            hint="A line is 'SHA256(name)= digest', with SHA1, SHA256, SHA384 or SHA512.",
        )
    if len(digest) != ALGORITHMS[algorithm]:
        raise DamagedInputError(
            f"{algorithm} digest is of the wrong length"
            f" (has {len(digest)} digits, should have {ALGORITHMS[algorithm]})",
            where=str(at),
        )
    return Entry(algorithm, found["name"].strip(), digest, at)


def _oddities(line: str, at: Location) -> Iterator[Finding]:
    """Find what a strict reader of the line would stumble over."""
    found = LINE.fullmatch(line.strip())
    if found is None or EXACT.fullmatch(line):
        return
    if not re.fullmatch(r"SHA(1|256|384|512)", found["algorithm"]):
        yield _odd("MAN-009", f"algorithm is spelled {found['algorithm']!r}", at)
    if found["digest"] != found["digest"].lower():
        yield _odd("MAN-007", "digest is in upper case", at)
    plain = f"{found['algorithm']}({found['name']})= {found['digest']}"
    if line != plain:
        yield _odd("MAN-008", "white space is not as in 'SHA256(name)= digest'", at)


def _odd(rule: str, message: str, at: Location) -> Finding:
    return Finding(rule, Severity.WARNING, message, at)


def _without(package: Package) -> Finding:
    message = "the package has no manifest, so nothing was checked against digests"
    return Finding("MAN-000", Severity.INFO, message, Location(str(package.path)))


def read_manifest(package: Package, *, tolerant: bool = False) -> Manifest | None:
    """Return a package's manifest, or None where it has none."""
    name = package.manifest_name
    if name is None:
        return None
    content = read_all(package.member(name), LARGEST)
    return parse_manifest(content, package.where(name), tolerant=tolerant)


def judged_manifest(package: Package) -> Manifest | None:
    """Return a package's manifest as far as its lines can be read."""
    return read_manifest(package, tolerant=True)


def readable_manifest(package: Package) -> Manifest | None:
    """Return a package's manifest as far as it can be read, or None where it has none."""
    try:
        return package.once(judged_manifest)
    except DamagedInputError:
        return None


def coverage(package: Package, manifest: Manifest) -> list[Finding]:
    """Compare what the manifest lists with what the package holds and refers to."""
    encoded = {entry.name: name for entry in manifest.entries if (name := _meant(package, entry))}
    listed = {plain_name(encoded.get(entry.name, entry.name)) for entry in manifest.entries}
    own = {name for name in (package.manifest_name, package.certificate_name) if name}
    return [
        *_absent(package, manifest, own, encoded),
        *_unlisted_references(package, manifest, listed),
        *_unlisted_others(package, manifest, listed, own),
        *_repeated(manifest),
    ]


def _meant(package: Package, entry: Entry) -> str | None:
    """Return the file that an entry names percent-encoded, as only an ovf:href does."""
    name = percent_decoded(entry.name)
    if name == entry.name or is_there(package, entry) is not False:
        return None
    return name if is_there(package, replace(entry, name=name)) else None


def _absent(
    package: Package, manifest: Manifest, own: set[str], encoded: Mapping[str, str]
) -> Iterator[Finding]:
    for entry in manifest.entries:
        if plain_name(entry.name) in own:
            message = f"manifest lists {entry.name!r}, which it should not"
            yield _odd("MAN-012", message, entry.at)
        elif is_there(package, entry) is False:
            message = f"manifest lists a file that is not in the package ({entry.name!r})"
            if name := encoded.get(entry.name):
                message = f"manifest lists {name!r} percent-encoded ({entry.name!r})"
            yield Finding("MAN-013", Severity.ERROR, message, entry.at)


def _unlisted_references(
    package: Package, manifest: Manifest, listed: set[str]
) -> Iterator[Finding]:
    for reference in package.files:
        for name in _stored(package, reference):
            if plain_name(name) not in listed and name not in manifest.unread:
                message = f"referenced file is not in the manifest ({name!r})"
                yield Finding("MAN-005", Severity.ERROR, message, reference.at)


def _unlisted_others(
    package: Package, manifest: Manifest, listed: set[str], own: set[str]
) -> Iterator[Finding]:
    descriptor = package.descriptor.name
    itself = package.manifest_name
    at = Location(package.written.label if itself is None else package.where(itself))
    own_name = plain_name(descriptor.rpartition("/")[2])
    if own_name not in listed and own_name not in manifest.unread:
        yield _odd("MAN-006", f"descriptor is not in the manifest ({descriptor!r})", at)
    if package.archive is None:
        return
    referenced = {
        plain_name(name) for reference in package.files for name in _stored(package, reference)
    }
    known = {package.beside(name) for name in listed | referenced | own}
    for name in package.names():
        if name not in {descriptor, *known} and name not in manifest.unread:
            yield _odd("MAN-006", f"file is not in the manifest ({name!r})", at)


def _stored(package: Package, reference: Reference) -> tuple[str, ...]:
    """Return the files behind a reference; whoever opens one that is missing will say so."""
    try:
        elsewhere = is_remote(reference) or leads_out(reference)
        return () if elsewhere else package.stored_names(reference)
    except RefusedError:
        return (name_of(reference),)
    except DamagedInputError:
        return ()


def file_of(package: Package, entry: Entry) -> File | None:
    """Open the file an entry is of; one outside the package is not looked for."""
    return None if outside(entry.name) else package.find(entry.name, by=str(entry.at))


def is_there(package: Package, entry: Entry) -> bool | None:
    """Say whether the file of an entry is there; None of one that is refused, as its digest is."""
    try:
        return file_of(package, entry) is not None
    except RefusedError:
        return None


def _repeated(manifest: Manifest) -> Iterator[Finding]:
    seen: dict[str, Entry] = {}
    for entry in manifest.entries:
        first = seen.setdefault(plain_name(entry.name), entry)
        if first is not entry:
            message = f"file is listed again ({entry.name!r}, first in line {first.at.line})"
            yield _odd("MAN-011", message, entry.at)


class Verification:
    """Hashes the files a manifest lists, in a thread of its own, while other work goes on.

    Memory is one buffer of 4 MiB. Use it as a context, or end it with ``finish`` or ``cancel``:
    each of them returns only when the thread is gone.
    """

    def __init__(self, package: Package) -> None:
        """Read the manifest, so that one that cannot be read is known before the work begins."""
        self._package = package
        self._manifest = read_manifest(package)
        self._findings: list[Finding] = []
        if self._manifest is not None:
            self._findings = [*self._manifest.findings, *coverage(package, self._manifest)]
        else:
            self._findings = [_without(package)]
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the manifest itself; known before anything is hashed."""
        return tuple(self._findings)

    def start(self) -> None:
        """Begin to hash."""
        if self._manifest is not None and self._manifest.entries:
            self._thread = threading.Thread(target=self._run, name="manifest", daemon=True)
            self._thread.start()

    def finish(self) -> list[Finding]:
        """Wait for the digests; raise if one differs or a file could not be read."""
        self._join()
        if self._error is not None:
            raise self._error
        return list(self._findings)

    def cancel(self) -> None:
        """Stop hashing, forgetting what was found."""
        self._stop.set()
        self._join()
        self._error = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            for error in differences(self._package.twin(), self._manifest, self._stop):
                raise error
        except BaseException as error:  # carried to the caller's thread, whatever it is
            self._error = error


def unequal(package: Package) -> tuple[InteropError, ...]:
    """Return an error for each file whose digest is not the manifest's, or that is not opened."""
    return compared(package, package.once(readable_manifest))


def compared(
    package: Package, manifest: Manifest | None, progress: Progress = SILENT
) -> tuple[InteropError, ...]:
    """Return the same of a manifest; a file that is refused keeps nobody from the others."""
    refused: list[InteropError] = []
    opened: list[Entry] = []
    for entry in manifest.entries if manifest else ():
        try:
            file_of(package, entry)
        except RefusedError as error:
            refused.append(error)
        else:
            opened.append(entry)
    readable = replace(manifest, entries=tuple(opened)) if manifest else None
    return (*refused, *differences(package, readable, progress=progress))


def differences(
    package: Package,
    manifest: Manifest | None,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
) -> Iterator[TransferError]:
    """Yield an error for each digest that differs; files that are missing are not its concern."""
    by_name: dict[str, list[Entry]] = {}
    for entry in manifest.entries if manifest else ():
        if not outside(entry.name):
            by_name.setdefault(plain_name(entry.name), []).append(entry)
    if progress is not SILENT:
        files = (file_of(package, each[0]) for each in by_name.values())
        progress.start("checking digests", sum(file.size for file in files if file))
    for entries in by_name.values():
        file = file_of(package, entries[0])
        if file is None:
            continue
        found = _digests(file, {entry.algorithm for entry in entries}, stop, progress)
        if found is None:
            return
        for entry in entries:
            if found[entry.algorithm] != entry.digest:
                yield _differs(package.where(entry.name), entry, found[entry.algorithm])


def _digests(
    file: File, algorithms: set[str], stop: threading.Event | None, progress: Progress
) -> dict[str, str] | None:
    """Hash a file in one pass; None when told to stop before its end."""
    if isinstance(file, Passing):
        return file.finish()
    hashes = {name: hashlib.new(name.lower(), usedforsecurity=False) for name in algorithms}
    sparing = Sparing(file)
    for offset in range(0, file.size, STEP):
        if stop is not None and stop.is_set():
            return None
        piece = sparing.pread(offset, STEP)
        for digest in hashes.values():
            digest.update(piece)
        progress.advance(len(piece))
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def _differs(where: str, entry: Entry, found: str) -> TransferError:
    return TransferError(
        f"{entry.algorithm} digest differs from the manifest"
        f" (is {found}, should be {entry.digest})",
        where=where,
        hint="The file was changed or damaged on its way; fetch it again.",
    )
