"""Files of packages whose cost once grew faster than their size: bounded in time and open files."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ovf.edit.draft import Draft
from ovf.importers.reading import machines
from ovf.importers.vmware.hardware import needed_by
from ovf.package import Package
from ovf.signing.keys import certificates_in
from ovf.versions.restate import restate
from tests.fuzz import bounds
from tests.fuzz.bounds import bounded
from tests.ovf.builders import MEMORY, NAMESPACES, PROCESSORS, beside, descriptor, item
from tests.ovf.test_growth import INFO, MIB, found

CHUNK = 16


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MEMORY", 400 * MIB)


@contextmanager
def few_open(number: int = 256) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def chunked(folder: Path, number: int, more: str = "") -> Package:
    content = bytes(range(256)) * (number * CHUNK // 256)
    file = f'<File ovf:id="f" ovf:href="d.iso" ovf:size="{len(content)}" ovf:chunkSize="{CHUNK}"'
    text = descriptor(PROCESSORS, MEMORY, references=f"{file} {more}/>")
    starts = range(0, len(content), CHUNK)
    chunks = {f"d.iso.{at // CHUNK:09}": content[at : at + CHUNK] for at in starts}
    return beside(folder, text, chunks)


def test_more_chunks_than_may_be_open_are_read_as_one_file(tmp_path: Path) -> None:
    package = chunked(tmp_path, 2000)
    with few_open():
        file = package.file_for(package.envelope.references[0])
        assert file.size == 2000 * CHUNK
        assert file.pread(0, file.size) == bytes(range(256)) * (2000 * CHUNK // 256)
        assert file.stretches(0, 32) is None


def test_more_chunks_than_may_be_open_are_judged(tmp_path: Path) -> None:
    package = chunked(tmp_path, 2000, 'ovf:compression="gzip"')
    (tmp_path / "d.iso.000001998").write_bytes(b"short")
    with few_open(), bounded():
        told = found(package)
    assert f"REF-011 chunk has 5 bytes, not {CHUNK}" in told


def test_certificates_that_only_begin_are_looked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "web.cert"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 400_000)
    with bounded():
        assert list(certificates_in(path)) == [None]


def test_an_environment_of_many_entities_without_properties_is_judged(tmp_path: Path) -> None:
    keys = "".join(f'<Property ovf:key="p{n:05}" ovf:type="string"/>' for n in range(8000))
    systems = "".join(f'<VirtualSystem ovf:id="v{n}">{INFO}</VirtualSystem>' for n in range(8000))
    text = (
        f'<Envelope {NAMESPACES}><References/><VirtualSystemCollection ovf:id="c">{INFO}'
        f"<ProductSection>{INFO}{keys}</ProductSection>{systems}"
        "</VirtualSystemCollection></Envelope>"
    )
    namespace = "http://schemas.dmtf.org/ovf/environment/1"
    entities = "".join(f'<Entity e:id="v{n}"/>' for n in range(1, 8000))
    document = f'<Environment xmlns="{namespace}" xmlns:e="{namespace}" e:id="v0">{entities}'
    (tmp_path / "ovf-env.xml").write_text(f"{document}</Environment>")
    package = Package.open(tmp_path / "ovf-env.xml", tolerant=True)
    package.described = beside(tmp_path, text)
    with bounded():
        told = found(package)
    assert [line for line in told if line.startswith("OEN-004")][:6] == [
        *(f"OEN-004 Entity 'v1' has no property 'p0000{n}'" for n in range(5)),
        "OEN-004 Entity 'v1' has no 7995 properties more",
    ]


def test_what_the_hardware_of_many_machines_needs_is_known(tmp_path: Path) -> None:
    family = "<System><vssd:VirtualSystemType>vmx-07</vssd:VirtualSystemType></System>"
    nvme = item(InstanceID=9, ResourceType=20, ResourceSubType="vmware.nvme.controller")
    section = f"<VirtualHardwareSection>{INFO}{family}{nvme * 3}</VirtualHardwareSection>"
    systems = "\n".join(
        f'<VirtualSystem ovf:id="v{n}">{INFO}{section}</VirtualSystem>' for n in range(4000)
    )
    text = (
        f'<Envelope {NAMESPACES}><References/><VirtualSystemCollection ovf:id="c">{INFO}{systems}'
        "</VirtualSystemCollection></Envelope>"
    )
    envelope = beside(tmp_path, text).envelope
    with bounded():
        needed = [needed_by(envelope, section) for [section] in machines(envelope)]
    assert needed == [13] * 4000


def test_a_text_in_a_file_among_many_others_is_restated(tmp_path: Path) -> None:
    texts = '<License ovf:fileRef="f"/>' + "<License/>" * 150_000
    text = descriptor(PROCESSORS, around=f"<EulaSection>{INFO}{texts}</EulaSection>")
    draft = Draft.of(beside(tmp_path, text.replace("envelope/1", "envelope/2")))
    with bounded():
        losses = restate(draft, "1")
    assert [each.source for each in losses if each.item.endswith("/@fileRef")] == ["f"]
