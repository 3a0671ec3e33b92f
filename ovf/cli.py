"""The commands of this package: ``rehost validate``, and ``rehost ovf`` with its own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click

from ovf import commands
from rehost.console.output import json_text, say
from rehost.report import Finding, Severity

THRESHOLDS = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How findings are written.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*THRESHOLDS, "never"]),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@click.option("--descriptor-only", is_flag=True, help="Open no file but the descriptor.")
def validate(source: Path, form: str, fail_on: str, *, descriptor_only: bool) -> None:
    """Judge the OVF package SOURCE by the standard.

    SOURCE is an .ova, an .ovf or a folder that holds one. Findings go to standard output.
    """
    from ovf.package import Package
    from ovf.validate import validate as findings_of

    package = Package.open(source, tolerant=True)
    findings = findings_of(package, descriptor_only=descriptor_only)
    if form == "json":
        click.echo(as_json(source, findings), nl=False)
    else:
        say(as_text(findings))
    threshold = THRESHOLDS.get(fail_on)
    if threshold is not None and any(finding.severity >= threshold for finding in findings):
        raise SystemExit(1)


def as_text(findings: list[Finding]) -> str:
    """Return findings as lines of ``place: severity: message [rule]``, and a count of them."""
    lines = []
    for finding in findings:
        severity = finding.severity.name.lower()
        lines.append(f"{finding.location}: {severity}: {finding.message} [{finding.rule}]")
        if finding.hint:
            lines.append(f"  hint: {finding.hint}")
    return "\n".join([*lines, _count(findings)])


def as_json(source: Path, findings: list[Finding]) -> str:
    """Return findings as one JSON document."""
    document = {
        "source": str(source),
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.name.lower(),
                "message": finding.message,
                "file": finding.location.file,
                "line": finding.location.line,
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }
    return json_text(document)


def _count(findings: list[Finding]) -> str:
    counted = {
        severity: sum(finding.severity is severity for finding in findings)
        for severity in sorted(Severity, reverse=True)
    }
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}
    return ", ".join(
        f"{count} {words[severity]}{'' if count == 1 else 's'}"
        for severity, count in counted.items()
    )


class Ovf(click.Group):
    """A group whose commands are the modules of ``ovf.commands``, loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the modules."""
        del ctx
        return sorted(module.name for module in iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"ovf.commands.{cmd_name}").COMMAND
        return command


@click.group(cls=Ovf)
def ovf() -> None:
    """Look up the rules of OVF packages, and work on packages."""
