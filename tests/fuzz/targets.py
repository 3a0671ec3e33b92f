"""What is fuzzed: for each parser some inputs to begin with, and what is done with one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from random import Random
from unittest.mock import patch

import msgspec

from converters.disks.digest import Entry, Terms
from converters.disks.formats.vhdx import header
from converters.disks.image import SECTOR
from converters.disks.journal import Placed, Record
from converters.disks.manifest import Manifested
from converters.disks.registry import Access
from tests.fuzz import attempts, repairs
from tests.fuzz.attempts import ABOUT, NAME, PASSPHRASE, Attempt, OneGate
from tests.fuzz.ovf_targets import OVF_TARGETS
from tests.fuzz.ready import Ready, Target, is_repaired, repaired
from tests.support import cloops, dmgs, hdds, redologs, vdis, vhds, vhdxs, vmdks, xvas
from tests.support.images import KIB, run
from tests.support.models import Memory


def _over(format_name: str) -> Attempt:
    """Return an attempt at documents, which name files of a MiB."""
    return attempts.disk(format_name, below=bytes(1 << 20))


def _by_qemu(folder: Path, format_name: str, *kinds: str, base: bool = False) -> list[bytes]:
    """Return images that qemu-img makes with these options, each with some content."""
    found = []
    for number, options in enumerate(kinds):
        path = folder / f"{number}.img"
        size = str(256 * KIB)
        run("qemu-img", "create", "-q", "-f", format_name, "-o", options, path, size)
        writes = ("write -P 1 0 1k", "write -P 2 70k 9k", "write -z 128k 64k", "write 255k 1k")
        commands = [word for write in writes for word in ("-c", write)]
        run("qemu-io", "-f", format_name, *commands, path)
        found.append(path.read_bytes())
    if base:
        path, below = folder / "over.img", folder / "below.raw"
        below.write_bytes(bytes(128 * KIB))
        backing = ("-b", below, "-F", "raw")
        run("qemu-img", "create", "-q", "-f", format_name, *backing, path, str(256 * KIB))
        run("qemu-io", "-f", format_name, "-c", "write -P 1 0 1k", path)
        found.append(path.read_bytes())
    return found


def _packed_by_qemu(folder: Path, format_name: str, *kinds: str) -> list[bytes]:
    """Return compressed images; QEMU calls its own qcow a failure, though it is whole."""
    plain = folder / "plain.raw"
    plain.write_bytes((b"text" * 999 + Random(1).randbytes(20 * KIB)).ljust(128 * KIB, b"\0"))
    found = []
    for number, options in enumerate(kinds):
        path = folder / f"packed-{number}.img"
        asked = ["-o", options] if options else []
        run("qemu-img", "convert", "-q", "-c", "-O", format_name, *asked, plain, path, check=False)
        found.append(path.read_bytes())
    return found


def qcow(folder: Path) -> Ready:
    """qcow version 1: plain, deflated, above another."""
    seeds = _by_qemu(folder, "qcow", "encryption=off", base=True)
    return Ready([*seeds, *_packed_by_qemu(folder, "qcow", "")], attempts.disk("qcow"))


def qcow2(folder: Path) -> Ready:
    """qcow2 of all kinds: snapshots, bitmaps, subclusters, compression, a data file, encryption."""
    seeds = _by_qemu(folder, "qcow2", "compat=0.10,cluster_size=512", "cluster_size=4096")
    path = folder / "more.img"
    size = str(256 * KIB)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=1024", path, size)
    run("qemu-io", "-f", "qcow2", "-c", "write 0 8k", path)
    run("qemu-img", "snapshot", "-c", "first", path)
    run("qemu-img", "bitmap", "--add", "-g", "512", path, "bits")
    run("qemu-io", "-f", "qcow2", "-c", "write 4k 8k", path)
    run("qemu-img", "bitmap", "--add", path, "more")
    seeds.append(path.read_bytes())
    run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "below.raw", path)
    seeds.append(path.read_bytes())
    options = f"cluster_size=16k,extended_l2=on,data_file={folder / 'data.raw'}"
    seeds += _by_qemu(folder, "qcow2", options, "cluster_size=16k,extended_l2=on")
    kinds = ("cluster_size=512", "cluster_size=4k,compression_type=zstd")
    seeds += _packed_by_qemu(folder, "qcow2", *kinds)
    return Ready(seeds, attempts.disk("qcow2"))


def qed(folder: Path) -> Ready:
    """QED: plain, above another."""
    kinds = ("cluster_size=4k,table_size=2", "cluster_size=8k,table_size=2")
    return Ready(_by_qemu(folder, "qed", *kinds, base=True), attempts.disk("qed"))


def vmdk(folder: Path) -> Ready:
    """Sparse VMDKs and streams."""
    seeds = _by_qemu(folder, "vmdk", "subformat=monolithicSparse")
    seeds += _packed_by_qemu(folder, "vmdk", "subformat=streamOptimized")
    disk = (b"grain" * 999).ljust(192 * KIB, b"\0")
    seeds += [vmdks.true_stream(disk), vmdks.true_stream(disk, seed=1, markers=False)]
    return Ready(seeds, attempts.disk("vmdk"))


def vmdk_extent(folder: Path) -> Ready:
    """The extents of ESX, and sparse ones, that a sound descriptor names."""
    sectors = 8192 * 8
    grains = {0: b"a" * SECTOR, 3: b"b" * SECTOR, 8191: b"c" * SECTOR}
    cowd, sesparse = vmdks.cowd(sectors, 8, grains), vmdks.sesparse(sectors, grains)
    texts = [
        vmdks.descriptor(f"{kind}Sparse", f'RW {sectors} {kind.upper()}SPARSE "beside"').encode()
        for kind in ("vmfs", "se")
    ]
    tried = [attempts.disk("vmdk", wrap=text) for text in texts]
    del folder

    def attempt(content: bytes) -> None:
        tried[not content.startswith(b"COWD")](content)

    return Ready([cowd, sesparse], attempt)


def vmdk_descriptor(folder: Path) -> Ready:
    """Descriptors of VMDKs: the text, and what it names."""
    del folder
    texts = [
        vmdks.descriptor("monolithicFlat", 'RW 64 FLAT "flat.vmdk" 0'),
        vmdks.descriptor("twoGbMaxExtentFlat", 'RW 1 FLAT "a b" 0', "RW 9 ZERO", 'RW 2 FLAT "c" 3'),
        vmdks.descriptor("vmfsSparse", 'RW 64 VMFSSPARSE "delta"', parent="12345678 base.vmdk"),
        vmdks.descriptor("fullDevice", r'RW 64 FLAT "\\.\PhysicalDrive0" 0'),
        'encoding="windows-1252"\nddb.geometry.heads = "16"\nddb.longContentID = "0123"\n',
    ]
    return Ready(["\n".join(texts).encode(), *map(str.encode, texts)], _over("vmdk"))


def vhd(folder: Path) -> Ready:
    """VHDs: dynamic, differencing, fixed, with a batmap."""
    del folder
    blocks = (vhds.Block(1, (0, 3, 7), b"one" * 900), vhds.Block(0, range(8), b"two" * 900))
    growing = vhds.Growing(64 * KIB, blocks, batmap=True)
    child = vhds.Growing(
        64 * KIB,
        blocks,
        kind=vhds.DIFFERENCING,
        locators={b"W2ru": ".\\base.vhd".encode("utf-16-le"), b"MacX": b"file:///base.vhd"},
        parent_name="base.vhd",
        parent=vhds.PARENT,
    )
    seeds = [each.packed() for each in (growing, child)]
    fixed = bytes(4096) + vhds.footer(vhds.FIXED, 4096)
    return Ready([*seeds, fixed], repaired(repairs.vhd, attempts.disk("vhd")))


def vhdx(folder: Path) -> Ready:
    """VHDXs: dynamic ones, one above another, one whose log waits to be replayed."""
    del folder
    plain = vhdxs.Layout(
        4 * vhdxs.MIB, {0: vhdxs.Block(vhdxs.FULL, 4, b"x" * 99), 2: vhdxs.Block(vhdxs.ZERO)}
    )
    child = vhdxs.Layout(
        4 * vhdxs.MIB,
        {0: vhdxs.Block(vhdxs.PARTIAL, 4, b"x" * 99)},
        bitmaps={0: vhdxs.Block(vhdxs.FULL, 5, b"\5" * 99)},
        locator={"relative_path": ".\\base.vhdx", "parent_linkage": f"{{{vhdxs.DATA_GUID}}}"},
    )
    changes = ((vhdxs.BAT * vhdxs.MIB, bytes(4096)), (5 * vhdxs.MIB, 8192))
    logged = vhdxs.with_log(plain, {0: vhdxs.LogEntry(7, 0, changes, 6 * vhdxs.MIB, 6 * vhdxs.MIB)})
    seeds = [repairs.vhdx_parts(each.built()) for each in (plain, child, logged)]

    def attempt(content: bytes) -> None:
        file = repairs.vhdx(content, repair=is_repaired(content))
        with patch.object(header, "checksum_of", repairs.quick_sum):
            attempts.tried(file, OneGate(content), "vhdx", Access())

    return Ready(seeds, attempt)


def vdi(folder: Path) -> Ready:
    """VDIs: dynamic, differencing, old."""
    del folder
    blocks = {2: b"two" * 99, 0: b"zero" * 99}
    disks = [
        vdis.Vdi(32 * KIB, blocks, discarded=(1,)),
        vdis.Vdi(32 * KIB, blocks, kind=vdis.DIFFERENCING, parent=vdis.BASE, identifier=vdis.CHILD),
    ]
    seeds = [*(each.packed() for each in disks), disks[0].packed_old()]
    return Ready(seeds, attempts.disk("vdi"))


def parallels(folder: Path) -> Ready:
    """Expanding images of Parallels, new and old."""
    [made] = _by_qemu(folder, "parallels", "cluster_size=16k")
    path = folder / "old.hds"
    path.write_bytes(made)
    hdds.made_old(path)
    return Ready([made, path.read_bytes()], attempts.disk("parallels"))


def parallels_descriptor(folder: Path) -> Ready:
    """The XML of a Parallels disk, split and with snapshots."""
    del folder
    images = [hdds.Image(hdds.TOP, "a.hds"), hdds.Image(hdds.BASE, "b.hds", "Plain")]
    shots = ((hdds.TOP, hdds.BASE), (hdds.BASE, hdds.NOTHING))
    storages = [hdds.Storage(0, 2048, images), hdds.Storage(2048, 4096, images)]
    text = hdds.described(4096, storages, shots, top=hdds.TOP)
    plain = hdds.described(64, [hdds.Storage(0, 64, [hdds.Image(hdds.TOP, "a", "Plain")])])
    declared = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///x">]>'
    entity = text.replace("<Parallels", f"{declared}<Parallels", 1)
    return Ready([each.encode() for each in (plain, text, entity)], _over("parallels"))


def xva(folder: Path) -> Ready:
    """XVAs with one disk, two, none; checksums of both kinds."""
    del folder
    step = 4 * KIB
    content = b"a" * step + bytes(3 * step) + b"b" * 100
    one = xvas.chunks_of("Ref:0", content, step=step)
    two = xvas.chunks_of("Ref:12", content, kind="xxhash", step=step)
    seeds = [xvas.tar_of(one), xvas.tar_of([*one, *two]), xvas.tar_of(two, head=None)]
    return Ready([each.rstrip(b"\0") + bytes(1024) for each in seeds], _tarred("xva"))


def _tarred(format_name: str) -> Attempt:
    return repaired(repairs.tar, attempts.disk(format_name))


def bochs(folder: Path) -> Ready:
    """Growing disks of Bochs, of both versions."""
    del folder
    content = bytes(4096) + b"\7" * 4096 + bytes(8192)
    versions = (0x0001_0000, 0x0002_0000)
    seeds = [redologs.redolog(content, 4096, 1, version=version) for version in versions]
    return Ready(seeds, attempts.disk("bochs"))


def cloop(folder: Path) -> Ready:
    """Compressed loop images."""
    del folder
    content = b"text" * 999 + bytes(4096)
    return Ready([cloops.cloop(content, 512), cloops.cloop(content, 4096)], attempts.disk("cloop"))


def dmg(folder: Path) -> Ready:
    """DMGs with chunks of every kind, with a property list, a resource fork, or neither."""
    del folder
    plain = b"text" * 512
    kinds = [dmgs.ZEROS, dmgs.PLAIN, dmgs.IGNORED, dmgs.ADC, dmgs.ZLIB, dmgs.BZIP2, dmgs.LZMA]
    parts = [[dmgs.chunk(kind, plain) for kind in kinds], [dmgs.chunk(dmgs.LZFSE, plain)]]
    bare = bytes(1024) + dmgs.koly(1024, (0, 1024))
    seeds = [dmgs.dmg(parts), dmgs.dmg(parts, fork=True), dmgs.dmg(parts[1:], lead=b"x" * 9), bare]
    return Ready(seeds, attempts.disk("dmg"))


def dmg_table(folder: Path) -> Ready:
    """The tables of chunks in a DMG, behind their Base64, and the resource fork's maps."""
    del folder
    plain = b"text" * 512
    chunks = [dmgs.chunk(kind, plain) for kind in (dmgs.ZLIB, dmgs.ADC, dmgs.ZEROS, dmgs.LZMA)]
    data = b"".join(each.packed for each in chunks)
    sectors = sum(each.sectors for each in chunks)

    def attempt(content: bytes) -> None:
        listing = dmgs.listed([content])
        place = (len(data), len(listing))
        end = dmgs.koly(sectors * SECTOR, (0, len(data)), listing=place)
        attempts.disk("dmg")(data + listing + end)

    return Ready([dmgs.mish(0, chunks, 0), dmgs.mish(0, chunks[:2], 0)], attempt)


