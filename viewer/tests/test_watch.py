"""When the server builds, and that it outlives every build."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from finops_viewer import build, watch
from finops_viewer.publisher import HtmlPublisher
from finops_viewer.watch import State, Updater

from finops_core.errors import FinopsError
from finops_core.ledger.periods import Period, PeriodChoice
from finops_core.report import Report
from finops_core.site import Site


@dataclass
class FakeSource:
    """Publishes a page that holds the log's text, instead of analyzing it."""

    reports: Path
    log: Path
    settings_file: Path
    publish: Callable[[str, str], None]
    builds: list[str] = field(default_factory=list)
    error: Exception | None = None
    takes: float = 0.0

    @property
    def signature(self) -> tuple[tuple[int, int, int] | None, ...]:
        return build.Source(self.log, self.reports, self.settings_file).signature

    def is_current(self) -> bool:
        return False

    def build(self) -> list[str]:
        text = self.log.read_text()
        self.builds.append(text)
        time.sleep(self.takes)
        if self.error:
            raise self.error
        self.publish(text, f"run-{len(self.builds)}")
        return []


@pytest.fixture
def source(tmp_path: Path, site_in: Callable[..., Site], make_report: Callable[..., Report]) -> FakeSource:
    def publish(text: str, run_id: str) -> None:
        HtmlPublisher().publish([make_report(text)], site_in(tmp_path / "html", run_id=run_id))

    log = tmp_path / "log.csv"
    log.write_text("first")
    return FakeSource(tmp_path / "html", log, tmp_path / "finops.toml", publish)


@dataclass
class Running:
    source: FakeSource
    updater: Updater
    states: list[State]
    lines: list[str]

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 8
        while not condition():
            assert time.monotonic() < deadline, (self.states, self.lines)
            time.sleep(0.01)


@pytest.fixture
def start(source: FakeSource) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*, events: bool = True) -> Running:
        states: list[State] = []
        lines: list[str] = []
        running = Running(source, Updater(source, states.append, lines.append, events=events), states, lines)
        started.append(running)
        running.updater.start()
        running.wait(lambda: bool(states) and states[-1].phase in {"fresh", "failed"})
        return running

    yield start
    for running in started:
        assert running.updater.stop(5)


@pytest.mark.parametrize("events", [True, False], ids=["events", "polling"])
def test_a_change_of_the_log_is_built_and_told(start: Callable[..., Running], events: bool) -> None:
    running = start(events=events)
    running.source.log.write_text("second")
    running.wait(lambda: running.source.builds == ["first", "second"] and running.states[-1].phase == "fresh")
    assert [s.phase for s in running.states] == ["building", "fresh", "stale", "building", "fresh"]
    assert running.states[-1].run_id == "run-2"


