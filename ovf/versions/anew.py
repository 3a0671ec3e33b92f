"""A descriptor in a dialect, written anew in the names of OVF 1.x.

The names that dialects have are not in the text, so this is the one change to a descriptor that is
not made in its text: layout and comments inside of it stay, quotes and declarations do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import cast

from lxml import etree

from ovf.edit.draft import Draft
from ovf.envelope import Envelope
from ovf.extensions import is_unknown
from ovf.mending.fix import all_fixes
from ovf.namespaces import OVF_10, RASD
from ovf.package import Package
from ovf.text.fragment import PREFIXES
from ovf.versions.items import restate_items
from ovf.versions.restatement import Restatement, lines_of
from rehost.report import Loss, dropped
from rehost.tracked import content, label, line_of

WANTED = ("CNT-003", "ENV-005", "VHS-007")
"""What OVF 1.x asks for in every descriptor, and drafts did not: Info, order, a named System."""
UNKNOWN = "CIM's schema has no such property any more"
WHY = "OVF 1.x asks for it"
ANEW = "the descriptor was written anew in the names of OVF 1.x, not byte for byte"


def restated_dialect(package: Package) -> tuple[Draft, list[Loss]]:
    """Return a draft of a package in a dialect as OVF 1.x, and what was added or lost by it."""
    envelope = package.envelope
    root = _with_plain_prefixes(envelope)
    gone = list(_without_unknown(envelope, root))
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    draft = Draft(text, file=envelope.file, label=envelope.label, package=package)
    restating = Restatement(draft, lines_of(root), gone)
    restating.settle()
    written = f"{envelope.file} dialect"
    restating.change(written, envelope.dialect, "OVF 1.x", ANEW)
    restate_items(restating, "1")
    for fix in all_fixes():
        if fix.rule in WANTED:
            for element, what in fix.mend(draft, None):
                restating.assume(restating.place(element), what, WHY)
    draft.settle()
    return draft, restating.losses


def _without_unknown(envelope: Envelope, root: etree._Element) -> Iterator[Loss]:
    """Remove the properties of items that only drafts of CIM's schema had."""
    for item in root.iter(f"{{{OVF_10}}}Item"):
        for child in list(item.iterchildren(f"{{{RASD}}}*")):
            if is_unknown(child, "1"):
                what = f"{envelope.file}:{line_of(child)} {label(child)}"
                yield dropped(what, content(child), UNKNOWN)
                item.remove(child)


def _with_plain_prefixes(envelope: Envelope) -> etree._Element:
    """Return a copy of the tree whose root declares OVF 1.x, and what it declared besides."""
    source = deepcopy(envelope.root)
    spaces: dict[str | None, str] = {None: OVF_10, "ovf": OVF_10}
    bound = {str(etree.QName(each).namespace or "") for each in source.iter(etree.Element)}
    spaces |= {prefix: namespace for namespace, prefix in PREFIXES.items() if namespace in bound}
    for name, namespace in source.nsmap.items():
        if namespace in bound and namespace not in spaces.values() and name:
            spaces.setdefault(name, namespace)
    root = etree.Element(source.tag, nsmap=cast("dict[str, str]", spaces))
    root.sourceline = source.sourceline
    root.text = source.text
    version = f"{{{OVF_10}}}version"
    root.attrib.update(
        {str(key): str(value) for key, value in source.attrib.items() if key != version}
    )
    root.extend(list(source))
    etree.cleanup_namespaces(root, keep_ns_prefixes=[each for each in spaces if each])
    return root
