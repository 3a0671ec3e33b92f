"""What the files of a VMDK are known by: a descriptor, or an extent of one of three layouts."""

from __future__ import annotations

from rehost.files import File

SIGNATURE = b"# Disk DescriptorFile"
SPACE = b"\xef\xbb\xbf \t\r\n"
SPARSE_MAGIC = b"KDMV"
COWD_MAGIC = b"COWD"
SESPARSE_MAGIC = (0xCAFE_BABE).to_bytes(8, "little")
NEAR = 512


def recognise(file: File) -> bool:
    """Say whether a file is a descriptor or an extent that says what it is."""
    head = file.pread(0, NEAR)
    if head.startswith((SPARSE_MAGIC, COWD_MAGIC, SESPARSE_MAGIC)):
        return True
    return head.lstrip(SPACE)[: len(SIGNATURE)].lower() == SIGNATURE.lower()
