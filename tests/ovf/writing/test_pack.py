"""``rehost ovf pack`` and ``unpack``: the two forms of a package, there and back."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.package import Package
from rehost.console.main import run
from tests.ovf.builders import manifest, pack, signed_off, with_disk
from tests.support.packages import rehost, seen

DISK = bytes(range(256)) * 256
TEXT = with_disk("disk.vmdk", 'ovf:size="65536"').encode()
WHOLE = {"web.ovf": TEXT, "disk.vmdk": DISK}


def folder_of(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_there_and_back_gives_the_same_files(tmp_path: Path) -> None:
    sha1 = {"web.ovf": TEXT, "web.mf": manifest(WHOLE, "SHA1"), "disk.vmdk": DISK, "web.cert": b"x"}
    for number, members in enumerate((WHOLE, signed_off(WHOLE), sha1)):
        source = pack(tmp_path / f"{number}.ova", members)
        done = rehost("ovf", "unpack", source, tmp_path / f"{number}")
        assert (done.code, done.err) == (0, "")
        assert held(tmp_path / f"{number}") == members
        done = rehost("ovf", "pack", tmp_path / f"{number}", tmp_path / f"{number}-again.ova")
        assert seen(done, tmp_path) == (0, f"wrote {number}-again.ova\n", "")
        again = Package.open(tmp_path / f"{number}-again.ova")
        expected = {**members, **({} if "web.mf" in members else {"web.mf": manifest(WHOLE)})}
        assert {name: again.member(name).pread(0, 1 << 20) for name in again.names()} == expected


def test_packing_states_sizes_and_makes_a_manifest(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
    (source / "stray.txt").write_text("not of the package")
    done = rehost("ovf", "pack", source / "web.ovf", tmp_path / "x.ova")
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    package = Package.open(tmp_path / "x.ova")
    assert package.names() == ("web.ovf", "web.mf", "disk.vmdk")
    assert [each.size for each in package.envelope.references] == ["65536"]
    assert validate(package, descriptor_only=True) == []
    assert rehost("ovf", "pack", source, tmp_path / "y.ova").code == 0
    assert (tmp_path / "x.ova").read_bytes() == (tmp_path / "y.ova").read_bytes()


def test_a_manifest_that_is_not_true_is_told_and_made_anew_when_asked(tmp_path: Path) -> None:
    changed = {**signed_off(WHOLE), "disk.vmdk": DISK[::-1]}
    source = folder_of(tmp_path / "in", changed)
    done = rehost("ovf", "pack", source, tmp_path / "x.ova")
    is_, was = hashlib.sha256(DISK[::-1]).hexdigest(), hashlib.sha256(DISK).hexdigest()
    assert seen(done, tmp_path) == (
        7,
        "",
        "error: in/disk.vmdk: SHA256 digest differs from the manifest"
        f" (is {is_}, should be {was})\n"
        "hint: It was changed or damaged; fetch it again, or make the manifest anew.\n",
    )
    done = rehost("ovf", "pack", source, tmp_path / "x.ova", "--digest", "sha512")
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    new = {"web.ovf": TEXT, "disk.vmdk": DISK[::-1]}
    found = Package.open(tmp_path / "x.ova").member("web.mf").pread(0, 1 << 20)
    assert found == manifest(new, "SHA512")


def test_a_new_manifest_costs_the_signature(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", {**signed_off(WHOLE), "web.cert": b"x"})
    done = rehost("ovf", "unpack", source, tmp_path / "out", "--digest", "sha256")
    note = (
        "note: web.ova: the signature is left out, for it is not of what is written;"
        " sign the result again\n"
    )
    wrote = "".join(f"wrote out/{name}\n" for name in ("disk.vmdk", "web.ovf", "web.mf"))
    assert seen(done, tmp_path) == (0, wrote, note)


def test_what_ustar_cannot_say_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = pack(tmp_path / "web.ova", WHOLE)
    monkeypatch.setattr("rehost.tar.LARGEST_USTAR", len(DISK))
    assert run(["ovf", "pack", str(source), str(tmp_path / "x.ova")]) == 0
    said = capsys.readouterr()
    assert said.out.replace(f"{tmp_path}/", "") == "wrote x.ova\n"
    assert said.err.replace(f"{tmp_path}/", "") == (
        "note: x.ova!disk.vmdk: is too large for a USTAR header;"
        " its size is written as GNU tar writes it\n"
    )
    listed = subprocess.run(["tar", "tvf", tmp_path / "x.ova"], capture_output=True, check=True)
    assert f" {len(DISK)} " in listed.stdout.decode()


def test_the_names_say_which_form_is_meant(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", WHOLE)
    done = rehost("ovf", "pack", source, tmp_path / "x.tar")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: x.tar: is not named as an archive of a package ('.tar')\nhint: Name it DEST.ova.\n",
    )
    done = rehost("ovf", "unpack", source, tmp_path / "x.ova")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: x.ova: is named as an archive, not as a folder\n"
        "hint: `rehost ovf pack` makes archives.\n",
    )
    done = rehost("ovf", "unpack", source, tmp_path / "out" / "shop.ovf")
    assert sorted(held(tmp_path / "out")) == ["disk.vmdk", "shop.ovf"]
