"""Encrypted disks: what QEMU encrypted is read with the passphrase, and without it refused."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest

from converters.disks.ciphers import sector_cipher
from converters.disks.gate import FolderGate
from converters.disks.image import Image, read
from converters.disks.luks import LuksHeader
from converters.disks.registry import Access, open_image
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.images import KIB, MIB, create, ours, run
from tests.support.images import RAW as PLAIN
from tests.support.models import Memory

SIZE = 2 * MIB + 3 * 512
PASSPHRASE = "correct horse"  # noqa: S105
SECRET = ("--object", f"secret,id=key,data={PASSPHRASE}")
QUICK = "iter-time=10"
XTS, OLD, SMALL, EXTENDED = KINDS = (
    "",
    "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha512",
    "cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha1,x-cluster_size=4096",
    "cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain,x-extended_l2=on",
)
INACCURATE = "Unable to get accurate CPU usage"
MISSING = "is encrypted, and no passphrase was given"
WRONG = "is encrypted, and the passphrase opens none of its 1 key slots"
OPTION = "Pass it with --passphrase-file FILE."


def unlocked(path: Path, passphrase: str | None = PASSPHRASE) -> Image:
    gate = FolderGate(path.parent)
    return open_image(LocalFile(path), gate, access=Access(passphrase=passphrase))


def refusal(path: Path, passphrase: str | None = PASSPHRASE) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = unlocked(path, passphrase)
        read(image, 0, image.size)
    return caught.value


def made(*argv: str | Path) -> None:
    """Run qemu-img again where a busy computer keeps it from measuring its own speed."""
    for _ in range(20):
        done = run("qemu-img", *argv, check=False)
        if INACCURATE not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return an encrypted qcow2 image of each kind, written to in random order."""
    folder = tmp_path_factory.mktemp("encrypted")
    found = {}
    for number, kind in enumerate(KINDS):
        path = folder / f"{number}.qcow2"
        options = [f"encrypt.{each}" for each in (*filter(None, kind.split(",")), QUICK)]
        every = ",".join(("encrypt.format=luks", "encrypt.key-secret=key", *options))
        every = every.replace("encrypt.x-", "")
        made("create", "-q", *SECRET, "-f", "qcow2", "-o", every, path, str(SIZE))
        written(path, "qcow2", "encrypt.key-secret=key", SIZE)
        found[kind] = path
    return found


