"""``rehost ovf sign``: the manifest of a package is signed, and the certificate put beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovf.edit.result import ALGORITHMS
from rehost.console.examples import examples
from rehost.console.output import emit_json, say
from rehost.console.parameters import PATH, json_option
from rehost.errors import UsageError
from rehost.progress import SILENT

if TYPE_CHECKING:
    from ovf.signing.keys import Signer

LONGEST_PASSPHRASE = 4096


@click.command(
    short_help="Sign a package.",
    epilog=examples(
        "ovf sign in.ova out.ova --key key.pem --certificate own.pem",
        "ovf sign folder/ --pkcs12 who.p12 --passphrase-file secret",
    ),
)
@click.argument("source", type=PATH)
@click.argument("dest", type=PATH, required=False)
@click.option("--key", type=PATH, metavar="FILE", help="The signer's key, RSA or ECDSA.")
@click.option("--certificate", type=PATH, metavar="FILE", help="The certificate of that key.")
@click.option("--chain", type=PATH, metavar="FILE", help="Intermediate certificates to add.")
@click.option("--pkcs12", type=PATH, metavar="FILE", help="Key, certificate and chain in one.")
@click.option(
    "--passphrase-file",
    type=PATH,
    metavar="FILE",
    help="Its first line decrypts the key or the PKCS #12 file.",
)
@click.option(
    "--digest",
    type=click.Choice(ALGORITHMS),
    default="sha256",
    show_default=True,
    help="The digest that is signed.",
)
@click.option("--force", is_flag=True, help="Replace DEST, or what is signed already.")
@json_option
@click.pass_context
def sign(
    ctx: click.Context,
    /,
    source: Path,
    dest: Path | None,
    digest: str,
    *,
    force: bool,
    as_json: bool,
    **who: Path | None,
) -> None:
    """Sign the OVF package SOURCE.

    SOURCE is an .ova, an .ovf or a folder that holds one; its digests are checked. The signed
    package goes to DEST: an .ova, or from a folder also another folder. Without DEST a folder gets
    NAME.cert, and with --force an .ova is replaced.
    """
    from datetime import UTC, datetime

    from ovf.package import Package
    from ovf.signing.sign import sign_package

    progress = ctx.obj or SILENT
    signed = sign_package(
        Package.open(source),
        _signer(who),
        algorithm=digest.upper(),
        now=datetime.now(UTC),
        dest=dest,
        force=force,
        progress=progress,
    )
    progress.close()
    if as_json:
        emit_json(
            {
                "path": str(signed.path),
                "certificate": signed.certificate,
                "algorithm": signed.algorithm,
                "signer": signed.signer,
                "remarks": signed.remarks,
            }
        )
        return
    say(f"{signed.path}: signed by {signed.signer}, {signed.algorithm}, in {signed.certificate}")
    for remark in signed.remarks:
        say(f"  note: {remark}")


def _signer(who: dict[str, Path | None]) -> Signer:
    """Return who signs, as the options say it."""
    from ovf.signing.keys import load_pkcs12, load_signer

    key, certificate, chain = (who[name] for name in ("key", "certificate", "chain"))
    pkcs12, passphrase = who["pkcs12"], _passphrase(who["passphrase_file"])
    if pkcs12 is not None and key is None and certificate is None and chain is None:
        return load_pkcs12(pkcs12, passphrase)
    if pkcs12 is None and key is not None and certificate is not None:
        return load_signer(key, certificate, chain, passphrase)
    raise UsageError(
        "who signs is to be said by --key and --certificate, or else by --pkcs12",
        hint="For tests, `rehost ovf testkey` makes both.",
    )


def _passphrase(path: Path | None) -> bytes | None:
    from rehost.files import LocalFile, read_all

    if path is None:
        return None
    return (read_all(LocalFile(path), LONGEST_PASSPHRASE).splitlines() or [b""])[0]


COMMAND = sign
