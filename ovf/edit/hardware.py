"""Processors, memory and the family of the virtual hardware.

Spec: DSP0243 clauses 8.1 (VirtualSystemType), 8.3 (quantities), 8.4 (ranges) and 9.8 (what holds in
one configuration only).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from lxml import etree

from ovf import units
from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.edit.options import refuse_several, refuse_unknown
from ovf.namespaces import CIM, VMW, VSSD
from ovf.outline import WrittenItem, whole
from ovf.text.fragment import fit
from rehost.errors import InteropError, UsageError
from rehost.tracked import local_name

MIB = 1 << 20
MOST_MEMORY = 1 << 52
"""What an x86 processor can address at the most, in bytes."""
MIB_UNIT = "byte * 2^20"
MOST_PROCESSORS = 65_535
SYSTEM = ("ElementName", "InstanceID", "VirtualSystemIdentifier", "VirtualSystemType")
UNITS = "AllocationUnits"
CLAIMS = ("Reservation", "Limit")
WORDS = ("Caption", "Description", "ElementName")
QUANTITIES = r"(?<![\d.])%s(?= ?(?:virtual CPU|v?CPU|[KMG]i?B\b))"


def set_processors(
    draft: Draft, system: str | None, count: int, configurations: Sequence[str] = ()
) -> None:
    """Set the number of processors: everywhere, or in some configurations only."""
    if not 0 < count <= MOST_PROCESSORS:
        raise UsageError(f"is an impossible number of processors ({count})")
    kind = ResourceType.PROCESSOR
    chosen = _items(draft, system, kind, configurations)
    quantities = _Quantities(Hardware.of(draft, system))
    for item in chosen:
        cores = _cores(item)
        if cores and count % cores:
            note = f"vmw:CoresPerSocket {cores} does not divide {count} processors"
            draft.notes.append(f"{draft.where(item.element)}: {note}")
        quantities.refuse_outside(item, count)
        quantities.set(item, count)
    if not _all(draft, system, kind):
        name = f"{count} virtual CPU(s)"
        said = {"AllocationUnits": "hertz * 10^6", "Description": "Number of Virtual CPUs"}
        Hardware.of(draft, system).add(
            kind, {**said, "ElementName": name, "VirtualQuantity": str(count)}
        )
    draft.settle()


def set_memory(
    draft: Draft, system: str | None, size: int, configurations: Sequence[str] = ()
) -> None:
    """Set the memory in bytes: everywhere, or in some configurations only."""
    if not 0 < size <= MOST_MEMORY:
        raise UsageError(f"is an impossible size of memory ({size})")
    kind = ResourceType.MEMORY
    chosen = _items(draft, system, kind, configurations)
    quantities = _Quantities(Hardware.of(draft, system))
    for item in chosen:
        quantities.refuse_outside(item, size, partial(_worth, item))
        factor = _unit(item)
        keeps = factor > 0 and size % factor == 0
        if not keeps:
            factor = _turn(quantities, item, size)
        quantities.set(item, size // factor, renames=keeps)
        draft.notes += _overruled(draft, item, size)
    if not _all(draft, system, kind):
        factor, unit, short = (MIB, MIB_UNIT, "MB") if size % MIB == 0 else (1, "byte", "B")
        said = {"AllocationUnits": unit, "Description": "Memory Size"}
        name = f"{size // factor}{short} of memory"
        Hardware.of(draft, system).add(
            kind, {**said, "ElementName": name, "VirtualQuantity": str(size // factor)}
        )
    draft.settle()


def set_hardware_type(draft: Draft, system: str | None, kinds: Sequence[str]) -> None:
    """Say which families of virtual hardware it is made for: ``vmx-13``, ``virtualbox-2.2``."""
    hardware = Hardware.of(draft, system)
    element = draft.envelope.first(hardware.section, "System")
    text = " ".join(kinds)
    if element is None:
        made = draft.new("System")
        said = ("Virtual Hardware Family", "0", draft.identifier(draft.system(system)), text)
        for name, value in zip(SYSTEM, said, strict=True):
            etree.SubElement(made, f"{{{VSSD}}}{name}").text = fit(value)
        draft.put(hardware.section, made, ("Info", "System"))
    else:
        _say_in_system(draft, element, text)
    draft.settle()


def _say_in_system(draft: Draft, element: etree._Element, text: str) -> None:
    children = list(element.iterchildren(etree.Element))
    spaces = [etree.QName(child).namespace or "" for child in children]
    space = next((each for each in spaces if each.startswith(CIM)), VSSD)
    for child in children:
        if local_name(str(child.tag)) == "VirtualSystemType":
            draft.write(child, text)
            return
    made = etree.Element(f"{{{space}}}VirtualSystemType")
    made.text = fit(text)
    earlier = [child for child in children if etree.QName(child).namespace == space]
    if earlier:
        draft.text.after(earlier[-1], made)
    else:
        draft.text.prepend(element, made)


def _items(
    draft: Draft, system: str | None, kind: ResourceType, configurations: Sequence[str]
) -> list[WrittenItem]:
    """Return the items to change: all of them, or one of its own for each configuration."""
    if not configurations:
        return _all(draft, system, kind)
    for configuration in configurations:
        refuse_unknown(draft, configuration)
        refuse_several(draft, configuration)
        _part(draft, system, kind, configuration)
    chosen = [frozenset((each,)) for each in configurations]
    return [each for each in _all(draft, system, kind) if each.configurations in chosen]


def _all(draft: Draft, system: str | None, kind: ResourceType) -> list[WrittenItem]:
    return Hardware.of(draft, system).of_kind(kind)


def _part(draft: Draft, system: str | None, kind: ResourceType, configuration: str) -> None:
    """See that a configuration has an item to itself, copied from the one it had."""
    hardware = Hardware.of(draft, system)
    items = hardware.of_kind(kind)
    own = [each for each in items if configuration in each.configurations]
    if any(each.configurations == {configuration} for each in own):
        return
    base = own or [each for each in items if not each.configurations]
    if not base:
        raise UsageError(
            f"nothing says what {configuration!r} is to differ from",
            where=draft.where(hardware.section),
            hint="Set it without a configuration first.",
        )
    if own:
        rest = " ".join(
            each
            for each in (draft.envelope.attribute(own[-1].element, "configuration") or "").split()
            if each != configuration
        )
        draft.set(own[-1].element, "configuration", rest)
    hardware.copy(base[-1], configuration)
    draft.settle()


class _Quantities:
    """Sets the numbers of items that are still as they were."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self._bounds: dict[str | None, list[WrittenItem]] = {}
        for each in hardware.items:
            if each.bound in {"min", "max"}:
                self._bounds.setdefault(each.instance, []).append(each)

    def bounds_of(self, item: WrittenItem) -> list[WrittenItem]:
        """Return the items that bound one."""
        return self._bounds.get(item.instance, [])

    def set(self, item: WrittenItem, quantity: int, *, renames: bool = True) -> None:
        """Set a number, and mend names that repeat the old one."""
        old = item.said.get("VirtualQuantity", "")
        for name in WORDS:
            text = item.said.get(name, "")
            if renames and whole(old) is not None:
                renamed = re.sub(QUANTITIES % old, str(quantity), text)
                if renamed != text:
                    self.hardware.say(item, name, renamed)
        self.hardware.say(item, "VirtualQuantity", str(quantity))

    def refuse_outside(
        self, item: WrittenItem, amount: int, worth: Callable[[WrittenItem], int] = lambda _: 1
    ) -> None:
        """Refuse an amount outside the range of an item; ``worth`` is what one of a bound is."""
        for bound in self.bounds_of(item):
            limit, one = whole(bound.said.get("VirtualQuantity")), worth(bound)
            least = bound.bound == "min"
            if limit is None or not one:
                continue
            if amount < limit * one if least else amount > limit * one:
                raise UsageError(
                    f"{item.label} may have at {'least' if least else 'most'} {limit * one}"
                    f" (asked for {amount})",
                    where=self.hardware.draft.where(bound.element),
                    hint="The package gives this range itself; stay inside it.",
                )


