"""Debian packages, fetched and unpacked without being installed."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import EnvironmentFailureError
from rehost.programs import find, run
from tests.support.appliance.store import built_folder

META_PACKAGES = ("linux-image-amd64", "linux-image-generic")
KERNEL_NAME = re.compile(r"Depends: (linux-image-\d\S*)")
MODULES_NAME = re.compile(r"Depends: (linux-modules-\S+)")
IDENTITY = "identity"
DOWNLOAD_SECONDS = 600
UNPACK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The contents of packages. ``identity`` is their names and versions, one to a line."""

    folder: Path
    identity: str


def kernel(cache: Path) -> Unpacked:
    """Return the newest kernel of this distribution, with its modules."""
    return _unpacked(cache, "kernel")


def busybox(cache: Path) -> Unpacked:
    """Return the statically linked busybox."""
    return _unpacked(cache, "busybox")


def _unpacked(cache: Path, what: str) -> Unpacked:
    def fill(folder: Path) -> None:
        names = _kernel_packages() if what == "kernel" else ("busybox-static",)
        _download(names, folder)
        archives = sorted(folder.glob("*.deb"))
        for archive in archives:
            run(["dpkg-deb", "-x", str(archive), str(folder)], seconds=UNPACK_SECONDS)
            archive.unlink()
        (folder / IDENTITY).write_text("\n".join(archive.name for archive in archives))

    folder = built_folder(cache, what, fill)
    return Unpacked(folder, (folder / IDENTITY).read_text())


def _kernel_packages() -> tuple[str, ...]:
    """Return the packages that hold the kernel: one in Debian, several in Ubuntu."""
    for attempt in ("as it is", "with fresh lists"):
        for meta in META_PACKAGES:
            image = KERNEL_NAME.search(_depends(meta))
            if image:
                return image[1], *_module_packages(meta, image[1])
        if attempt == "as it is":
            _refresh_lists()
    raise EnvironmentFailureError(
        f"apt knows no kernel ({' or '.join(META_PACKAGES)})",
        hint="Refresh the package lists: sudo apt-get update",
    )


def _module_packages(*packages: str) -> tuple[str, ...]:
    found = {name for package in packages for name in MODULES_NAME.findall(_depends(package))}
    return tuple(sorted(found))


def _depends(package: str) -> str:
    """Return what apt says ``package`` depends on, or nothing where apt does not know it."""
    find("apt-cache", package="apt")
    argv = ["apt-cache", "depends", "--important", package]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout


def _download(packages: tuple[str, ...], folder: Path) -> None:
    """Download packages into ``folder``, asking for fresh lists when a version has gone."""
    try:
        _apt_download(packages, folder)
    except EnvironmentFailureError:
        _refresh_lists()
        _apt_download(packages, folder)


def _apt_download(packages: tuple[str, ...], folder: Path) -> None:
    script = 'cd "$1" && shift && exec apt-get -q -o APT::Sandbox::User=root download "$@"'
    run(["sh", "-c", script, "sh", str(folder), *packages], seconds=DOWNLOAD_SECONDS)


def _refresh_lists() -> None:
    if os.geteuid() == 0:
        run(["apt-get", "-q", "update"], seconds=DOWNLOAD_SECONDS)
