"""A web server of this computer's own that sends ranges, and misbehaves as it is told."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers one request for a range of a file."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.requests.append((self.path, self.headers.get("Range", "")))
        site.seen.append(dict(self.headers))
        if any(way(self) for way in site.ways):
            return
        content = site.files.get(unquote(urlsplit(self.path).path))
        if content is None:
            self.reply(404)
            return
        first, last = self.asked(len(content))
        if self.headers.get("If-Match") not in {None, site.tag}:
            self.reply(412)
        elif first >= len(content):
            self.reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
        else:
            self.partial(content, first, last)

    def asked(self, size: int) -> tuple[int, int]:
        """Return the first and the last byte asked for."""
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        return int(first), min(int(last), size - 1)

    def partial(self, content: bytes, first: int, last: int, **more: str) -> None:
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        if self.site.tag:
            headers["ETag"] = self.site.tag
        if self.site.date:
            headers["Last-Modified"] = self.site.date
        changed = {name.replace("_", "-"): value for name, value in more.items()}
        self.reply(206, content[first : last + 1], {**headers, **changed})

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@dataclass(slots=True)
class Site:
    """What is offered at ``url``; a way that returns True has answered by itself."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = '"1"'
    date: str = ""
    ways: list[Callable[[Handler], bool]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def site(certificate: Path | None = None) -> Iterator[Site]:
    """Serve until the block ends, over TLS if there is a certificate (with its key)."""

    class Here(Handler):
        """The handler of this server alone."""

    class Server(ThreadingHTTPServer):
        """A server that says nothing of clients who hang up."""

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Here)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    server.daemon_threads = True
    Here.site = found = Site(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> Path:
    """Make a certificate for this computer that nobody else signed, its key in the same file."""
    path = folder / "server.pem"
    argv = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(path), "-out", str(folder / "only.pem"))
    subprocess.run([*argv, *names, *files], check=True, capture_output=True, timeout=60)
    path.write_bytes(path.read_bytes() + (folder / "only.pem").read_bytes())
    return path
