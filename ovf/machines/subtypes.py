"""The words of the vendors for models of devices, in the neutral machine's terms.

Spec: DSP0243 clause 8.1 for ``ResourceSubType``, whose words are the vendors' own. They are looked
up in lower case.
"""

from __future__ import annotations

from rehost.machine import Bus, ControllerModel, NicModel, SerialKind, SoundModel

SCSI_SUBTYPES = {
    "buslogic": ControllerModel.BUSLOGIC,
    "lsilogic": ControllerModel.LSILOGIC,
    "lsilogicsas": ControllerModel.LSISAS1068,
    "virtualscsi": ControllerModel.PVSCSI,
    "pvscsi": ControllerModel.PVSCSI,
    "virtio-scsi": ControllerModel.VIRTIO_SCSI,
    "virtioscsi": ControllerModel.VIRTIO_SCSI,
}
IDE_SUBTYPES = {
    "piix3": ControllerModel.PIIX3,
    "piix4": ControllerModel.PIIX4,
    "ich6": ControllerModel.ICH6,
}
STORAGE_SUBTYPES: dict[str, tuple[Bus, ControllerModel | None]] = {
    "ahci": (Bus.SATA, ControllerModel.AHCI),
    "vmware.sata.ahci": (Bus.SATA, ControllerModel.AHCI),
    "nvme": (Bus.NVME, ControllerModel.NVME),
    "vmware.nvme.controller": (Bus.NVME, ControllerModel.NVME),
    "virtio-blk": (Bus.VIRTIO, None),
    **{word: (Bus.SCSI, model) for word, model in SCSI_SUBTYPES.items()},
}
USB_SUBTYPES = {
    "uhci": ControllerModel.UHCI,
    "ehci": ControllerModel.EHCI,
    "xhci": ControllerModel.XHCI,
    "vmware.usb.ehci": ControllerModel.EHCI,
    "vmware.usb.xhci": ControllerModel.XHCI,
}
NIC_SUBTYPES = {
    "pcnet32": NicModel.PCNET,
    "pcnet": NicModel.PCNET,
    "vlance": NicModel.PCNET,
    "e1000": NicModel.E1000,
    "e10000": NicModel.E1000,
    "e1000e": NicModel.E1000E,
    "vmxnet": NicModel.VMXNET,
    "vmxnet2": NicModel.VMXNET2,
    "vmxnet3": NicModel.VMXNET3,
    "virtio": NicModel.VIRTIO,
    "virtio-net": NicModel.VIRTIO,
    "rtl8139": NicModel.RTL8139,
    "ne2k_pci": NicModel.NE2K,
    "sriovethernetcard": NicModel.SRIOV,
}
SOUND_SUBTYPES = {
    "ensoniq1371": SoundModel.ES1371,
    "ensoniq1370": SoundModel.ES1370,
    "sb16": SoundModel.SB16,
    "ac97": SoundModel.AC97,
    "hda": SoundModel.HDA,
    "vmware.soundcard.ensoniq1371": SoundModel.ES1371,
    "vmware.soundcard.sb16": SoundModel.SB16,
    "vmware.soundcard.hdaudio": SoundModel.HDA,
}
SERIAL_SUBTYPES = {
    "vmware.serialport.device": SerialKind.DEVICE,
    "vmware.serialport.file": SerialKind.FILE,
    "vmware.serialport.pipe": SerialKind.PIPE,
    "vmware.serialport.uri": SerialKind.TCP,
}
TPM_SUBTYPES = frozenset({"vmware.vtpm"})
