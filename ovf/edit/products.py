"""Product sections: what the software is, and the properties that configure it.

Spec: DSP0243 clause 9.5; the order of children is that of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from ovf.edit.draft import Draft
from ovf.edit.options import refuse_unknown
from ovf.edit.sections import BEFORE_HARDWARE
from ovf.environment.properties import TYPES
from ovf.environment.values import check_qualifiers, check_value
from rehost.errors import UsageError
from rehost.tracked import summary

WORDS = ("Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl")
ORDER = ("Info", *WORDS, "Icon", "Category", "Property")
PROPERTY = ("Label", "Description", "Value")
INFO = "Information about the installed software"


@dataclass(frozen=True, slots=True)
class PropertyWords:
    """What is to be said of a property; None leaves it as it is."""

    value: str | None = None
    type: str | None = None
    label: str | None = None
    description: str | None = None
    qualifiers: str | None = None
    user_configurable: bool | None = None
    password: bool | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def set_product(
    draft: Draft, system: str | None, words: Mapping[str, str], product_class: str | None = None
) -> None:
    """Say what the product is; ``words`` are elements of the section by their names."""
    content = draft.content_of(system)
    section = _section(draft, content, product_class)
    if section is None:
        section = draft.new("ProductSection", **{"class": product_class})
        section.append(draft.new("Info", INFO))
        section.extend(draft.new(name, words[name]) for name in WORDS if name in words)
        draft.put(content, section, BEFORE_HARDWARE)
    else:
        for name in WORDS:
            if name in words:
                draft.child(section, name, words[name], ORDER)
    draft.settle()


def set_property(
    draft: Draft,
    system: str | None,
    key: str,
    words: PropertyWords,
    *,
    product_class: str | None = None,
    create: bool = False,
) -> None:
    """Change a property, named by its key or as the environment names it: class.key.instance.

    With ``create`` one that is not there is made, in the section of ``product_class``.
    """
    content = draft.content_of(system)
    known = list(_entries(draft, content, product_class))
    found = [entry for name, entry in known if key in {name, _key(draft, entry)}]
    exact = [entry for name, entry in known if key == name]
    found = exact if len(exact) == 1 else found
    if len(found) > 1:
        names = ", ".join(name for name, entry in known if entry in found)
        raise UsageError(
            f"several properties have the key {key!r}",
            where=draft.envelope.label,
            hint=f"Name one in full: {names}.",
        )
    if found:
        _change(draft, found[0], words)
    elif create:
        _create(draft, content, key, words, product_class)
    else:
        names = ", ".join(name for name, _ in known)
        raise UsageError(
            f"has no property {key!r}",
            where=draft.envelope.label,
            hint=f"There are {names}." if names else "Make it with `rehost ovf add property`.",
        )
    draft.settle()


def remove_property(draft: Draft, system: str | None, key: str) -> None:
    """Remove a property."""
    content = draft.content_of(system)
    found = [entry for name, entry in _entries(draft, content) if key in {name, _key(draft, entry)}]
    if len(found) != 1:
        count = "several properties" if found else "no property"
        entries = _entries(draft, content)
        names = ", ".join(name for name, entry in entries if not found or entry in found)
        raise UsageError(
            f"has {count} {key!r}",
            where=draft.envelope.label,
            hint=f"There are {names}." if names else "",
        )
    draft.text.remove(found[0])
    draft.settle()


def _section(
    draft: Draft, content: etree._Element, product_class: str | None
) -> etree._Element | None:
    """Return the section of a class; without one, the first."""
    for section in draft.envelope.children(content, "ProductSection"):
        if product_class in {None, draft.envelope.attribute(section, "class")}:
            return section
    return None


def _entries(
    draft: Draft, content: etree._Element, product_class: str | None = None
) -> Iterator[tuple[str, etree._Element]]:
    """Yield the properties of a content, or of one class in it, by their full names."""
    for section in draft.envelope.children(content, "ProductSection"):
        if product_class in {None, draft.envelope.attribute(section, "class")}:
            yield from draft.envelope.properties_in(section)


def _key(draft: Draft, entry: etree._Element) -> str:
    return draft.envelope.attribute(entry, "key") or ""


def _change(draft: Draft, entry: etree._Element, words: PropertyWords) -> None:
    attribute = draft.envelope.attribute
    kind = words.type or attribute(entry, "type") or "string"
    qualifiers = words.qualifiers
    if qualifiers is None:
        qualifiers = attribute(entry, "qualifiers") or ""
    _check(draft, _key(draft, entry), kind, qualifiers, words)
    for name, value in _attributes(words).items():
        if value is not None:
            draft.set(entry, name, value)
    for name, text in (("Label", words.label), ("Description", words.description)):
        if text is not None:
            draft.child(entry, name, text, PROPERTY)
    for configuration, value in words.values.items():
        _set_configured(draft, entry, configuration, value)


def _set_configured(draft: Draft, entry: etree._Element, configuration: str, value: str) -> None:
    for choice in draft.envelope.children(entry, "Value"):
        if draft.envelope.attribute(choice, "configuration") == configuration:
            draft.set(choice, "value", value)
            return
    draft.put(entry, draft.new("Value", configuration=configuration, value=value), PROPERTY)


def _create(
    draft: Draft,
    content: etree._Element,
    key: str,
    words: PropertyWords,
    product_class: str | None,
) -> None:
    kind = words.type or "string"
    _check(draft, key, kind, words.qualifiers or "", words)
    entry = draft.new("Property", key=key, **{**_attributes(words), "type": kind})
    for name, text in (("Label", words.label), ("Description", words.description)):
        if text is not None:
            entry.append(draft.new(name, text))
    for configuration, value in words.values.items():
        entry.append(draft.new("Value", configuration=configuration, value=value))
    section = _section(draft, content, product_class)
    if section is None:
        section = draft.new("ProductSection", **{"class": product_class})
        section.extend((draft.new("Info", INFO), entry))
        draft.put(content, section, BEFORE_HARDWARE)
    else:
        draft.put(section, entry, ORDER)


def _attributes(words: PropertyWords) -> dict[str, str | None]:
    configurable, password = words.user_configurable, words.password
    return {
        "type": words.type,
        "value": words.value,
        "qualifiers": words.qualifiers,
        "userConfigurable": None if configurable is None else str(configurable).lower(),
        "password": None if password is None else str(password).lower(),
    }


def _check(draft: Draft, key: str, kind: str, qualifiers: str, words: PropertyWords) -> None:
    """Refuse a type nobody knows, qualifiers nobody can read, and values that are not allowed."""
    if not key.strip():
        raise UsageError(f"is no key of a property ({key!r})", hint="Write a word at least.")
    if words.type is not None and words.type not in TYPES:
        raise UsageError(
            f"is no type of a property ({words.type!r})", hint=f"There are {', '.join(TYPES)}."
        )
    if words.qualifiers and (wrong := check_qualifiers(words.qualifiers, kind)) is not None:
        raise UsageError(
            f"property {key!r} cannot have these qualifiers ({wrong})",
            hint='Write, for example, MinLen(1),MaxLen(20) or ValueMap{"a","b"}.',
        )
    for configuration in words.values:
        refuse_unknown(draft, configuration)
    given = [*words.values.values(), *([] if words.value is None else [words.value])]
    for value in given:
        if (wrong := check_value(value, kind, qualifiers)) is not None:
            shown = "" if words.password else f" ({summary(value)!r})"
            raise UsageError(f"property {key!r} cannot have this value{shown}", hint=wrong)
