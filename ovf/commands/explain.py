"""``rehost ovf explain``: what a rule demands, why, and what to do."""

from __future__ import annotations

import click

from rehost.console.examples import examples
from rehost.console.output import emit_json, say, width_of_terminal
from rehost.console.parameters import json_option


@click.command(
    short_help="Explain what rules demand, and why.",
    epilog=examples("ovf explain DSK-004", "ovf explain VBX", "ovf explain --json"),
)
@click.argument("names", metavar="[ID|PREFIX]...", nargs=-1)
@json_option
def explain(names: tuple[str, ...], *, as_json: bool) -> None:
    """Explain rules: what each demands, and why.

    Tells of the rule ID, or of all whose ids begin with PREFIX; without either it lists all.
    """
    from ovf.judging.explain import all_judged_by, chosen, described, explained, listed

    rules = chosen(names) if names else all_judged_by()
    if as_json:
        emit_json({"rules": [described(rule) for rule in rules]})
    else:
        width = width_of_terminal()
        told = "\n\n".join(explained(rule, width) for rule in rules)
        say(told if names else listed(rules, width))


COMMAND = explain
