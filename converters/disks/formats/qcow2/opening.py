"""Opening a qcow2 image, with the files and the image below that it names."""

from __future__ import annotations

from converters.disks.backing import OUR_NAMES
from converters.disks.formats.qcow2.encryption import unlock
from converters.disks.formats.qcow2.extensions import Kind
from converters.disks.formats.qcow2.header import Header
from converters.disks.formats.qcow2.reader import Qcow2Image
from converters.disks.formats.qcow2.snapshots import find_snapshot, read_snapshots
from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import NOTHING_MORE, Access, open_below
from rehost.errors import RefusedError
from rehost.files import File


def open_qcow2(file: File, gate: Gate, access: Access = NOTHING_MORE) -> Qcow2Image:
    """Open what the guest sees now, or saw when a snapshot was taken."""
    header = Header.read(file)
    snapshots = read_snapshots(file, header)
    chosen = None
    if access.snapshot is not None:
        chosen = find_snapshot(access.snapshot, snapshots, file.name)
    return Qcow2Image(
        file,
        header,
        data=_data_file(file, header, gate),
        encrypted=unlock(file, header, access.passphrase),
        snapshots=snapshots,
        chosen=chosen,
        parent=_parent(file, header, gate, access),
    )


def _data_file(file: File, header: Header, gate: Gate) -> File | None:
    """Open the file that the guest's clusters lie in, if it is another one."""
    if not header.has_data_file:
        return None
    name = header.extensions.text(Kind.DATA_FILE)
    if not name:
        raise RefusedError(
            "keeps its data in another file, but does not say in which",
            where=file.name,
            hint="A file is never guessed here; set it: qemu-img amend -o data_file=FILE.",
        )
    return gate.open(name, by=file.name)


def _parent(file: File, header: Header, gate: Gate, access: Access) -> Image | None:
    """Open the backing file, if there is one."""
    if header.backing is None:
        return None
    backing_format = header.extensions.text(Kind.BACKING_FORMAT)
    if backing_format is None:
        raise RefusedError(
            f"does not say which format its backing file has ({header.backing!r})",
            where=file.name,
            hint="A format is never guessed here; set it: qemu-img rebase -u -F FORMAT -b FILE.",
        )
    known = OUR_NAMES.get(backing_format, backing_format)
    return open_below(header.backing, gate, by=file.name, format=known, access=access)
