"""Files on a web server: read as they are, or refused in words; the server is a real one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from rehost.errors import EnvironmentFailureError, InteropError
from rehost.ranges import Address, Patience
from rehost.remote import BLOCK, RemoteFile
from tests.support.web import Handler, Site, certificate, site

STEADY = Patience(connect=10, silence=20, whole=60, attempts=4, backoff=0.01)
HASTY = replace(STEADY, silence=0.5, whole=1)
CONTENT = Random(1).randbytes(3 * BLOCK + 12345)
LATER = "Try again later, or download it first."
FETCH = "Download it first."
AGAIN = "Run it again when nobody writes to the file."


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        found.files["/disk.raw"] = CONTENT
        yield found


def opened(
    web: Site, path: str = "/disk.raw", *, roam: bool = True, patience: Patience = STEADY
) -> RemoteFile:
    return RemoteFile(web.url + path, patience=patience, roam=roam)


def refused(call: Callable[[], object], web: Site) -> tuple[str, str, int]:
    with pytest.raises(InteropError) as caught:
        call()
    return str(caught.value).replace(web.url, "x:"), caught.value.hint, caught.value.exit_code


def times(count: int, way: Callable[[Handler], object]) -> Callable[[Handler], bool]:
    """Return a way of answering that is taken so many times, then no more."""
    left = [count]

    def once(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        way(handler)
        return True

    return once


def always(way: Callable[[Handler], object]) -> Callable[[Handler], bool]:
    return times(1000, way)


def sending(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(status, body, named)


def test_any_stretch_is_what_lies_there(web: Site) -> None:
    file, pick = opened(web), Random(2)
    assert (file.name, file.size) == (f"{web.url}/disk.raw", len(CONTENT))
    for _ in range(100):
        offset, length = pick.randrange(len(CONTENT) + 9), pick.randrange(2 * BLOCK)
        assert file.pread(offset, length) == CONTENT[offset : offset + length]
    assert file.pread(0, 10 * BLOCK) == CONTENT
    assert file.stretches(0, 1) is None


def test_small_reads_close_together_are_one_request(web: Site) -> None:
    file = opened(web)
    for at in range(0, BLOCK, 512):
        assert file.pread(at, 512) == CONTENT[at : at + 512]
    assert web.requests == [("/disk.raw", f"bytes=0-{BLOCK - 1}")]
    file.pread(BLOCK, 2 * BLOCK)
    assert web.requests[1:] == [("/disk.raw", f"bytes={BLOCK}-{3 * BLOCK - 1}")]


def test_threads_wait_for_the_same_answer(web: Site) -> None:
    file = opened(web)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: file.pread(0, len(CONTENT)), range(16)))
    assert found == [CONTENT] * 16
    asked = [asked for _, asked in web.requests]
    assert sum(int(last) + 1 - int(first) for first, last in map(_ends, asked)) == len(CONTENT)


def _ends(asked: str) -> list[str]:
    return asked.removeprefix("bytes=").split("-")


def test_memory_for_blocks_is_bounded(web: Site) -> None:
    web.files["/long.raw"] = bytes(40 * BLOCK)
    file = opened(web, "/long.raw")
    assert file.pread(0, 40 * BLOCK) == bytes(40 * BLOCK)
    count = len(web.requests)
    file.pread(39 * BLOCK, 1)
    assert len(web.requests) == count
    file.pread(0, 1)
    assert len(web.requests) == count + 1


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_files_of_any_size_are_read(web: Site, size: int) -> None:
    web.files["/some"] = CONTENT[:size]
    file = opened(web, "/some")
    assert (file.size, file.pread(0, 2 * BLOCK)) == (size, CONTENT[:size])


def test_an_empty_file_may_also_be_sent_whole(web: Site) -> None:
    web.ways.append(always(sending(200)))
    assert opened(web).size == 0


@pytest.mark.parametrize(
    ("way", "said", "hint", "code"),
    [
        (sending(404), "no such file (the server answers 404)", "", 3),
        (sending(410), "no such file (the server answers 410)", "", 3),
        (
            sending(403),
            "may not be read (the server answers 403)",
            "Credentials can be given in the URL: https://user:password@host/path.",
            5,
        ),
        (
            sending(200, b"x" * 100),
            "the server does not send ranges of it, only the whole",
            "Download it first, or let a server that knows ranges offer it.",
            4,
        ),
        (sending(418), "cannot be read (the server answers 418)", "", 7),
        (
            sending(206, b"x" * BLOCK, Content_Range="bytes 512-1049087/9999999", ETag='"1"'),
            "x at 0: the server sends another range than the one asked for "
            "('bytes 512-1049087/9999999')",
            FETCH,
            7,
        ),
        (
            sending(206, b"x" * 512, Content_Range="bytes 0-511/*"),
            "x at 0: the server sends another range than the one asked for ('bytes 0-511/*')",
            FETCH,
            7,
        ),
        (
            sending(206, b"x" * 512),
            "x at 0: the server sends another range than the one asked for ('')",
            FETCH,
            7,
        ),
        (
            sending(206, b"x" * 100, Content_Range="bytes 0-99/100", Content_Encoding="gzip"),
            "the server sends it packed ('gzip')",
            FETCH,
            4,
        ),
        (
            sending(206, b"x" * 200, Content_Range="bytes 0-99/100"),
            "x at 0: the server sends more than was asked for (100 bytes)",
            FETCH,
            7,
        ),
        (
            sending(206, b"x" * 50, Content_Range="bytes 0-99/100"),
            "x at 0: cannot be read after 4 attempts (50 bytes of 100 arrived)",
            LATER,
            7,
        ),
        (
            sending(503),
            "x at 0: cannot be read after 4 attempts (the server answers 503)",
            LATER,
            7,
        ),
        (
            sending(302, Location="https://127.0.0.1:1/disk.raw"),
            "the server redirects to another scheme (https://127.0.0.1:1/disk.raw)",
            "Name that address, if you trust it.",
            6,
        ),
        (
            sending(302, Location="file:///etc/passwd"),
            "the server redirects to what is no address of the web",
            "",
            6,
        ),
        (
            sending(302, Location="/disk.raw"),
            "the server redirects without an end (at least 5 times)",
            "",
            7,
        ),
    ],
)
def test_a_first_answer_that_is_no_range_is_told(
    web: Site, way: Callable[[Handler], object], said: str, hint: str, code: int
) -> None:
    web.ways.append(always(way))
    where = "" if said.startswith("x at") else "x:/disk.raw: "
    assert refused(lambda: opened(web), web) == (
        where + said.replace("x at", "x:/disk.raw at"),
        hint,
        code,
    )


def cut(handler: Handler) -> None:
    """Say that much will come, send a part and hang up."""
    handler.send_response(206)
    first, last = handler.asked(len(CONTENT))
    handler.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(last + 1 - first))
    handler.send_header("ETag", '"1"')
    handler.end_headers()
    handler.wfile.write(CONTENT[first : first + 1000])
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def stall(handler: Handler) -> None:
    time.sleep(0.8)
    handler.close_connection = True


@pytest.mark.parametrize("way", [sending(500), sending(429, Retry_After="0"), cut, hang_up, stall])
def test_what_passes_is_asked_again(web: Site, way: Callable[[Handler], object]) -> None:
    web.ways.append(times(2, way))
    file = opened(web, patience=HASTY if way is stall else STEADY)
    web.ways.append(times(2, way))
    assert file.pread(0, len(CONTENT)) == CONTENT
    assert len(web.requests) >= 6


def test_a_server_that_always_cuts_is_given_up(web: Site) -> None:
    file = opened(web)
    web.ways.append(always(cut))
    said, hint, code = refused(lambda: file.pread(BLOCK, 1), web)
    assert said.startswith(f"x:/disk.raw at {BLOCK}: cannot be read after 4 attempts (")
    assert "IncompleteRead(1000 bytes read" in said
    assert (hint, code) == (LATER, 7)


def test_a_server_that_has_gone_is_told(web: Site) -> None:
    said, _, code = refused(lambda: RemoteFile("http://127.0.0.1:1/disk.raw", patience=STEADY), web)
    reason = "Failed to establish a new connection: [Errno 111] Connection refused"
    assert said == (f"http://127.0.0.1:1/disk.raw at 0: cannot be read after 4 attempts ({reason})")
    assert code == 7


def test_a_server_that_trickles_is_given_up(web: Site) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{BLOCK - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(BLOCK))
        handler.end_headers()
        for _ in range(12):
            handler.wfile.write(b"x")
            time.sleep(0.1)
        handler.close_connection = True

    web.ways.append(always(trickle))
    said, _, code = refused(lambda: opened(web, patience=HASTY), web)
    assert said.startswith("x:/disk.raw at 0: arrives too slowly (")
    assert said.endswith(" bytes in 1 s)")
    assert code == 7


def test_a_file_that_changes_is_told_whatever_the_server_does(web: Site) -> None:
    file = opened(web)
    web.tag = '"2"'
    at = f"x:/disk.raw at {BLOCK}"
    assert refused(lambda: file.pread(BLOCK, 1), web) == (
        f"{at}: has changed while it was read (the server answers 412)",
        AGAIN,
        7,
    )
    web.ways.append(times(1, lambda handler: handler.partial(CONTENT, *handler.asked(1 << 30))))
    assert refused(lambda: file.pread(BLOCK, 1), web) == (
        f"""{at}: has changed while it was read (its ETag was '"1"', is '"2"')""",
        AGAIN,
        7,
    )
    web.tag = '"1"'
    assert file.pread(BLOCK, 1) == CONTENT[BLOCK : BLOCK + 1]
    web.files["/disk.raw"] = CONTENT + b"x"
    assert refused(lambda: file.pread(3 * BLOCK, 1), web) == (
        f"x:/disk.raw at {3 * BLOCK}: has changed while it was read "
        f"(it had {len(CONTENT)} bytes, now {len(CONTENT) + 1})",
        AGAIN,
        7,
    )


def test_without_tags_the_date_and_the_size_tell(web: Site) -> None:
    web.tag, web.date = "", "Wed, 21 Oct 2015 07:28:00 GMT"
    file = opened(web)
    assert file.pread(BLOCK, 1) == CONTENT[BLOCK : BLOCK + 1]
    assert web.seen[-1]["If-Unmodified-Since"] == web.date
    web.files["/disk.raw"] = CONTENT + b"x"
    assert refused(lambda: file.pread(2 * BLOCK, 1), web) == (
        f"x:/disk.raw at {2 * BLOCK}: has changed while it was read "
        f"(it had {len(CONTENT)} bytes, now {len(CONTENT) + 1})",
        AGAIN,
        7,
    )
    web.files["/disk.raw"] = CONTENT
    web.date = "Wed, 21 Oct 2015 07:28:01 GMT"
    assert refused(lambda: file.pread(2 * BLOCK, 1), web) == (
        f"x:/disk.raw at {2 * BLOCK}: has changed while it was read (its Last-Modified was "
        "'Wed, 21 Oct 2015 07:28:00 GMT', is 'Wed, 21 Oct 2015 07:28:01 GMT')",
        AGAIN,
        7,
    )


def test_a_weak_tag_is_compared_but_not_asked_for(web: Site) -> None:
    web.tag = 'W/"1"'
    file = opened(web)
    assert file.pread(BLOCK, 1) == CONTENT[BLOCK : BLOCK + 1]
    assert "If-Match" not in web.seen[-1]


def test_a_server_that_stops_sending_ranges_is_told(web: Site) -> None:
    file = opened(web)
    web.ways.append(always(sending(200, b"x")))
    assert refused(lambda: file.pread(BLOCK, 1), web) == (
        f"x:/disk.raw at {BLOCK}: the server answers 200 to a request for a range",
        "",
        7,
    )


def test_redirections_are_followed_and_remembered(web: Site) -> None:
    def to_other(handler: Handler) -> bool:
        if handler.path != "/old.raw":
            return False
        handler.reply(307, headers={"Location": "disk.raw?ticket=1"})
        return True

    web.ways.append(to_other)
    file = opened(web, "/old.raw")
    assert file.name == f"{web.url}/old.raw"
    assert file.pread(0, len(CONTENT)) == CONTENT
    paths = [path for path, _ in web.requests]
    assert paths == ["/old.raw", "/disk.raw?ticket=1", "/disk.raw?ticket=1"]


def test_a_redirection_that_has_run_out_is_asked_for_again(web: Site) -> None:
    ticket = [1]

    def by_ticket(handler: Handler) -> bool:
        if handler.path == "/old.raw":
            handler.reply(302, headers={"Location": f"/disk.raw?{ticket[0]}"})
            return True
        if handler.path != f"/disk.raw?{ticket[0]}":
            handler.reply(403)
            return True
        return False

    web.ways.append(by_ticket)
    file = opened(web, "/old.raw")
    ticket[0] = 2
    assert file.pread(0, len(CONTENT)) == CONTENT


def test_another_server_is_asked_without_credentials_and_not_for_files_named_by_files(
    web: Site,
) -> None:
    with site() as other:
        other.files["/disk.raw"] = CONTENT
        web.ways.append(always(sending(302, Location=f"{other.url}/disk.raw")))
        url = web.url.replace("//", "//me:secret@") + "/disk.raw"
        file = RemoteFile(url, patience=STEADY)
        assert file.pread(0, len(CONTENT)) == CONTENT
        assert web.seen[0]["Authorization"] == "Basic bWU6c2VjcmV0"
        assert not any("Authorization" in seen for seen in other.seen)
        assert refused(lambda: opened(web, roam=False), web) == (
            f"x:/disk.raw: the server redirects to another server ({other.url}/disk.raw)",
            "",
            6,
        )


def test_credentials_and_queries_are_in_no_message(web: Site) -> None:
    url = web.url.replace("//", "//me:s%40cret@") + "/no.raw?signature=abc"
    assert refused(lambda: RemoteFile(url, patience=STEADY), web)[0] == (
        "x:/no.raw: no such file (the server answers 404)"
    )
    assert web.requests[-1][0] == "/no.raw?signature=abc"
    assert web.seen[-1]["Authorization"] == "Basic bWU6c0BjcmV0"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://me:secret@host/x", "host/x: is no URL of a web server"),
        ("http:///x", "http:///x: is no URL of a web server"),
        ("http://me:secret@[::1/x", "[::1/x: is no URL (Invalid IPv6 URL)"),
        ("http://host:99999/x", "http://host:99999/x: is no URL (Port out of range 0-65535)"),
    ],
)
def test_what_is_no_url_is_refused(url: str, said: str) -> None:
    with pytest.raises(InteropError) as caught:
        Address.parse(url)
    assert str(caught.value) == said


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certificate(tmp_path)
    with site(path) as web:
        web.files["/disk.raw"] = CONTENT
        assert refused(lambda: opened(web), web) == (
            "x:/disk.raw: the server's certificate is not trusted (self-signed certificate)",
            "If you know the server, set SSL_CERT_FILE to a file with the certificate.",
            5,
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert opened(web).pread(0, len(CONTENT)) == CONTENT


def test_the_library_that_is_missing_is_named(web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(EnvironmentFailureError) as caught:
        opened(web)
    assert str(caught.value) == "reading from a web server needs urllib3"
    assert caught.value.hint == "Install it: pip install 'rehost[http]'."