def luks(folder: Path) -> Ready:
    """The header of a LUKS container, with the passphrase; what follows it stays."""
    path = folder / "whole.luks"
    secret = ("--object", f"secret,id=key,data={PASSPHRASE}")
    options = "key-secret=key,iter-time=10"
    asked = ("create", "-q", *secret, "-f", "luks", "-o", options, path, "64k")
    while run("qemu-img", *asked, check=False).returncode:
        pass
    whole = path.read_bytes()

    def attempt(content: bytes) -> None:
        file = Memory(content[:1024] + whole[1024:], NAME)
        attempts.tried(file, OneGate(content), "luks", Access(passphrase=PASSPHRASE))

    return Ready([whole[:1024]], attempt)


def any_format(folder: Path) -> Ready:
    """Whatever begins like one format and goes on like another."""
    del folder
    starts = (b"KDMV", b"QFI\xfb", b"QED\0", b"COWD", b"conectix", b"vhdxfile", b"WithoutFreeSpace")
    more = (b"<?xml?><Parallels_disk_image", b"# Disk DescriptorFile\n", b"LUKS\xba\xbe", b"koly")
    seeds = [start.ljust(1024, b"\0") for start in (*starts, *more, cloops.SCRIPT, redologs.MAGIC)]
    return Ready(seeds, attempts.any_format)


