"""A browser, its tabs, and a server that tells the pages in them what it is told to."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from finops_viewer.publisher import HtmlPublisher
from finops_viewer.serve import listening
from finops_viewer.server import Stage, WebServer
from finops_viewer.watch import State
from playwright.sync_api import sync_playwright

from finops_core.report import Report
from finops_core.site import Site

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def required(there: bool, what: str) -> None:
    """Skip without a tool that a test needs, or fail where it must be there."""
    if not there:
        (pytest.fail if os.environ.get("FINOPS_REQUIRE_BROWSER") else pytest.skip)(f"{what} is not installed")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    required(CHROMIUM.exists(), str(CHROMIUM))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of the browser, and what it complained about."""

    page: Any
    complaints: list[str]
    requests: list[str]


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    contexts: list[Any] = []

    def open_tab(context: Any = None, **options: Any) -> Tab:
        if context is None:
            context = browser.new_context(**options)
            contexts.append(context)
        tab = Tab(context.new_page(), [], [])
        tab.page.on("console", lambda message: tab.complaints.append(message.text))
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("dialog", lambda dialog: (tab.complaints.append(dialog.message), dialog.dismiss()))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        return tab

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script of axe-core."""
    script = Path(os.environ.get("FINOPS_AXE", "axe.min.js"))
    required(script.is_file(), "axe-core (FINOPS_AXE names its axe.min.js)")
    return script


class Live:
    """A server that tells what it is told to, and can go and come back on the same port."""

    def __init__(self, directory: Path, site_in: Callable[..., Site]) -> None:
        self.directory = directory
        self._site_in = site_in
        self._port = 0
        self.start()
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.stage = Stage(self.directory, live=True)
        self.stage.show(State("fresh", "run-1"))
        listener = listening("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self._server = WebServer(self.stage, {"127.0.0.1"})
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stage.close()
        self._server.should_exit = True
        self._thread.join(5)

    def publish(self, reports: list[Report], run_id: str) -> None:
        HtmlPublisher().publish(reports, self._site_in(self.directory, run_id=run_id))
        self.stage.show(State("fresh", run_id))


@pytest.fixture
def html(sample_pages: Path) -> Path:
    """The pages of the reports, which no test changes."""
    return sample_pages


@pytest.fixture
def live(sample_pages: Path, tmp_path: Path, site_in: Callable[..., Site]) -> Iterator[Live]:
    live = Live(Path(shutil.copytree(sample_pages, tmp_path / "html")), site_in)
    yield live
    live.stop()
