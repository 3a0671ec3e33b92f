"""Images that qemu-img makes with all its options, written to by qemu-io and read by us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from converters.disks.checking import Kind as Kind_
from converters.disks.checking import Problem
from converters.disks.gate import FolderGate
from converters.disks.health import check_image
from converters.disks.image import Image, read
from converters.disks.registry import format_named
from rehost.errors import InteropError
from rehost.files import LocalFile
from rehost.report import Severity
from tests.support.images import KIB, MIB, opened, run
from tests.support.pairwise import Row

SIZE = "disk"
REQUESTS = 240
CANNOT_CHECK = 63
WRITES = 30
SIZES = {
    "9 MiB + 512": 9 * MIB + 512,
    "1 sector": 512,
    "777 sectors": 777 * 512,
    "4 MiB": 4 * MIB,
    "17 MiB - 512": 17 * MIB - 512,
}
OURS = {"vpc": "vhd"}
POWERS = tuple(str(1 << bits) for bits in range(9, 22))
ON_OFF = ("off", "on")
STREAM = "streamOptimized"
KINDS_OF_WRITE = ("write -P", "write -P", "write -P", "write -z", "write -zu", "discard")


@dataclass(frozen=True, slots=True)
class Kind:
    """A format that qemu-img makes, its options, and the name of the one that says its unit."""

    name: str
    options: Mapping[str, Sequence[str]]
    unit: str = ""


KINDS = (
    Kind(
        "qcow2",
        {
            "compat": ("1.1", "0.10"),
            "cluster_size": ("65536", *(size for size in POWERS if size != "65536")),
            "refcount_bits": ("16", "1", "2", "4", "8", "32", "64"),
            "extended_l2": ON_OFF,
            "lazy_refcounts": ON_OFF,
            "compression_type": ("zlib", "zstd"),
            "preallocation": ("off", "metadata", "falloc", "full"),
            "data_file": ("", "beside.data"),
            "data_file_raw": ON_OFF,
            "packed": ON_OFF,
        },
        "cluster_size",
    ),
    Kind(
        "vmdk",
        {
            "subformat": (
                "monolithicSparse",
                "monolithicFlat",
                "twoGbMaxExtentSparse",
                "twoGbMaxExtentFlat",
                STREAM,
            ),
            "adapter_type": ("ide", "buslogic", "lsilogic", "legacyESX"),
            "hwversion": ("4", "6", "21"),
            "zeroed_grain": ON_OFF,
            "compat6": ON_OFF,
        },
    ),
    Kind("vpc", {"subformat": ("dynamic", "fixed"), "force_size": ("on", "off")}),
    Kind(
        "vhdx",
        {
            "subformat": ("dynamic", "fixed"),
            "block_size": ("0", *(str(MIB << bits) for bits in range(9))),
            "block_state_zero": ("on", "off"),
            "log_size": ("1048576", "2097152", "33554432"),
        },
        "block_size",
    ),
    Kind("vdi", {"static": ON_OFF}),
    Kind(
        "qed",
        {
            "cluster_size": ("65536", *(size for size in POWERS[3:] if size != "65536"), "4194304"),
            "table_size": ("4", "2", "8", "16"),
        },
        "cluster_size",
    ),
    Kind("qcow", {}),
    Kind("parallels", {"cluster_size": ("1048576", "65536", "512000", "4096")}, "cluster_size"),
)


def factors(kind: Kind) -> dict[str, Sequence[str]]:
    """Return what there is to choose from."""
    return {SIZE: tuple(SIZES), "writes": ("random", "few"), **kind.options}


def make(kind: Kind, row: Row, folder: Path) -> Path:
    """Let qemu-img make an empty image of a row, refusing by an assertion what it refuses."""
    defaults = {name: values[0] for name, values in kind.options.items()}
    said = [
        f"{name}={row[name]}"
        for name, default in defaults.items()
        if name != "packed" and row[name] != default
    ]
    for path in folder.iterdir():
        path.unlink()
    path = folder / f"disk.{OURS.get(kind.name, kind.name)}"
    options = ["-o", ",".join(said)] if said else []
    size = str(SIZES[row[SIZE]])
    run("qemu-img", "create", "-q", "-f", kind.name, *options, path, size, folder=folder)
    return path


def objection(kind: Kind, folder: Path, row: Row) -> str | None:
    """Return what qemu-img or its writing says against a row."""
    packs = row.get("packed") == "on"
    if packs and (row["data_file"] or row["preallocation"] != "off"):
        return "compressed clusters have no place given to them"
    try:
        make(kind, row, folder)
    except AssertionError as error:
        return str(error)
    return None


def judged(kind: Kind, row: Row, folder: Path, seed: int) -> list[str]:
    """Make an image, write to it, and return what we find otherwise than QEMU."""
    path = make(kind, row, folder)
    unit = int(row.get(kind.unit, "0")) or 64 * KIB
    if row.get("subformat") == STREAM:
        _stream(path, row, seed)
    else:
        _write(path, kind.name, commands(path, kind, row, unit, seed), folder)
    plain = expected(path, kind.name)
    content = plain.read_bytes()
    ours = OURS.get(kind.name, kind.name)
    try:
        found = list(wrong_reads(opened(path, format_name=ours), content, unit, seed))
        checked = check_image(LocalFile(path), FolderGate(folder), format_named(ours))
    except InteropError as error:
        return [f"we refuse it ({error})"]
    verdict = run("qemu-img", "check", "-f", kind.name, path, check=False, folder=folder)
    sound = verdict.returncode in {0, CANNOT_CHECK}
    wrong = [problem for problem in checked.problems if not _is_habit(problem, kind, row)]
    if sound != (not wrong):
        found.append(f"we find {wrong[:2]}, QEMU {verdict.stdout}{verdict.stderr}")
    return found


def _is_habit(problem: Problem, kind: Kind, row: Row) -> bool:
    """Say whether it is a habit of QEMU: room left unused, streams padded or without an end.

    It does not say so itself: of these formats it counts no leaks.
    """
    if problem.kind == Kind_.UNREACHABLE:
        return kind.name in {"vhdx", "vmdk"} and problem.severity == Severity.WARNING
    return row.get("subformat") == STREAM and "end-of-stream marker" in problem.message


def expected(path: Path, known: str) -> Path:
    """Return what qemu-img says the guest sees, as a raw file."""
    plain = path.with_suffix(".expected")
    run("qemu-img", "convert", "-q", "-f", known, "-O", "raw", path, plain, folder=path.parent)
    return plain


def commands(path: Path, kind: Kind, row: Row, unit: int, seed: int) -> list[str]:
    """Return random writes of data and zeros, compressed ones and discards, for qemu-io."""
    pick = Random(seed)
    size = SIZES[row[SIZE]]
    found = []
    if row.get("packed") == "on":
        # What is stored otherwise cannot be compressed any more.
        places = pick.sample(range(size // unit), min(size // unit, 12))
        found += [f"write -c -P {pick.randrange(256)} {at * unit} {unit}" for at in places]
    for number in range(WRITES if row["writes"] == "random" else 4):
        length = min(pick.choice((512, 4 * KIB, unit, 300 * KIB)) * pick.randrange(1, 4), size)
        length = min(length, 2 * MIB)
        start = pick.randrange((size - length) // 512 + 1) * 512
        if number == 0:
            start = size - length
        which = pick.choice(KINDS_OF_WRITE)
        pattern = f" {pick.randrange(1, 256)}" if which.endswith("-P") else ""
        found.append(f"{which}{pattern} {start} {length}")
    return found


def _write(path: Path, known: str, commands: Sequence[str], folder: Path) -> None:
    words = [word for command in commands for word in ("-c", command)]
    run("qemu-io", "-f", known, "-d", "unmap", *words, path, folder=folder)


def _stream(path: Path, row: Row, seed: int) -> None:
    """Let qemu-img convert a raw disk: a stream is not written to."""
    plain = path.with_name("plain.raw")
    with plain.open("wb") as file:
        file.truncate(SIZES[row[SIZE]])
    words = commands(path, KINDS[1], row, 64 * KIB, seed)
    _write(plain, "raw", words, path.parent)
    said = ",".join(f"{name}={row[name]}" for name in KINDS[1].options if row[name] != "off")
    if "compat6=on" in said:
        said = said.replace(f"hwversion={row['hwversion']},", "")
    run("qemu-img", "convert", "-q", "-O", "vmdk", "-o", said, plain, path)


def wrong_reads(image: Image, content: bytes, unit: int, seed: int) -> Iterator[str]:
    """Yield where requests, also over the end and behind it, return something else."""
    if image.size != len(content):
        yield f"the size is {image.size}, not {len(content)}"
        return
    pick = Random(seed)
    for number in range(REQUESTS):
        most = (2 * KIB, 100 * KIB, 3 * unit)[number % 3]
        length = pick.randrange(1, min(most, 3 * MIB) + 1)
        nearest = max(0, image.size - 2 * length) if number % 4 == 0 else 0
        offset = pick.randrange(nearest, image.size + (1000 if number % 8 == 0 else 0) + 1)
        if read(image, offset, length) != content[offset : offset + length]:
            yield f"{length} bytes at {offset} are read otherwise"
            return
    if read(image, 0, image.size + 1) != content:
        yield "the whole is read otherwise"
