"""Stretches of a file on a web server, asked for one by one and checked to be what was asked for.

Spec: RFC 9110, "HTTP Semantics", clauses 8.8 (validators), 13.1 (preconditions), 14 (ranges), 15.4
(redirections) and 15.6 (a server's failures). urllib3 does HTTP and TLS; it is imported late.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from rehost import __version__
from rehost.errors import (
    DamagedInputError,
    EnvironmentFailureError,
    InteropError,
    RefusedError,
    TransferError,
    UnsupportedInputError,
    UsageError,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager
    from urllib3.util import Retry

SCHEMES = ("http", "https")
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII)
OBJECT = re.compile(r"^(<[^>]*>|\w+\([^)]*\)): ")
EMPTY = "bytes */0"
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({429, 500, 502, 503, 504})
FORBIDDEN = frozenset({401, 403, 407})
GONE = frozenset({404, 410})
MOST_REDIRECTIONS = 5
LONGEST_PAUSE = 60
STEP = 256 << 10
CHANGED = "has changed while it was read"
AGAIN = "Run it again when nobody writes to the file."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, in seconds, and how often to ask again."""

    connect: float = 15
    silence: float = 60
    whole: float = 600
    attempts: int = 6
    backoff: float = 0.5


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without the credentials in it; ``name`` is what messages may say, without a query."""

    url: str
    authorization: str | None
    name: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Take a URL apart, refusing one that is none of the web's."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"is no URL ({error})", where=url.rpartition("@")[2]) from None
        if parts.scheme not in SCHEMES or not host:
            raise UsageError("is no URL of a web server", where=url.rpartition("@")[2])
        at = f"[{host}]" if ":" in host else host
        netloc = at if port is None else f"{at}:{port}"
        plain = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))
        name = urlunsplit((parts.scheme, netloc, parts.path or "/", "", ""))
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + b64encode(pair.encode()).decode()
        return cls(plain, authorization, name)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class Ranges:
    """One file of a web server, which must stay the same from the first answer on."""

    def __init__(self, address: Address, *, patience: Patience, roam: bool) -> None:
        """Prepare to ask; with ``roam`` off, redirections to other servers are refused."""
        self.address = address
        self.size: int | None = None
        self._patience = patience
        self._roam = roam
        self._found = address.url
        self._precondition: dict[str, str] = {}
        self._validator: tuple[str, str | None] | None = None
        self._pool, self._retries = _client(patience)

    @property
    def version(self) -> str:
        """What the server called the file's version, empty if it did not."""
        return "" if self._validator is None else f"{self._validator[0]}: {self._validator[1]}"

    def fetch(self, first: int, length: int) -> bytes:
        """Return the bytes at ``first``, fewer than ``length`` only at the end of the file."""
        from urllib3.exceptions import HTTPError, MaxRetryError

        retries = self._retries
        while True:
            pause = 0.0
            try:
                return self._once(first, first + length - 1)
            except _PassingError as failure:
                pause, reason = failure.pause, str(failure)
            except HTTPError as error:
                _refuse_certificate(error, self.address.name)
                reason = _reason(error)
            try:
                retries = retries.increment("GET", self.address.name)
            except MaxRetryError:
                raise TransferError(
                    f"cannot be read after {self._patience.attempts} attempts ({reason})",
                    where=f"{self.address.name} at {first}",
                    hint="Try again later, or download it first.",
                ) from None
            time.sleep(max(pause, retries.get_backoff_time()))

    def _once(self, first: int, last: int) -> bytes:
        """Ask once, following redirections."""
        address = self._found
        for _ in range(MOST_REDIRECTIONS + 1):
            response = self._ask(address, first, last)
            try:
                if response.status not in REDIRECTIONS:
                    if response.status in FORBIDDEN | GONE and address != self.address.url:
                        # What a redirection leads to may be for a short time only.
                        self._found = address = self.address.url
                        continue
                    content = self._content(response, first, last)
                    self._found = address
                    return content
                address = self._redirected(address, response.headers.get("Location", ""))
            finally:
                response.close()
        raise TransferError(
            f"the server redirects without an end (at least {MOST_REDIRECTIONS} times)",
            where=self.address.name,
        )

    def _ask(self, url: str, first: int, last: int) -> BaseHTTPResponse:
        headers = {
            "Range": f"bytes={first}-{last}",
            "Accept-Encoding": "identity",
            "User-Agent": f"rehost/{__version__}",
            **self._precondition,
        }
        if self.address.authorization and url.startswith(f"{self.address.origin}/"):
            headers["Authorization"] = self.address.authorization
        return self._pool.request(
            "GET", url, headers=headers, redirect=False, retries=False, preload_content=False
        )

    def _redirected(self, by: str, location: str) -> str:
        try:
            target = Address.parse(urljoin(by, location))
        except (UsageError, ValueError):
            raise RefusedError(
                "the server redirects to what is no address of the web", where=self.address.name
            ) from None
        if target.origin.partition(":")[0] != self.address.origin.partition(":")[0]:
            raise RefusedError(
                f"the server redirects to another scheme ({target.name})",
                where=self.address.name,
                hint="Name that address, if you trust it.",
            )
        if not self._roam and target.origin != self.address.origin:
            raise RefusedError(
                f"the server redirects to another server ({target.name})", where=self.address.name
            )
        return target.url

    def _content(self, response: BaseHTTPResponse, first: int, last: int) -> bytes:
        """Return what an answer holds, if it is the answer to the question."""
        if self.size is None and _is_empty(response):
            self.size = 0
            return b""
        self._refuse_failure(response, first)
        total = self._check_range(response, first, last)
        self._check_unchanged(response.headers, total, first)
        expected = min(last + 1, total) - first
        content = self._body(response, expected, first)
        if self.size is None:
            self.size = total
            self._remember(response.headers)
        return content

    def _refuse_failure(self, response: BaseHTTPResponse, first: int) -> None:
        status, where = response.status, f"{self.address.name} at {first}"
        if status == 206:
            return
        if status in PASSING:
            after = response.headers.get("Retry-After", "")
            pause = int(after) if after.isdigit() and len(after) < 6 else 0
            raise _PassingError(f"the server answers {status}", min(pause, LONGEST_PAUSE))
        if self.size is None:
            raise _failure(status, self.address.name)
        if status in {412, 416}:
            raise TransferError(f"{CHANGED} (the server answers {status})", where=where, hint=AGAIN)
        raise TransferError(f"the server answers {status} to a request for a range", where=where)

    def _check_range(self, response: BaseHTTPResponse, first: int, last: int) -> int:
        """Return the size of the file, if the answer is the range asked for."""
        said = response.headers.get("Content-Range", "")
        found = CONTENT_RANGE.fullmatch(said)
        begin, end, total = map(int, found.groups()) if found else (-1, -1, -1)
        if begin != first or end != min(last, total - 1):
            raise TransferError(
                f"the server sends another range than the one asked for ({said!r})",
                where=f"{self.address.name} at {first}",
                hint="Download it first.",
            )
        coding = response.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            raise UnsupportedInputError(
                f"the server sends it packed ({coding!r})",
                where=self.address.name,
                hint="Download it first.",
            )
        return total

    def _check_unchanged(self, headers: HTTPHeaderDict, total: int, first: int) -> None:
        where = f"{self.address.name} at {first}"
        if self.size not in {None, total}:
            raise TransferError(
                f"{CHANGED} (it had {self.size} bytes, now {total})", where=where, hint=AGAIN
            )
        if self._validator is not None:
            name, before = self._validator
            if (now := headers.get(name)) != before:
                raise TransferError(
                    f"{CHANGED} (its {name} was {before!r}, is {now!r})", where=where, hint=AGAIN
                )

    def _remember(self, headers: HTTPHeaderDict) -> None:
        """Keep by what a change is seen, by the server where it can and by us in any case."""
        if tag := headers.get("ETag"):
            self._validator = ("ETag", tag)
            if not tag.startswith("W/"):
                self._precondition = {"If-Match": tag}
        elif date := headers.get("Last-Modified"):
            self._validator = ("Last-Modified", date)
            self._precondition = {"If-Unmodified-Since": date}

    def _body(self, response: BaseHTTPResponse, expected: int, first: int) -> bytes:
        """Read the body, which is neither shorter nor longer than it should be."""
        found = bytearray()
        latest = time.monotonic() + self._patience.whole
        while len(found) <= expected:
            part = response.read1(min(STEP, expected + 1 - len(found)), decode_content=False)
            if not part:
                break
            found += part
            if time.monotonic() > latest:
                raise TransferError(
                    f"arrives too slowly ({len(found)} bytes in {self._patience.whole:g} s)",
                    where=f"{self.address.name} at {first}",
                )
        if len(found) < expected:
            raise _PassingError(f"{len(found)} bytes of {expected} arrived")
        if len(found) > expected:
            raise TransferError(
                f"the server sends more than was asked for ({expected} bytes)",
                where=f"{self.address.name} at {first}",
                hint="Download it first.",
            )
        response.release_conn()
        return bytes(found)


