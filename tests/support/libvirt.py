"""libvirt itself as a witness: its QEMU driver inside virsh, without a daemon, as nobody.

Running it unprivileged keeps it away from the host's own domains and from /dev/kvm. Everything it
makes lies in one folder, which goes with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lxml import etree

NOBODY = 65534
SECONDS = 120
SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
FOLDERS = {
    "HOME": "home",
    "XDG_RUNTIME_DIR": "run",
    "XDG_CONFIG_HOME": "config",
    "XDG_CACHE_HOME": "cache",
}


class Libvirt:
    """An embedded driver below ``folder``, where the files of its domains have to lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "driver").mkdir()
        for name in FOLDERS.values():
            (folder / name).mkdir()

    def virsh(self, commands: Sequence[str]) -> tuple[str, list[str]]:
        """Run commands in one session; return what it printed, and its complaints."""
        done = subprocess.run(
            self._argv(),
            input=_script(commands),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout, done.stderr.split("\n")[:-1]

    def run(self, document: Path, name: str, log: Path, text: str) -> tuple[str, list[str]]:
        """Define and start a domain, wait for ``text`` in its log, then remove all of it."""
        self._own()
        virsh = subprocess.Popen(
            self._argv(),
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert virsh.stdin is not None
        start = [f"define --validate {document}", f"start {name}", f"domstate {name}"]
        try:
            virsh.stdin.write(_script(start))
            virsh.stdin.flush()
            _await(log, text, virsh)
            end = _script([f"destroy {name}", f"undefine --nvram {name}", "quit"])
            out, complaints = virsh.communicate(end, timeout=SECONDS)
        finally:
            virsh.kill()
        return out, complaints.split("\n")[:-1]

    def end(self) -> None:
        """End what is still running; a test that went well leaves nothing."""
        for file in self.folder.rglob("*.pid"):
            with suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGKILL)

    def _own(self) -> None:
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def _argv(self) -> list[str]:
        self._own()
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        virsh = ["virsh", "-q", "-c", f"qemu:///embed?root={self.folder / 'driver'}"]
        return [*drop, *virsh] if os.geteuid() == 0 else virsh

    def _environment(self) -> dict[str, str]:
        mine = {name: str(self.folder / folder) for name, folder in FOLDERS.items()}
        return os.environ | mine | {"LC_ALL": "C"}


@contextmanager
def embedded() -> Iterator[Libvirt]:
    """Lend a driver whose folder nobody can reach into."""
    folder = Path(tempfile.mkdtemp(prefix="rehost-libvirt-"))
    folder.chmod(0o755)
    libvirt = Libvirt(folder)
    try:
        yield libvirt
    finally:
        libvirt.end()
        shutil.rmtree(folder)


def schema_error(content: str) -> str | None:
    """Return what libvirt's schema finds wrong with a document."""
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    if schema.validate(etree.fromstring(content.encode())):
        return None
    return str(schema.error_log.last_error)


def _script(commands: Sequence[str]) -> str:
    return "".join(f"{command}\n" for command in commands)


def _await(log: Path, text: str, virsh: subprocess.Popen[str]) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and virsh.poll() is None:
        if log.exists() and text in log.read_text(errors="replace"):
            return
        time.sleep(0.1)
