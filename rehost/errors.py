"""The exceptions of rehost: one tree, whose leaves are what the caller can do about it.

The library raises them, the console prints them as ``where: what is wrong`` and ``hint: what to
do`` and exits with their code. Whatever is not one of these is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class InteropError(Exception):
    """Anything that stops the work and is not a bug in rehost.

    ``what`` is one sentence without a full stop, with what was found in brackets; ``where`` a file,
    and a place in it, as its reader would look it up; ``hint`` says what to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class UsageError(InteropError):
    """The request itself makes no sense: an unknown target, options that exclude each other."""

    exit_code = 2


class DamagedInputError(InteropError):
    """The input is broken: cut short, contradicting itself, or not what it claims to be."""

    exit_code = 3


class UnsupportedInputError(InteropError):
    """The input is sound but uses something we do not handle: encryption, an unknown version."""

    exit_code = 4


class EnvironmentFailureError(InteropError):
    """This computer cannot do it: a tool is missing, permission is refused, the disk is full."""

    exit_code = 5


class RefusedError(InteropError):
    """It could be done, but is unsafe or would overwrite: a path outside the package, a target."""

    exit_code = 6


class TransferError(InteropError):
    """The bytes did not arrive: a read error, a digest that differs, a connection cut."""

    exit_code = 7
