"""By which words a boot shows how it ended, on the serial line or on a screen in text mode.

The words are those the programs print: SeaBIOS, edk2 (OVMF), GRUB, SYSLINUX, Linux,
initramfs-tools, dracut, systemd and sulogin.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rehost.verdict import Cause

LONGEST_EVIDENCE = 200


class Symptom(NamedTuple):
    """Words that mean a cause."""

    cause: Cause
    words: re.Pattern[str]


def _symptom(cause: Cause, words: str) -> Symptom:
    return Symptom(cause, re.compile(words, re.MULTILINE))


SYMPTOMS = (
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"VFS: Unable to mount root fs"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"VFS: Cannot open root device"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"Gave up waiting for root (?:file system )?device"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"ALERT! +\S+ does not exist"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"^\(initramfs\)"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"Warning: Could not boot"),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r'Generating "/run/initramfs/rdsosreport\.txt"'),
    _symptom(Cause.NO_ROOT_FILE_SYSTEM, r"^dracut:/#"),
    _symptom(Cause.KERNEL_PANIC, r"Kernel panic - not syncing"),
    _symptom(Cause.EMERGENCY_SHELL, r"You are in (?:emergency|rescue) mode"),
    _symptom(Cause.EMERGENCY_SHELL, r"Give root password for (?:system )?maintenance"),
    _symptom(Cause.EMERGENCY_SHELL, r"^Press Enter for (?:system )?maintenance"),
    _symptom(Cause.EMERGENCY_SHELL, r"Cannot open access to console, the root account is locked"),
    _symptom(Cause.BOOT_LOADER_SHELL, r"^grub rescue>"),
    _symptom(Cause.BOOT_LOADER_SHELL, r"^grub>"),
    _symptom(Cause.BOOT_LOADER_SHELL, r"Minimal BASH-like line editing is supported"),
    _symptom(Cause.BOOT_LOADER_SHELL, r"No DEFAULT or UI configuration directive found"),
    _symptom(Cause.NO_BOOT_DEVICE, r"^No bootable device"),
    _symptom(Cause.NO_BOOT_DEVICE, r"BdsDxe: No bootable option or device was found"),
    _symptom(Cause.NO_BOOT_DEVICE, r"UEFI Interactive Shell"),
    _symptom(Cause.NO_BOOT_DEVICE, r"^(?:BOOTMGR|NTLDR) is missing"),
    _symptom(Cause.NO_BOOT_DEVICE, r"^(?:Missing operating system|Operating System not found)"),
    _symptom(Cause.BOOTED, r"\blogin: *(?:\S+ \(automatic login\))?$"),
    _symptom(Cause.BOOTED, r"Reached target (?:\S+ - )?(?:Multi-User|Graphical)\b"),
)
"""The first that is seen wins; what went wrong counts for more than that something came up."""


class Findings:
    """The causes seen in one boot, each with the line that showed it.

    With ``expect`` the machine has come up when that is seen, and by nothing else.
    """

    def __init__(self, expect: re.Pattern[str] | None) -> None:
        self._expected = Symptom(Cause.BOOTED, expect) if expect else None
        self._looked_for = tuple(
            each for each in SYMPTOMS if not expect or each.cause is not Cause.BOOTED
        )
        if self._expected:
            self._looked_for = (self._expected, *self._looked_for)
        self._seen: dict[Symptom, _Line] = {}

    def search(self, text: str) -> None:
        """Look for every symptom in what was shown, until its line is there whole."""
        for symptom in self._looked_for:
            known = self._seen.get(symptom)
            if known is None or not known.whole:
                found = _line(text, symptom.words)
                if found is not None:
                    self._seen[symptom] = found

    @property
    def certain(self) -> bool:
        """Say whether what the user waits for is there, so that nothing else matters."""
        seen = self._seen.get(self._expected) if self._expected else None
        return seen is not None and seen.whole

    def conclusion(self) -> tuple[Cause, str] | None:
        """Return the cause that counts and its line, if any was seen."""
        return next(
            (
                (each.cause, self._seen[each].text)
                for each in self._looked_for
                if each in self._seen
            ),
            None,
        )


class _Line(NamedTuple):
    text: str
    whole: bool


def _line(text: str, words: re.Pattern[str]) -> _Line | None:
    """Return the line in which the words stand, as short as evidence has to be."""
    found = words.search(text)
    if found is None:
        return None
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    line = text[start : end if end >= 0 else len(text)]
    return _Line(shortened(line, at=found.start() - start), whole=end >= 0)


def shortened(line: str, *, at: int = 0) -> str:
    """Return a line without blanks around it and, if it is long, what stands around ``at``."""
    if len(line) > LONGEST_EVIDENCE:
        start = min(at - LONGEST_EVIDENCE // 2, len(line) - LONGEST_EVIDENCE)
        line = line[max(0, start) :][:LONGEST_EVIDENCE]
    return " ".join(line.split())
