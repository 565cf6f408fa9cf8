"""Contrast of the colour tokens, by the formula of WCAG 2.2, since axe cannot judge drawings."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

TOKENS = dict(
    re.findall(
        r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", (files("finops_viewer") / "assets" / "viewer.css").read_text()
    )
)
GROUNDS = ("paper", "raised", "sunken")
TEXT = ("ink", "quiet", "accent", "good", "warn", "bad")
SERIES = tuple(f"series-{i}" for i in range(1, 9))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colour(token: str, theme: int) -> str:
    return TOKENS[token].split(", ")[theme]


def test_black_on_white_has_the_contrast_that_the_standard_gives() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXT)
def test_text_is_readable_on_every_ground(theme: int, ground: str, text: str) -> None:
    assert contrast(colour(text, theme), colour(ground, theme)) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("series", SERIES)
def test_lines_and_bars_stand_out_from_their_ground(theme: int, series: str) -> None:
    assert contrast(colour(series, theme), colour("raised", theme)) >= 3


def test_the_bundle_is_the_one_that_was_recorded() -> None:
    from hashlib import sha256
    from pathlib import Path

    recorded = Path(__file__).parents[1] / "echarts" / "echarts.min.js.sha256"
    bundle = (files("finops_viewer") / "assets" / "echarts.min.js").read_bytes()
    assert recorded.read_text().split()[0] == sha256(bundle).hexdigest()
