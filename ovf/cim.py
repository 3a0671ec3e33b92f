"""The numbers of CIM: kinds of devices, and operating systems.

Spec: CIM_ResourceAllocationSettingData.ResourceType and CIM_OperatingSystem.OSType of the DMTF's
CIM schema 2.22.
"""

from __future__ import annotations

from enum import IntEnum


class ResourceType(IntEnum):
    """The resource types a machine is made of; 34 and above are not CIM's but in wide use."""

    OTHER = 1
    PROCESSOR = 3
    MEMORY = 4
    IDE = 5
    SCSI = 6
    ETHERNET = 10
    FLOPPY = 14
    CD = 15
    DVD = 16
    DISK = 17
    OTHER_STORAGE = 20
    SERIAL = 21
    PARALLEL = 22
    USB = 23
    GRAPHICS = 24
    TPM = 34
    SOUND = 35


RESOURCE_TYPES = {
    1: "Other",
    2: "Computer System",
    3: "Processor",
    4: "Memory",
    5: "IDE Controller",
    6: "Parallel SCSI HBA",
    7: "FC HBA",
    8: "iSCSI HBA",
    9: "IB HCA",
    10: "Ethernet Adapter",
    11: "Other Network Adapter",
    12: "I/O Slot",
    13: "I/O Device",
    14: "Floppy Drive",
    15: "CD Drive",
    16: "DVD drive",
    17: "Disk Drive",
    18: "Tape Drive",
    19: "Storage Extent",
    20: "Other storage device",
    21: "Serial port",
    22: "Parallel port",
    23: "USB Controller",
    24: "Graphics controller",
    25: "IEEE 1394 Controller",
    26: "Partitionable Unit",
    27: "Base Partitionable Unit",
    28: "Power",
    29: "Cooling Capacity",
    30: "Ethernet Switch Port",
    31: "Logical Disk",
    32: "Storage Volume",
    33: "Ethernet Connection",
}

OPERATING_SYSTEMS = {
    0: "Unknown",
    1: "Other",
    2: "Mac OS",
    9: "AIX",
    12: "OS/2",
    14: "MS-DOS",
    15: "Windows 3.x",
    16: "Windows 95",
    17: "Windows 98",
    18: "Windows NT",
    21: "NetWare",
    25: "SCO UnixWare",
    26: "SCO OpenServer",
    29: "Solaris",
    30: "SunOS",
    36: "Linux",
    42: "FreeBSD",
    43: "NetBSD",
    48: "QNX",
    58: "Windows 2000",
    63: "Windows Me",
    65: "OpenBSD",
    67: "Windows XP",
    69: "Windows Server 2003",
    70: "Windows Server 2003 (64 bit)",
    71: "Windows XP (64 bit)",
    72: "Windows XP Embedded",
    73: "Windows Vista",
    74: "Windows Vista (64 bit)",
    75: "Windows Embedded for Point of Service",
    76: "Windows Server 2008",
    77: "Windows Server 2008 (64 bit)",
    78: "FreeBSD (64 bit)",
    79: "Red Hat Enterprise Linux",
    80: "Red Hat Enterprise Linux (64 bit)",
    81: "Solaris (64 bit)",
    82: "SUSE",
    83: "SUSE (64 bit)",
    84: "SUSE Linux Enterprise Server",
    85: "SUSE Linux Enterprise Server (64 bit)",
    86: "Novell Open Enterprise Server",
    87: "Novell Linux Desktop",
    88: "Sun Java Desktop System",
    89: "Mandriva",
    90: "Mandriva (64 bit)",
    91: "TurboLinux",
    92: "TurboLinux (64 bit)",
    93: "Ubuntu",
    94: "Ubuntu (64 bit)",
    95: "Debian",
    96: "Debian (64 bit)",
    97: "Linux 2.4",
    98: "Linux 2.4 (64 bit)",
    99: "Linux 2.6",
    100: "Linux 2.6 (64 bit)",
    101: "Linux (64 bit)",
    102: "Other (64 bit)",
    103: "Windows Server 2008 R2",
    104: "VMware ESXi",
    105: "Windows 7",
    106: "CentOS",
    107: "CentOS (64 bit)",
    108: "Oracle Linux",
    109: "Oracle Linux (64 bit)",
    110: "eComStation",
    111: "Windows Server 2011",
    112: "Windows Server 2012",
    113: "Windows 8",
    114: "Windows 8 (64 bit)",
    115: "Windows Server 2012 R2",
    116: "Windows 8.1",
    117: "Windows 8.1 (64 bit)",
    118: "Windows Server 2016",
    119: "Windows 10",
    120: "Windows 10 (64 bit)",
}


def resource_name(number: int | None) -> str:
    """Return what CIM calls a resource type, for messages."""
    if number is None:
        return "no ResourceType"
    name = RESOURCE_TYPES.get(number)
    return f"ResourceType {number}" if name is None else f"ResourceType {number}, {name}"


def device_name(number: int | None) -> str:
    """Return what CIM calls a resource type, for the names of items."""
    return resource_name(number).rpartition(", ")[2]


def operating_system(number: int | None) -> str | None:
    """Return the name behind an OSType number, where the table has one."""
    return None if number is None else OPERATING_SYSTEMS.get(number)