def _worth(item: WrittenItem, bound: WrittenItem) -> int:
    """Return the bytes of a bound's unit, which is its item's where it says none."""
    return _unit(bound if UNITS in bound.said else item)


def _turn(quantities: _Quantities, item: WrittenItem, size: int) -> int:
    """Give an item another unit in which it can be of a size; return the bytes of that.

    What else it says in the old one is said in the new; what bounds it keeps the old.
    """
    old = _unit(item)
    claims = {name: number * old for name, number in _claims(item).items() if old}
    factor, unit = (MIB, MIB_UNIT)
    if any(amount % MIB for amount in (size, *claims.values())):
        factor, unit = (1, "byte")
    for bound in quantities.bounds_of(item):
        if UNITS not in bound.said:
            quantities.hardware.say(bound, UNITS, item.said.get(UNITS, MIB_UNIT))
    for name, amount in claims.items():
        quantities.hardware.say(item, name, str(amount // factor))
    quantities.hardware.say(item, UNITS, unit)
    return factor


def _claims(item: WrittenItem) -> dict[str, int]:
    """Return what an item claims of the host, in its unit."""
    said = {name: whole(item.said.get(name)) for name in CLAIMS}
    return {name: number for name, number in said.items() if number}


def _overruled(draft: Draft, item: WrittenItem, size: int) -> Iterator[str]:
    """Tell of claims that a size of memory contradicts."""
    claims = {name: number * _unit(item) for name, number in _claims(item).items()}
    where = f"{draft.where(item.element)}: {item.label}"
    if (reserved := claims.get("Reservation", 0)) > size:
        yield f"{where} still reserves {reserved} bytes, more than its memory"
    if 0 < (limit := claims.get("Limit", 0)) < size:
        yield f"{where} is still limited to {limit} bytes, less than its memory"


def _unit(item: WrittenItem) -> int:
    """Return the bytes of an item's unit; silence means MiB, as importers read it."""
    said = item.said.get(UNITS)
    try:
        return units.multiplier(said) if said else MIB
    except InteropError:
        return 0


def _cores(item: WrittenItem) -> int:
    return whole(item.element.findtext(f"{{{VMW}}}CoresPerSocket")) or 0
