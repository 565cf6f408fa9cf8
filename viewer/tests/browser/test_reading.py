"""The pages in a real browser: from files, served, printed, on a phone, by keyboard, and as one file."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from finops_viewer import units
from finops_viewer.publisher import HtmlPublisher
from finops_viewer.record import Record
from finops_viewer.single import single_file
from finops_viewer.watch import State
from playwright.sync_api import expect

from finops_core.report import Report
from finops_core.site import Site

pytestmark = pytest.mark.browser

PAGES = (
    "index",
    "customer_profitability",
    "finops_performance",
    "finops_realtime",
    "finops_understanding",
    "their_report",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_work_from_files_without_any_request(open_tab: Callable[..., Any], html: Path, scheme: str) -> None:
    tab = open_tab(color_scheme=scheme)
    for name in PAGES:
        tab.page.goto(f"{html.as_uri()}/{name}.html")
        charts = tab.page.locator("[data-chart]")
        expect(tab.page.locator("[data-chart] svg")).to_have_count(charts.count())
    assert not tab.complaints
    assert all(url.startswith((html.as_uri(), "data:")) for url in tab.requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_served_pages_keep_to_the_content_policy(live: Any, open_tab: Callable[..., Any], scheme: str) -> None:
    tab = open_tab(color_scheme=scheme)
    for name in PAGES:
        tab.page.goto(f"{live.address}/{name}.html")
        expect(tab.page.locator("#live")).to_have_text("Live")
        for chart in tab.page.locator("[data-chart]").all():
            chart.hover()  # tooltips are where charting libraries break a policy
    assert not tab.complaints
    assert all(url.startswith((live.address, "data:")) for url in tab.requests)


def test_axe_finds_nothing_in_both_themes(open_tab: Callable[..., Any], html: Path, axe: Path) -> None:
    tab = open_tab()
    tab.page.add_init_script(path=axe)
    for name in PAGES:
        tab.page.goto(f"{html.as_uri()}/{name}.html?model=gpt-5&from=2026-01-10")
        tab.page.evaluate("() => document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)
            violations = tab.page.evaluate("() => axe.run().then((result) => result.violations)")
            assert not [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in violations], (name, scheme)


def test_a_phone_needs_no_sideways_scrolling(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab(viewport={"width": 360, "height": 740})
    for name in PAGES:
        tab.page.goto(f"{html.as_uri()}/{name}.html")
        for summary in tab.page.locator("summary").all():
            summary.click()
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") == 360, name


def test_a_table_that_hides_columns_says_so(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab(viewport={"width": 360, "height": 740}).page
    page.goto(f"{html.as_uri()}/finops_understanding.html")
    models, customers = page.locator("#b-models"), page.locator("#b-customers")
    expect(models.locator(".sideways")).to_be_visible()
    expect(models.locator(".scroll")).to_contain_class("cut")
    models.locator(".scroll").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(models.locator(".scroll")).not_to_contain_class("cut")
    expect(customers.locator(".sideways")).to_be_hidden()


def test_hostile_names_do_nothing(
    open_tab: Callable[..., Any],
    tmp_path: Path,
    site_in: Callable[..., Site],
    make_report: Callable[..., Report],
    all_hostile: str,
) -> None:
    HtmlPublisher().publish([make_report(all_hostile)], site_in(tmp_path))
    tab = open_tab(viewport={"width": 360, "height": 740})
    for name in ("index", "their_report"):
        tab.page.goto(f"{tmp_path.as_uri()}/{name}.html")
        expect(tab.page.locator("[data-chart] svg")).to_have_count(tab.page.locator("[data-chart]").count())
        for chart in tab.page.locator("[data-chart]").all():
            chart.hover()
        for button in tab.page.locator("button.sort").all():
            button.evaluate("(button) => button.click()")
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") == 360, name
    assert not tab.complaints


def test_print_is_light_and_clips_nothing(open_tab: Callable[..., Any], html: Path) -> None:
    tab = open_tab(color_scheme="dark")
    tab.page.goto(f"{html.as_uri()}/finops_understanding.html")
    assert tab.page.pdf(format="A4").startswith(b"%PDF")
    tab.page.set_viewport_size({"width": 680, "height": 900})  # what A4 leaves between its margins
    tab.page.emulate_media(media="print")
    assert tab.page.evaluate("() => getComputedStyle(document.body).color") == "rgb(27, 29, 32)"
    wide = tab.page.evaluate(
        "() => [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 681)"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert not wide
    for chart in tab.page.locator("[data-chart]").all():
        assert chart.locator("svg").bounding_box()["width"] == pytest.approx(chart.bounding_box()["width"], abs=1)


def test_the_page_formats_numbers_as_the_server_does(open_tab: Callable[..., Any], html: Path) -> None:
    amounts = [
        "0",
        "0.000000001",
        "-0.005",
        "0.0123456",
        "0.0099995",
        "0.999999999",
        "1",
        "1.005",
        "-1234567.565",
        "12",
    ]
    numbers = [
        0,
        0.5,
        1.0,
        1.005,
        9.999,
        12.34,
        999.95,
        1000.5,
        -1234.5,
        0.04,
        0.0049,
        123456789,
        2.5,
        0.125,
        0.1,
        10**15,
    ]
    cases: list[tuple[Any, str]] = [(None, "usd"), ("2026-01-05T08:00:00Z", "time"), ("2026-01-05T08:00:07Z", "time")]
    cases += [("x" * 200, "text"), ("\u202ea", "text"), ("2026-01-05", "date")]
    cases += [(f"{Decimal(amount):.9f}", "usd") for amount in amounts]
    plain = ("tokens", "tokens_per_s", "ms", "percent", "count", "ratio", "days", "hours")
    cases += [(number, unit) for unit in plain for number in numbers]
    tab = open_tab()
    tab.page.goto(f"{html.as_uri()}/index.html")
    shown = tab.page.evaluate("(cases) => cases.map(([value, unit]) => finops.format.full(value, unit))", cases)
    expected = [units.plain(units.full(Decimal(v) if u == "usd" and v else v, u)) for v, u in cases]
    assert dict(zip(map(str, cases), shown, strict=True)) == dict(zip(map(str, cases), expected, strict=True))


def test_numbers_along_an_axis_stand_as_far_apart_as_they_are(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/index.html")
    axis = """(unit) => {
        const chart = { kind: "line", x: { unit, label: "x" }, y: { unit: "usd", label: "y" },
                        categories: ["0", "1", "50"], series: [{ name: "", role: "actual", values: ["1", "2", "3"] }] };
        const { xAxis, series } = finops.kinds.options(chart, { series: [] }, 800);
        return [xAxis.type, series[0].data];
    }"""
    assert page.evaluate(axis, "percent") == ["value", [[0, 1], [1, 2], [50, 3]]]
    assert page.evaluate(axis, "text") == ["category", [1, 2, 3]]


@pytest.mark.parametrize(
    ("width", "name"), [(360, ["2026-01-07 to", "2026-01-20"]), (1280, ["2026-01-07 to 2026-01-20"])]
)
def test_spans_beside_a_waterfall_are_read_whole_on_a_phone_too(
    open_tab: Callable[..., Any], html: Path, width: int, name: list[str]
) -> None:
    page = open_tab(viewport={"width": width, "height": 740}).page
    page.goto(f"{html.as_uri()}/finops_understanding.html")
    texts = page.locator('[data-chart="why-moved"] svg text')
    expect(texts.first).to_be_attached()
    assert [text.strip() for text in texts.all_text_contents()][: len(name)] == name


def test_tables_sort_by_any_column_and_show_all_rows(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/finops_understanding.html")
    table = page.locator("#t-customers")
    first = table.locator("tbody tr").first
    expect(table.locator("tbody tr")).to_have_count(10)
    table.get_by_role("button", name="Cost").click()
    expect(first).to_contain_text("$3,333.33")  # 10,000 / 3
    table.get_by_role("button", name="Cost").click()
    expect(first).to_contain_text("$16.61")  # 10,000 / 602, the last of the 600 kept
    expect(table.locator("th").nth(1)).to_have_attribute("aria-sort", "ascending")
    table.get_by_role("button", name="Cost").click()
    expect(table.locator("[aria-sort]")).to_have_count(0)
    page.get_by_role("button", name="Show more").click()
    expect(table.locator("tbody tr")).to_have_count(260)
    expect(page.locator("#r-customers")).to_contain_text("260 of 600 rows.")
    expect(table.locator("tfoot")).to_contain_text("100 more")


def test_downloads_hold_all_rows_and_no_formulas(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/finops_understanding.html")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV of Customers").click()
    lines = Path(download.value.path()).read_bytes().decode().split("\r\n")
    assert lines[:2] == ["Customer,Cost (usd),Margin (percent)", "base-100-00000,3333.333333333,80"]
    assert len(lines) == 1 + 600 + 2 + 1  # header, rows, other and total, the end of the last line
    cells = ["=1+1", "+1", "-2.5", "-2+3", "@a", "\tb", "\rc", 'say "hi"', "a,b", "plain", None]
    table = {
        "columns": [{"label": "=x", "unit": "text"}, {"label": "n", "unit": "usd"}],
        "rows": [[c, "-1.5"] for c in cells],
    }
    text = page.evaluate("(table) => finops.downloads.csv(table)", table)
    expected = ["'=1+1", "+1", "-2.5", "'-2+3", "'@a", "'\tb", '"\'\rc"', '"say ""hi"""', '"a,b"', "plain", ""]
    assert text == "\r\n".join(["'=x,n (usd)", *(f"{cell},-1.5" for cell in expected), ""])
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG of Which models cost most?").click()
    assert "gpt-5" in Path(download.value.path()).read_text(encoding="utf-8")


