"""Schemas of others: the DMTF's in a folder, found beside each other and never fetched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema
from click.testing import CliRunner
from lxml import etree

from ovf.cli import validate as command
from ovf.package import Package
from ovf.schema.verdict import violations
from ovf.schema.vocabulary import OWN_SCHEMAS
from rehost.errors import DamagedInputError, InteropError, UsageError
from tests.ovf.builders import FIXTURES
from tests.ovf.schema.documents import WHOLE, plain
from tests.ovf.schema.mutation import mutations
from tests.ovf.schema.published import FOLDER, own

RULES = FIXTURES / "rules"
BAD = RULES / "ENV-007" / "bad.ovf"

LENIENT = ("a foreign", "text", "moved out")

compared = pytest.mark.skipif(not FOLDER.is_dir(), reason="the DMTF's schemas are not here")


def judged(path: Path, schemas: Path | None) -> list[str]:
    package = Package.open(path)
    package.schemas = schemas
    return [f"{one.line}: {one.message}" for one in violations(package)]


@compared
@pytest.mark.parametrize("form", ["local", "pristine"])
def test_the_published_schemas_say_the_same_in_our_words(form: str) -> None:
    expected = judged(BAD, None)
    assert len(expected) > 9
    assert judged(BAD, FOLDER / "ovf-1.1.1" / form)[:5] == expected[:5]
    good = RULES / "ENV-004" / "good.ovf"
    assert judged(good, FOLDER / "ovf-2.0.1" / form) == judged(good, None) == []


@compared
def test_the_newest_release_of_the_descriptor_s_version_is_taken() -> None:
    assert judged(BAD, FOLDER) == judged(BAD, FOLDER / "ovf-1.1.1" / "local")


@compared
def test_the_command_takes_a_folder() -> None:
    options = [str(BAD), "--descriptor-only", "--select", "ENV-007", "--schemas", str(FOLDER)]
    shown = CliRunner().invoke(command, options)
    assert shown.exit_code == 1
    assert "28:43: error: ovf:required of VirtualHardwareSection is not true" in shown.stdout


@compared
def test_a_schema_without_its_imports_is_wrong_usage(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "ovf-1.1.1" / "pristine" / "dsp8023_1.1.1.xsd", tmp_path)
    with pytest.raises(UsageError) as raised:
        judged(BAD, tmp_path)
    assert said(raised.value, tmp_path) == (
        "xml.xsd is missing, which a schema in FOLDER imports",
        "Put it beside the schema; nothing is fetched from the network.",
    )


def test_a_folder_without_schemas_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        judged(BAD, tmp_path)
    assert said(raised.value, tmp_path) == (
        "FOLDER: holds no schema of OVF 1.x",
        "It is called dsp8023_1.x.y.xsd; the DMTF publishes it.",
    )
    with pytest.raises(UsageError) as raised:
        judged(BAD, tmp_path / "none")
    assert said(raised.value, tmp_path) == (
        "FOLDER/none: is no folder",
        "Name the folder of the DMTF's schemas.",
    )


NO_SCHEMAS = ("", "<schema", "<schema/>", "\0", '<!DOCTYPE a SYSTEM "/x"><a/>')


@pytest.mark.parametrize("content", NO_SCHEMAS)
def test_a_schema_that_is_none_is_damaged(content: str, tmp_path: Path) -> None:
    (tmp_path / "dsp8023_1.1.0.xsd").write_text(content)
    with pytest.raises(DamagedInputError, match="is no schema that can be used"):
        judged(BAD, tmp_path)


def said(error: InteropError, folder: Path) -> tuple[str, str]:
    return str(error).replace(str(folder), "FOLDER"), error.hint


@pytest.mark.parametrize("name", ["envelope-1.ovf", "envelope-2.ovf", "environment-1.xml"])
def test_xmllint_reads_our_schemas_without_a_network(name: str, tmp_path: Path) -> None:
    root = plain(name)
    broken = tmp_path / "broken.xml"
    root.remove(root[0]) if "envelope" in name else root[0].append(etree.Element("None"))
    broken.write_bytes(etree.tostring(root))
    for document, code in ((WHOLE / name, 0), (broken, 3)):
        schema = OWN_SCHEMAS / f"{name.partition('.')[0]}.xsd"
        line = ["xmllint", "--nonet", "--noout", "--schema", str(schema), str(document)]
        assert subprocess.run(line, capture_output=True, check=False).returncode == code


@pytest.mark.parametrize("name", ["envelope-1", "envelope-2"])
def test_xmlschema_judges_by_our_schemas_as_lxml_does(name: str) -> None:
    """Of extensions before other children libxml2 takes too much, of text xmlschema does."""
    schema = xmlschema.XMLSchema(str(OWN_SCHEMAS / f"{name}.xsd"))
    root = plain(f"{name}.ovf")
    every = [each for each in mutations(root) if not each.what.startswith(LENIENT)][::13]
    for mutation in every:
        document = mutation.of(root)
        assert schema.is_valid(document) is own(name).validate(document), mutation


@compared
def test_a_vendor_s_schema_can_build_on_ours(tmp_path: Path) -> None:
    theirs = (FOLDER / "ovf-1.1.0" / "local" / "ovf-vmware.xsd").read_text(encoding="utf-8")
    ours = (OWN_SCHEMAS / "envelope-1.xsd").as_uri()
    path = tmp_path / "ovf-vmware.xsd"
    path.write_text(theirs.replace("dsp8023_1.1.0.xsd", ours), encoding="utf-8")
    for name in ("CIM_ResourceAllocationSettingData", "CIM_VirtualSystemSettingData"):
        target = OWN_SCHEMAS / f"{'rasd' if 'Resource' in name else 'vssd'}.xsd"
        path.write_text(path.read_text().replace(f"{name}.xsd", target.as_uri()))
    schema = etree.XMLSchema(etree.parse(str(path)))
    root = plain("envelope-1.ovf")
    section = etree.fromstring(
        '<v:IpAssignmentSection xmlns:v="http://www.vmware.com/schema/ovf" v:protocols="IPv4"'
        ' v:schemes="dhcp"><Info xmlns="http://schemas.dmtf.org/ovf/envelope/1"/>'
        "</v:IpAssignmentSection>"
    )
    root.insert(1, section)
    assert not own("envelope-1").validate(root)
    assert schema.validate(root)
