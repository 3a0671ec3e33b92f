"""Descriptors made to hurt: whatever is in them, machines or one line, in bounded time."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest

from ovf.envelope import Envelope
from ovf.judging.targets import prospect, target_named
from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Descriptor, Package
from rehost.errors import InteropError
from tests.ovf.builders import FIXTURES, SCSI, beside, descriptor, item, pack, with_disk

GOOD = (FIXTURES / "rules" / "ITM-001" / "good.ovf").read_text()
PIECES = re.findall(r"<[^>]+>|[^<]+", GOOD)
VALUES = (
    "",
    "-1",
    "0",
    "9" * 30,
    "x",
    "${scratch}",
    "ovf:/disk/disk1",
    "\u2028",
    "😀",
    "1.5",
    "../..",
)


def outcome(package: Package) -> None:
    """Read and judge a package; only an InteropError may come of it."""
    for work in (read_machines, lambda given: validate(given, descriptor_only=True)):
        try:
            work(package)
        except InteropError as error:
            assert "\n" not in str(error)


def judged(text: str, like: Package) -> None:
    try:
        package = Package(like.path, like._storage, Descriptor("web.ovf", text.encode()))
        assert isinstance(package.envelope, Envelope)
    except InteropError as error:
        assert "\n" not in str(error)
    else:
        outcome(package)


@pytest.mark.parametrize("seed", range(8))
def test_a_descriptor_with_pieces_lost_swapped_or_replaced(tmp_path: Path, seed: int) -> None:
    like = beside(tmp_path, GOOD)
    pick = random.Random(seed)
    for _ in range(60):
        pieces = list(PIECES)
        for _ in range(pick.randint(1, 4)):
            at = pick.randrange(len(pieces))
            match pick.randrange(3):
                case 0:
                    pieces[at] = ""
                case 1:
                    pieces[at] = pick.choice(PIECES)
                case _:
                    replaced = re.sub(r'"[^"]*"', f'"{pick.choice(VALUES)}"', pieces[at])
                    pieces[at] = replaced if "<" in pieces[at] else pick.choice(VALUES)
        judged("".join(pieces), like)


def test_every_text_and_attribute_may_be_anything(tmp_path: Path) -> None:
    like = beside(tmp_path, GOOD)
    for value in VALUES:
        for at, piece in enumerate(PIECES):
            if not piece.strip() or piece.startswith(("<?", "</", "<Envelope")):
                continue
            changed = value if "<" not in piece else re.sub(r'="[^"]*"', f'="{value}"', piece)
            judged("".join([*PIECES[:at], changed, *PIECES[at + 1 :]]), like)


CROWDS = {
    "disks in one place": lambda n: descriptor(
        SCSI,
        *(item(InstanceID=n + 9, ResourceType=17, Parent=3, AddressOnParent=0) for n in range(n)),
    ),
    "controllers": lambda n: descriptor(
        *(item(InstanceID=n, ResourceType=6, Address=n) for n in range(n))
    ),
    "items of one number": lambda n: descriptor(
        *(item(InstanceID=1, ResourceType=10) for _ in range(n))
    ),
    "files and disks": lambda n: descriptor(
        references="".join(f'<File ovf:id="{n}" ovf:href="{n}"/>' for n in range(n)),
        disks="".join(f'<Disk ovf:diskId="{n}" ovf:fileRef="{n}"/>' for n in range(n)),
    ),
    "systems": lambda n: "".join(
        [descriptor().partition("<VirtualSystem")[0]]
        + ['<VirtualSystem><VirtualHardwareSection/></VirtualSystem>'] * n
        + ["</Envelope>"]
    ),
    "settings": lambda n: descriptor(
        hardware='<vmw:Config vmw:key="k" vmw:value="v"/>' * n
    ),
}  # fmt: skip


@pytest.mark.parametrize("crowd", CROWDS)
def test_many_things_take_time_in_proportion(tmp_path: Path, crowd: str) -> None:
    package = beside(tmp_path, CROWDS[crowd](8000))
    started = time.monotonic()
    outcome(package)
    assert time.monotonic() - started < 20


def test_many_references_to_one_file_in_chunks_take_time_in_proportion(tmp_path: Path) -> None:
    listed = "".join(
        f'<File ovf:id="{n}" ovf:href="disk" ovf:chunkSize="1" ovf:compression="gzip"/>'
        for n in range(4000)
    )
    chunks = {f"disk.{n:09}": b"1" for n in range(4000)}
    members = {"web.ovf": descriptor(references=listed).encode(), "web.mf": b"", **chunks}
    package = Package.open(pack(tmp_path / "x.ova", members))
    started = time.monotonic()
    validate(package)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("size", ["\u00b2", "0" * 5000])
def test_a_size_that_is_no_number_is_no_size_of_zero(tmp_path: Path, size: str) -> None:
    text = with_disk(more=f'ovf:size="{size}"')
    judged_for = prospect(beside(tmp_path, text), target_named("vmware"))
    assert "VMW-035" not in {finding.rule for finding in judged_for.findings}


def test_a_descriptor_may_have_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"w\xff.ovf")
    path.write_text(GOOD)
    assert not [each for each in validate(Package.open(path)) if each.rule.startswith("MAN")]
