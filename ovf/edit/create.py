"""A package from nothing: the least a descriptor has, ready to be edited.

Spec: DSP0243 clauses 7 and 8; what the schemas of 1.x and 2.x both ask for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovf.edit.draft import Draft
from ovf.namespaces import SETTING_PREFIXES, VMW
from ovf.text.fragment import escaped_text, escaped_value
from rehost.errors import UsageError

TEXT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="{namespace}" xmlns:ovf="{namespace}"{settings} xmlns:vmw="{vmw}">
  <References/>
{content}
</Envelope>
"""
SYSTEM = """\
<VirtualSystem ovf:id={identifier}>
  <Info>A virtual machine</Info>
  <Name>{name}</Name>
  <VirtualHardwareSection>
    <Info>Virtual hardware requirements</Info>
    <System>
      <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
      <vssd:InstanceID>0</vssd:InstanceID>
      <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
    </System>
  </VirtualHardwareSection>
</VirtualSystem>"""
COLLECTION = """\
<VirtualSystemCollection ovf:id={identifier}>
  <Info>Virtual machines that belong together</Info>
  <Name>{name}</Name>
{systems}
</VirtualSystemCollection>"""


def created(name: str, version: str = "1") -> Draft:
    """Return a draft of one virtual system without hardware."""
    return _draft(name, version, _system(name, name))


def created_collection(name: str, machines: Sequence[str], version: str = "1") -> Draft:
    """Return a draft of virtual systems without hardware in one collection.

    Their ids are ``ids_of`` their names.
    """
    ids = ids_of(machines)
    systems = (_system(each, identifier) for each, identifier in zip(machines, ids, strict=True))
    (identifier,) = set(ids_of((*machines, name))) - set(ids)
    content = COLLECTION.format(
        identifier=_quoted(identifier),
        name=escaped_text(name),
        systems="\n".join(_indented(system) for system in systems),
    )
    return _draft(name, version, content)


def ids_of(names: Sequence[str]) -> list[str]:
    """Return an id for each name: the name itself or, where that is taken, with a number."""
    found: list[str] = []
    for name in names:
        number, identifier = 1, name
        while identifier in found:
            number += 1
            identifier = f"{name}-{number}"
        found.append(identifier)
    return found


def _draft(name: str, version: str, content: str) -> Draft:
    _refuse_odd(name)
    used = list(SETTING_PREFIXES.items())[: 2 if version == "1" else 4]
    settings = "".join(f'\n    xmlns:{prefix}="{uri}"' for uri, prefix in used)
    text = TEXT.format(
        namespace=f"http://schemas.dmtf.org/ovf/envelope/{version}",
        settings=settings + "\n   ",
        vmw=VMW,
        content=_indented(content),
    )
    return Draft(text.encode(), file=f"{name}.ovf", label=f"{name}.ovf")


def _system(name: str, identifier: str) -> str:
    _refuse_odd(name)
    return SYSTEM.format(name=escaped_text(name), identifier=_quoted(identifier))


def _refuse_odd(name: str) -> None:
    if not name.strip() or "/" in name or not name.isprintable() or len(name.encode()) > 200:
        raise UsageError(f"is no name for a machine ({name!r})")


def _quoted(text: str) -> str:
    return f'"{escaped_value(text, chr(34))}"'


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
