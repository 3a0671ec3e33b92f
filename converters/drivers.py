"""What a guest must bring to use a piece of hardware, in the words of a loss's reason.

One sentence for each thing the planner can put in another's place.
"""

from __future__ import annotations

from rehost.machine import Bus, ControllerModel, NicModel

VIRTIO_WIN = (
    "every Linux since 2.6.25 has it, Windows needs the virtio-win drivers before it starts"
)

DISK_DRIVERS: dict[Bus, str] = {
    Bus.IDE: "every guest has an IDE driver",
    Bus.SATA: "the guest needs an AHCI driver to start, which Windows has since Vista "
    "and every Linux since 2.6.19",
    Bus.SCSI: "the guest needs the driver of the SCSI controller to start",
    Bus.NVME: "the guest needs an NVMe driver to start, which Windows has since 8.1 "
    "and every Linux since 3.3",
    Bus.VIRTIO: f"the guest needs the virtio_blk driver to start: {VIRTIO_WIN}",
    Bus.USB: "the guest needs a USB storage driver",
    Bus.FLOPPY: "every guest has a floppy driver",
    Bus.XEN: "the guest needs the Xen block frontend to start",
}

CONTROLLER_DRIVERS: dict[ControllerModel, str] = {
    ControllerModel.VIRTIO_SCSI: f"the guest needs the virtio_scsi driver to start: {VIRTIO_WIN}",
    ControllerModel.LSISAS1068: "the guest needs the mptsas driver (Windows: LSI_SAS) to start",
    ControllerModel.LSILOGIC: "the guest needs the controller's own driver to start",
    ControllerModel.PVSCSI: "the guest needs VMware's paravirtual SCSI driver to start",
    ControllerModel.HYPERV_SCSI: "the guest needs Hyper-V's storage driver to start",
}

NIC_DRIVERS: dict[NicModel, str] = {
    NicModel.E1000: "the guest needs the e1000 driver, which Windows has since XP "
    "and every Linux since 2.4",
    NicModel.E1000E: "the guest needs the e1000e driver, which Windows has since 8 "
    "and every Linux since 2.6.24",
    NicModel.RTL8139: "the guest needs the 8139 driver, which Windows has from 2000 to Vista "
    "and every Linux has",
    NicModel.PCNET: "the guest needs the PCnet driver, which Windows has up to 2003 "
    "and every Linux has",
    NicModel.VIRTIO: "the guest needs the virtio_net driver: every Linux since 2.6.25 has it, "
    "Windows needs the virtio-win drivers",
    NicModel.VMXNET3: "the guest needs the vmxnet3 driver, which comes with VMware Tools "
    "and with every Linux since 2.6.32",
    NicModel.HYPERV: "the guest needs Hyper-V's network driver",
    NicModel.XEN: "the guest needs the Xen network frontend",
}

NEW_CARD = "it appears as a new card there, so a fixed address has to be set again"