def test_names_in_a_scatter_chart_cover_neither_points_nor_each_other(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/finops_performance.html")
    boxes = page.locator('[data-chart="frontier"] svg text').evaluate_all(
        """(texts) => texts.filter((t) => /^(gpt|claude|gemini|mistral)-/.test(t.textContent))
            .map((t) => { const { x, y, right, bottom } = t.getBoundingClientRect(); return [x, y, right, bottom]; })"""
    )
    assert len(boxes) >= 4
    for (a, b, c, d), (e, f, g, h) in combinations(boxes, 2):
        assert not (a < g and e < c and b < h - 1 and f < d - 1)


def test_the_theme_can_be_chosen_and_is_kept(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab(color_scheme="light").page
    page.goto(f"{html.as_uri()}/index.html")
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    page.goto(f"{html.as_uri()}/finops_performance.html")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    expect(page.get_by_label("Theme")).to_have_value("dark")


def test_the_keyboard_reaches_everything(open_tab: Callable[..., Any], html: Path) -> None:
    page = open_tab().page
    page.goto(f"{html.as_uri()}/index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(f"{html.as_uri()}/finops_understanding.html")
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        place = page.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.dataset.csv || e.dataset.svg || e.dataset.column || e.tagName, s.outlineStyle]; }"
        )
        assert place[0] == "BODY" or place[1] != "none", f"no visible focus on {place[0]}"
        reached.add(place[0])
    assert {"customers", "models", "cost-per-day", "SUMMARY", "SELECT", "0", "1"} <= reached


def test_reduced_motion_is_respected(live: Any, open_tab: Callable[..., Any]) -> None:
    page = open_tab(reduced_motion="reduce").page
    page.goto(f"{live.address}/")
    live.stage.show(State("building", "run-1"))
    expect(page.locator("#busy")).to_be_visible()
    assert page.evaluate("() => getComputedStyle(document.getElementById('busy'), '::after').animationName") == "none"


def test_an_exported_file_works_alone(open_tab: Callable[..., Any], html: Path, tmp_path: Path) -> None:
    target = tmp_path / "alone" / "mail.html"
    target.parent.mkdir()
    target.write_text(single_file(Record.published(html, "finops_understanding")), encoding="utf-8")
    tab = open_tab()
    tab.page.goto(target.as_uri())
    expect(tab.page.locator("[data-chart] svg")).to_have_count(7)
    tab.page.get_by_label("Theme").select_option("dark")
    tab.page.get_by_label("Model", exact=True).select_option("gpt-5")
    expect(tab.page.locator("#t-models tbody tr")).to_have_count(1)
    assert not tab.complaints
    assert all(url.startswith((target.as_uri(), "data:")) for url in tab.requests)
