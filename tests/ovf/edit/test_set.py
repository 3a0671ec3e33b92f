"""``rehost ovf set``: from a package to a package, on the command line."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.package import Package
from tests.ovf.builders import manifest, pack, signed_off
from tests.ovf.edit.appliances import DISK, WEB, difference
from tests.support.packages import rehost, seen

ALONE = "--descriptor-only"
WHOLE = {"web.ovf": WEB.encode(), "disk.vmdk": DISK}
EVERYTHING = (
    *("--name", "shop", "--cpus", "2", "--memory", "1G", "--nics", "2", "--nic-type", "E1000"),
    *("--nic-network", "lan", "--nic-name", "a", "--nic-name", "b"),
    *("--mac", "00:50:56:00:00:01", "--mac", "00:50:56:00:00:02"),
    *("--rename-network", "VM Network=lan", "--serial-ports", "1", "--serial-connection", "tcp:1"),
    *("--scsi-type", "VirtualSCSI", "--hardware", "vmx-13", "--os", "94", "--product", "Shop"),
    *("--vendor", "Us", "--product-version", "2", "--full-version", "2.0", "--product-url", "u"),
    *("--vendor-url", "v", "--app-url", "a", "--product-class", "com.example", "--transport"),
    *("iso", "--property", "port=81", "--annotation", "It sells.", "--default-configuration"),
    "large",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return pack(tmp_path / "web.ova", signed_off(WHOLE))


def inside(archive: Path, name: str) -> bytes:
    argv = ["tar", "xOf", str(archive), name]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def test_a_package_is_changed_into_another(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    done = rehost("ovf", "set", source, "-o", tmp_path / "new.ova", "--memory", "1G")
    assert seen(done, tmp_path) == (0, "wrote new.ova\n", "")
    assert source.read_bytes() == before
    now = inside(tmp_path / "new.ova", "web.ovf")
    assert difference(WEB, now.decode()).count("\n") == 3
    assert inside(tmp_path / "new.ova", "web.mf") == manifest({**WHOLE, "web.ovf": now})
    assert inside(tmp_path / "new.ova", "disk.vmdk") == DISK


def test_everything_at_once_is_still_a_sound_package(source: Path, tmp_path: Path) -> None:
    (tmp_path / "eula").write_text("Pay.\n")
    (tmp_path / "more").write_text("# two\nip = 192.0.2.1\nmode=b\n")
    files = ("--eula", tmp_path / "eula", "--properties", tmp_path / "more")
    done = rehost("ovf", "set", source, "-o", tmp_path / "new.ova", *EVERYTHING, *files)
    assert seen(done, tmp_path) == (
        0,
        "wrote new.ova\n",
        "note: web.ova!web.ovf: vmw:osType still says debian10_64Guest\n",
    )
    package = Package.open(tmp_path / "new.ova")
    before = {finding.rule for finding in validate(Package.open(source))}
    assert {finding.rule for finding in validate(package)} <= before
    said = package.descriptor.content.decode()
    for text in (
        *("<ovf:Name>shop<", ">2 virtual CPU(s)<", ">1024MB of memory<", ">192.0.2.1<"),
        *("<ovf:License>Pay.<", 'ovf:name="lan"', ">tcp:1<", ">VirtualSCSI<", ">vmx-13<"),
        *('ovf:id="94"', "<ovf:Vendor>Us<", "<ovf:FullVersion>2.0<", 'ovf:value="81"'),
        *("<ovf:Annotation>It sells.<", 'ovf:transport="iso"', "<ovf:AppUrl>a<"),
    ):
        assert text in said.replace('ovf:value="192.0.2.1"', ">192.0.2.1<"), text
    assert """<our:Section ovf:required="false" note='kept  as "it" is'>""" in said


def test_into_a_folder_and_in_place(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = rehost("ovf", "set", source, "-o", out / "shop.ovf", "--name", "shop")
    wrote = "wrote out/disk.vmdk\nwrote out/shop.ovf\nwrote out/shop.mf\n"
    assert seen(done, tmp_path) == (0, wrote, "")
    disk = (out / "disk.vmdk").stat().st_mtime_ns
    done = rehost("ovf", "set", out, "--in-place", "--cpus", "3", "--digest", "sha512")
    assert seen(done, tmp_path) == (0, "wrote out/shop.ovf\nwrote out/shop.mf\n", "")
    assert (out / "disk.vmdk").stat().st_mtime_ns == disk
    said = (out / "shop.ovf").read_bytes()
    assert (
        (out / "shop.mf")
        .read_text()
        .startswith(f"SHA512(shop.ovf)= {hashlib.sha512(said).hexdigest()}\n")
    )
    done = rehost("ovf", "set", source, "--in-place", "--cpus", "3", "--digest", "none")
    assert seen(done, tmp_path) == (0, "wrote web.ova\n", "")
    assert b"3 virtual CPU(s)" in inside(source, "web.ovf")
    assert Package.open(source).manifest_name is None


def test_a_signature_goes_with_a_word(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", {**signed_off(WHOLE), "web.cert": b"x"})
    done = rehost("ovf", "set", source, "-o", tmp_path / "new.ova", "--cpus", "2")
    note = (
        "note: web.ova: the signature is left out, for it is not of what is written;"
        " sign the result again\n"
    )
    assert seen(done, tmp_path) == (0, "wrote new.ova\n", note)
    assert Package.open(tmp_path / "new.ova").certificate_name is None


def test_a_descriptor_whose_files_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "web.ovf").write_text(WEB)
    arguments = (tmp_path / "web.ovf", "-o", tmp_path / "new.ovf", "--name", "shop")
    done = rehost("ovf", "set", *arguments)
    assert seen(done, tmp_path) == (
        3,
        "",
        "error: web.ovf:8: names a file that is not in the package ('disk.vmdk')\n"
        "hint: Put the file beside the descriptor, or fetch the package again.\n",
    )
    done = rehost("ovf", "set", *arguments, ALONE)
    assert seen(done, tmp_path) == (0, "wrote new.ovf\n", "")
    assert difference(WEB, (tmp_path / "new.ovf").read_text()).count("\n") == 3
    (tmp_path / "new.mf").write_text("")
    done = rehost("ovf", "set", tmp_path / "new.ovf", "--in-place", "--name", "x", ALONE)
    note = "note: new.mf: is left out, for no file was looked at\n"
    assert seen(done, tmp_path) == (0, "wrote new.ovf\n", note)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.ovf", "web.ovf"]
    done = rehost("ovf", "set", *arguments[:-4], "-o", "x.ova", "--name", "x", ALONE)
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: x.ova: an archive is not written without its files\n"
        "hint: Write to an .ovf or a folder: -o DEST.ovf.\n",
    )


def test_what_cannot_be_done_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("ip\n")
    cases: list[tuple[tuple[str | Path, ...], int, str]] = [
        (("--cpus", "2"), 2, "it is not said where to write\nhint: Pass -o DEST or --in-place.\n"),
        (
            ("--cpus", "2", "-o", tmp_path / "x.ova", "--in-place"),
            2,
            "two places to write are named\nhint: Pass -o DEST or --in-place.\n",
        ),
        (
            ("-o", tmp_path / "x.ova"),
            2,
            "nothing is asked for\nhint: See `rehost ovf set --help`.\n",
        ),
        (
            ("-o", tmp_path / "x.ova", "--name", "x", "--os-name", "Plan 9"),
            2,
            "--os-name says nothing by itself\nhint: Pass --os, too.\n",
        ),
        (
            ("-o", tmp_path / "x.ova", "--configuration", "small"),
            2,
            "--configuration says nothing by itself\nhint: Pass --cpus or --memory, too.\n",
        ),
        (
            ("-o", tmp_path / "x.ova", "--name", "x", "--product-class", "org.x"),
            2,
            "--product-class says nothing by itself\n"
            "hint: Pass what to say of the product, or a property, too.\n",
        ),
        (
            ("-o", source, "--cpus", "2"),
            6,
            "web.ova: exists already\nhint: Name another output, or pass --force to replace it.\n",
        ),
        (
            ("-o", tmp_path / "x.ova", "--properties", tmp_path / "bad"),
            2,
            "bad:1: line is no KEY=VALUE\n",
        ),
        (
            ("-o", tmp_path / "x.ova", "--name", "bell\a"),
            2,
            "a text holds a character that XML cannot carry ('\\x07' in 'bell\\x07')\n"
            "hint: Leave it out.\n",
        ),
    ]
    for arguments, code, message in cases:
        done = rehost("ovf", "set", source, *arguments)
        assert seen(done, tmp_path) == (code, "", f"error: {message}")
        assert not (tmp_path / "x.ova").exists()
    odd = source.rename(tmp_path / "web.tar")
    done = rehost("ovf", "set", odd, "--in-place", "--cpus", "2")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: web.tar: is an archive that is not named .ova, and is not replaced\n"
        "hint: Write to another file: -o DEST.ova.\n",
    )
