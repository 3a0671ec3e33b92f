"""The table of symptoms, against what the programs really print."""

from __future__ import annotations

import io
import re

import pytest

from p2v.boot.screen import text_of
from p2v.boot.symptoms import SYMPTOMS, Findings, shortened
from p2v.boot.transcript import TRUNCATED, Transcript, last_line, plain
from rehost.verdict import Cause

SAMPLES = [
    pytest.param(
        "[    1.94] No filesystem could mount root, tried: \r\n"
        "[    1.95] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
        "\r\n[    1.96] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0-28-amd64 #1\r\n",
        Cause.NO_ROOT_FILE_SYSTEM,
        "[ 1.95] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        id="panic for want of a root",
    ),
    pytest.param(
        'VFS: Cannot open root device "sda1" or unknown-block(0,0): error -6\r\n'
        'Please append a correct "root=" boot option; here are the available partitions:\r\n',
        Cause.NO_ROOT_FILE_SYSTEM,
        'VFS: Cannot open root device "sda1" or unknown-block(0,0): error -6',
        id="the kernel has no such root",
    ),
    pytest.param(
        "Gave up waiting for root file system device.  Common problems:\r\n"
        " - Boot args (cat /proc/cmdline)\r\n",
        Cause.NO_ROOT_FILE_SYSTEM,
        "Gave up waiting for root file system device. Common problems:",
        id="initramfs-tools gives up",
    ),
    pytest.param(
        "ALERT!  UUID=9a1c does not exist.  Dropping to a shell!\r\n",
        Cause.NO_ROOT_FILE_SYSTEM,
        "ALERT! UUID=9a1c does not exist. Dropping to a shell!",
        id="initramfs-tools alerts",
    ),
    pytest.param(
        "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) built-in shell (ash)\r\n\r\n\x1b[6n(initramfs) ",
        Cause.NO_ROOT_FILE_SYSTEM,
        "(initramfs)",
        id="initramfs-tools shell",
    ),
    pytest.param(
        "[  185.3] dracut-initqueue[339]: Warning: Could not boot.\r\n",
        Cause.NO_ROOT_FILE_SYSTEM,
        "[ 185.3] dracut-initqueue[339]: Warning: Could not boot.",
        id="dracut gives up",
    ),
    pytest.param(
        'Generating "/run/initramfs/rdsosreport.txt"\r\n\r\n\r\n'
        "Entering emergency mode. Exit the shell to continue.\r\n"
        'Type "journalctl" to view system logs.\r\n',
        Cause.NO_ROOT_FILE_SYSTEM,
        'Generating "/run/initramfs/rdsosreport.txt"',
        id="dracut reports",
    ),
    pytest.param("\r\ndracut:/# ", Cause.NO_ROOT_FILE_SYSTEM, "dracut:/#", id="dracut shell"),
    pytest.param(
        "[    3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n",
        Cause.KERNEL_PANIC,
        "[ 3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        id="init dies",
    ),
    pytest.param(
        'You are in emergency mode. After logging in, type "journalctl -xb" to view\r\n',
        Cause.EMERGENCY_SHELL,
        'You are in emergency mode. After logging in, type "journalctl -xb" to view',
        id="systemd emergency mode",
    ),
    pytest.param(
        "Give root password for maintenance\r\n(or press Control-D to continue): ",
        Cause.EMERGENCY_SHELL,
        "Give root password for maintenance",
        id="sulogin",
    ),
    pytest.param(
        "Press Enter for maintenance\r\n(or press Control-D to continue): ",
        Cause.EMERGENCY_SHELL,
        "Press Enter for maintenance",
        id="sulogin without a password",
    ),
    pytest.param(
        "\r\nCannot open access to console, the root account is locked.\r\n"
        "See sulogin(8) man page for more details.\r\n",
        Cause.EMERGENCY_SHELL,
        "Cannot open access to console, the root account is locked.",
        id="sulogin without an account",
    ),
    pytest.param(
        "error: no such device: 5f0c1d9e.\r\nEntering rescue mode...\r\ngrub rescue> ",
        Cause.BOOT_LOADER_SHELL,
        "grub rescue>",
        id="grub rescue",
    ),
    pytest.param(
        "                  GNU GRUB  version 2.06-13+deb12u1\r\n\r\n"
        "   Minimal BASH-like line editing is supported. For the first word, TAB   \r\n",
        Cause.BOOT_LOADER_SHELL,
        "Minimal BASH-like line editing is supported. For the first word, TAB",
        id="grub without a menu",
    ),
    pytest.param("\r\ngrub> ", Cause.BOOT_LOADER_SHELL, "grub>", id="grub prompt"),
    pytest.param(
        "SYSLINUX 6.04 EDD\r\nNo DEFAULT or UI configuration directive found!\r\nboot: ",
        Cause.BOOT_LOADER_SHELL,
        "No DEFAULT or UI configuration directive found!",
        id="syslinux without a configuration",
    ),
    pytest.param(
        "Boot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n",
        Cause.NO_BOOT_DEVICE,
        "No bootable device.",
        id="seabios",
    ),
    pytest.param(
        "\x1b[2J\x1b[01;01HBdsDxe: No bootable option or device was found.\r\n"
        "BdsDxe: Press any key to enter the Boot Manager Menu.\r\n",
        Cause.NO_BOOT_DEVICE,
        "BdsDxe: No bootable option or device was found.",
        id="edk2",
    ),
    pytest.param(
        "UEFI Interactive Shell v2.2\r\nEDK II\r\nUEFI v2.70 (EDK II, 0x00010000)\r\n",
        Cause.NO_BOOT_DEVICE,
        "UEFI Interactive Shell v2.2",
        id="uefi shell",
    ),
    pytest.param(
        "BOOTMGR is missing\r\nPress Ctrl+Alt+Del to restart\r\n",
        Cause.NO_BOOT_DEVICE,
        "BOOTMGR is missing",
        id="windows boot sector",
    ),
    pytest.param(
        "Missing operating system",
        Cause.NO_BOOT_DEVICE,
        "Missing operating system",
        id="master boot record",
    ),
    pytest.param(
        "Debian GNU/Linux 12 web tty1\n\nweb login: ", Cause.BOOTED, "web login:", id="getty"
    ),
    pytest.param(
        "\r\nweb login: root (automatic login)\r\n\r\n",
        Cause.BOOTED,
        "web login: root (automatic login)",
        id="automatic login",
    ),
    pytest.param(
        "[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.\r\n",
        Cause.BOOTED,
        "[ OK ] Reached target Multi-User System.",
        id="systemd 247",
    ),
    pytest.param(
        "[  OK  ] Reached target graphical.target - Graphical Interface.\r\n",
        Cause.BOOTED,
        "[ OK ] Reached target graphical.target - Graphical Interface.",
        id="systemd 252",
    ),
]


