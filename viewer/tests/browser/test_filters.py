"""Filters in a real browser: what they leave of tables, of charts and of what is downloaded, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"


def test_filters_are_in_the_address_and_leave_exact_numbers(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab()
    page, address = tab.page, f"{html.as_uri()}/finops_understanding.html"
    page.goto(address)
    models, total = page.locator("#t-models tbody tr"), page.locator("#t-models tfoot")
    expect(page.locator("#filtered")).to_be_hidden()
    page.get_by_label("Model", exact=True).select_option("gpt-5")
    assert page.url == f"{address}?model=gpt-5"
    expect(models).to_have_count(1)
    expect(models.first).to_contain_text("$4,210.50")
    expect(models.first.locator("td").nth(2)).to_have_text("–")  # the share is one of all rows
    expect(total).to_contain_text("$4,210.50")
    expect(total).to_contain_text("155,788")  # 4,210.5 x 37, whole calls
    expect(page.locator("#n-models")).to_have_text("Filtered by model. Shares of all rows are left out.")
    expect(page.locator("#n-customers")).to_have_text("Not filtered: not split by model.")
    expect(page.locator("#t-customers tbody tr")).to_have_count(10)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV of Models").click()
    lines = Path(download.value.path()).read_bytes().decode().split("\r\n")
    assert [line.rpartition(",")[2] for line in lines] == ["Filter", "model = gpt-5", "model = gpt-5", ""]
    page.get_by_label("From", exact=True).fill("2026-01-10")
    page.get_by_label("To", exact=True).fill("2026-01-12")
    page.locator("#v-cost-per-day summary").click()
    days = page.locator("#t-cost-per-day tbody th")
    expect(days).to_have_text(["2026-01-10", "2026-01-11", "2026-01-12"])
    expect(page.locator("#n-cost-per-day")).to_have_text("Filtered by day, but not by model.")
    expect(page.locator("#n-why-moved")).to_have_text("Not filtered: not split by day or model.")
    expect(page.locator('.reports a[href^="their_report"]')).to_have_attribute(
        "href", "their_report.html?from=2026-01-10&to=2026-01-12&model=gpt-5"
    )
    for _ in range(3):
        page.go_back()
    expect(models).to_have_count(6)
    expect(total).to_contain_text("$9,294.80")
    expect(page.get_by_label("Model", exact=True)).to_have_value("")
    expect(page.locator(".remark").first).to_be_hidden()
    assert not tab.complaints


def test_a_filter_says_what_the_page_cannot_know(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab()
    tab.page.goto(f"{html.as_uri()}/finops_understanding.html?customer_id=base-100-00003&from=nonsense&other=x")
    expect(tab.page.locator("#t-customers tbody tr")).to_have_count(1)
    expect(tab.page.locator("#t-customers tfoot tr")).to_have_count(0)
    expect(tab.page.locator("#n-customers")).to_have_text(
        "Filtered by customer. 100 smaller rows are not on this page, so there is no total."
    )
    tab.page.emulate_media(media="print")
    expect(tab.page.locator("#filters")).to_be_hidden()
    expect(tab.page.locator("#filtered")).to_contain_text("Filtered: customer = base-100-00003.")
    tab.page.emulate_media(media="screen")
    tab.page.get_by_role("button", name="Clear").click()
    assert tab.page.url.endswith("finops_understanding.html")
    expect(tab.page.locator("#t-customers tbody tr")).to_have_count(10)
    expect(tab.page.locator("#t-customers tfoot tr")).to_have_count(2)
    tab.page.goto(f"{html.as_uri()}/finops_understanding.html?model=%3Cimg%20src=x%3E%E2%80%AE{'x' * 5000}")
    expect(tab.page.locator("#n-models")).to_contain_text("Nothing in it matches.")
    assert tab.page.locator("img").count() == 0
    assert not tab.complaints


def test_filters_reach_charts_through_what_their_values_are_made_of(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab()
    page = tab.page
    page.goto(f"{html.as_uri()}/finops_performance.html?provider=google&from=2026-01-10&to=2026-01-11")
    expect(page.locator("#n-errors")).to_have_text("Filtered by day and provider.")
    page.locator("#v-errors summary").click()
    # Google's four errors and no timeout of each day, of the 20 + i % 7 and 5 + i % 3 of all providers.
    expect(page.locator("#t-errors tbody tr")).to_have_text(["2026-01-1040", "2026-01-1140"])
    expect(page.locator("#n-frontier")).to_have_text("Filtered by provider, but not by day.")
    drawn = page.locator('[data-chart="frontier"] svg')
    expect(drawn).to_contain_text("gemini-2.5-flash")
    expect(drawn).not_to_contain_text("gpt-5")
    page.get_by_label("Model", exact=True).select_option("gpt-5")
    expect(page.locator("#n-frontier")).to_contain_text("Nothing in it matches.")
    assert not tab.complaints


def test_what_is_left_of_a_chart_is_added_up_exactly(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/index.html")

    def left(chart: dict[str, Any], by: list[str], rows: list[Any], wanted: dict[str, str]) -> Any:
        """What a filter leaves of a chart that one breakdown tells more about than another."""
        told = {"categories": ["before", "more", "now"], "x": {"unit": "text"}, "y": {"unit": "usd"}, **chart}
        told["series"] = [{"name": "Cost", "values": ["3.000000000", "1.000000003", None]}]
        told["breakdowns"] = [{"by": ["customer_id"], "rows": []}, {"by": by, "rows": rows}]
        table = {
            "columns": [{"unit": "text", "role": "derived", "dimension": ""}, {"unit": "usd", "role": "measure"}],
            "rows": [list(row) for row in zip(told["categories"], told["series"][0]["values"], strict=True)],
            "total": None,
        }
        asked = (
            "([t, w, c]) => { const s = finops.selection, k = s.of(t, w, c); return [s.chart(c, k), k.by, k.missing]; }"
        )
        chart, known, missing = page.evaluate(asked, [table, wanted, told])
        return list(zip(chart["categories"], chart["series"][0]["values"], strict=True)), known, missing

    rows = [[0, "a", "x", "2.000000000"], [0, "a", "y", "0.999999999"], [0, "b", "x", "0.000000001"]]
    rows += [[1, "b", "x", "1.000000003"]]
    by = ["provider", "model"]
    # Of provider a: 2 + 0.999999999; the bar of which nothing is left goes, the step of a waterfall is zero.
    assert left({"kind": "bar"}, by, rows, {"provider": "a"}) == ([("before", "2.999999999")], ["provider"], [])
    steps = [("before", "2.999999999"), ("more", "0.000000000"), ("now", None)]
    assert left({"kind": "waterfall"}, by, rows, {"provider": "a"}) == (steps, ["provider"], [])
    both = {"model": "y", "provider": "a", "customer_id": "ada"}
    assert left({"kind": "bar"}, by, rows, both) == (
        [("before", "0.999999999")],
        ["model", "provider"],
        ["customer_id"],
    )
    assert left({"kind": "waterfall"}, by, rows, {"provider": "c"}) == ([], ["provider"], [])


def test_a_chart_as_a_file_says_what_it_shows_and_leaves_out(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab(color_scheme="dark")
    page = tab.page
    page.goto(f"{html.as_uri()}/finops_performance.html?provider=openai&from=2026-01-10")

    def saved(chart: str) -> tuple[str, str]:
        with page.expect_download() as download:
            page.get_by_role("button", name=f"SVG of {chart}").click()
        root = ET.parse(download.value.path()).getroot()
        texts = [e.text or "" for e in root.iter(f"{SVG}text")]
        return " ".join(texts), root.findall(f"{SVG}rect")[0].get("fill", "")

    text, paper = saved("How many calls failed each day?")
    assert text.startswith("How many calls failed each day? Performance, data through ")
    assert "Day from 2026-01-10; provider = openai error timeout" in text
    assert paper == "rgb(255, 255, 255)"
    text, _ = saved("Which models does no other beat?")
    assert "Provider = openai; not filtered by day" in text
    assert "gpt-5-mini" in text
    assert "claude" not in text
    page.get_by_role("button", name="Clear").click()
    text, _ = saved("Which models does no other beat?")
    assert "filtered" not in text
    assert "claude-haiku-4-5" in text
    page.goto(f"{html.as_uri()}/finops_performance.html?from=2026-01-10")
    text, _ = saved("Which models does no other beat?")
    assert "Not filtered by day" in text
    assert not tab.complaints


def test_totals_of_filtered_rows_are_exact_or_absent(open_tab: Callable[..., Any], html: Path) -> None:
    columns = [
        {"unit": "text", "role": "dimension", "dimension": "provider"},
        {"unit": "usd", "role": "measure", "dimension": ""},
        {"unit": "count", "role": "measure", "dimension": ""},
        {"unit": "ms", "role": "derived", "dimension": ""},
    ]
    rows = [
        ["a", "90071992547409.930000001", 1, 5],
        ["a", "-0.000000003", None, 6],
        ["b", "1.000000000", 2, 7],
        [None, None, 4, 8],
    ]
    # 90071992547409.930000001 - 0.000000003 + 1 = 90071992547410.929999998; 1 + 2 + 4 = 7, but 8 is published
    table = {"columns": columns, "rows": rows, "total": ["Total", "90071992547410.929999998", 8, None], "other": None}
    page = open_tab().page
    page.goto(f"{html.as_uri()}/index.html")
    of = "([table, filter]) => finops.selection.of(table, filter)"
    left = page.evaluate(of, [table, {"provider": "a"}])
    assert (left["rows"], left["kept"]) == (rows[:2], [0, 1])
    assert left["total"] == ["Total", "90071992547409.929999998", None, None], "the published 8 is no sum"
    assert page.evaluate(of, [table, {"model": "a"}])["total"] == table["total"]
    assert page.evaluate(of, [{**table, "other": rows[0]}, {"provider": "a"}])["total"] is None
