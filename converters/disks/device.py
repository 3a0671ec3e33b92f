"""A block device as the place where a raw disk is written.

What was on it before shows wherever nothing is written, so zeros are not left out but made: by
BLKZEROOUT, for which the kernel uses whatever the device has for it, or by writing them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path
from types import TracebackType

from converters.disks.output import Output
from rehost.errors import EnvironmentFailureError, InteropError, RefusedError, UsageError

BLKROGET = 0x125E
BLKZEROOUT = 0x127F
ALIGNMENT = 4096
AT_ONCE = 256 << 20
ZEROS = bytes(1 << 20)
UNKNOWN = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS})


class DeviceOutput(Output):
    """A block device nobody else uses; of a larger one, what lies behind the disk stays as it is.

    Use it as a context: leaving it without an error makes durable what was written.
    """

    holds_zeros = False

    def __init__(self, path: Path, size: int) -> None:
        """Take the device at ``path`` for a disk of ``size`` bytes, refusing one that is in use."""
        self.name = str(path)
        self._others: list[Output] = []
        self._descriptor = _taken(path)
        try:
            there = os.lseek(self._descriptor, 0, os.SEEK_END)
            if there < size:
                raise UsageError(
                    f"is too small for the disk ({there} bytes, {size} are needed)",
                    where=self.name,
                    hint="Name a larger device.",
                )
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def beside(self, name: str) -> Output:
        """Refuse: a device has no folder."""
        raise UsageError(
            f"the image needs a second file ({name}), which cannot lie on a device",
            where=self.name,
            hint="Write a raw disk to a device.",
        )

    def truncate(self, size: int) -> None:
        """Do nothing: a device has its size."""

    def zero(self, offset: int, length: int) -> None:
        """Make a stretch read as zeros."""
        stop = offset + length
        first = min(-(-offset // ALIGNMENT) * ALIGNMENT, stop)
        last = max(stop // ALIGNMENT * ALIGNMENT, first)
        self._write_zeros(offset, first)
        for at in range(first, last, AT_ONCE):
            end = min(at + AT_ONCE, last)
            if not _zeroed_out(self._descriptor, at, end - at):
                self._write_zeros(at, end)
        self._write_zeros(last, stop)

    def _write_zeros(self, start: int, stop: int) -> None:
        for at in range(start, stop, len(ZEROS)):
            self.write(memoryview(ZEROS)[: stop - at], at)


def device_output(path: Path, format_name: str, size: int, *, force: bool) -> DeviceOutput:
    """Return the device at ``path`` as the place for an image of a format, if it may be that."""
    if format_name != "raw":
        raise UsageError(
            f"only a raw disk is written to a device (asked for {format_name})",
            where=str(path),
            hint="Pass --to raw, or name a file.",
        )
    if not force:
        raise RefusedError(
            "is a block device, whose content would be lost",
            where=str(path),
            hint="Pass --force to overwrite it.",
        )
    return DeviceOutput(path, size)


def _taken(path: Path) -> int:
    """Open a device for ourselves alone: the kernel refuses what is mounted or part of another."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise RefusedError(
                "is in use: mounted, or part of another device",
                where=str(path),
                hint="Unmount it, and all its partitions, first.",
            ) from None
        raise EnvironmentFailureError(
            f"cannot be opened for writing ({error.strerror})", where=str(path)
        ) from error
    wrong: InteropError | None = None
    if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
        wrong = UsageError("is no block device", where=str(path))
    elif any(fcntl.ioctl(descriptor, BLKROGET, bytes(4))):
        wrong = EnvironmentFailureError("is read-only", where=str(path))
    if wrong is not None:
        os.close(descriptor)
        raise wrong
    return descriptor


def _zeroed_out(descriptor: int, offset: int, length: int) -> bool:
    """Let the kernel make zeros; say whether it can on this device."""
    try:
        fcntl.ioctl(descriptor, BLKZEROOUT, struct.pack("=QQ", offset, length))
    except OSError as error:
        if error.errno in UNKNOWN:
            return False
        raise
    return True