def conclude(said: str, expect: str | None = None) -> tuple[Cause, str] | None:
    findings = Findings(re.compile(expect, re.MULTILINE) if expect else None)
    findings.search(plain(said.encode()))
    return findings.conclusion()


@pytest.mark.parametrize(("said", "cause", "evidence"), SAMPLES)
def test_each_symptom_is_known_by_its_words(said: str, cause: Cause, evidence: str) -> None:
    assert conclude(said) == (cause, evidence)


def test_every_symptom_has_a_sample() -> None:
    samples = [plain(str(sample.values[0]).encode()) for sample in SAMPLES]
    assert [
        symptom.words.pattern
        for symptom in SYMPTOMS
        if not any(symptom.words.search(sample) for sample in samples)
    ] == []


@pytest.mark.parametrize(
    "said",
    [
        "Last login: Mon Nov 23 15:00:00 UTC 2026 on tty1\r\n",
        "GNU GRUB version 2.06\r\n Press enter to boot the selected OS, `c' for a command-line.",
        "[  OK  ] Reached target Basic System.\r\n",
        "dracut-initqueue timeout - starting timeout scripts\r\n",
        "Booting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n",
    ],
)
def test_words_of_a_boot_that_goes_on_mean_nothing(said: str) -> None:
    assert conclude(said) is None


