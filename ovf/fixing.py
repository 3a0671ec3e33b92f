"""Writing a package that has been mended, as ``rehost validate --fix`` does."""

from __future__ import annotations

from pathlib import Path

from ovf.edit.files import state_sizes
from ovf.editing import name_for, put, tell
from ovf.mend import mend
from ovf.package import Package
from ovf.profile import Target
from rehost.console.output import say
from rehost.errors import UsageError
from rehost.judgement import Repair
from rehost.progress import Progress


def mended(
    source: Path, dest: Path, targets: tuple[Target, ...], *, force: bool, progress: Progress
) -> tuple[Repair, ...]:
    """Mend a package for some importers, or by the standard alone, and write it as ``dest``.

    The source is only read. Members, their order, headers and manifest are written anew.
    """
    package = Package.open(source)
    if dest.resolve() in {source.resolve(), package.path.resolve()}:
        raise UsageError(
            "would replace the package that is mended",
            where=str(dest),
            hint="Name another DEST; move it afterwards.",
        )
    done = mend(package, targets)
    state_sizes(done.draft)
    found = done.draft.parcel(name=name_for(dest))
    tell(found.notes)
    for path in put(found, dest, force=force, progress=progress):
        say(f"wrote {path}", err=True)
    return done.repairs
