"""libvirt, with QEMU beneath it: a domain XML for ``virsh define``.

Spec: "Domain XML format" (libvirt 9.0) and its schema domain.rng; "Secure Boot" of libvirt's
knowledge base.

Decisions, where the format leaves more than one way:

- The domain is for KVM, as on every host that is meant to run machines, unless the computer that
  converts has none: there it is for emulation, which is reported as assumed. The option ``domain``
  says it outright, so that the document does not depend on where it is written.
- The processor is ``host-model`` unless the source names one: QEMU's own default lacks what
  today's guests are built for.
- UEFI is asked for by ``firmware='efi'``, with secure boot on or off but never left open; libvirt
  then finds the loader and makes the variable store from the host's firmware descriptions.
- The order of booting is given by drive and adapter, not by class: only so can a second disk be
  booted from.
- Networks of other hypervisors do not exist here, so their adapters go to ``default``, the network
  libvirt comes with; the user can name others. Behind NAT an adapter gets QEMU's own network
  (``type='user'``), which needs none on the host.
- Every machine gets a display on VNC (of this host only) and a serial console, for without them
  a machine that does not come up cannot be looked at. Both are reported as assumed.
- What the guest is stays in the metadata: under libosinfo's name for virt-manager and its kin,
  under the others' names in an element of our own, which libvirt keeps and does not read.
"""

from __future__ import annotations

from converters.configs.libvirt_words import NICS, SCSI_MODELS, SOUNDS, USB_MODELS
from converters.disks.options import Option
from converters.target import Abilities, Target
from converters.targets.libvirt.domain import documents
from converters.targets.libvirt.fit import AUTO, fit
from rehost.machine import AttachmentKind, Bus, ControllerModel, NicModel

QEMU_CANNOT = frozenset({NicModel.IGB, NicModel.VMXNET, NicModel.VMXNET2, NicModel.XEN})
QEMU_FORMATS = frozenset({"libvirt", "proxmox", "qemu", "kubevirt"})

CARRIES = """
    name uuid description memory vcpus topology.sockets topology.cores topology.threads
    cpu.model cpu.features cpu.nested firmware secure_boot tpm.version machine_type clock
    guest_os.name guest_os.cim guest_os.vmware guest_os.virtualbox guest_os.version boot_order
    controllers[].bus controllers[].index controllers[].model
    disks[].address disks[].size disks[].file disks[].format disks[].serial disks[].readonly
    disks[].shareable
    removables[].kind removables[].address removables[].file removables[].connected
    nics[].model nics[].mac nics[].network nics[].attachment nics[].connected
    displays[].model displays[].memory displays[].heads
    serials[].kind serials[].target sounds[].model
"""

TARGET = Target(
    name="libvirt",
    title="libvirt",
    disk_formats=("qcow2", "raw"),
    abilities=Abilities(
        buses=frozenset({Bus.IDE, Bus.SATA, Bus.SCSI, Bus.VIRTIO, Bus.USB, Bus.FLOPPY}),
        controllers=frozenset(
            {*SCSI_MODELS.values(), *USB_MODELS.values()} - {ControllerModel.BUSLOGIC}
        )
        | {ControllerModel.PIIX3, ControllerModel.AHCI},
        nics=frozenset(NICS.values()) - QEMU_CANNOT,
        sounds=frozenset(SOUNDS.values()),
        attachments=frozenset(
            {
                AttachmentKind.NETWORK,
                AttachmentKind.BRIDGE,
                AttachmentKind.NAT,
                AttachmentKind.DIRECT,
            }
        ),
        units={
            ControllerModel.LSILOGIC: 7,
            ControllerModel.LSISAS1068: 8,
            ControllerModel.PVSCSI: 64,
            ControllerModel.VIRTIO_SCSI: 256,
        },
        own_chips={ControllerModel.LSILOGIC: QEMU_FORMATS},
    ),
    carries=frozenset(CARRIES.split()),
    documents=documents,
    fit=fit,
    network="default",
    options=(
        Option(
            name="domain",
            choices=(AUTO, "kvm", "qemu"),
            meaning="what runs it: kvm, qemu (emulation), or what the computer that converts has",
        ),
    ),
)
