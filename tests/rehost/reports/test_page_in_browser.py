"""The page as a real browser shows it, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from rehost.reports.html import render
from tests.rehost.reports.judgements import EVERYTHING

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")


def test_a_browser_shows_all_of_it_and_finds_nothing_to_run_or_to_refuse(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render(EVERYTHING), encoding="utf-8")
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    )
    done = subprocess.run(
        [str(CHROMIUM), *options, f"--user-data-dir={tmp_path}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr
    shown: Any = html.document_fromstring(done.stdout)
    plain: Any = html.document_fromstring(page.read_text(encoding="utf-8"))
    assert shown.text_content().split() == plain.text_content().split()
    assert len(shown.xpath("//article")) == 8
    assert not shown.xpath("//img | //script")
