"""What the screen of a machine shows, as a picture and, in VGA text mode, as the text itself.

A VGA in text mode keeps characters and attributes in turns at physical address 0xb8000, in code
page 437 (IBM VGA Function, "Alphanumeric modes"); such a screen is dumped as 720 x 400 points.
Drivers scroll by moving the origin through the 32 KiB there, so all of it is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from p2v.boot.emulator import Emulator

TEXT_MEMORY = 0xB8000
TEXT_MEMORY_SIZE = 32 << 10
COLUMNS = 80
TEXT_MODE = (720, 400)
PNG_SIZE = struct.Struct(">16xII")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the screen; ``text`` is None where the machine is in a graphics mode."""

    picture: Path
    text: str | None


async def look(emulator: Emulator, picture: Path) -> Look:
    """Take a picture of the screen, and read it if it is text."""
    await emulator.execute("screendump", filename=str(picture), format="png")
    if _size_of(picture) != TEXT_MODE:
        return Look(picture, None)
    memory = picture.with_suffix(".text")
    await emulator.execute("pmemsave", val=TEXT_MEMORY, size=TEXT_MEMORY_SIZE, filename=str(memory))
    cells = memory.read_bytes()
    memory.unlink()
    return Look(picture, text_of(cells))


async def is_blank(emulator: Emulator, last: Look) -> bool:
    """Say whether nothing is on the screen: no text, or every point of one colour."""
    if last.text is not None:
        return not last.text
    dump = last.picture.with_suffix(".ppm")
    await emulator.execute("screendump", filename=str(dump), format="ppm")
    # "P6", width, height and the largest value stand on three lines.
    points = dump.read_bytes().split(b"\n", 3)[-1]
    dump.unlink()
    return points == points[:3] * (len(points) // 3)


def text_of(cells: bytes) -> str:
    """Return the text in the memory of a VGA in text mode, without blanks at its edges."""
    letters = cells[::2].replace(b"\0", b" ").decode("cp437")
    rows = [letters[at : at + COLUMNS].rstrip() for at in range(0, len(letters), COLUMNS)]
    return "\n".join(rows).strip("\n")


def _size_of(picture: Path) -> tuple[int, int]:
    with picture.open("rb") as file:
        head = file.read(PNG_SIZE.size)
    return PNG_SIZE.unpack(head) if len(head) == PNG_SIZE.size else (0, 0)
