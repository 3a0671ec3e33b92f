"""Fixes of the NetworkSection: clause 9.2."""

from __future__ import annotations

from ovf.edit.draft import Draft
from ovf.edit.networks import add_network
from ovf.mending.fix import Done, fix
from ovf.outline import items
from rehost.tracked import summary


@fix("NET-001")
def networks_listed(draft: Draft) -> Done:
    """List the networks that adapters connect to, by the names they call them."""
    if draft.envelope.sections("NetworkSection"):
        return
    used = dict.fromkeys(item.said.get("Connection", "") for item in items(draft.envelope))
    names = [name for name in used if name]
    listed = ", ".join(repr(summary(name)) for name in names)
    yield draft.envelope.root, f"NetworkSection lists the networks that adapters name ({listed})"
    for name in names:
        add_network(draft, name)
