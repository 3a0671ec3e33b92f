"""The devices that are no drives: adapters, ports, displays, sound.

Spec: DSP0243 clause 8.3: ``Connection`` is the network an adapter is plugged into, ``Address`` its
MAC address, ``AutomaticAllocation`` whether a device starts connected. Models are the vendors'
words, see ``ovf.machines.subtypes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ovf.machines import subtypes
from ovf.machines.items import Item, Reading, subtype
from ovf.outline import whole
from rehost.machine import Display, Nic, Serial, Sound, SoundModel, Tpm
from rehost.tracked import summary

MAC = re.compile(r"[0-9a-f]{12}")
KIB = 1024
MOST = 10**12
"""Of a setting that is a number, and only a hint."""


@dataclass(slots=True)
class Devices:
    """The devices of one machine as they are read, in the order of its items."""

    reading: Reading
    nics: list[Nic] = field(default_factory=list)
    displays: list[Display] = field(default_factory=list)
    serials: list[Serial] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    tpm: Tpm | None = None

    def nic(self, item: Item) -> None:
        """Read a network adapter."""
        item.integer("AddressOnParent")
        self.nics.append(
            Nic(
                model=subtype(item, subtypes.NIC_SUBTYPES, self.reading),
                mac=self._mac(item),
                network=item.said("Connection"),
                connected=item.node.flag("AutomaticAllocation"),
            )
        )

    def serial(self, item: Item) -> None:
        """Read a serial port; what it is connected to on the host stays behind."""
        self.serials.append(Serial(subtype(item, subtypes.SERIAL_SUBTYPES, self.reading)))

    def display(self, item: Item) -> None:
        """Read a video adapter."""
        memory = whole(item.config("videoRamSizeInKB"), below=MOST)
        self.displays.append(
            Display(
                model=item.said("ResourceSubType"),
                memory=memory * KIB if memory else None,
                heads=whole(item.config("numDisplays"), below=MOST) or None,
            )
        )

    def sound(self, item: Item) -> None:
        """Read a sound card."""
        item.integer("AddressOnParent")
        item.node.flag("AutomaticAllocation")
        model: SoundModel | None = subtype(item, subtypes.SOUND_SUBTYPES, self.reading)
        self.sounds.append(Sound(model))

    def other(self, item: Item) -> bool:
        """Read a device that only its subtype tells; say whether it was one."""
        words = set(item.words("ResourceSubType"))
        if words & subtypes.SOUND_SUBTYPES.keys():
            self.sound(item)
        elif words & subtypes.TPM_SUBTYPES:
            self.tpm = Tpm("2.0")
        else:
            return False
        return True

    def _mac(self, item: Item) -> str | None:
        text = item.said("Address")
        if text is None:
            return None
        digits = re.sub(r"[:.-]", "", text.lower())
        if not MAC.fullmatch(digits):
            self.reading.drop(
                f"{self.reading.place(item.node.element)} {item.label} Address",
                summary(text),
                "is no MAC address",
            )
            return None
        return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
