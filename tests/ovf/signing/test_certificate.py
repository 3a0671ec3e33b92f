"""Certificate files: what is read, and the exact words for what leaves doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovf.signing.certificate import Block, parse_certificate_file, read_certificate_file
from rehost.errors import DamagedInputError, InteropError
from tests.ovf.builders import beside, with_disk
from tests.ovf.signing.signers import pem_block
from tests.support.corpus import CORPUS

HINT = "It is 'SHA256(name.mf)= signature', in hexadecimal."


@pytest.mark.parametrize(
    ("line", "algorithm"),
    [
        ("SHA256(a (1).mf)= 0aff", "SHA256"),
        ("SHA1(a (1).mf)= 0AFF", "SHA1"),
        ("SHA512(a (1).mf) = 0aff", "SHA512"),
        ("SHA224 (a (1).mf)=0aff ", "SHA224"),
        ("sha2-256(a (1).mf)= 0aff", "SHA256"),
        ("\ufeffSHA-384(a (1).mf)= 0aff\r", "SHA384"),
    ],
)
def test_the_first_line_is_a_signature_however_it_is_spaced(line: str, algorithm: str) -> None:
    found = parse_certificate_file(f"{line}\n".encode(), "x.cert")
    assert (found.algorithm, found.name, found.signature) == (algorithm, "a (1).mf", b"\x0a\xff")
    assert (found.blocks, found.text_at) == ((), None)


def test_blocks_are_read_by_their_kind_with_the_lines_they_begin_in() -> None:
    content = (
        b"SHA256(a.mf) = 00\r\n\r\n"
        + pem_block("CERTIFICATE", b"one").replace(b"\n", b"\r\n")
        + b" "
        + pem_block("CMS", b"two")
        + b"Bag Attributes\nmore\n"
        + pem_block("X509 CRL", b"")
    )
    found = parse_certificate_file(content, "x.cert")
    one, two, three = found.blocks
    assert (one, two, three) == (
        Block("CERTIFICATE", b"one", 3),
        Block("CMS", b"two", 6),
        Block("X509 CRL", b"", 11),
    )
    assert (found.certificates, found.cms, found.text_at) == ((one,), (two,), 9)


BAD = {
    b"": ("x.cert:1: first line is not a signature ('')", HINT),
    b"-----BEGIN CERTIFICATE-----\n": (
        "x.cert:1: first line is not a signature ('-----BEGIN CERTIFICATE-----')",
        HINT,
    ),
    b"MD5(a.mf)= 00\n": ("x.cert:1: first line is not a signature ('MD5(a.mf)= 00')", HINT),
    b"SHA256(a.mf)= 0\n": ("x.cert:1: first line is not a signature ('SHA256(a.mf)= 0')", HINT),
    b"SHA256(a.mf)= xy\n": ("x.cert:1: first line is not a signature ('SHA256(a.mf)= xy')", HINT),
    b"SHA256(\xff)= z\n": (r"x.cert:1: first line is not a signature ('SHA256(\\xff)= z')", HINT),
    b"SHA1(a)= 00\n-----BEGIN CERTIFICATE-----\nAAAA\n": (
        "x.cert:2: PEM block has no end (CERTIFICATE)",
        "",
    ),
    b"SHA1(a)= 00\n-----END CMS-----\n": (
        "x.cert:2: PEM block is marked wrongly ('-----END CMS-----' where BEGIN should be)",
        "",
    ),
    b"SHA1(a)= 00\n-----BEGIN CMS-----\n-----BEGIN CMS-----\n": (
        "x.cert:3: PEM block is marked wrongly ('-----BEGIN CMS-----' where END CMS should be)",
        "",
    ),
    b"SHA1(a)= 00\n-----BEGIN CMS-----\n!\n-----END CMS-----\n": (
        "x.cert:2: PEM block is not Base64 (Only base64 data is allowed)",
        "",
    ),
    b"SHA1(a)= 00\n" + 65 * pem_block("CMS", b""): ("x.cert:130: has more than 64 PEM blocks", ""),
}


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_leaves_doubt_is_an_error_with_its_line(number: int) -> None:
    content, (told, hint) = list(BAD.items())[number]
    with pytest.raises(DamagedInputError) as caught:
        parse_certificate_file(content, "x.cert")
    assert (str(caught.value), caught.value.hint) == (told, hint)


def test_a_file_too_large_for_a_certificate_is_refused(tmp_path: Path) -> None:
    package = beside(tmp_path, with_disk(), {"web.cert": b"A" * ((1 << 20) + 1)})
    with pytest.raises(InteropError) as caught:
        read_certificate_file(package)
    assert (
        str(caught.value) == f"{tmp_path}/web.cert: is too large (at most 1048576 bytes are read)"
    )


def test_a_package_without_one_has_none(tmp_path: Path) -> None:
    assert read_certificate_file(beside(tmp_path, with_disk())) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_a_certificate_file_or_an_error(content: bytes) -> None:
    try:
        parse_certificate_file(content, "x.cert")
        parse_certificate_file(b"SHA1(a)= 00\n" + content, "x.cert")
    except InteropError as error:
        assert "\n" not in str(error)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus")
def test_what_open_ovf_signed_is_read() -> None:
    path = CORPUS / "ovf/open-ovf/py/tests/test_files/ourOVF.cert"
    found = parse_certificate_file(path.read_bytes(), "x.cert")
    assert (found.algorithm, found.name, len(found.signature)) == ("SHA1", "ourOVF.mf", 64)
    assert [block.label for block in found.blocks] == ["CERTIFICATE"]
