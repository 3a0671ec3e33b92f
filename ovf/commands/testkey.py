"""``rehost ovf testkey``: a key with a certificate nobody else vouches for."""

from __future__ import annotations

from pathlib import Path

import click

from rehost.console.examples import examples
from rehost.console.output import say
from rehost.console.parameters import PATH


@click.command(
    short_help="Make a key to sign test packages with.",
    epilog=examples('ovf testkey "Test" --key key.pem --certificate own.pem'),
)
@click.argument("name")
@click.option("--key", type=PATH, required=True, metavar="FILE", help="Where the key goes.")
@click.option(
    "--certificate", type=PATH, required=True, metavar="FILE", help="Where its certificate goes."
)
@click.option(
    "--kind",
    type=click.Choice(["rsa", "ecdsa"]),
    default="rsa",
    show_default=True,
    help="RSA of 3072 bits, or ECDSA on the curve P-256.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    default=365,
    show_default=True,
    help="How long the certificate is valid.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
def testkey(name: str, key: Path, certificate: Path, kind: str, days: int, *, force: bool) -> None:
    """Make a key to sign test packages with, for NAME.

    The certificate is signed by itself, so only those who are told to will trust it. The key is
    not encrypted, and readable by its owner alone.
    """
    from datetime import UTC, datetime

    from ovf.signing.keys import make_signer, write_signer

    signer = make_signer(name, kind=kind, days=days, now=datetime.now(UTC))
    write_signer(signer, key, certificate, force=force)
    say(f"{key}, {certificate}: for tests, valid {days} days")


COMMAND = testkey
