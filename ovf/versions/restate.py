"""A descriptor restated in another version of OVF, and what is lost by it.

Spec: DSP0243 1.1 and 2.1, clause 6 (namespaces) and those that ``ovf.versions.items`` and
``ovf.versions.sections`` name. The two versions have the same names in two namespaces, but for what
2.0 added; so the text stays as it is, and its declarations change. Misspelled namespaces of the
standard, as VirtualBox writes them in OVF 2.x, are corrected on the way.
"""

from __future__ import annotations

from lxml import etree

from ovf.edit.draft import Draft
from ovf.foreign import VERSIONS
from ovf.namespaces import XSI
from ovf.schema.judged_copy import ENVELOPE
from ovf.schema.vocabulary import corrected
from ovf.versions.items import namespaces_of, restate_items
from ovf.versions.restatement import Restatement, lines_of
from ovf.versions.sections import needs_extensions, restate_sections
from rehost.report import Loss
from rehost.tracked import summary

SCHEMA_LOCATION = f"{{{XSI}}}schemaLocation"
OTHER_SCHEMA = "it names schemas of another version"


def restate(draft: Draft, version: str) -> list[Loss]:
    """Restate a draft as OVF 1.x ("1") or 2.x ("2"), and return what is lost, with lines.

    One that is of this version already stays as it is.
    """
    if draft.envelope.version == version:
        return []
    draft.settle()
    restating = Restatement(draft, lines_of(draft.envelope.root))
    root = draft.envelope.root
    location = root.get(SCHEMA_LOCATION)
    _declare(draft, version)
    restating.settle()
    root = draft.envelope.root
    if location is not None:
        draft.text.unset(root, SCHEMA_LOCATION)
        what = f"{restating.place(root)}/@schemaLocation"
        restating.drop(what, summary(str(location)), OTHER_SCHEMA)
    if draft.envelope.attribute(root, "version") is not None:
        draft.set(root, "version", f"{version}.0")
    namespaces = namespaces_of(restating, version)
    if version == "1" and needs_extensions(restating):
        namespaces.add(ENVELOPE["2"])
    restating.bind(*sorted(namespaces))
    restate_items(restating, version)
    restate_sections(restating, version)
    draft.settle()
    return restating.losses


def _declare(draft: Draft, version: str) -> None:
    """Declare the namespaces of this version wherever the document declares the other's."""
    for element in draft.envelope.root.iter(etree.Element):
        for name, namespace in draft.text.declarations(element).items():
            right = corrected(namespace) or namespace
            right = ENVELOPE[version] if right in VERSIONS else right
            if right != namespace:
                draft.text.set(element, name, right)
