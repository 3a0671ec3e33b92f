"""Which files an image in a package may name: other files of the package, and nothing else."""

from __future__ import annotations

from pathlib import PurePosixPath

from ovf.package import Package
from rehost.files import File, parts_beneath


class PackageGate:
    """Lets an image name other files of its package, relative to where it lies itself."""

    def __init__(self, package: Package, member: str) -> None:
        self._package = package
        self._folder = PurePosixPath(member).parent

    def open(self, name: str, *, by: str) -> File:
        """Open a member."""
        return self._package.member(str(self._folder.joinpath(*parts_beneath(name, by=by))), by=by)
