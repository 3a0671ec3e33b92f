"""The options of a new qcow2 image: those of qemu-img, by the same names."""

from __future__ import annotations

from converters.disks.options import Option

COMPAT = Option("compat", ("1.1", "0.10"), "the oldest QEMU that reads it: version 3 or 2")
CLUSTER_SIZE = Option(
    "cluster_size",
    ("65536", *(str(1 << bits) for bits in range(9, 22) if bits != 16)),
    "bytes of a cluster",
)
COMPRESSION_TYPE = Option(
    "compression_type", ("zlib", "zstd"), "how clusters are compressed, if they are"
)
DEFLATE_WINDOW = Option(
    "deflate_window",
    ("4096", "32768"),
    "bytes that zlib may look back in a cluster; more is smaller, and read by QEMU and most others",
)
REFCOUNT_BITS = Option(
    "refcount_bits", ("16", "1", "2", "4", "8", "32", "64"), "bits of a reference count"
)
EXTENDED_L2 = Option("extended_l2", ("off", "on"), "allocate a 32nd of a cluster at a time")
LAZY_REFCOUNTS = Option("lazy_refcounts", ("off", "on"), "let QEMU write counts later")
PREALLOCATION = Option(
    "preallocation", ("off", "metadata", "falloc", "full"), "give every cluster its place"
)
DATA_FILE = Option(
    "data_file", (), "a file beside the image that takes the data; QEMU looks for it where it runs"
)
DATA_FILE_RAW = Option("data_file_raw", ("off", "on"), "keep the data file a raw disk")

OPTIONS = (
    COMPAT,
    CLUSTER_SIZE,
    COMPRESSION_TYPE,
    DEFLATE_WINDOW,
    REFCOUNT_BITS,
    EXTENDED_L2,
    LAZY_REFCOUNTS,
    PREALLOCATION,
    DATA_FILE,
    DATA_FILE_RAW,
)
