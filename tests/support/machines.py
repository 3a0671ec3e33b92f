"""Machines of every kind, for tests that hold for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from rehost.machine import (
    Address,
    AttachmentKind,
    BootDevice,
    Bus,
    ClockOffset,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Display,
    Firmware,
    GuestOs,
    Machine,
    MediaKind,
    Nic,
    NicModel,
    Origin,
    Removable,
    Reservation,
    Serial,
    SerialKind,
    Sound,
    SoundModel,
    Topology,
    Tpm,
)

MIB = 1 << 20
TEXT = st.text(min_size=1, max_size=20)
LINE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,18}", fullmatch=True)

addresses = st.builds(
    Address, st.sampled_from(Bus), st.integers(0, 3), st.integers(min_value=0, max_value=20)
)
controllers = st.builds(
    Controller,
    st.sampled_from(Bus),
    st.integers(0, 3),
    st.none() | st.sampled_from(ControllerModel),
)
disks = st.builds(
    Disk,
    address=st.none() | addresses,
    size=st.none() | st.integers(0, 1 << 40),
    file=st.from_regex(r"[a-z]{1,8}\.img", fullmatch=True),
    format=st.sampled_from(["raw", "qcow2"]),
    serial=st.none() | LINE | TEXT,
    readonly=st.none() | st.booleans(),
    shareable=st.none() | st.booleans(),
)
removables = st.builds(
    Removable,
    st.sampled_from(MediaKind),
    st.none() | addresses,
    st.none() | st.sampled_from(["boot.iso", "/usr/share/boot.iso", "[store] iso/boot.iso"]),
    st.none() | st.booleans(),
)
nics = st.builds(
    Nic,
    st.none() | st.sampled_from(NicModel),
    st.none() | st.from_regex(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", fullmatch=True),
    st.none() | LINE | TEXT,
    st.none() | st.sampled_from(AttachmentKind),
    st.none() | st.booleans(),
)
displays = st.builds(
    Display,
    st.none() | st.sampled_from(["vga", "svga", "qxl", "virtio", "cirrus", "VBoxVGA"]),
    st.none() | st.integers(0, 1 << 31),
    st.none() | st.integers(0, 40),
)
serials = st.builds(Serial, st.none() | st.sampled_from(SerialKind), st.none() | TEXT)
guests = st.builds(
    GuestOs,
    st.none() | TEXT,
    st.none() | st.integers(0, 130),
    st.none() | st.sampled_from(["debian12_64Guest", "winXPProGuest", "windows9_64Guest"]),
    st.none() | st.sampled_from(["Debian_64", "WindowsXP", "Windows10_64"]),
    st.none() | TEXT,
)
cpus = st.builds(
    Cpu,
    st.none() | st.sampled_from(["host-passthrough", "Haswell", "x86-64-v2-AES", "qemu64"]),
    st.lists(st.sampled_from(["aes", "avx", "-rdtscp", "spec-ctrl", "nonsense"])).map(tuple),
    st.none() | st.booleans(),
)
reservations = st.builds(Reservation, *(st.none() | st.integers(0, 1 << 40) for _ in range(3)))


def some(strategy: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    """Build a tuple of at most so many things."""
    return st.lists(strategy, max_size=most).map(tuple)


machines = st.builds(
    Machine,
    name=TEXT,
    origin=st.builds(Origin, st.sampled_from(["vmx", "ovf", "libvirt"]), st.just("source")),
    uuid=st.none() | st.uuids().map(str) | TEXT,
    description=st.none() | TEXT,
    memory=st.none() | st.integers(64 * MIB, 1 << 42),
    vcpus=st.none() | st.integers(1, 64),
    topology=st.none() | st.builds(Topology, st.integers(1, 2), st.integers(1, 4)),
    cpu=st.none() | cpus,
    firmware=st.none() | st.sampled_from(Firmware),
    secure_boot=st.none() | st.booleans(),
    tpm=st.none() | st.builds(Tpm, st.sampled_from([None, "1.2", "2.0", "3"])),
    machine_type=st.sampled_from([None, "pc", "q35", "pc-q35-6.2", "pc-i440fx-2.1", "xenfv"]),
    clock=st.none() | st.sampled_from(ClockOffset),
    guest_os=st.none() | guests,
    boot_order=st.lists(st.sampled_from(BootDevice)).map(tuple),
    controllers=some(controllers, 5),
    disks=some(disks, 20),
    removables=some(removables, 4),
    nics=some(nics, 4),
    displays=some(displays, 2),
    serials=some(serials, 2),
    sounds=some(st.builds(Sound, st.none() | st.sampled_from(SoundModel)), 2),
    memory_reservation=st.none() | reservations,
    cpu_reservation=st.none() | reservations,
)
"""Machines as readers return them: anything a source can say, and much that it had better not."""
