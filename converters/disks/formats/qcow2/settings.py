"""How a new qcow2 image is to be, and which of its options exclude each other."""

from __future__ import annotations

from dataclasses import dataclass

from converters.disks.formats.qcow2.options import (
    CLUSTER_SIZE,
    COMPAT,
    COMPRESSION_TYPE,
    DATA_FILE,
    DATA_FILE_RAW,
    DEFLATE_WINDOW,
    EXTENDED_L2,
    LAZY_REFCOUNTS,
    PREALLOCATION,
    REFCOUNT_BITS,
)
from converters.disks.registry import Shape
from converters.disks.writer import Level
from rehost.errors import UsageError

ONLY_NEW = (
    COMPRESSION_TYPE,
    REFCOUNT_BITS,
    EXTENDED_L2,
    LAZY_REFCOUNTS,
    DATA_FILE,
    DATA_FILE_RAW,
)
SMALLEST_EXTENDED = 16384


@dataclass(frozen=True, slots=True)
class Settings:
    """The options, checked against each other and against what else is asked of the image."""

    version: int
    cluster: int
    zstd: bool
    window: int
    refcount_bits: int
    extended: bool
    lazy: bool
    preallocation: str
    data_file: str
    raw: bool

    @classmethod
    def of(cls, shape: Shape) -> Settings:
        """Read the options of a shape."""
        raw = shape.option(DATA_FILE_RAW) == "on"
        preallocation = shape.option(PREALLOCATION)
        found = cls(
            version=3 if shape.option(COMPAT) == "1.1" else 2,
            cluster=int(shape.option(CLUSTER_SIZE)),
            zstd=shape.option(COMPRESSION_TYPE) == "zstd",
            window=int(shape.option(DEFLATE_WINDOW)).bit_length() - 1,
            refcount_bits=int(shape.option(REFCOUNT_BITS)),
            extended=shape.option(EXTENDED_L2) == "on",
            lazy=shape.option(LAZY_REFCOUNTS) == "on",
            # As QEMU has it: what is written to the data file must be seen through the image.
            preallocation="metadata" if raw and preallocation == "off" else preallocation,
            data_file=shape.option(DATA_FILE),
            raw=raw,
        )
        found.check(shape)
        return found

    def check(self, shape: Shape) -> None:
        """Refuse what excludes each other."""
        if self.version == 2:
            if shape.bitmaps:
                names = ", ".join(each.name for each in shape.bitmaps)
                raise UsageError(
                    f"qcow2 with compat=0.10 keeps no dirty bitmaps (there are: {names})",
                    hint="Leave compat=0.10 away.",
                )
            for option in ONLY_NEW:
                if (value := shape.option(option)) != option.default:
                    raise UsageError(
                        f"qcow2 with compat=0.10 cannot have {option.name}={value}",
                        hint="Leave compat=0.10 away.",
                    )
        if self.extended and self.cluster < SMALLEST_EXTENDED:
            raise UsageError(
                f"qcow2 with extended_l2=on needs clusters of {SMALLEST_EXTENDED} bytes at least "
                f"(cluster_size={self.cluster})"
            )
        if self.raw and not self.data_file:
            raise UsageError("qcow2 with data_file_raw=on needs a data_file")
        if "/" in self.data_file or "\\" in self.data_file or self.data_file in {".", ".."}:
            raise UsageError(
                f"qcow2's data_file is a name in the image's own folder (not {self.data_file!r})"
            )
        compressed = shape.level not in {None, Level.NONE}
        for wrong, what in (
            (compressed and self.data_file, "with a data_file is never compressed"),
            (compressed and self.preallocation != "off", "that is compressed has no preallocation"),
            (shape.base and self.raw, "with data_file_raw=on has no backing file"),
            (
                shape.base and self.preallocation != "off",
                "with a backing file has no preallocation, which would hide it",
            ),
        ):
            if wrong:
                raise UsageError(f"qcow2 {what}")
