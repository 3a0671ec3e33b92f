"""Printing losses: what did not arrive as the source said it."""

from __future__ import annotations

from collections.abc import Sequence

from rehost.console.output import emit_table
from rehost.report import Loss


def emit_losses(losses: Sequence[Loss], title: str) -> None:
    """Print losses as a table, if there are any."""
    if losses:
        rows = [(loss.kind, loss.item, _arrow(loss), loss.why) for loss in losses]
        emit_table(f"\n{title}", ("kind", "property", "value", "why"), rows)


def _arrow(loss: Loss) -> str:
    if loss.source is None or loss.target is None:
        return loss.source or loss.target or ""
    return f"{loss.source} -> {loss.target}"
