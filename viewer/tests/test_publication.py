"""A publication is all there or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from finops_viewer import publication
from finops_viewer.publisher import HtmlPublisher
from finops_viewer.record import Record

from finops_core.errors import FinopsError
from finops_core.report import Report
from finops_core.site import Site


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_the_manifest_says_what_was_published_from_what(
    tmp_path: Path, site_in: Callable[..., Site], reports: list[Report]
) -> None:
    HtmlPublisher().publish(reports, site_in(tmp_path))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["log_offset"] == 123_456
    assert manifest["log_fingerprint"] == "f00d"
    assert manifest["settings_fingerprint"] == "5e77"
    assert manifest["plugins"] == {"html": "0.1.0", "understanding": "0.1.0"}
    assert manifest["counts"]["accepted"] == 990
    assert manifest["run_id"] == "run-1"
    assert {
        "name": "finops_realtime",
        "file": "finops_realtime.html",
        "state": "failed",
        "title": "Anomalies",
        "answer": "The analysis failed.",
    } in manifest["reports"]
    written = contents(tmp_path)
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(written[name]).hexdigest() == digest
    assert set(written) - set(manifest["files"]) == {"manifest.json", ".publish.lock"}


def test_publishing_twice_gives_the_same_bytes(
    tmp_path: Path, site_in: Callable[..., Site], reports: list[Report]
) -> None:
    HtmlPublisher().publish(reports, site_in(tmp_path / "a"))
    HtmlPublisher().publish(reports, site_in(tmp_path / "b"))
    HtmlPublisher().publish(reports, site_in(tmp_path / "b"))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_pages_of_gone_reports_go_and_other_files_stay(
    tmp_path: Path, site_in: Callable[..., Site], make_report: Callable[..., Report]
) -> None:
    (tmp_path / "notes.html").write_text("mine")
    HtmlPublisher().publish([make_report(name="one"), make_report(name="two")], site_in(tmp_path))
    HtmlPublisher().publish([make_report(name="two")], site_in(tmp_path))
    assert sorted(p.name for p in tmp_path.glob("*.html")) == ["index.html", "notes.html", "two.html"]
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["two.json"]


def test_a_manifest_cannot_make_files_elsewhere_go(
    tmp_path: Path, site_in: Callable[..., Site], make_report: Callable[..., Report]
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    site = tmp_path / "site"
    site.mkdir()
    (site / "manifest.json").write_text(json.dumps({"files": {"../victim": "", str(victim): ""}}))
    HtmlPublisher().publish([make_report()], site_in(site))
    assert victim.read_text() == "mine"


def test_a_failed_report_keeps_its_last_good_content(
    tmp_path: Path,
    site_in: Callable[..., Site],
    make_report: Callable[..., Report],
    failed_report: Callable[..., Report],
) -> None:
    HtmlPublisher().publish([make_report("all was well")], site_in(tmp_path))
    for run in ("run-2", "run-3"):
        HtmlPublisher().publish([failed_report("their_report")], site_in(tmp_path, run_id=run))
        html = (tmp_path / "their_report.html").read_text()
        assert "all was well" in html
        assert "not a number" in html
        assert "its last good content, built" in html
        assert Record.published(tmp_path, "their_report").about.run_id == "run-1"


def test_a_directory_that_cannot_be_written_is_one_message(
    tmp_path: Path, site_in: Callable[..., Site], make_report: Callable[..., Report]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinopsError, match="cannot publish to"):
        HtmlPublisher().publish([make_report()], site_in(tmp_path / "file"))


KILLED = """
import os, signal, sys
from pathlib import Path
from finops_viewer import publication
count, stop = 0, int(sys.argv[2])
real = Path.replace
def replace(self, target):
    global count
    if count == stop:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    return real(self, target)
Path.replace = replace
directory = Path(sys.argv[1])
with publication.publishing(directory):
    publication.write(directory, {"a.html": b"new a", "b.html": b"new b", "assets/c.js": b"new c"}, {"run_id": "new"})
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("stop", range(5))
def test_a_kill_leaves_the_old_or_the_new_publication(tmp_path: Path, stop: int) -> None:
    old = {"a.html": b"old a", "b.html": b"old b", "assets/c.js": b"old c"}
    with publication.publishing(tmp_path):
        publication.write(tmp_path, old, {"run_id": "old"})
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(stop)], check=False)
    assert done.returncode == -signal.SIGKILL
    with publication.publishing(tmp_path):
        manifest = publication.read_manifest(tmp_path)
    assert manifest is not None
    # Rename 0 is the journal: before it nothing has happened, from then on everything will.
    word = b"old" if stop == 0 else b"new"
    assert manifest["run_id"] == word.decode()
    found = contents(tmp_path)
    assert {name: found[name] for name in old} == {
        "a.html": word + b" a",
        "b.html": word + b" b",
        "assets/c.js": word + b" c",
    }
    assert set(found) - set(old) == {"manifest.json", ".publish.lock"}
