"""A package's summary as lines of text: brief by default, verbose with everything."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.summary import (
    DeviceSummary,
    FileSummary,
    HardwareSummary,
    PackageSummary,
    ProductSummary,
    PropertySummary,
    SystemSummary,
)
from rehost.console.output import size_text
from rehost.tracked import summary

LABEL = 16
INDENT = "  "


def shown(package: PackageSummary, *, verbose: bool = False) -> str:
    """Return what is to be printed of a package."""
    written = package.dialect or f"OVF {package.version}.x"
    sealed = "signed" if package.certificate else "not signed"
    manifest = package.manifest or "no manifest"
    lines = [f"{package.source}: {written}, {package.descriptor}, {manifest}, {sealed}"]
    lines += _files(package, verbose=verbose)
    if package.networks:
        lines += ["", "Networks"]
        lines += (f"  {_two(each.name, each.description)}" for each in package.networks)
    if package.configurations:
        lines += ["", "Configurations"]
        for each in package.configurations:
            mark = " (default)" if each.name == package.default_configuration else ""
            lines.append(f"  {each.name}{mark}: {_two(each.label, each.description)}")
    for system in package.systems:
        lines += ["", *_system(system, verbose=verbose)]
    return "\n".join(line.rstrip() for line in lines)


def _files(package: PackageSummary, *, verbose: bool) -> Iterator[str]:
    if package.files:
        yield from ("", "Files")
    for file in package.files:
        yield f"  {file.href} ({_stored(file)})"
        if verbose:
            yield f"    {_pairs(id=file.id, compression=file.compression)}"
    if package.disks:
        yield from ("", "Disks")
    for disk in package.disks:
        size = "of unknown size" if disk.capacity is None else size_text(disk.capacity)
        place = f"in {disk.file}" if disk.file else "empty"
        yield f"  {disk.id}: {size}, {place}"
        if verbose:
            yield f"    {_pairs(format=disk.format, parent=disk.parent)}"


def _stored(file: FileSummary) -> str:
    if file.stored is not None:
        return size_text(file.stored)
    return f"not here, {file.size} bytes" if file.size else "not here"


def _system(system: SystemSummary, *, verbose: bool) -> Iterator[str]:
    what = "Collection" if system.collection else "Virtual system"
    yield f"{what} '{system.id}'" + (f" in '{system.inside}'" if system.inside else "")
    yield from _row("name", system.name)
    yield from _row("description", _text(system.annotation, verbose=verbose))
    for product in system.products:
        yield from _product(product, verbose=verbose)
    for licence in system.licences:
        yield from _row("licence", _licence(licence, verbose=verbose))
    yield from _row("guest", system.operating_system)
    if system.hardware_sections > 1:
        yield from _row("alternatives", f"first of {system.hardware_sections} hardware sections")
    yield from _row("made for", ", ".join(system.hardware_types))
    yield from _row("transport", system.transport)
    for hardware in system.hardware:
        yield from _hardware(hardware, verbose=verbose)


def _product(product: ProductSummary, *, verbose: bool) -> Iterator[str]:
    names = ("Product", "FullVersion") if "FullVersion" in product.words else ("Product", "Version")
    named = " ".join(product.words[name] for name in names if name in product.words)
    vendor = product.words.get("Vendor")
    yield from _row("product", f"{named} by {vendor}" if vendor else named)
    if verbose:
        yield from _row("class", product.id)
        for name, text in product.words.items():
            if name.endswith("Url"):
                yield from _row(name, text)
    for entry in product.properties:
        yield from _property(entry, verbose=verbose)


def _property(entry: PropertySummary, *, verbose: bool) -> Iterator[str]:
    if not verbose and not entry.user_configurable:
        return
    value = "(a password)" if entry.password else repr(entry.value or "")
    yield from _row(
        "property", f"{entry.key} = {value}" + (f", {entry.label}" if entry.label else "")
    )
    if verbose:
        configurable = "yes" if entry.user_configurable else "no"
        said = _pairs(type=entry.type, qualifiers=entry.qualifiers, user_configurable=configurable)
        yield f"{INDENT:<{LABEL + 4}}{said}"
        if entry.description:
            yield f"{INDENT:<{LABEL + 4}}{summary(entry.description)}"


def _hardware(hardware: HardwareSummary, *, verbose: bool) -> Iterator[str]:
    memory = "?" if hardware.memory is None else size_text(hardware.memory)
    parts = (
        _count(hardware.processors, "processor"),
        f"{memory} of memory",
        _count(hardware.disks, "disk"),
        _count(hardware.nics, "network adapter"),
        _count(hardware.serial_ports, "serial port"),
    )
    label = "hardware" if hardware.configuration is None else f"in '{hardware.configuration}'"
    yield from _row(label, ", ".join(parts))
    for device in hardware.devices:
        if verbose:
            yield f"{INDENT:<{LABEL + 4}}{_device(device)}"


def _device(device: DeviceSummary) -> str:
    said = _pairs(
        model=device.model,
        parent=device.parent,
        address=device.address,
        backing=device.backing,
        network=device.network,
    )
    return f"{device.instance} {device.kind} '{device.name or ''}'" + (f": {said}" if said else "")


def _count(number: int | None, what: str) -> str:
    return f"{'?' if number is None else number} {what}{'' if number == 1 else 's'}"


def _licence(licence: str, *, verbose: bool) -> str:
    return licence if verbose else f"{len(licence.split())} words; --verbose shows them"


def _text(text: str | None, *, verbose: bool) -> str | None:
    return text if verbose or text is None else summary(text)


def _row(label: str, text: str | None) -> Iterator[str]:
    """Yield a label and what stands beside it, on as many lines as that has."""
    for number, line in enumerate((text or "").splitlines()):
        yield f"{INDENT}{label if number == 0 else '':<{LABEL}}  {line}"


def _pairs(**said: str | None) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in said.items() if text)


def _two(first: str | None, second: str | None) -> str:
    return ", ".join(part for part in (first, second) if part)
