"""What keeps judging quick: little is imported for a small descriptor, and no rule is quadratic."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ovf.judging.validate import validate
from ovf.package import Package
from tests.ovf.builders import FIXTURES, SCSI, STREAM, descriptor, item

SMALL = FIXTURES / "rules" / "DSK-001" / "good.ovf"
SLOW = (
    *("converters", "p2v", "numpy", "xmlschema", "cryptography", "asn1crypto", "jinja2", "rich"),
    *("pycdlib", "msgspec", "urllib3", "http.client", "ssl", "asyncio", "rehost.machine"),
)
MANY = 150
MUCH_MORE = 4


def test_a_small_descriptor_is_judged_without_what_starts_slowly() -> None:
    code = (
        "from rehost.console.main import run\n"
        f"run(['validate', '--fail-on', 'never', {str(SMALL)!r}])\n"
        "import sys\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    imported = done.stderr.splitlines()
    assert "ovf.judging.validate" in imported
    assert [name for name in SLOW if name in imported] == []


def large(count: int) -> str:
    """Return a descriptor with so many of each thing it can hold."""
    numbers = range(count)
    disks = (
        item(InstanceID=100 + n, ResourceType=17, Parent=3, HostResource=f"ovf:/disk/d{n}")
        for n in numbers
    )
    adapters = (
        item(InstanceID=100_000 + n, ResourceType=10, Connection=f"net{n}") for n in numbers
    )
    memories = (
        item(InstanceID=2, ResourceType=4, VirtualQuantity=n, more=f'ovf:configuration="c{n}"')
        for n in numbers
    )
    networks = "".join(f'\n<Network ovf:name="net{n}"/>' for n in numbers)
    options = "".join(
        f'\n<Configuration ovf:id="c{n}"><Label/><Description/></Configuration>' for n in numbers
    )
    properties = "".join(
        f'\n<Property ovf:key="k{n}" ovf:type="string" ovf:value="${{k{n + 1}}}">'
        f'<Value ovf:value="1" ovf:configuration="c{n}"/></Property>'
        for n in numbers
    )
    return descriptor(
        SCSI,
        *disks,
        *adapters,
        *memories,
        references="".join(f'\n<File ovf:id="f{n}" ovf:href="{n}.vmdk"/>' for n in numbers),
        disks="".join(
            f'\n<Disk ovf:diskId="d{n}" ovf:fileRef="f{n}" ovf:capacity="{n}" '
            f'ovf:format="{STREAM}"/>'
            for n in numbers
        ),
        around=f"<NetworkSection><Info/>{networks}</NetworkSection>"
        f"<DeploymentOptionSection><Info/>{options}</DeploymentOptionSection>",
        sections=f"<ProductSection><Info/>{properties}</ProductSection>",
    )


def seconds(folder: Path, count: int) -> float:
    """Return the processor's time for a descriptor of this size, without its start-up."""
    path = folder / "web.ovf"
    path.write_text(large(count))
    began = time.process_time()
    assert validate(Package.open(path), descriptor_only=True)
    return time.process_time() - began


def test_a_descriptor_that_is_larger_takes_longer_in_proportion(tmp_path: Path) -> None:
    seconds(tmp_path, 1)
    assert seconds(tmp_path, MANY * MUCH_MORE) < 2 * MUCH_MORE * seconds(tmp_path, MANY)
