"""ISO 9660 images of a few files, always the same for the same files.

Spec: ECMA-119, clauses 8.4 (volume descriptors) and 9.1 (directory records); the names as they are
stand in Rock Ridge (IEEE P1282) and Joliet. DSP0243 clause 11.2 wants the environment as
``ovf-env.xml`` in the root folder of such a medium.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from rehost.errors import UsageError

SECTOR = 2048
FIRST_DESCRIPTOR = 16
LAST_DESCRIPTOR = 255
ROOT_RECORD = 156
VOLUME_DATES = 813
RECORD_DATE = 18
NAME_LENGTH = 32
NAME = 33
LARGEST = 64 << 20
MOST_FILES = 1000
LONGEST_NAME = 64
"""In bytes of UTF-8, as pycdlib counts the names of Joliet."""
LABEL = re.compile(r"[A-Za-z0-9_-]{1,16}")
MADE = b"1980010100000000\0"
NO_DATE = b"0000000000000000\0"
RECORDED = bytes((80, 1, 1, 0, 0, 0, 0))


def image_of(files: Mapping[str, bytes], label: str) -> bytes:
    """Return an image with these files in its root folder, all of them dated 1980."""
    import pycdlib

    _refuse(files, label)
    medium = pycdlib.PyCdlib()
    medium.new(interchange_level=1, vol_ident=label, joliet=3, rock_ridge="1.09")
    for number, (name, content) in enumerate(sorted(files.items())):
        medium.add_fp(
            io.BytesIO(content),
            len(content),
            _plain(name, number),
            rr_name=name,
            joliet_path=f"/{name}",
        )
    written = io.BytesIO()
    medium.write_fp(written)
    medium.close()
    image = bytearray(written.getvalue())
    _date(image)
    return bytes(image)


def _refuse(files: Mapping[str, bytes], label: str) -> None:
    if not files or len(files) > MOST_FILES or sum(map(len, files.values())) > LARGEST:
        raise UsageError(f"a medium holds 1 to {MOST_FILES} files of {LARGEST >> 20} MiB together")
    if not LABEL.fullmatch(label):
        raise UsageError(
            f"is no label of a medium ({label!r})",
            hint="It has up to 16 letters, digits, hyphens and underscores.",
        )
    for name in files:
        odd = "/" in name or not name.isprintable() or len(name.encode()) > LONGEST_NAME
        if odd or name in {"", ".", ".."}:
            raise UsageError(
                f"is no name for a file on a medium ({name!r})",
                hint=f"It has up to {LONGEST_NAME} bytes, and no slash.",
            )


def _plain(name: str, number: int) -> str:
    """Return a name of eight and three letters: its own, or a number where that does not fit."""
    stem, _, suffix = name.upper().rpartition(".")
    short = f"{re.sub('[^A-Z0-9]', '_', stem)}.{suffix}"
    if not re.fullmatch(r"[A-Z0-9_]{1,8}\.[A-Z0-9]{1,3}", short):
        short = f"F{number:07}."
    return f"/{short};1"


def _date(image: bytearray) -> None:
    """Put one and the same date wherever the clock was."""
    at = FIRST_DESCRIPTOR * SECTOR
    while image[at] != LAST_DESCRIPTOR:
        image[at + VOLUME_DATES : at + VOLUME_DATES + 68] = MADE * 2 + NO_DATE * 2
        record = at + ROOT_RECORD
        _date_record(image, record)
        extent, length = (
            int.from_bytes(image[record + start : record + start + 4], "little")
            for start in (2, 10)
        )
        _date_folder(image, extent * SECTOR, extent * SECTOR + length)
        at += SECTOR


def _date_folder(image: bytearray, at: int, end: int) -> None:
    while at < end:
        if image[at] == 0:
            at = (at // SECTOR + 1) * SECTOR
            continue
        _date_record(image, at)
        at += image[at]


def _date_record(image: bytearray, at: int) -> None:
    """Date a directory record, and the time stamps of Rock Ridge behind its name."""
    image[at + RECORD_DATE : at + RECORD_DATE + len(RECORDED)] = RECORDED
    end = at + image[at]
    use = at + NAME + image[at + NAME_LENGTH]
    use += (use - at) % 2
    while use + 4 <= end and image[use + 2] >= 4:
        length = image[use + 2]
        if image[use : use + 2] == b"TF":
            stamps = range(use + 5, use + length, len(RECORDED))
            for stamp in stamps:
                image[stamp : stamp + len(RECORDED)] = RECORDED
        use += length
