"""Pictures of the pages, from the documented run: light, dark, on a phone and as printed.

Needs Debian's ``chromium``. ``make screenshots`` writes them into ``docs/screenshots/``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

START = "2026-01-05"
PICTURES = Path(__file__).parent / "screenshots"
HOME = "index"
REPORTS = (
    "finops_understanding",
    "finops_performance",
    "finops_realtime",
    "finops_optimization",
    "finops_alignment",
    "customer_profitability",
    "pricing_strategy",
    "feature_economics",
)
DESK = {"width": 1280, "height": 1400}
PHONE = {"width": 360, "height": 1400}
PAPER = {"width": 794, "height": 1123}
"""A sheet of A4 at 96 dots an inch, which is what the browser lays a printed page out on."""
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Make the run in a temporary folder and take every picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Screenshots need chromium on the PATH: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        finops = Path(sys.executable).with_name("finops")
        subprocess.run([finops, "run", "--plugins", "all", "--start", START, "--quiet"], cwd=folder, check=True)
        html = Path(folder, "reports", "html")
        PICTURES.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
            for page in (HOME, *REPORTS):
                name = "home" if page == HOME else page
                take(browser, html, page, f"{name}-light", DESK, color_scheme="light")
                take(browser, html, page, f"{name}-dark", DESK, color_scheme="dark")
                take(browser, html, page, f"{name}-phone", PHONE, color_scheme="light")
                take(browser, html, page, f"{name}-print", PAPER, media="print")
            browser.close()


def take(browser: Browser, html: Path, page_name: str, picture: str, size: dict[str, int], **emulated: str) -> None:
    """Write the first screen of a page.

    Args:
        browser: A running one.
        html: The folder of the pages.
        page_name: Which of them.
        picture: The name of the file to write.
        size: Of the window, in pixels.
        emulated: Colour scheme or medium.
    """
    page = browser.new_page(viewport=size)
    page.emulate_media(**emulated)
    page.goto(f"{html.as_uri()}/{page_name}.html")
    page.wait_for_function("() => document.querySelectorAll('[data-chart]:not(:has(svg))').length === 0")
    page.screenshot(path=PICTURES / f"{picture}.png")
    page.close()


if __name__ == "__main__":
    main()
