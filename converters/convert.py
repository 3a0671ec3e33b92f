"""Conversion: read, plan, copy, write, report, in this order; nothing appears before the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from converters.cargo import Item, adapted, load
from converters.disks.copy import Care, write_image
from converters.disks.registry import DiskFormat, Shape, format_named
from converters.naming import file_name, unique
from converters.plan import Hardware, plan
from converters.sources import Source, Subject
from converters.target import Document, Target
from ovf.manifest import Verification
from rehost.errors import DamagedInputError, UsageError
from rehost.machine import Machine, properties
from rehost.outputs import Staging, writing
from rehost.progress import SILENT, Progress
from rehost.report import Finding, Loss, Severity, changed


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for.

    ``disk_format`` none means the target's first choice; ``networks`` gives the target's names for
    networks of the source.
    """

    target: Target
    hardware: Hardware = Hardware.KEEP
    machine_type: str | None = None
    disk_format: str | None = None
    networks: Mapping[str, str] = field(default_factory=dict)
    check_manifest: bool = True
    trust_disk_size: bool = False
    force: bool = False

    @property
    def into(self) -> DiskFormat:
        """The disk format to write, which the target must take."""
        name = self.disk_format or self.target.disk_formats[0]
        if name not in self.target.disk_formats:
            raise UsageError(
                f"{self.target.name} does not take {name} disks",
                hint=f"It takes {', '.join(self.target.disk_formats)}.",
            )
        return format_named(name)


@dataclass(frozen=True, slots=True)
class Plan:
    """One machine before and after planning, what has to be copied, and what is lost.

    ``machine`` names its files as they will be called, ``subject`` as they are called now.
    """

    subject: Subject
    machine: Machine
    cargo: tuple[Item, ...]
    losses: tuple[Loss, ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """The paths of the source's properties that arrive as they are."""
        lost = tuple(loss.item for loss in self.losses)
        return tuple(
            path
            for path, _ in properties(self.subject.machine)
            if not any(path == item or path.startswith((f"{item}.", f"{item}[")) for item in lost)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a conversion did: its plans, the files it made in ``folder``, what it found."""

    folder: Path
    plans: tuple[Plan, ...]
    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def check_networks(sources: Sequence[Source], wishes: Wishes) -> None:
    """Refuse to rename a network that no source has."""
    machines = [subject.machine for source in sources for subject in source.subjects]
    known = {nic.network for machine in machines for nic in machine.nics if nic.network}
    for name in wishes.networks.keys() - known:
        raise UsageError(
            f"no machine is on a network called {name!r}",
            hint=f"Their networks: {', '.join(sorted(known)) or 'none'}.",
        )


def make_plans(source: Source, wishes: Wishes) -> tuple[Plan, ...]:
    """Plan every machine of a source. Nothing is written, but every disk is opened."""
    names = unique(file_name(subject.machine.name) for subject in source.subjects)
    return tuple(
        _plan(source, subject, name, wishes)
        for subject, name in zip(source.subjects, names, strict=True)
    )


def convert(source: Source, folder: Path, wishes: Wishes, progress: Progress = SILENT) -> Outcome:
    """Convert every machine of a source into ``folder``: all of it, or nothing."""
    plans = make_plans(source, wishes)
    documents = [
        document
        for each in plans
        for document in wishes.target.documents(each.machine, folder.resolve())
    ]
    with Staging(folder, file_name(source.path.stem), force=wishes.force) as staging:
        items = [item for each in plans for item in each.cargo]
        places = [staging.path(item.name) for item in items]
        findings = _copy_verified(source, list(zip(items, places, strict=True)), wishes, progress)
        for document in documents:
            _write(document, staging.path(document.name))
        staging.commit()
    files = [item.name for item in items] + [document.name for document in documents]
    return Outcome(folder, plans, tuple(files), tuple(findings))


def _plan(source: Source, subject: Subject, name: str, wishes: Wishes) -> Plan:
    loaded = load(source, subject.machine, name, wishes.into, trust=wishes.trust_disk_size)
    named, renamed = _named_apart(loaded.machine, name)
    if wishes.machine_type:
        named = replace(named, machine_type=wishes.machine_type)
    machine, losses = plan(named, wishes.target, wishes.hardware, wishes.networks)
    kept = {disk.file for disk in machine.disks} | {drive.file for drive in machine.removables}
    cargo = tuple(adapted(item, machine) for item in loaded.items if item.name in kept)
    all_losses = dict.fromkeys((*subject.losses, *loaded.losses, *renamed, *losses))
    return Plan(subject, machine, cargo, tuple(all_losses))


def _named_apart(machine: Machine, name: str) -> tuple[Machine, list[Loss]]:
    """Rename a machine whose files would be called like another's."""
    if file_name(machine.name) == name:
        return machine, []
    why = "another machine of the source is called so"
    return replace(machine, name=name), [changed("name", machine.name, name, why)]


def _copy_verified(
    source: Source, cargo: Sequence[tuple[Item, Path]], wishes: Wishes, progress: Progress
) -> list[Finding]:
    """Copy all disks while the package's digests are computed beside it."""
    if source.package is None or not wishes.check_manifest:
        _copy(cargo, progress)
        return []
    with Verification(source.package) as verification:
        for finding in verification.findings:
            if finding.severity is Severity.ERROR:
                raise DamagedInputError(
                    finding.message,
                    where=str(finding.location),
                    hint=finding.hint or "Pass --skip-manifest to convert it all the same.",
                )
        _copy(cargo, progress)
        return verification.finish()


def _copy(cargo: Sequence[tuple[Item, Path]], progress: Progress) -> None:
    for item, path in cargo:
        progress.start(item.name, item.image.size)
        shape = Shape(item.size, item.options)
        write_image(item.image, path, item.into, shape, progress, care=Care(durable=True))


def _write(document: Document, path: Path) -> None:
    with writing(path):
        path.write_text(document.content, encoding="utf-8")
        path.chmod(0o755 if document.executable else 0o644)