def test_a_log_that_is_replaced_by_renaming_is_noticed(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start()
    (tmp_path / "new.csv").write_text("renamed")
    (tmp_path / "new.csv").replace(running.source.log)
    running.wait(lambda: running.source.builds[-1] == "renamed")


def test_a_symlinked_log_is_followed(
    start: Callable[..., Running], source: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STAT_SECONDS", 0.2)
    target = tmp_path / "elsewhere" / "log.csv"
    target.parent.mkdir()
    target.write_text("linked")
    source.log.unlink()
    source.log.symlink_to(target)
    running = start()
    target.write_text("behind the link")
    running.wait(lambda: running.source.builds[-1] == "behind the link")


def test_settings_are_watched_too(start: Callable[..., Running]) -> None:
    running = start()
    running.source.settings_file.write_text("[tiers]")
    running.wait(lambda: len(running.source.builds) == 2)


def test_many_appends_make_a_handful_of_builds(start: Callable[..., Running]) -> None:
    running = start()
    for i in range(300):
        with running.source.log.open("a") as log:
            log.write(f"{i}\n")
        time.sleep(0.002)
    running.wait(lambda: running.source.builds[-1].endswith("299\n") and running.states[-1].phase == "fresh")
    assert len(running.source.builds) <= 5


def test_a_change_during_a_build_makes_one_more(start: Callable[..., Running]) -> None:
    running = start()
    running.source.takes = 0.5
    running.source.log.write_text("second")
    running.wait(lambda: len(running.source.builds) == 2)
    running.source.log.write_text("third")
    running.source.log.write_text("fourth")
    running.wait(lambda: running.source.builds[-1] == "fourth" and running.states[-1].phase == "fresh")
    assert running.source.builds == ["first", "second", "fourth"]


def test_reading_the_log_is_no_change(start: Callable[..., Running]) -> None:
    running = start()
    for _ in range(20):
        running.source.log.read_text()
    time.sleep(watch.QUIET_SECONDS * 3)
    assert running.source.builds == ["first"]


def test_a_failing_build_is_told_and_the_next_one_heals(start: Callable[..., Running]) -> None:
    running = start()
    running.source.error = FinopsError("the log is not a call log", hint="Look at line 1.")
    running.source.log.write_text("bad")
    running.wait(lambda: running.states[-1].phase == "failed")
    failed = running.states[-1]
    assert (failed.message, failed.hint, failed.run_id) == ("the log is not a call log", "Look at line 1.", "run-1")
    running.source.error = None
    running.source.log.write_text("good again")
    running.wait(lambda: running.states[-1].phase == "fresh")


def test_a_defect_in_a_build_does_not_end_the_server(start: Callable[..., Running]) -> None:
    running = start()
    running.source.error = ZeroDivisionError("division by zero")
    running.source.log.write_text("bad")
    running.wait(lambda: running.states[-1].phase == "failed")
    assert "ZeroDivisionError" in running.states[-1].message
    assert any("Traceback" in line for line in running.lines)


def test_stopping_does_not_wait_for_a_long_build(start: Callable[..., Running]) -> None:
    running = start()
    running.source.takes = 1.0
    running.source.log.write_text("second")
    running.wait(lambda: running.states[-1].phase == "building")
    assert not running.updater.stop(0.1)


def test_what_another_process_published_is_told_without_a_build(start: Callable[..., Running]) -> None:
    running = start()
    running.source.publish("by another process", "theirs")
    running.wait(lambda: running.states[-1].run_id == "theirs")
    assert running.source.builds == ["first"]


@pytest.mark.parametrize(
    ("choice", "first", "last"),
    [
        (PeriodChoice(), date(2026, 1, 5), date(2026, 2, 3)),
        (PeriodChoice(tail="7d"), date(2026, 1, 28), date(2026, 2, 3)),
        (PeriodChoice(tail="month"), date(2026, 2, 1), date(2026, 2, 3)),
        (PeriodChoice(first=date(2026, 1, 10)), date(2026, 1, 10), date(2026, 2, 3)),
        (PeriodChoice(last=date(2026, 1, 9)), date(2026, 1, 5), date(2026, 1, 9)),
    ],
)
def test_a_publication_of_other_days_is_not_current(
    tmp_path: Path,
    site_in: Callable[..., Site],
    reports: list[Report],
    monkeypatch: pytest.MonkeyPatch,
    choice: PeriodChoice,
    first: date,
    last: date,
) -> None:
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log.csv"
    log.write_bytes(b"header\nrow\n")
    os.utime(log, (1, 1))
    source = build.Source(log, tmp_path / "html", choice=choice)
    whole = SimpleNamespace(log_period=Period(date(2026, 1, 5), date(2026, 2, 3)), month_caveat="")
    facts = {"offset": 11, "calls": whole, **source.conditions()}
    HtmlPublisher().publish(reports, site_in(tmp_path / "html", period=Period(first, last), **facts))
    assert source.is_current()
    HtmlPublisher().publish(reports, site_in(tmp_path / "html", period=Period(date(2026, 1, 6), last), **facts))
    assert not source.is_current()


def test_the_source_is_current_only_while_nothing_changed(
    tmp_path: Path, site_in: Callable[..., Site], reports: list[Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log, html = tmp_path / "log.csv", tmp_path / "html"
    log.write_bytes(b"header\nrow\n")
    os.utime(log, (1, 1))
    source = build.Source(log, html)
    assert not source.is_current(), "nothing is published"
    conditions = source.conditions()

    def publish(**changes: object) -> None:
        facts = {"offset": 11, **conditions, **changes}
        HtmlPublisher().publish(reports, site_in(html, **facts))

    publish()
    assert source.is_current()
    publish(settings_fingerprint="other settings")
    assert not source.is_current()
    publish(plugins={**conditions["plugins"], "html": "0.0.1"})
    assert not source.is_current()
    publish()
    with log.open("ab") as file:
        file.write(b"half a ro")
    os.utime(log, (1, 1))
    assert source.is_current(), "an unfinished line is nobody's yet"
    with log.open("ab") as file:
        file.write(b"w\n")
    os.utime(log, (1, 1))
    assert not source.is_current(), "a line more"
    publish(offset=22)
    os.utime(log)
    assert not source.is_current(), "touched after the reports were built"
    os.utime(log, (1, 1))
    assert source.is_current()
    (html / "index.html").write_text("half")
    assert not source.is_current(), "a page is not what the manifest says"
