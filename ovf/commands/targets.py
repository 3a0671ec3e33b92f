"""``rehost ovf targets``: the importers that ``rehost validate --target`` knows."""

from __future__ import annotations

import click

from rehost.console.output import emit_json, say
from rehost.console.parameters import json_option


@click.command(short_help="List the importers to judge packages for.")
@json_option
def targets(*, as_json: bool) -> None:
    """List the importers a package can be judged for, and their releases.

    A name alone is the newest release; name-release is that one.
    """
    from ovf.judging.profile import profiles

    known = profiles()
    if as_json:
        emit_json(
            {
                "targets": [
                    {
                        "name": profile.name,
                        "title": profile.title,
                        "aliases": list(profile.aliases),
                        "releases": [release.name for release in profile.releases],
                        "checks": [check.id for check in profile.checks],
                        "enforces": sorted(profile.enforces),
                    }
                    for profile in known
                ]
            }
        )
        return
    lines = []
    for profile in known:
        lines.append(f"{profile.name}: {profile.title}")
        if profile.releases:
            named = ", ".join(f"{profile.name}-{each.name}" for each in profile.releases)
            lines.append(f"  releases: {named}")
        if profile.aliases:
            lines.append(f"  also: {', '.join(profile.aliases)}")
    say("\n".join(lines))


COMMAND = targets
