"""The planner's part for network adapters, displays, sound cards and serial ports."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from converters.draft import Draft, Hardware
from converters.drivers import NEW_CARD, NIC_DRIVERS
from converters.guests import is_old
from rehost.machine import (
    AttachmentKind,
    Nic,
    NicModel,
    SerialKind,
    Sound,
    SoundModel,
)

UNSAID = "the source does not say"

NEAREST_NICS: dict[NicModel, tuple[NicModel, ...]] = {
    NicModel.PCNET: (NicModel.RTL8139,),
    NicModel.NE2K: (NicModel.RTL8139,),
    NicModel.TULIP: (NicModel.RTL8139,),
    NicModel.E1000E: (NicModel.E1000,),
    NicModel.IGB: (NicModel.E1000E,),
    NicModel.SRIOV: (NicModel.E1000E,),
}
COMMON_NICS = (
    NicModel.E1000,
    NicModel.E1000E,
    NicModel.RTL8139,
    NicModel.PCNET,
    NicModel.VMXNET3,
    NicModel.VIRTIO,
    NicModel.TULIP,
    NicModel.HYPERV,
    NicModel.XEN,
)
PARAVIRTUAL = frozenset(
    {
        NicModel.VMXNET,
        NicModel.VMXNET2,
        NicModel.VMXNET3,
        NicModel.VIRTIO,
        NicModel.HYPERV,
        NicModel.XEN,
        NicModel.SRIOV,
    }
)
NEAREST_SOUNDS: dict[SoundModel, tuple[SoundModel, ...]] = {
    SoundModel.ES1371: (SoundModel.ES1370,),
    SoundModel.ES1370: (SoundModel.ES1371,),
}
COMMON_SOUNDS = (SoundModel.HDA, SoundModel.AC97, SoundModel.ES1370, SoundModel.SB16)
HERE = frozenset({SerialKind.PTY, SerialKind.NULL})
"""Serial ports that end in nothing of the old host's."""


def plan_nics(draft: Draft, networks: Mapping[str, str]) -> None:
    """Give every adapter a model the target has, and its network the target's name for it."""
    nics = [
        _plugged(draft, f"nics[{n}]", _modelled(draft, f"nics[{n}]", nic), networks)
        for n, nic in enumerate(draft.machine.nics)
    ]
    draft.put(nics=tuple(nics))


def _modelled(draft: Draft, item: str, nic: Nic) -> Nic:
    model = _wanted_nic(draft, nic.model)
    if model is None or model is nic.model:
        return nic
    needs = NIC_DRIVERS.get(model, "the guest needs its driver")
    if nic.model is None:
        draft.assume(f"{item}.model", model, f"{UNSAID}; {needs}")
    else:
        draft.change(f"{item}.model", nic.model, model, f"{needs}; {NEW_CARD}")
    return replace(nic, model=model)


def _wanted_nic(draft: Draft, said: NicModel | None) -> NicModel | None:
    """Return the model an adapter gets; none where the target has no adapters at all."""
    ours = draft.abilities.nics
    if draft.hardware is Hardware.VIRTIO and NicModel.VIRTIO in ours:
        return NicModel.VIRTIO
    keeps = draft.hardware is Hardware.KEEP or said not in PARAVIRTUAL
    if said in ours and keeps:
        return said
    old = (NicModel.RTL8139,) if is_old(draft.machine.guest_os) else ()
    near = NEAREST_NICS.get(said, ()) if said else ()
    return next((model for model in (*near, *old, *COMMON_NICS) if model in ours), None)


def _plugged(draft: Draft, item: str, nic: Nic, networks: Mapping[str, str]) -> Nic:
    attachment = nic.attachment
    ours = draft.abilities.attachments
    if attachment is None:
        attachment = AttachmentKind.NETWORK
        draft.assume(f"{item}.attachment", attachment, UNSAID)
    elif attachment not in ours:
        attachment = AttachmentKind.NETWORK
        why = "make a network of that name there which reaches as far as the old one did"
        draft.change(f"{item}.attachment", nic.attachment, attachment, why)
    network, why = _network(draft, nic, networks)
    if network != nic.network:
        draft.change(f"{item}.network", nic.network, network, why)
    return replace(nic, attachment=attachment, network=network)


def _network(draft: Draft, nic: Nic, networks: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the target's name for a network of the source, and why it is that.

    One that led nowhere, or to a certain interface, keeps its name rather than lead elsewhere.
    """
    said, usual = nic.network, draft.target.network
    if said is None or said in networks:
        return (networks[said] if said else None), "as asked"
    plain = nic.attachment in {None, AttachmentKind.NETWORK}
    if usual is None or not plain or draft.source.origin.format == draft.target.name:
        return said, ""
    return usual, f"{usual!r} is there; --network {shlex.quote(said)}=NAME chooses another"


def plan_displays(draft: Draft) -> None:
    """Show a picture in plain VGA, where only such hardware is wanted."""
    if draft.hardware is not Hardware.SAFE:
        return
    displays = []
    for number, display in enumerate(draft.machine.displays):
        if display.model != "vga":
            item = f"displays[{number}].model"
            why = "every guest has a driver for plain VGA"
            if display.model is None:
                draft.assume(item, "vga", f"{UNSAID}; {why}")
            else:
                draft.change(item, display.model, "vga", why)
        displays.append(replace(display, model="vga"))
    draft.put(displays=tuple(displays))


def plan_sounds(draft: Draft) -> None:
    """Give every sound card a model the target has."""
    sounds = []
    for number, sound in enumerate(draft.machine.sounds):
        item = f"sounds[{number}]"
        near = (sound.model, *NEAREST_SOUNDS.get(sound.model, ())) if sound.model else ()
        model = next(
            (one for one in (*near, *COMMON_SOUNDS) if one in draft.abilities.sounds), None
        )
        if model is None:
            sounds.append(sound)
        elif sound.model is None:
            draft.assume(f"{item}.model", model, UNSAID)
            sounds.append(Sound(model))
        elif model is not sound.model:
            draft.change(f"{item}.model", sound.model, model, "the guest needs its driver")
            sounds.append(Sound(model))
        else:
            sounds.append(sound)
    draft.put(sounds=tuple(sounds))


def plan_serials(draft: Draft) -> None:
    """Let no serial port reach into the new host by a name from the old one.

    A file or device of that name may exist there and be another's; what the guest writes would
    go into it.
    """
    serials = []
    for number, serial in enumerate(draft.machine.serials):
        item = f"serials[{number}]"
        if serial.kind is None:
            draft.assume(f"{item}.kind", SerialKind.PTY, UNSAID)
        elif serial.kind not in HERE:
            why = "what it was connected to is on the old host"
            draft.change(f"{item}.kind", serial.kind, SerialKind.PTY, why)
        kind = serial.kind if serial.kind in HERE else SerialKind.PTY
        serials.append(replace(serial, kind=kind, target=None))
        if serial.target is not None:
            draft.drop(f"{item}.target", serial.target, "it is a place on the old host")
    draft.put(serials=tuple(serials))
