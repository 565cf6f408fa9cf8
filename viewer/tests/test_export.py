"""A report as one file."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from finops_viewer.export import export
from finops_viewer.publisher import HtmlPublisher

from finops_core.errors import FinopsError
from finops_core.report import Report
from finops_core.site import Site


@pytest.fixture
def html(tmp_path: Path, site_in: Callable[..., Site], reports: list[Report]) -> Path:
    HtmlPublisher().publish(reports, site_in(tmp_path / "html"))
    return tmp_path / "html"


def test_a_report_becomes_one_file_that_refers_to_no_other(html: Path, tmp_path: Path) -> None:
    target = tmp_path / "mail.html"
    result = CliRunner().invoke(export, ["finops_understanding", "--html", str(target), "--reports", str(html)])
    assert result.output == f"Wrote {target}, {target.stat().st_size / 1024:,.0f} KiB.\n"
    page = target.read_text(encoding="utf-8")
    assert "Spend was $9,294.80" in page
    body = page[page.index("<body>") :]
    assert not re.findall(
        r'<(?:script|link|img|a)\b[^>]*\s(?:src|href)="(?!#|data:)', page[: page.index("<style>")] + body
    )


def test_its_content_policy_admits_its_own_scripts_and_style_only(html: Path, tmp_path: Path) -> None:
    target = tmp_path / "mail.html"
    CliRunner().invoke(export, ["finops_performance", "--html", str(target), "--reports", str(html)])
    page = target.read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src &#39;none&#39;;")
    texts = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.DOTALL)
    hashes = [f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}" for text in texts]
    assert re.findall(r"sha256-[\w+/=]+", policy) == hashes


def test_an_unknown_report_is_one_message_with_the_known_ones(html: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(export, ["nothing", "--html", str(tmp_path / "x.html"), "--reports", str(html)])
    assert isinstance(result.exception, FinopsError)
    assert "no published report 'nothing'" in result.exception.message
    assert "finops_understanding" in result.exception.hint


def test_without_reports_it_says_how_to_make_them(tmp_path: Path) -> None:
    result = CliRunner().invoke(export, ["x", "--html", str(tmp_path / "x.html"), "--reports", str(tmp_path)])
    assert isinstance(result.exception, FinopsError)
    assert "finops run" in result.exception.hint


def test_a_file_that_cannot_be_written_is_one_message(html: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(export, ["finops_performance", "--html", str(tmp_path), "--reports", str(html)])
    assert isinstance(result.exception, FinopsError)
    assert "cannot write" in result.exception.message


@pytest.mark.parametrize("name", ["../manifest", "/etc/passwd", "a/b"])
def test_a_name_cannot_lead_elsewhere(html: Path, tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(export, [name, "--html", str(tmp_path / "x.html"), "--reports", str(html)])
    assert isinstance(result.exception, FinopsError)
