"""Families of operating systems, told from the words of CIM, VMware and VirtualBox alike."""

from __future__ import annotations

import re

FAMILIES = (
    ("Windows", re.compile(r"\bwin(?!ux)|windows|microsoft")),
    ("macOS", re.compile(r"darwin|mac ?os")),
    ("BSD", re.compile(r"freebsd|openbsd|netbsd")),
    ("Solaris", re.compile(r"solaris|sunos")),
    ("NetWare", re.compile(r"netware")),
    ("ESXi", re.compile(r"vmkernel|esxi?\b")),
    (
        "Linux",
        re.compile(
            r"linux|ubuntu|debian|red ?hat|rhel|centos|fedora|suse|sles|mandr|photon|coreos"
            r"|gentoo|rocky|asianux|novell linux|java desktop|l4\b"
        ),
    ),
)


def family(word: str) -> str:
    """Return the family a word is of: "Windows", "Linux"; empty for others and the unknown."""
    lower = word.lower()
    return next((name for name, words in FAMILIES if words.search(lower)), "")


def is_64_bit(word: str) -> bool:
    """Say whether a word names a width of 64 bits; all three vocabularies write the number."""
    return "64" in word
