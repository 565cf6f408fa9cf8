"""The promise of the viewer, from beginning to end: a page beside a terminal changes by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FINOPS = Path(sys.executable).with_name("finops")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The page of ``finops serve --watch`` in a folder in which ``finops run --plugins all`` was run."""
    subprocess.run([FINOPS, "run", "--plugins", "all", "--quiet"], cwd=tmp_path, check=True)
    server = subprocess.Popen(
        [FINOPS, "serve", "--watch", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    lines = iter(server.stdout.readline, "")
    yield next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
    server.kill()
    server.communicate()


def test_a_stranger_sees_the_incident_named_without_a_reload(
    address: str, open_tab: Callable[..., Any], tmp_path: Path
) -> None:
    tab = open_tab()
    tab.page.goto(address)
    expect(tab.page.locator("#live")).to_have_text("Live")
    expect(tab.page.locator("main")).not_to_contain_text("burst-201-")
    tab.page.evaluate("() => { window.here = true; }")
    calls = tab.page.locator("main .answer").inner_text()
    command = [FINOPS, "run", "--plugins", "burst", "--append", "--seed", "201", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True)
    ended = time.monotonic()
    incident = tab.page.locator(".finding .title", has_text=re.compile("burst-201-[0-9]{5}: ")).first
    expect(incident).to_be_visible(timeout=30_000)
    assert time.monotonic() - ended < 15
    expect(tab.page.locator("#announcement")).to_contain_text("Updated.")
    assert tab.page.locator("main .answer").inner_text() != calls
    assert tab.page.evaluate("() => window.here"), "the page was not loaded again"
    assert not tab.complaints
