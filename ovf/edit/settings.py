"""What ``rehost ovf set`` was asked for, applied to a draft in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ovf.cim import ResourceType
from ovf.edit import hardware, networks, options, ports, products, sections
from ovf.edit.controllers import set_controller_type
from ovf.edit.disks import replace_image, set_capacity
from ovf.edit.draft import Draft
from ovf.edit.transport import set_transport
from ovf.parse import decoded
from rehost.console.parameters import SIZE
from rehost.errors import UsageError
from rehost.files import LocalFile, read_all

LARGEST_TEXT = 1 << 20
PRODUCT = {
    "product": "Product",
    "vendor": "Vendor",
    "product_version": "Version",
    "full_version": "FullVersion",
    "product_url": "ProductUrl",
    "vendor_url": "VendorUrl",
    "app_url": "AppUrl",
}
NIC_WORDS = {
    "nic_type": "ResourceSubType",
    "nic_network": "Connection",
    "nic_name": "ElementName",
    "mac": "Address",
}
CONTROLLERS = {
    "ide_type": ResourceType.IDE,
    "scsi_type": ResourceType.SCSI,
    "sata_type": ResourceType.OTHER_STORAGE,
}
COUNTED: dict[str, Callable[..., None]] = {
    "cpus": hardware.set_processors,
    "memory": hardware.set_memory,
}
LEANING = {
    "os_name": ("--os-name", ("system_number",), "--os"),
    "configurations": ("--configuration", tuple(COUNTED), "--cpus or --memory"),
    "product_class": (
        "--product-class",
        (*PRODUCT, "properties", "properties_file"),
        "what to say of the product, or a property",
    ),
}
"""Options that say nothing by themselves, by the options of which one has to be there."""
Change = Callable[[Draft, str | None], None]
SETTERS: dict[str, Callable[..., None]] = {
    "name": sections.set_name,
    "nics": networks.set_nics,
    "serial_ports": ports.set_serial_ports,
    "serial_connection": ports.set_serial_connections,
    "hardware": hardware.set_hardware_type,
    "annotation": sections.set_annotation,
}


def apply(draft: Draft, asked: dict[str, Any]) -> None:
    """Make all changes; raise UsageError where none was asked for."""
    for option, (name, others, wanted) in LEANING.items():
        if asked[option] and not any(asked[each] not in {None, ()} for each in others):
            raise UsageError(f"{name} says nothing by itself", hint=f"Pass {wanted}, too.")
    changes = list(_changes(asked))
    if not changes:
        raise UsageError("nothing is asked for", hint="See `rehost ovf set --help`.")
    for change in changes:
        change(draft, asked["system"])


def text_of(path: Path) -> str:
    """Return the text of a small file."""
    content = read_all(LocalFile(path), LARGEST_TEXT)
    return decoded(content, str(path)).replace("\r\n", "\n").rstrip("\n")


def pairs_of(path: Path) -> list[tuple[str, str]]:
    """Return the KEY=VALUE lines of a file; blank ones and those that begin with # are nothing."""
    found = []
    for number, line in enumerate(text_of(path).split("\n"), 1):
        key, equals, value = line.strip().partition("=")
        if not key.strip() or key.startswith("#"):
            continue
        if not equals:
            raise UsageError("line is no KEY=VALUE", where=f"{path}:{number}")
        found.append((key.strip(), value.strip()))
    return found


def _changes(asked: dict[str, Any]) -> Iterator[Change]:
    """Yield the changes asked for; what others refer to comes first."""
    for old, new in asked["networks"]:
        yield _around(networks.rename_network, old, new)
    for name, text in asked["descriptions"]:
        yield _around(networks.describe_network, name, text)
    for name, path in asked["replaced"]:
        yield _around(replace_image, name, Path(path))
    yield from _of_hardware(asked)
    yield from _of_products(asked)
    if asked["eula"] is not None:
        yield _inside(sections.set_eula, text_of(asked["eula"]))
    if asked["system_number"] is not None:
        yield _inside(sections.set_operating_system, asked["system_number"], asked["os_name"])
    if asked["default_configuration"] is not None:
        yield _around(options.set_default_configuration, asked["default_configuration"])


def _of_hardware(asked: dict[str, Any]) -> Iterator[Change]:
    for option, setter in COUNTED.items():
        if asked[option] is not None:
            yield _inside(setter, asked[option], asked["configurations"])
    for option, setter in SETTERS.items():
        if asked[option] not in {None, ()}:
            yield _inside(setter, asked[option])
    for option, name in NIC_WORDS.items():
        if asked[option]:
            yield _inside(networks.set_nic_words, name, asked[option])
    for identifier, size in asked["capacities"]:
        yield _around(set_capacity, identifier, SIZE.convert(size, None, None))
    for option, kind in CONTROLLERS.items():
        if asked[option] is not None:
            yield _inside(set_controller_type, kind, asked[option])


def _of_products(asked: dict[str, Any]) -> Iterator[Change]:
    said = {name: asked[option] for option, name in PRODUCT.items() if asked[option] is not None}
    of_class = asked["product_class"]
    if said:
        yield _inside(products.set_product, said, of_class)
    listed = list(asked["properties"])
    if asked["properties_file"] is not None:
        listed = [*pairs_of(asked["properties_file"]), *listed]
    for key, value in listed:
        words = products.PropertyWords(value=value)
        yield _inside(products.set_property, key, words, product_class=of_class)
    if asked["transport"]:
        yield _inside(set_transport, asked["transport"])


def _inside(setter: Callable[..., None], *said: Any, **more: Any) -> Change:
    """Return a change of one virtual system."""
    return lambda draft, system: setter(draft, system, *said, **more)


def _around(setter: Callable[..., None], *said: Any) -> Change:
    """Return a change of the whole package."""
    return lambda draft, _: setter(draft, *said)
