"""The environment of a virtual system: the document by which a guest learns how it was deployed.

Spec: DSP8027 1.1.0 (the schema; ``Timezone`` is its spelling) and DSP0243 clauses 9.5 (properties,
macros) and 11.1 (environment document). A system sees its own properties and those of the
collection around it, as far as it does not override them; and of each sibling, what that sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from ovf.edit.draft import Draft
from ovf.edit.options import refuse_unknown
from ovf.envelope import CONTENT, PROPERTY_MACRO, Envelope
from ovf.environment.parts import NAMESPACE
from ovf.environment.properties import Product, Property, is_collection, products
from ovf.environment.values import check_value
from ovf.text.fragment import fit
from rehost.errors import RefusedError, UsageError
from rehost.tracked import summary

ROOT = f'<Environment xmlns="{NAMESPACE}" xmlns:oe="{NAMESPACE}"/>'
MAKE = "Make it with `rehost ovf add property --user-configurable`."
MOST_PROPERTIES = 200_000


@dataclass(frozen=True, slots=True)
class Platform:
    """What deploys the system; ``timezone`` is minutes east of Greenwich. None is left out."""

    kind: str | None = None
    version: str | None = None
    vendor: str | None = None
    locale: str | None = None
    timezone: int | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was chosen for a deployment: a configuration, values of properties, the platform."""

    configuration: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)


@dataclass(frozen=True, slots=True)
class Environment:
    """The document, and the keys of properties that nobody gave a value."""

    document: bytes
    without_value: tuple[str, ...]


def environment_of(draft: Draft, system: str | None, deployment: Deployment) -> Environment:
    """Make the environment of a virtual system, refusing values its properties do not allow."""
    element = draft.system(system)
    if deployment.configuration not in {None, *_with_values(draft)}:
        refuse_unknown(draft, deployment.configuration or "")
    views = _Views(draft.envelope, deployment)
    own = views.seen(element)
    root = etree.fromstring(ROOT)
    root.set(_name("id"), draft.envelope.attribute(element, "id") or "")
    _platform(root, deployment.platform)
    _section(root, own)
    count = len(own)
    for sibling in _siblings(draft.envelope, element):
        entity = etree.SubElement(root, _name("Entity"))
        entity.set(_name("id"), draft.envelope.attribute(sibling, "id") or "")
        seen = views.seen(sibling)
        _section(entity, seen)
        count += len(seen) + 1
        if count > MOST_PROPERTIES:
            raise RefusedError(
                f"environment would hold too much (at most {MOST_PROPERTIES} properties)",
                where=draft.envelope.label,
            )
    views.refuse_unused()
    etree.indent(root)
    document = etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"
    return Environment(document, tuple(key for key, value in own.items() if value == ""))


def _with_values(draft: Draft) -> Iterator[str | None]:
    """Yield the configurations that properties have values for, declared or not."""
    for value in draft.envelope.root.iter(draft.name("Value")):
        yield draft.envelope.attribute(value, "configuration")


class _Views:
    """What each entity of a package sees of the properties, in one deployment."""

    def __init__(self, envelope: Envelope, deployment: Deployment) -> None:
        self._envelope = envelope
        chosen = deployment.configuration
        self._configuration = envelope.default_configuration if chosen is None else chosen
        self._given = dict(deployment.values)
        self._used: set[str] = set()
        self._known: list[str] = []
        self._listed: dict[etree._Element, list[tuple[str, str, str]]] = {}
        self._of: dict[etree._Element, list[Product]] = {}
        for product in products(envelope):
            self._of.setdefault(product.owner, []).append(product)

    def seen(self, element: etree._Element) -> dict[str, str]:
        """Return the values an entity sees by their keys, its own before its collection's."""
        parent = element.getparent()
        around = self._own(parent) if parent is not None and is_collection(parent) else {}
        own = self._own(element)
        return {**own, **{key: value for key, value in around.items() if key not in own}}

    def refuse_unused(self) -> None:
        """Refuse a value for which there is no property."""
        for key in self._given:
            if key not in self._used:
                known = ", ".join(dict.fromkeys(self._known))
                raise UsageError(
                    f"has no property {key!r}",
                    where=self._envelope.label,
                    hint=f"There are {known}." if known else MAKE,
                )

    def _own(self, element: etree._Element) -> dict[str, str]:
        """Return the values of an entity's own properties, macros resolved."""
        return {key: value for key, _, value in self._values(element)}

    def _values(self, element: etree._Element) -> list[tuple[str, str, str]]:
        """Return an entity's properties: key in the environment, key as written, value."""
        if element not in self._listed:
            self._listed[element] = self._made(element)
        return self._listed[element]

    def _made(self, element: etree._Element) -> list[tuple[str, str, str]]:
        parent = element.getparent()
        around: dict[str, str] = {}
        if parent is not None and is_collection(parent):
            listed = self._values(parent)
            around = {plain: value for _, plain, value in listed}
            around |= {key: value for key, _, value in listed}
        found = []
        for product in self._of.get(element, []):
            for entry in product.properties:
                key = product.exposed(entry)
                self._known.append(key)
                value = self._resolved(self._value(key, entry), around, entry)
                found.append((key, entry.key, value))
        return found

    def _value(self, key: str, entry: Property) -> str:
        named = key if key in self._given else entry.key
        if named not in self._given:
            chosen = [
                each.value
                for each in entry.alternatives
                if each.configuration == self._configuration
            ]
            return next((value for value in chosen if value is not None), entry.value or "")
        self._used.add(named)
        value = self._given[named]
        if not entry.configurable:
            raise UsageError(
                f"property {key!r} is not for whoever deploys to set",
                where=str(entry.at),
                hint="`rehost ovf set --property` changes the package itself.",
            )
        if (
            wrong := check_value(value, entry.type or "string", entry.qualifiers or "")
        ) is not None:
            shown = "" if entry.password else f" ({summary(value)!r})"
            raise UsageError(f"property {key!r} cannot have this value{shown}", hint=wrong)
        return value

    def _resolved(self, value: str, around: Mapping[str, str], entry: Property) -> str:
        """Return a value; one that is a macro as a whole stands for a property around it."""
        found = PROPERTY_MACRO.fullmatch(value)
        if found is None:
            return value
        if found[1] not in around:
            raise UsageError(
                f"no property around it gives ${{{summary(found[1])}}} a value",
                where=str(entry.at),
            )
        return around[found[1]]


def _siblings(envelope: Envelope, element: etree._Element) -> Iterator[etree._Element]:
    parent = element.getparent()
    if parent is None or not is_collection(parent):
        return
    for each in envelope.children(parent, *CONTENT):
        if each is not element:
            yield each


def _platform(root: etree._Element, platform: Platform) -> None:
    said = {
        "Kind": platform.kind,
        "Version": platform.version,
        "Vendor": platform.vendor,
        "Locale": platform.locale,
        "Timezone": None if platform.timezone is None else str(platform.timezone),
    }
    if any(value is not None for value in said.values()):
        section = etree.SubElement(root, _name("PlatformSection"))
        for name, value in said.items():
            if value is not None:
                etree.SubElement(section, _name(name)).text = fit(value)


def _section(parent: etree._Element, values: Mapping[str, str]) -> None:
    section = etree.SubElement(parent, _name("PropertySection"))
    for key, value in values.items():
        entry = etree.SubElement(section, _name("Property"))
        entry.set(_name("key"), fit(key))
        entry.set(_name("value"), fit(value))


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"
