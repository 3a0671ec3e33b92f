"""Where a disk named on the command line lies, and what it may name from there."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from converters.disks.image import chain, read
from converters.disks.locate import located
from converters.disks.registry import open_image
from rehost.errors import DamagedInputError, InteropError, RefusedError
from tests.ovf.builders import pack
from tests.support.images import MIB, run
from tests.support.loops import loop_device
from tests.support.packages import raw_disk, rehost, stream
from tests.support.web import Handler, Site, site


def content_of(source: str | Path) -> bytes:
    """Return what the guest sees of what SOURCE names."""
    found = located(str(source))
    image = open_image(found.file, found.gate)
    return read(image, 0, image.size)


def refused(source: str | Path) -> tuple[str, str, int]:
    with pytest.raises(InteropError) as caught:
        located(str(source))
    return str(caught.value), caught.value.hint, caught.value.exit_code


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return raw_disk(tmp_path / "disk.raw")


@pytest.fixture
def appliance(tmp_path: Path, raw: Path) -> Path:
    disk = stream(raw, tmp_path / "disk1.vmdk").read_bytes()
    members = {"web.ovf": b"<x/>", "disk1.vmdk": disk, "cd/boot.iso": bytes(MIB)}
    return pack(tmp_path / "web.ova", members)


def test_a_path_is_a_file_that_may_name_those_beside_it(tmp_path: Path, raw: Path) -> None:
    top = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw.name, "-F", "raw", top)
    assert located(str(top)).file.name == str(top)
    assert content_of(top) == raw.read_bytes()


def test_a_member_is_named_behind_its_archive(appliance: Path, raw: Path) -> None:
    assert located(f"{appliance}!disk1.vmdk").file.name == f"{appliance}!disk1.vmdk"
    assert content_of(f"{appliance}!disk1.vmdk") == raw.read_bytes()
    assert content_of(f"{appliance}!./cd/boot.iso") == bytes(MIB)


def test_an_archive_of_one_disk_is_that_disk(appliance: Path, raw: Path) -> None:
    assert located(str(appliance)).file.name == f"{appliance}!disk1.vmdk"
    assert content_of(appliance) == raw.read_bytes()


def test_an_archive_is_known_by_content_where_its_name_says_nothing(appliance: Path) -> None:
    named = appliance.rename(appliance.with_name("web"))
    assert located(str(named)).file.name == f"{named}!disk1.vmdk"


def test_a_raw_disk_that_begins_with_a_tar_stays_one(appliance: Path) -> None:
    named = appliance.rename(appliance.with_name("tape.raw"))
    assert located(str(named)).file.name == str(named)


def test_a_disk_without_a_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, "1M")
    members = {"vm.ovf": b"<x/>", "4f1c": disk.read_bytes(), "notes": b"none"}
    path = pack(tmp_path / "vm.ova", members)
    assert located(str(path)).file.name == f"{path}!4f1c"


def test_a_member_is_read_inside_gzip(tmp_path: Path, appliance: Path, raw: Path) -> None:
    packed = tmp_path / "web.ova.gz"
    packed.write_bytes(gzip.compress(appliance.read_bytes(), 1))
    assert content_of(packed) == raw.read_bytes()
    assert content_of(f"{packed}!disk1.vmdk") == raw.read_bytes()


def test_a_file_that_really_has_the_name_wins(tmp_path: Path, appliance: Path) -> None:
    path = tmp_path / "web.ova!disk1.vmdk.raw"
    path.write_bytes(b"x" * 512)
    assert content_of(path) == b"x" * 512
    inner = pack(tmp_path / "odd!name.ova", {"a!b.raw": b"y" * 512})
    assert content_of(f"{inner}!a!b.raw") == b"y" * 512
    assert appliance.exists()


def test_a_member_may_name_others_of_its_archive_only(tmp_path: Path, raw: Path) -> None:
    top = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw.name, "-F", "raw", top)
    members = {"sub/top.qcow2": top.read_bytes(), "sub/disk.raw": raw.read_bytes()}
    path = pack(tmp_path / "chain.tar", members)
    found = located(f"{path}!sub/top.qcow2")
    layers = chain(open_image(found.file, found.gate))
    assert len(layers) == 2
    assert read(layers[0], 0, layers[0].size) == raw.read_bytes()
    by = found.file.name
    with pytest.raises(RefusedError) as refusal:
        found.gate.open("../disk.raw", by=by)
    assert str(refusal.value) == f"{by}: names a file outside its own folder ('../disk.raw')"
    with pytest.raises(DamagedInputError) as missing:
        found.gate.open("other.raw", by=by)
    assert str(missing.value) == f"{by}: names a file that does not exist ('other.raw')"


def test_what_is_not_there_is_told(tmp_path: Path, appliance: Path) -> None:
    assert refused(tmp_path / "no.raw") == (f"{tmp_path}/no.raw: no such file", "", 2)
    assert refused(tmp_path / "no.ova!disk.vmdk") == (
        f"{tmp_path}/no.ova!disk.vmdk: no such file",
        "",
        2,
    )
    assert refused(f"{appliance}!disk2.vmdk") == (
        f"{appliance}: has no member of that name ('disk2.vmdk')",
        f"Name one of its members: {appliance}!web.ovf, {appliance}!disk1.vmdk, "
        f"{appliance}!cd/boot.iso.",
        2,
    )


def test_one_of_several_disks_must_be_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "two.ova", {f"disk{number}.raw": bytes(512) for number in range(12)})
    listed = ", ".join(f"{path}!disk{number}.raw" for number in range(10))
    assert refused(path) == (
        f"{path}: holds several disks",
        f"Name one of its members: {listed} and 2 more.",
        2,
    )
    path = pack(tmp_path / "none.ova", {"web.ovf": b"<x/>"})
    assert refused(path) == (
        f"{path}: holds no file that is named like a disk",
        f"Name one of its members: {path}!web.ovf.",
        2,
    )


def test_an_archive_that_is_none_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "web.ova"
    path.write_bytes(b"x" * 512)
    for source in (path, f"{path}!disk.vmdk"):
        assert refused(source) == (f"{path} at 0: tar header's checksum is wrong", "", 3)


def test_what_is_neither_file_nor_device_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        assert refused(path) == (f"{path}: is neither a file nor a block device", "", 6)


@pytest.mark.root
def test_a_block_device_has_the_size_of_its_content(tmp_path: Path, raw: Path) -> None:
    with loop_device(raw) as device:
        assert located(str(device)).file.size == raw.stat().st_size
        assert content_of(device) == raw.read_bytes()
    packed = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", raw, packed)
    with packed.open("r+b") as file:
        file.truncate(-(-packed.stat().st_size // MIB) * MIB)
    with loop_device(packed) as device:
        assert content_of(device) == raw.read_bytes()


@pytest.mark.root
def test_a_partition_is_a_disk_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "parted.raw"
    path.write_bytes(os.urandom(4 * MIB))
    table = b"label: dos\nstart=2048, size=2048\nstart=4096\n"
    subprocess.run(["sfdisk", "--quiet", path], input=table, check=True, capture_output=True)
    with loop_device(path, "--partscan") as device:
        subprocess.run(["partx", "--add", device], check=False, capture_output=True)
        second = device.with_name(f"{device.name}p2")
        if not second.exists():
            pytest.skip("the kernel shows no partitions here")
        assert content_of(second) == path.read_bytes()[2 * MIB :]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Site]:
    """Serve the folder of the test as it is now."""
    with site() as found:

        def offer(handler: Handler) -> bool:
            path = tmp_path / unquote(urlsplit(handler.path).path).removeprefix("/disks/")
            if path.is_file():
                found.files[f"/disks/{path.relative_to(tmp_path)}"] = path.read_bytes()
            return False

        found.ways.append(offer)
        found.url += "/disks"
        yield found


def test_a_url_is_a_disk(web: Site, tmp_path: Path, raw: Path) -> None:
    stream(raw, tmp_path / "disk.vmdk")
    assert content_of(f"{web.url}/disk.raw") == raw.read_bytes()
    assert content_of(f"{web.url}/disk.vmdk") == raw.read_bytes()
    said = rehost("disk", "compare", f"{web.url}/disk.vmdk", raw)
    assert (said.code, said.out, said.err) == (0, "identical\n", "")


def test_an_archive_on_a_web_server_is_read_in_place(web: Site, appliance: Path, raw: Path) -> None:
    for source in (f"{web.url}/{appliance.name}!disk1.vmdk", f"{web.url}/{appliance.name}"):
        assert located(source).file.name == f"{web.url}/web.ova!disk1.vmdk"
        assert content_of(source) == raw.read_bytes()


def test_a_file_of_a_web_server_may_name_those_beside_it(
    web: Site, tmp_path: Path, raw: Path
) -> None:
    (tmp_path / "sub").mkdir()
    raw.rename(tmp_path / "sub" / "a disk.raw")
    middle, top = tmp_path / "sub" / "middle.qcow2", tmp_path / "top.qcow2"
    for path, name, kind in ((middle, "a disk.raw", "raw"), (top, "sub/middle.qcow2", "qcow2")):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", name, "-F", kind, path)
    found = located(f"{web.url}/top.qcow2")
    image = open_image(found.file, found.gate)
    assert len(chain(image)) == 3
    assert read(image, 0, image.size) == (tmp_path / "sub" / "a disk.raw").read_bytes()


@pytest.mark.parametrize("name", ["../up.raw", "/etc/passwd", "http://127.0.0.1/x", "//host/x"])
def test_a_file_of_a_web_server_names_nothing_else(web: Site, raw: Path, name: str) -> None:
    found = located(f"{web.url}/{raw.name}")
    with pytest.raises(RefusedError) as caught:
        found.gate.open(name, by=found.file.name)
    what = f"names a file outside its own folder ({name!r})"
    assert str(caught.value) == f"{web.url}/disk.raw: {what}"


def test_credentials_are_kept_for_what_lies_beside(web: Site, tmp_path: Path, raw: Path) -> None:
    (tmp_path / "other.raw").write_bytes(b"x" * 512)
    found = located(f"{web.url}/{raw.name}?ticket=1#part".replace("//", "//me:secret@", 1))
    assert found.file.name == f"{web.url}/disk.raw"
    beside = found.gate.open("other.raw", by=found.file.name)
    assert (beside.name, beside.pread(0, 512)) == (f"{web.url}/other.raw", b"x" * 512)
    assert {seen["Authorization"] for seen in web.seen} == {"Basic bWU6c2VjcmV0"}


def test_a_backing_file_that_a_web_server_does_not_have_is_told(web: Site, raw: Path) -> None:
    found = located(f"{web.url}/{raw.name}")
    with pytest.raises(DamagedInputError) as caught:
        found.gate.open("no.raw", by=found.file.name)
    assert str(caught.value) == f"{web.url}/no.raw: no such file (the server answers 404)"