def test_a_failure_counts_for_more_than_a_prompt() -> None:
    said = "You are in emergency mode.\nweb login: "
    assert conclude(said) == (Cause.EMERGENCY_SHELL, "You are in emergency mode.")


def test_what_is_expected_counts_for_more_than_a_failure() -> None:
    assert conclude("READY 3\nKernel panic - not syncing: oops", "READY.*") == (
        Cause.BOOTED,
        "READY 3",
    )


def test_a_failure_is_seen_while_something_else_is_expected() -> None:
    assert conclude("web login: \n(initramfs) ", "READY") == (
        Cause.NO_ROOT_FILE_SYSTEM,
        "(initramfs)",
    )


def test_a_line_that_arrives_in_two_parts_is_told_whole() -> None:
    findings = Findings(re.compile("READY"))
    transcript = Transcript(io.BytesIO())
    findings.search(transcript.hear(b"\x1b[1mREADY fo"))
    assert not findings.certain
    findings.search(transcript.hear(b"r work\x1b[0m\r\n"))
    assert findings.certain
    assert findings.conclusion() == (Cause.BOOTED, "READY for work")


def test_a_long_line_is_shortened_around_what_was_seen() -> None:
    said = "x" * 5000 + " Kernel panic - not syncing: oops " + "y" * 5000
    conclusion = conclude(said)
    assert conclusion is not None
    assert len(conclusion[1]) == 200
    assert " Kernel panic - not syncing: oops " in conclusion[1]


def test_short_lines_lose_only_their_blanks() -> None:
    assert shortened("  [  1.0]  ready ") == "[ 1.0] ready"


def test_terminal_sequences_and_control_bytes_are_not_text() -> None:
    said = b"\x1b]0;title\x07\x1b[1;32mok\x1b[0m\x1b(B \x07\x00done\x1b[5;1Hnext\x1bc\r\nend\xff"
    assert plain(said) == "ok done\nnext\nend\N{REPLACEMENT CHARACTER}"


def test_words_split_between_two_readings_are_found() -> None:
    transcript = Transcript(io.BytesIO())
    transcript.hear(b"Kernel pa")
    assert transcript.hear(b"nic") == "Kernel panic"
    assert transcript.last_line() == "Kernel panic"


def test_a_log_ends_where_it_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2v.boot.transcript.LONGEST_LOG", 10)
    log = io.BytesIO()
    transcript = Transcript(log)
    for said in (b"12345678", b"90abc", b"def"):
        transcript.hear(said)
    assert log.getvalue() == b"1234567890" + TRUNCATED
    assert transcript.last_line() == "1234567890abcdef"


def test_the_memory_of_a_transcript_is_bounded() -> None:
    transcript = Transcript(io.BytesIO())
    for _ in range(100):
        assert len(transcript.hear(b"x" * 65536)) <= 65536 + 16384


def test_the_last_line_skips_blank_ones() -> None:
    assert last_line("one\n two \n\n  \n") == "two"
    assert last_line("\n") == ""


def test_a_text_screen_is_read_cell_by_cell() -> None:
    rows = ["SeaBIOS", "", "caf\xe9 \u2502"]
    letters = "".join(row.ljust(80) for row in rows).encode("cp437")
    cells = b"".join(bytes([letter, 7]) for letter in letters)
    assert text_of(cells.ljust(32768, b"\0")) == "SeaBIOS\n\ncaf\xe9 \u2502"
    assert text_of(b"\0\7" * 16384) == ""
