"""Where rehost's schemas and the DMTF's disagree, and why: all of it.

``docs/ovf-schemas.md`` holds the same reasons for readers; a test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EARLY = ("1.0.0", "1.1.0", "1.1.1")


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of disagreement: which schemas of the DMTF's refuse or accept what ours does not.

    ``message`` is what lxml says of the document for whichever schema refuses it.
    """

    versions: tuple[str, ...]
    ours_accepts: bool
    message: str
    reason: str

    def explains(self, version: str, message: str, *, ours: bool) -> bool:
        """Say whether a disagreement is of this kind."""
        agrees = version in self.versions and ours is self.ours_accepts
        return agrees and re.search(self.message, message) is not None


DIFFERENCES = (
    Difference(
        EARLY,
        True,
        r"Element '\{[^}]*/CIM_\w+\}(VirtualQuantityUnits|ChangeableType|ComponentSetting|"
        r"ConfigurationName|Generation|SoID|SoOrgID)': This element is not expected",
        "Properties that CIM's classes got or lost between the releases of OVF 1.x are allowed in"
        " all of 1.x: the namespace does not say which release a descriptor is.",
    ),
    Difference(
        EARLY,
        True,
        r"Automatic(Startup|Shutdown|Recovery)Action': \[facet 'maxInclusive'\]|"
        r"Automatic(Startup|Shutdown|Recovery)Action': '\d+' is not a valid value",
        "Actions above 4 are allowed, as in the CIM schema of OVF 2.0.1, which reserves them; those"
        " of 1.x know 0 to 4 only.",
    ),
    Difference(
        ("1.1.1",),
        True,
        r"attribute '\{[^}]*\}initialBootStopDelay' is required but missing",
        "ovf:initialBootStopDelay is optional in OVF 1.x, as in 1.0.0 and 1.1.0; 1.1.1 demands it.",
    ),
    Difference(
        ("1.0.0",),
        False,
        r"attribute '\{[^}]*\}password': '.*' is not a valid value of the atomic type 'xs:boolean'",
        "ovf:password is true or false, as since 1.1.0; 1.0.0 takes it for an attribute it does not"
        " know.",
    ),
    Difference(
        ("2.0.1",),
        True,
        r"Element '\{http://www.w3.org/2000/09/xmldsig#\}\w+'|'\{[^}]*xmldsig#\}KeyInfo'",
        "What is in a ds:KeyInfo of an EncryptionSection is not judged: it is XML Signature's"
        " affair.",
    ),
)
