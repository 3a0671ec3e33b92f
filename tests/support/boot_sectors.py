"""Guests of one sector: real mode programs a BIOS starts, assembled here byte by byte.

They say a text and stop, which is all a guest needs to be judged by. Opcodes are those of the
Intel SDM, services those of a PC BIOS (int 10h, video).
"""

from __future__ import annotations

from pathlib import Path

SECTOR = 512
DISK_SIZE = 1 << 20
LOADED_AT = 0x7C00
SIGNATURE = b"\x55\xaa"
SAY_ON_SERIAL = b"\xba\xf8\x03\xee"  # mov dx, 3f8h; out dx, al
SAY_ON_SCREEN = b"\xb4\x0e\xbb\x07\x00\xcd\x10"  # mov ah, 0eh; mov bx, 7; int 10h
STOP = b"\xf4\xeb\xfd"  # hlt; jmp $-1
POWER_OFF = b"\xba\x04\x06\xb8\x00\x20\xef"  # mov dx, 604h; mov ax, 2000h; out dx, ax
CLEAR_TEXT = b"\xb8\x03\x00\xcd\x10"  # mov ax, 3; int 10h
GRAPHICS = b"\xb8\x13\x00\xcd\x10"  # mov ax, 13h; int 10h
ONE_POINT = b"\xb8\x00\xa0\x8e\xc0\x26\xc6\x06\x00\x00\x0f"  # es = a000h; byte [es:0] = 15


def sector(code: bytes) -> bytes:
    """Return a boot sector that runs ``code`` and stops."""
    return (code + STOP).ljust(SECTOR - len(SIGNATURE), b"\0") + SIGNATURE


def saying(text: str, *, on: bytes = SAY_ON_SERIAL, then: bytes = STOP) -> bytes:
    """Return a boot sector that says ``text``, to the screen or to the serial line."""
    # lodsb; or al, al; jz end; (say); jmp back
    skip, back = len(on) + 2, 256 - (len(on) + 7)
    loop = b"\xac\x08\xc0\x74" + bytes([skip]) + on + b"\xeb" + bytes([back])
    start = b"\x31\xc0\x8e\xd8\xfc\xbe"  # xor ax, ax; mov ds, ax; cld; mov si, text
    text_at = LOADED_AT + len(start) + 2 + len(loop) + len(then)
    return sector(start + text_at.to_bytes(2, "little") + loop + then + text.encode() + b"\0")


def disk(path: Path, boot_sector: bytes = b"") -> Path:
    """Write a raw disk that begins with a boot sector, or with nothing."""
    path.write_bytes(boot_sector.ljust(DISK_SIZE, b"\0"))
    return path
