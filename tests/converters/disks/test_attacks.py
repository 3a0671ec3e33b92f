"""Published attacks by images that name files of the host: each is a case, none opens a file.

Every case lies in a folder of its own, beside which lies a file that must not be read. What Python
opens, connects to or starts while a case is opened, mapped and read is recorded; strace says the
same of the command for some of them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from converters.disks.locate import open_source
from rehost.errors import InteropError
from tests.support.attacks import (
    CARRIERS,
    DEVICES,
    LINK,
    MISSING,
    NAMES,
    OUTSIDE,
    QUOTED,
    RECORDER,
    SECRET,
    SECTORS,
    TRUST,
    guest_disk,
    in_package,
    outcome,
    outside,
    qcow2,
    told,
)
from tests.support.images import MIB, run
from tests.support.packages import REHOST, rehost
from tests.support.web import Site, site


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return in_package(tmp_path)


def name_cases() -> Iterator[tuple[str, str, tuple[str, str, int]]]:
    """Yield every way to name a file with every name."""
    for carrier in CARRIERS:
        quotes = "VMDK" not in carrier
        names = {**NAMES, **(QUOTED if quotes else {})}
        if quotes:
            names.update(dict.fromkeys(DEVICES, (OUTSIDE, TRUST, 6)))
        for name, expected in names.items():
            yield carrier, name, expected


@pytest.mark.parametrize(("carrier", "name", "expected"), list(name_cases()))
def test_a_name_leads_to_no_file_of_the_host(
    package: Path, carrier: str, name: str, expected: tuple[str, str, int]
) -> None:
    file, made = CARRIERS[carrier]
    source = package / file
    source.write_bytes(made(name))
    words, hint, code = expected
    said = f"{source}: {words.format(name=name)}"
    assert told(package, source) == (said, hint, code)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_same_images_read_what_lies_in_their_folder(package: Path, carrier: str) -> None:
    """Prove that the cases above are refused for the name they say and nothing else."""
    file, made = CARRIERS[carrier]
    (package / "inside").write_bytes(b"mine".ljust(SECTORS * 512, b"."))
    source = package / file
    source.write_bytes(made("inside"))
    outcome(source)
    with RECORDER.on() as heard:
        outcome(source)
    opened = {Path(name).name for event, name in heard if event == "open"}
    assert opened == {file, "inside"}


# --- Packages and web servers ------------------------------------------------------------------


ARCHIVED = ["../secret", "/etc/passwd", "link", "folder/secret", "http://127.0.0.1:1/x", "secret"]


@pytest.mark.parametrize("name", ARCHIVED)
@pytest.mark.parametrize("carrier", ["qcow2 backing file", "qcow2 data file", "VMDK flat extent"])
def test_a_member_of_an_ova_names_only_other_members(
    package: Path, carrier: str, name: str
) -> None:
    file, made = CARRIERS[carrier]
    (package / file).write_bytes(made(name))
    ova = package / "a.ova"
    run("tar", "--format=ustar", "-C", package, "-cf", ova, file)
    (package / file).unlink()
    source = Path(f"{ova}!{file}")
    words, hint, code = NAMES.get(name, (OUTSIDE, TRUST, 6))
    if words == LINK:  # beside the archive, not in it
        words, hint, code = MISSING, "", 3
    assert told(package, source) == (f"{source}: {words.format(name=name)}", hint, code)


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        found.url += "/disks"
        found.files["/secret"] = SECRET
        yield found


WEB = [
    "http://127.0.0.1:1/x",
    "//127.0.0.1:1/x",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "../secret",
    "..\\secret",
    "/secret",
    "/etc/passwd",
]


@pytest.mark.parametrize("name", WEB)
def test_an_image_of_a_web_server_leads_nowhere_else(web: Site, package: Path, name: str) -> None:
    web.files["/disks/a.qcow2"] = qcow2(name)
    url = f"{web.url}/a.qcow2"
    with RECORDER.on() as heard, pytest.raises(InteropError) as caught:
        open_source(url)
    said = (str(caught.value), caught.value.hint, caught.value.exit_code)
    assert said == (f"{url}: {OUTSIDE.format(name=name)}", TRUST, 6)
    assert {path for path, _ in web.requests} == {"/disks/a.qcow2"}
    assert [each for each in outside(package, heard) if each[0] == "subprocess.Popen"] == []


@pytest.mark.parametrize("name", ["%2e%2e/secret", "sub/%2e%2e/%2e%2e/secret", "?/../../secret"])
def test_a_name_is_no_part_of_a_url(web: Site, name: str) -> None:
    """A percent sign or question mark in a name is one in the name of the file on the server."""
    web.files["/disks/a.qcow2"] = qcow2(name)
    with pytest.raises(InteropError) as caught:
        open_source(f"{web.url}/a.qcow2")
    assert caught.value.exit_code in {3, 6, 7}
    assert "/secret" not in {path for path, _ in web.requests}


# --- The whole command, as the kernel sees it --------------------------------------------------


TRACED = [
    ("qcow2 backing file", "../secret"),
    ("qcow2 data file", "/etc/passwd"),
    ("VMDK flat extent", "/etc/passwd"),
    ("Parallels plain image", "link"),
    ("VHDX parent", "folder/secret"),
]


@pytest.mark.parametrize(("carrier", "name"), TRACED)
@pytest.mark.parametrize("command", ["info", "convert"])
def test_the_kernel_is_asked_for_no_file_of_the_host(
    package: Path, tmp_path: Path, carrier: str, name: str, command: str
) -> None:
    file, made = CARRIERS[carrier]
    source, log = package / file, tmp_path / "trace"
    source.write_bytes(made(name))
    argv = [REHOST, "disk", command, source, *([package / "out.raw"] if command != "info" else [])]
    traced = ("strace", "-f", "-e", "trace=open,openat,openat2,connect,execve", "-o", log, *argv)
    done = subprocess.run([*map(str, traced)], check=False, capture_output=True, text=True)
    words, hint, code = NAMES[name]
    said = f"error: {source}: {words.format(name=name)}\nhint: {hint}\n"
    assert (done.returncode, done.stderr) == (code, said)
    asked = [line for line in log.read_text().splitlines() if SECRET_PATH.search(line)]
    assert asked == []
    assert not (package / "out.raw").exists()


SECRET_PATH = re.compile(r"/secret|/etc/passwd|\"link\"|AF_INET")


def test_a_raw_disk_is_resized_as_raw_whatever_a_guest_wrote_to_it(package: Path) -> None:
    """CVE-2026-24708 and CVE-2008-2004, by the command: what the user says is the format is it."""
    source, new = package / "disk", package / "new.raw"
    source.write_bytes(guest_disk(qcow2(data_file="/etc/passwd")))
    said = rehost("disk", "resize", "--format", "raw", source, "2M", new)
    assert (said.code, said.err) == (0, "")
    assert new.read_bytes() == source.read_bytes().ljust(2 * MIB, b"\0")
    said = rehost("disk", "resize", source, "2M", package / "other.raw")
    refused = OUTSIDE.format(name="/etc/passwd")
    assert (said.code, said.err) == (6, f"error: {source}: {refused}\nhint: {TRUST}\n")
    assert not (package / "other.raw").exists()
