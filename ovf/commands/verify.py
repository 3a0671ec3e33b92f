"""``rehost ovf verify``: is a package what its signer signed, and is the signer to be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehost.console.examples import examples
from rehost.console.output import emit_json, say
from rehost.console.parameters import PATH, json_option
from rehost.progress import SILENT

if TYPE_CHECKING:
    from ovf.signing.verify import Attestation, Certificate


@click.command(
    short_help="Verify digests, signature and signer.",
    epilog=examples("ovf verify in.ova", "ovf verify in.ova --trust ca.pem --at 2024-06-01"),
)
@click.argument("source", type=PATH)
@click.option(
    "--trust",
    type=PATH,
    metavar="FILE|DIR",
    help="Certificates to trust, instead of those this computer trusts.",
)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the certificates have to be valid (UTC), instead of now.",
)
@json_option
@click.pass_context
def verify(
    ctx: click.Context, source: Path, trust: Path | None, at: datetime | None, *, as_json: bool
) -> None:
    """Verify the OVF package SOURCE: its digests, its signature, and who signed it.

    SOURCE is an .ova, an .ovf or a folder that holds one. Exits with 1 if anything is wrong.
    """
    from ovf.package import Package
    from ovf.signing.chain import trusted_certificates
    from ovf.signing.verify import verify as attested

    when = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    progress = ctx.obj or SILENT
    found = attested(Package.open(source), trusted_certificates(trust), when, progress)
    progress.close()
    if as_json:
        emit_json({"source": str(source), "verified": found.is_verified, "attestation": found})
    else:
        say("\n".join(_lines(source, found)))
    if not found.is_verified:
        raise SystemExit(1)


def _lines(source: Path, found: Attestation) -> Iterator[str]:
    signer = found.chain[0].subject if found.chain else "nobody"
    yield f"{source}: {'verified' if found.is_verified else 'not verified'}, signed by {signer}"
    if found.manifest is not None:
        holds = "as it says" if found.digests_hold else "NOT as it says"
        yield f"  digests      {found.files} files in {found.manifest}, {holds}"
    if found.algorithm is not None:
        yield f"  signature    {found.algorithm}, {'true' if found.signature_holds else 'NOT true'}"
    if found.cms:
        yield f"  CMS          {', '.join(found.cms)}, true"
    for number, certificate in enumerate(found.chain):
        yield f"  {'issued by' if number else 'certificate':12} {_certificate(certificate)}"
    if found.chain:
        yield f"  trust        {'trusted' if found.trusted else 'NOT trusted'}"
    for problem in found.problems:
        yield f"  wrong: {problem}"
    for remark in found.remarks:
        yield f"  note: {remark}"


def _certificate(certificate: Certificate) -> str:
    usage = "any use" if certificate.usage is None else "+".join(certificate.usage) or "no use"
    return (
        f"{certificate.subject} ({certificate.key}; {certificate.valid_from} to"
        f" {certificate.valid_until}; {usage})"
    )


COMMAND = verify
