"""Boot what a conversion made: the ``rehost.verify`` entry point of ``rehost convert --boot``."""

from __future__ import annotations

import re
from pathlib import Path

from converters.naming import file_name
from p2v.boot.sources import machine_in
from p2v.boot.trial import boot
from rehost.machine import Machine
from rehost.verdict import Verdict


def verify(
    machine: Machine,
    folder: Path,
    evidence: Path,
    *,
    expect: re.Pattern[str] | None,
    seconds: float,
) -> Verdict:
    """Boot a machine whose files lie in ``folder``, on the nearest hardware QEMU has.

    The evidence goes to a folder of the machine's name in ``evidence``, replacing what an earlier
    run of the same conversion left there.
    """
    found = machine_in(folder, machine)
    return boot(
        found.machine,
        found.disks,
        media=found.media,
        evidence=evidence / file_name(machine.name),
        timeout=seconds,
        expect=expect,
        force=True,
    )
