"""What ``rehost convert`` makes of its options."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from lxml import etree

from tests.ovf.builders import SCSI, item, pack
from tests.support.generated import schemas
from tests.support.packages import CPU, DISK, MEMORY, REHOST, members, ova, rehost, web

NIC = item(InstanceID=7, ResourceType=10, ResourceSubType="E1000", Connection="VM Network")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return an OVA of a machine with a disk and an adapter."""
    return ova(tmp_path, members(tmp_path, web(CPU, MEMORY, SCSI, DISK, NIC)))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--detailed-exitcode",), "--detailed-exitcode needs --dry-run"),
        (("--expect", "up"), "--expect needs --boot"),
        (("--boot-timeout", "9"), "--boot-timeout needs --boot"),
        (("--boot", "--dry-run"), "--boot does not go with --dry-run"),
        (
            ("--report", "/etc/hostname/r.json"),
            "/etc/hostname/r.json: the report cannot be written there",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    source: Path, options: tuple[str, ...], what: str
) -> None:
    said = rehost("convert", source, "--to", "qemu", "-o", source.parent / "out", *options)
    assert (said.code, said.err) == (2, f"error: {what}\n")
    assert not (source.parent / "out").exists()


def test_a_network_nobody_is_on_is_refused(source: Path) -> None:
    out = source.parent / "out"
    said = rehost("convert", source, "--to", "libvirt", "-o", out, "--network", "nope=x")
    assert (said.code, said.err) == (
        2,
        "error: no machine is on a network called 'nope'\nhint: Their networks: VM Network.\n",
    )


def test_networks_and_the_chipset_can_be_chosen(source: Path) -> None:
    out = source.parent / "out"
    asked = ("--network", "VM Network=office", "--machine-type", "q35")
    assert rehost("convert", source, "--to", "libvirt", "-o", out, *asked).code == 0
    domain = etree.parse(out / "web.xml")
    assert domain.findtext("name") == "web"
    assert domain.xpath("string(devices/interface/source/@network)") == "office"
    assert domain.xpath("string(os/type/@machine)") == "q35"


def test_a_dry_run_writes_nothing_and_tells_of_losses_by_its_exit_code(source: Path) -> None:
    out = source.parent / "out"
    asked = ("convert", source, "--to", "libvirt", "-o", out, "--dry-run")
    assert rehost(*asked).code == 0
    assert rehost(*asked, "--detailed-exitcode").code == 10
    assert rehost(*asked, "--strict").code == 1
    assert not out.exists()


def test_the_report_has_its_published_shape(source: Path) -> None:
    out = source.parent / "out"
    report = out / "losses.json"
    said = rehost("convert", source, "--to", "qemu", "-o", out, "--report", report, "--json")
    assert said.code == 0
    document = json.loads(report.read_text())
    assert document == json.loads(said.out)
    jsonschema.validate(document, schemas()["report.schema.json"])
    [machine] = document["machines"]
    assert "memory" in machine["carried"]
    assert document["files"] == [str(out / "web-disk1.qcow2"), str(out / "web.sh")]


def test_what_inspect_prints_has_its_published_shape(source: Path) -> None:
    document = json.loads(rehost("inspect", source, "--json").out)
    jsonschema.validate(document, schemas()["machine.schema.json"])


def test_a_bad_package_among_several_is_known_before_the_first_is_converted(
    source: Path, tmp_path: Path
) -> None:
    bad = pack(tmp_path / "bad.ova", {"bad.ovf": web()})
    said = rehost("convert", source, bad, "--to", "qemu", "-o", tmp_path / "out")
    assert said.code == 3
    assert not (tmp_path / "out").exists()


def test_options_come_from_variables_and_files_too(source: Path) -> None:
    (source.parent / "rehost.toml").write_text('[convert]\nhardware = "virtio"\n')
    subprocess.run(
        [REHOST, "convert", source, "-o", "out"],
        env=os.environ | {"REHOST_CONVERT_TO": "libvirt"},
        cwd=source.parent,
        check=True,
        capture_output=True,
    )
    domain = etree.parse(source.parent / "out" / "web.xml")
    assert domain.xpath("string(devices/disk/target/@bus)") == "virtio"


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    text = web().replace(b'ovf:id="web">', 'ovf:id="web"><Name>a\x9b31mb\u202ec</Name>'.encode())
    said = rehost("inspect", ova(tmp_path, members(tmp_path, text)))
    assert "a\\u009b31mb\\u202ec" in said.out
    assert not {"\x9b", "\u202e"} & set(said.out)


def test_machines_whose_names_differ_only_in_signs_get_files_of_their_own(tmp_path: Path) -> None:
    text = web().decode()
    start, end = text.index("<VirtualSystem "), text.index("</VirtualSystem>") + 16
    bare = text[start:end].replace(DISK, "")
    machines = [bare.replace('"web">', f'"{n}"><Name>{n}</Name>') for n in ("x / y", "x---y")]
    both = (
        f'<VirtualSystemCollection ovf:id="a"><Info/>{"".join(machines)}</VirtualSystemCollection>'
    )
    both = both.replace("<Name>", "<Info/><Name>").replace("</Name>\n<Info/>", "</Name>")
    parts = members(tmp_path, (text[:start] + both + text[end:]).encode())
    out = tmp_path / "out"
    said = rehost("convert", ova(tmp_path, parts), "--to", "libvirt", "-o", out)
    assert (said.code, said.err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["x-y-2.xml", "x-y.xml"]
    names = {etree.parse(path).findtext("name") for path in out.glob("*.xml")}
    assert len(names) == 2