def written(path: Path, driver: str, key: str, size: int) -> None:
    pick, commands = Random(3), []
    for _ in range(20):
        start = pick.randrange(size // 512) * 512
        length = min(pick.choice((512, 20 * KIB, 200 * KIB)), size - start)
        commands += ["-c", f"write -P {pick.randrange(1, 256)} {start} {length}"]
    options = f"driver={driver},file.filename={path},{key}"
    run("qemu-io", *SECRET, "-d", "unmap", *commands, "--image-opts", options)


def as_qemu(path: Path, driver: str = "qcow2", key: str = "encrypt.key-secret=key") -> bytes:
    """Return what QEMU reads."""
    options = f"driver={driver},file.filename={path},{key}"
    target = path.with_suffix(".expected")
    run("qemu-img", "convert", *SECRET, "-O", "raw", "--image-opts", options, target)
    return target.read_bytes()


def assert_read(image: Image, expected: bytes, folder: Path) -> None:
    assert read(image, 0, image.size) == expected
    pick = Random(9)
    for _ in range(60):
        start, length = pick.randrange(len(expected)), pick.randrange(1, 300 * KIB)
        assert read(image, start, length) == expected[start : start + length]
    assert ours(image, folder / "copied.raw", "raw").read_bytes() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_qcow2_that_qemu_encrypted_is_read(
    tmp_path: Path, images: dict[str, Path], kind: str
) -> None:
    path = images[kind]
    assert_read(unlocked(path), as_qemu(path), tmp_path)


def test_a_passphrase_opens_the_whole_chain(tmp_path: Path, images: dict[str, Path]) -> None:
    below = tmp_path / "below.qcow2"
    below.write_bytes(images[SMALL].read_bytes())
    top = tmp_path / "top.qcow2"
    backing = ("-b", "below.qcow2", "-F", "qcow2")
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", *backing, top, str(SIZE))
    assert read(unlocked(top), 0, SIZE) == as_qemu(below)
    error = refusal(top, None)
    assert str(error) == f"{below}: {MISSING}"


def test_what_is_left_to_the_backing_is_not_decrypted(
    tmp_path: Path, images: dict[str, Path]
) -> None:
    base = create(tmp_path / "base.raw", PLAIN, SIZE)
    run("qemu-io", "-f", "raw", "-c", f"write -P 77 0 {SIZE}", base)
    path = tmp_path / "top.qcow2"
    path.write_bytes(images[EXTENDED].read_bytes())
    options = f"driver=qcow2,file.filename={path},encrypt.key-secret=key"
    named = ("-b", "base.raw", "-F", "raw")
    run("qemu-img", "rebase", *SECRET, "-u", *named, "--image-opts", options)
    expected = as_qemu(path)
    assert b"\x4d" * 512 in expected
    assert_read(unlocked(path), expected, tmp_path)


def test_the_old_encryption_is_read_and_its_danger_told(tmp_path: Path) -> None:
    path = tmp_path / "old.qcow2"
    options = "encrypt.format=aes,encrypt.key-secret=key"
    run("qemu-img", "create", "-q", *SECRET, "-f", "qcow2", "-o", options, path, str(SIZE))
    written(path, "qcow2", "encrypt.key-secret=key", SIZE)
    image = unlocked(path)
    assert_read(image, as_qemu(path), tmp_path)
    assert image.facts.details["encryption"] == {"cipher": "aes-cbc-plain64", "keyBits": 128}
    assert image.facts.oddities == (
        "Nothing in it tells a wrong passphrase: with one, it reads as noise.",
    )
    error = refusal(path, None)
    assert (str(error), error.hint, error.exit_code) == (f"{path}: {MISSING}", OPTION, 6)


def test_a_missing_or_wrong_passphrase_is_refused(images: dict[str, Path]) -> None:
    path = images[XTS]
    error = refusal(path, None)
    assert (str(error), error.hint, error.exit_code) == (f"{path}: {MISSING}", OPTION, 6)
    error = refusal(path, f"{PASSPHRASE}\n")
    assert (str(error), error.exit_code) == (f"{path}: {WRONG}", 6)
    assert error.hint == (
        "Check it, and that its file ends where the passphrase does: --passphrase-file FILE."
    )


def test_facts_say_how_it_is_encrypted(images: dict[str, Path]) -> None:
    told = unlocked(images[XTS]).facts.details["encryption"]
    assert isinstance(told, dict)
    assert len(told.pop("uuid")) == 36
    assert told == {"cipher": "aes-xts-plain64", "keyBits": 512, "hash": "sha256", "keySlots": 1}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a disk that is LUKS from its first byte on, with two key slots."""
    path = tmp_path_factory.mktemp("container") / "whole.luks"
    options = f"key-secret=key,{QUICK}"
    made("create", "-q", *SECRET, "-f", "luks", "-o", options, path, str(SIZE))
    written(path, "luks", "key-secret=key", SIZE)
    second = ("--object", "secret,id=more,data=battery")
    named = f"driver=luks,file.filename={path},key-secret=key"
    asked = ("-o", f"state=active,new-secret=more,{QUICK}")
    made("amend", *SECRET, *second, *asked, "--image-opts", named)
    return path


def test_a_container_is_read(tmp_path: Path, container: Path) -> None:
    image = unlocked(container)
    assert (image.facts.format, image.facts.variant) == ("luks", "v1")
    assert_read(image, as_qemu(container, "luks", "key-secret=key"), tmp_path)
    for passphrase, said in ((None, MISSING), ("wrong", WRONG.replace("1 key", "2 key"))):
        assert str(refusal(container, passphrase)) == f"{container}: {said}"


def test_a_second_key_slot_opens_it_too(container: Path) -> None:
    content = read(unlocked(container), 0, SIZE)
    assert read(unlocked(container, "battery"), 0, SIZE) == content


ROUNDS = "the LUKS header asks for {} rounds of hashing (between 1 and 100000000 make sense)"
UNREAD = "is encrypted in a way that is not read ({} with 512 bits)"
BAD = [
    (0, ">4s", b"LUCK", " at 0", "no LUKS header (found b'LUCK\\xba\\xbe')", 3),
    (6, ">H", 2, " at 0", "is encrypted by a version of LUKS that is not read (2)", 4),
    (8, ">32s", b"twofish", "", UNREAD.format("twofish-xts-plain64"), 4),
    (40, ">32s", b"xts-benbi", "", UNREAD.format("aes-xts-benbi"), 4),
    (72, ">32s", b"md5", " at 0", "is encrypted with a hash that is not known ('md5')", 4),
    (108, ">I", 1 << 30, " at 0", f"the LUKS key's length is impossible ({1 << 30} bytes)", 3),
    (108, ">I", 0, " at 0", "the LUKS key's length is impossible (0 bytes)", 3),
    (164, ">I", 2**32 - 1, " at 0", ROUNDS.format(2**32 - 1), 3),
    (212, ">I", 0, " at 0", ROUNDS.format(0), 3),
    (208, ">96s", bytes(96), " at 0", "the LUKS header has no key slot in use", 3),
    (252, ">I", 0, " at 0", "a LUKS key has an impossible number of stripes (0)", 3),
    (252, ">I", 16385, " at 0", "a LUKS key has an impossible number of stripes (16385)", 3),
    (
        *(248, ">I", 1 << 30, f" at {1 << 39}"),
        *("the LUKS key material lies behind the end of the file", 3),
    ),
    (
        *(104, ">I", 1 << 30, ""),
        *(f"the LUKS payload begins behind the end of the file (at {1 << 39})", 3),
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad[0]}={bad[2]}")
def test_a_header_is_refused_in_these_words(
    container: Path, bad: tuple[int, str, object, str, str, int]
) -> None:
    at, layout, value, where, said, code = bad
    content = bytearray(container.read_bytes())
    struct.pack_into(layout, content, at, value)
    file = Memory(bytes(content), "a.luks")
    with pytest.raises(InteropError) as caught:
        open_image(file, FolderGate(Path()), format="luks", access=Access(None, PASSPHRASE))
    assert str(caught.value) == f"a.luks{where}: {said}"
    assert caught.value.exit_code == code


def test_the_rounds_of_all_key_slots_are_bounded_together(container: Path) -> None:
    content = bytearray(container.read_bytes())
    struct.pack_into(">I", content, 164, 40_000_000)
    for slot in range(2):
        struct.pack_into(">I", content, 212 + 48 * slot, 40_000_000)
    with pytest.raises(InteropError) as caught:
        LuksHeader.read(Memory(bytes(content), "a.luks"))
    assert str(caught.value) == f"a.luks at 0: {ROUNDS.format(120_000_000)}"


def test_a_header_cut_short_is_damage(container: Path) -> None:
    file = Memory(container.read_bytes()[:591], "a.luks")
    with pytest.raises(InteropError) as caught:
        LuksHeader.read(file)
    assert str(caught.value) == "a.luks at 0: the LUKS header is cut short"


def test_any_changed_byte_of_a_header_is_an_error_or_a_disk(container: Path) -> None:
    content, pick = container.read_bytes(), Random(4)
    for _ in range(60):
        changed = bytearray(content)
        changed[pick.randrange(256)] = pick.randrange(256)
        changed[164:168] = changed[212:216] = changed[260:264] = b"\0\0\0\5"
        file = Memory(bytes(changed), "a.luks")
        try:
            read(open_image(file, FolderGate(Path()), access=Access(None, "x")), 0, 1000)
        except InteropError:
            continue


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("first", [0, 7, 1 << 40])
def test_xts_is_what_the_library_calls_xts(size: int, first: int) -> None:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    pick = Random(size)
    key, plain = pick.randbytes(size), pick.randbytes(5 * 512)
    stored = b""
    for number in range(5):
        tweak = (first + number).to_bytes(16, "little")
        packer = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
        stored += packer.update(plain[number * 512 : number * 512 + 512])
    assert sector_cipher("aes", "xts-plain64", key, "")(stored, first) == plain


def test_plain_counts_in_32_bits() -> None:
    key, stored = Random(1).randbytes(64), Random(2).randbytes(1024)
    short, long = (sector_cipher("aes", f"xts-{each}", key, "") for each in ("plain", "plain64"))
    assert short(stored, 2**32 - 1) == short(stored[:512], 2**32 - 1) + short(stored[512:], 0)
    assert short(stored, 5) == long(stored, 5)
    assert short(stored, 2**32) != long(stored, 2**32)
