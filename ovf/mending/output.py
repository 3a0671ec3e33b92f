"""Writing a package that has been mended, as ``rehost validate --fix`` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ovf.edit.files import state_sizes
from ovf.edit.result import ARCHIVE, descriptor_alone, name_for, put, tell, unseen
from ovf.judging.profile import Target
from ovf.mending.mend import Mended, mend
from ovf.mending.rewriting import DIGESTS, rewritten
from ovf.package import Package
from ovf.storage import Nothing
from rehost.console.output import one_line, say
from rehost.errors import UsageError
from rehost.progress import Progress

DIFFERENT = "files are not those its manifest is of; make sure that they are whole"


def mended(
    source: Path,
    dest: Path,
    targets: tuple[Target, ...],
    progress: Progress,
    *,
    descriptor_only: bool = False,
) -> Mended:
    """Mend a package for some importers, or by the standard alone; nothing is written yet.

    With ``descriptor_only`` no other file is looked at.
    """
    package = Package.open(source)
    own = {source.resolve(), package.path.resolve()}
    if package.archive is None:
        own.add(package.path.resolve().parent)
    if dest.resolve() in own:
        raise UsageError(
            "would replace the package that is mended",
            where=str(dest),
            hint="Name another DEST; move it afterwards.",
        )
    if descriptor_only:
        done = mend(package.reached(Nothing), targets)
        return Mended(done.draft, done.repairs, tuple(unseen(package)))
    done = mend(package, targets)
    packed = dest.suffix.lower() == ARCHIVE
    anew = rewritten(package, targets, progress, packed=packed)
    return Mended(done.draft, (*anew, *done.repairs))


def write(
    done: Mended,
    dest: Path,
    targets: tuple[Target, ...],
    *,
    force: bool,
    progress: Progress,
    descriptor_only: bool = False,
) -> None:
    """Write what was mended: members, their order, headers and manifest are written anew."""
    if descriptor_only:
        found = descriptor_alone(done.draft, dest)
    else:
        state_sizes(done.draft)
        digests = {target.digest for target in targets} or {"SHA256"}
        algorithm = "SHA1" if "SHA1" in digests else "SHA256"
        found = done.draft.parcel(name=name_for(dest), algorithm=algorithm)
    tell((*found.notes, *done.notes, *_doubts(done)))
    for path in put(found, dest, force=force, progress=progress):
        say(f"wrote {one_line(str(path))}", err=True)


def _doubts(done: Mended) -> Iterator[str]:
    package = done.draft.package
    if package is not None and any(repair.rule == DIGESTS for repair in done.repairs):
        yield f"{package.path}: {DIFFERENT}"