def manifest(folder: Path) -> Ready:
    """The manifest of a disk's digests."""
    path = folder / "manifest"
    terms = Terms(5 * (1 << 20), 1 << 20)
    with path.open("wb") as file:
        made = Manifested(terms, file)
        for entry in (Entry(1, b"\1" * 32), Entry(3, None), Entry(1, b"\2" * 32)):
            made.add(entry)
        made.finish()
    return Ready([path.read_bytes()], repaired(repairs.manifest, attempts.manifest))


def tar(folder: Path) -> Ready:
    """The index of an OVA."""
    del folder
    entries = [("a.ovf", b"<x/>"), ("disk.vmdk", b"x" * 600), ("sub/" + "n" * 90, b"")]
    seed = xvas.tar_of(entries).rstrip(b"\0") + bytes(1024)
    first = bytearray(seed[:512])
    first[156:157] = b"x"
    said = b"18 path=other.ovf\n19 size=99999999999\n"
    first[124:136] = b"%011o\0" % len(said)
    pax = bytes(first) + said.ljust(512, b"\0") + seed
    first[156:157] = b"L"
    return Ready(
        [seed, pax, bytes(first) + b"long".ljust(512, b"\0") + seed],
        repaired(repairs.tar, attempts.tar),
    )


def journal(folder: Path) -> Ready:
    """What an interrupted copy noted."""
    del folder
    record = Record(1 << 20, [Placed(0, 4096, 512), Placed(512, 9999, 65536)], [])
    frames = [ABOUT.encode(), msgspec.msgpack.encode(record), msgspec.msgpack.encode(record)]
    seed = b"".join(struct.pack("<II", len(each), zlib.crc32(each)) + each for each in frames)
    return Ready([seed], repaired(repairs.journal, attempts.journal))


TARGETS: dict[str, Target] = {
    target.__name__.replace("_", "-"): target
    for target in (
        *(qcow, qcow2, qed, vmdk, vmdk_extent, vmdk_descriptor, vhd, vhdx, vdi),
        *(parallels, parallels_descriptor, xva, bochs, cloop, dmg, dmg_table, luks),
        *(any_format, manifest, tar, journal, *OVF_TARGETS),
    )
}