class _PassingError(Exception):
    """Something that may be gone when asked again, ``pause`` seconds later at the earliest."""

    def __init__(self, what: str, pause: float = 0) -> None:
        super().__init__(what)
        self.pause = pause


def _client(patience: Patience) -> tuple[PoolManager, Retry]:
    """Return the library's client, which checks certificates, and its count of attempts."""
    try:
        import urllib3
        from urllib3.util import Retry, Timeout
    except ImportError:
        raise EnvironmentFailureError(
            "reading from a web server needs urllib3",
            hint="Install it: pip install 'rehost[http]'.",
        ) from None
    import ssl

    pool = urllib3.PoolManager(
        maxsize=16,
        block=True,
        timeout=Timeout(connect=patience.connect, read=patience.silence),
        ssl_context=ssl.create_default_context(),
    )
    return pool, Retry(total=patience.attempts - 1, backoff_factor=patience.backoff)


def _is_empty(response: BaseHTTPResponse) -> bool:
    """Say whether this is how servers answer when a file is empty."""
    if response.status == 416:
        return response.headers.get("Content-Range") == EMPTY
    return response.status == 200 and response.headers.get("Content-Length") == "0"


def _failure(status: int, where: str) -> InteropError:
    """Return what is wrong when the very first answer is not a range."""
    if status in GONE:
        return DamagedInputError(f"no such file (the server answers {status})", where=where)
    if status in FORBIDDEN:
        return EnvironmentFailureError(
            f"may not be read (the server answers {status})",
            where=where,
            hint="Credentials can be given in the URL: https://user:password@host/path.",
        )
    if status == 200:
        return UnsupportedInputError(
            "the server does not send ranges of it, only the whole",
            where=where,
            hint="Download it first, or let a server that knows ranges offer it.",
        )
    return TransferError(f"cannot be read (the server answers {status})", where=where)


def _refuse_certificate(error: Exception, where: str) -> None:
    """Refuse a server that is not who it should be; asking again would not help."""
    import ssl

    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        raise EnvironmentFailureError(
            f"the server's certificate is not trusted ({cause.verify_message})",
            where=where,
            hint="If you know the server, set SSL_CERT_FILE to a file with the certificate.",
        ) from error


def _reason(error: Exception) -> str:
    """Return a library's message without the names of its objects."""
    said = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return OBJECT.sub("", said).rstrip(".")
