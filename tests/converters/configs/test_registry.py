"""Recognising a configuration by its first bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from converters.configs.registry import config_of, configs, root_of
from rehost.errors import DamagedInputError


@pytest.mark.parametrize(
    ("head", "root"),
    [
        (b"<domain/>", "domain"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- <network/> -->\n<domain>", "domain"),
        ("\ufeff<?xml version='1.0'?><a:domain>".encode("utf-16-le"), "domain"),
        (b"<!DOCTYPE domain><domain>", "domain"),
        (b"<domainsnapshot><domain/></domainsnapshot>", "domainsnapshot"),
        (b"<!-- never closed", None),
        (b"<!-- a --><!-- b" * 4000, None),
        (b"config.version = 8", None),
        (b"\0\xff\xfe", None),
        (b"", None),
    ],
)
def test_the_root_is_found_behind_any_prologue(head: bytes, root: str | None) -> None:
    assert root_of(head) == root


def test_a_domain_is_recognised_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "guest.conf"
    path.write_text("<domain/>")
    found = config_of(path)
    assert found is not None
    assert (found.name, found.title) == ("libvirt", "libvirt domain XML")


def test_a_file_of_no_known_format_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert config_of(path) is None


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DamagedInputError, match=re.escape("no such file")):
        config_of(tmp_path / "absent.xml")


def test_every_format_has_a_name_of_its_own() -> None:
    names = [known.name for known in configs()]
    assert len(set(names)) == len(names)
