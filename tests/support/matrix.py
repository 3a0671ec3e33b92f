"""Every format that is written, with its options and sizes, and what others find in the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import get_ident

from converters.disks.compare import first_difference
from converters.disks.copy import refuse_unwritable
from converters.disks.gate import FolderGate
from converters.disks.health import check_image
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape, format_named
from converters.disks.writer import Level
from rehost.errors import InteropError, UsageError
from rehost.files import LocalFile
from tests.support.images import GIB, KIB, MIB, TIB, opened, ours, run
from tests.support.outside import seven_zip_says
from tests.support.pairwise import Row
from tests.support.xvas import unpacked

SIZE, LEVEL, UNSAID = "disk", "level", "unsaid"
SIZES = (
    "3 MiB + 512",
    "0",
    "1 sector",
    "odd",
    "block - 1 sector",
    "block",
    "block + 1 sector",
    "beyond 2 TiB",
)
HUGE = 2 * TIB + 300 * MIB + 512
SMALL = 9 * MIB
FREE_TEXT = {"data_file": ("", "beside.data")}
BLOCKS = {"vhd": 2 * MIB, "vdi": MIB, "xva": MIB, "vmdk": 64 * KIB, "vhdx": 8 * MIB, "raw": 4 * KIB}
BLOCK_OPTIONS = ("block_size", "cluster_size", "grain_size")
STEPS = {("logical_sector_size", "4096"): 4 * KIB, ("azure", "on"): MIB}
QEMU = {"vhd": "vpc"}
CHECKED = {"qcow2", "vmdk", "vhdx", "vdi"}
WALKED = {"vhdx", "vmdk"}
"""Of these QEMU asks its tables for every cluster when it compares."""

SEVEN_ZIP = {"vmdk": "vmdk", "vhd": "vhd", "vhdx": "vhdx", "vdi": "vdi", "qcow2": "qcow"}
NEW_QCOW2 = {"data_file", "extended_l2", "compression_type"}
"""What neither 7-Zip nor libqcow reads."""

LIBYAL = {"vmdk": "vmdk", "vhd": "vhdi", "vhdx": "vhdi", "qcow2": "qcow"}
EVERY_CLUSTER_OF_A_TERABYTE = "not tried: it would take a terabyte"


def factors(into: DiskFormat) -> dict[str, tuple[str, ...]]:
    """Return what there is to choose from: sizes, levels, and each option as it is declared."""
    levels = list(Level) if into.compresses else [Level.NONE]
    found = {SIZE: SIZES, LEVEL: (UNSAID, *(level.value for level in levels))}
    for option in into.options:
        values = _values(option)
        if len(values) > 1:
            found[option.name] = values
    return found


def _values(option: Option) -> tuple[str, ...]:
    return option.choices or FREE_TEXT[option.name]


@dataclass(frozen=True, slots=True)
class Case:
    """A row: a format, the options that are not its defaults, a level and the disk's size."""

    into: DiskFormat
    options: dict[str, str]
    level: Level | None
    size: int

    @classmethod
    def of(cls, into: DiskFormat, row: Row) -> Case:
        """Take a row of choices."""
        defaults = {option.name: _values(option)[0] for option in into.options}
        options = {
            name: row[name]
            for name, default in defaults.items()
            if row.get(name, default) != default
        }
        said = row.get(LEVEL, UNSAID)
        level = None if said == UNSAID else Level(said)
        return cls(into, options, level, _size(row[SIZE], _block(into.name, options)))

    @property
    def rounded(self) -> int:
        """The size that the disk is to have then."""
        if self.into.name == "raw":
            return self.size
        step = max((STEPS.get(item, 512) for item in self.options.items()), default=512)
        return -(-self.size // step) * step

    def __str__(self) -> str:
        options = " ".join(f"{name}={value}" for name, value in self.options.items())
        level = f" level={self.level}" if self.level else ""
        return f"{self.into.name} {options}{level} of {self.size} bytes"


def _block(name: str, options: dict[str, str]) -> int:
    said = [int(options[option]) for option in BLOCK_OPTIONS if option in options]
    return said[0] if said else BLOCKS.get(name, 64 * KIB)


def _size(label: str, block: int) -> int:
    return {
        "0": 0,
        "1 sector": 512,
        "odd": 1_234_567,
        "block - 1 sector": max(block - 512, 512),
        "block": block,
        "block + 1 sector": block + 512,
        "3 MiB + 512": 3 * MIB + 512,
        "beyond 2 TiB": HUGE,
    }[label]


def objection(into: DiskFormat, folder: Path, row: Row) -> str | None:
    """Return what is said against a row before anything is written."""
    case = Case.of(into, row)
    if case.size == HUGE and case.options.get("preallocation", "off") != "off":
        return EVERY_CLUSTER_OF_A_TERABYTE
    shape = Shape(case.size, case.options, case.level)
    assert into.create is not None
    with Output(folder / "image") as output:
        try:
            refuse_unwritable(into, shape)
            into.create(output, shape)
        except UsageError as error:
            assert "\n" not in error.what
            return error.what
    return None


def qemu_reads(case: Case) -> bool:
    """Say whether QEMU opens it: no sectors of 4096 bytes, nor a fixed VHD that is a footer."""
    chosen = case.options
    empty_vhd = case.into.name == "vhd" and case.size == 0 and {"subformat", "azure"} & set(chosen)
    return chosen.get("logical_sector_size") != "4096" and not empty_vhd


def seven_zip_reads(case: Case) -> bool:
    """Say whether 7-Zip reads it, as it does those of other writers."""
    name, chosen = case.into.name, case.options
    if name not in SEVEN_ZIP or case.rounded > SMALL:
        return False
    if name == "vmdk":
        stream = "subformat" not in chosen
        return chosen.get("footer") == "on" if stream else chosen["subformat"] != "vmfsSparse"
    if name == "qcow2":
        return not NEW_QCOW2 & set(chosen)
    return name != "vhdx" or (case.rounded > 0 and case.rounded % MIB == 0)


def libyal_reads(case: Case) -> bool:
    """Say whether libyal's libraries read it."""
    if case.into.name == "qcow2" and NEW_QCOW2 & set(case.options):
        return False
    return case.into.name in LIBYAL and 0 < case.rounded <= SMALL


class Disks:
    """Raw disks with data at the beginning, at the end and in between, one of each size.

    Any thread may ask; two that make the same one make the same bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def plain(self, size: int, rounded: int) -> Path:
        """Return the disk of a size, zeros behind it up to another one."""
        path = self._folder / f"{size}-{rounded}.raw"
        if not path.exists():
            partial = path.with_suffix(f".{get_ident()}")
            with partial.open("wb") as file:
                file.truncate(rounded)
                for start, content in stretches(size):
                    file.seek(start)
                    file.write(content)
            partial.rename(path)
        return path


def stretches(size: int) -> Iterator[tuple[int, bytes]]:
    """Yield what is on a disk of a size: random bytes, text, zeros that are stored, patterns."""
    pick = Random(size)
    kinds = (pick.randbytes, lambda length: b"text, and more. " * (length // 16 + 1), bytes)
    places = [0, size // 3, size // 2, *(1 << bits for bits in range(16, 29))]
    if size > TIB:
        places += [2 * TIB - 5000, GIB * 1000]
    for number, start in enumerate(places):
        length = min(pick.randrange(1, 40_000), max(0, size - start))
        if length:
            begin = max(0, start - 700)
            yield begin, kinds[number % 3](length)[:length]
    last = min(size, 777)
    yield size - last, pick.randbytes(last)


def judged(case: Case, disks: Disks, folder: Path) -> list[str]:
    """Write a case, and return what anybody finds wrong with it."""
    name = case.into.name
    source = disks.plain(case.size, case.size)
    target = folder / f"disk{case.into.suffixes[0]}"
    try:
        ours(opened(source, format_name="raw"), target, name, case.level, **case.options)
    except InteropError as error:
        return [f"refused while it is written ({error})"]
    plain = disks.plain(case.size, case.rounded)
    found = [*_by_us(target, name, plain)]
    if name == "xva":
        return found + _by_tarfile(target, plain)
    found += _by_qemu(target, case, plain)
    if seven_zip_reads(case):
        said = seven_zip_says(SEVEN_ZIP[name], target, plain)
        found += [said] if said else []
    return found


def _by_us(target: Path, name: str, plain: Path) -> Iterator[str]:
    image = opened(target, format_name=name)
    differs = first_difference(image, opened(plain, format_name="raw"))
    if differs is not None:
        yield f"we read something else at {differs} (the size is {image.size})"
    if image.facts.oddities:
        yield f"we find odd: {image.facts.oddities}"
    checked = check_image(LocalFile(target), FolderGate(target.parent), format_named(name))
    if checked.errors or checked.warnings:
        yield f"we find wrong: {checked.problems[:3]}"


def _by_qemu(target: Path, case: Case, plain: Path) -> list[str]:
    known = QEMU.get(case.into.name, case.into.name)
    if not qemu_reads(case):
        return []
    if case.size == HUGE and (known in WALKED or "data_file_raw" in case.options):
        return _by_qemu_here_and_there(target, known, case)
    found = []
    folder = target.parent
    compare = ("compare", "-f", "raw", "-F", known, plain, target)
    done = run("qemu-img", *compare, check=False, folder=folder)
    if done.stdout.strip() != "Images are identical.":
        found.append(f"qemu-img compare: {done.stdout}{done.stderr}")
    if known in CHECKED:
        done = run("qemu-img", "check", "-f", known, target, check=False, folder=folder)
        if not done.stdout.startswith("No errors were found on the image."):
            found.append(f"qemu-img check: {done.stdout}{done.stderr}")
    return found


def _by_qemu_here_and_there(target: Path, known: str, case: Case) -> list[str]:
    """Ask for single places where comparing everything takes hours."""
    folder = target.parent
    info = run("qemu-img", "info", "-f", known, "--output=json", target, folder=folder)
    said = json.loads(info.stdout)
    found = [] if said["virtual-size"] == case.rounded else [f"qemu-img info: {said}"]
    for start, content in stretches(case.size):
        at = start // 512 * 512
        length = min(4096, case.rounded - at)
        read_it = ("-c", f"read -v {at} {length}", target)
        shown = run("qemu-io", "-r", "-f", known, *read_it, folder=folder).stdout
        lines = [line.split(":  ")[1][:47] for line in shown.splitlines() if ":  " in line]
        read = bytes.fromhex("".join(lines))
        here = read[start - at : start - at + len(content)]
        if here != content[: len(here)]:
            found.append(f"qemu-io reads something else at {start}")
    return found


def _by_tarfile(target: Path, plain: Path) -> list[str]:
    if plain.stat().st_size > GIB:
        return []
    same = unpacked(target)[0] == plain.read_bytes()
    return [] if same else ["Python's tarfile finds something else"]
