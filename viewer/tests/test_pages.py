"""What the pages say, and that nothing in a report can become markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from finops_viewer import pages, units
from finops_viewer.publisher import HtmlPublisher
from hypothesis import given
from hypothesis import strategies as st

from finops_core.ledger.calls import LogCounts
from finops_core.ledger.periods import Period, PeriodChoice
from finops_core.report import Column, Metric, Report, Table
from finops_core.site import Site
from finops_core.testing import calls_from


class Outline(HTMLParser):
    """A page as its tags and attribute names, in order, and as its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.data = ""
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(("/" + tag,))
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.data += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment",))


@pytest.fixture
def publish(tmp_path: Path, site_in: Callable[..., Site]) -> Callable[..., dict[str, str]]:
    def publish(*reports: Report, **site: object) -> dict[str, str]:
        HtmlPublisher().publish(sorted(reports, key=lambda r: r.name), site_in(tmp_path, **site))
        return {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}

    return publish


def test_every_report_has_a_page_whatever_its_state(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    written = publish(*reports)
    assert set(written) == {"index.html", *(f"{r.name}.html" for r in reports)}
    assert "No customer has a known tier price" in written["customer_profitability.html"]
    failed = Outline(written["finops_realtime.html"]).text
    for words in ("realtime", "finops-plugin-domains 0.1.0", "budgets.total.all", "Correct the budget", "ValueError"):
        assert words in failed


def test_hostile_text_leaves_tags_and_attributes_as_harmless_text_does(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report], hostile: str
) -> None:
    harmless, attacked = publish(make_report("harmless")), publish(make_report(hostile))
    for page, html in attacked.items():
        assert Outline(html).tags == Outline(harmless[page]).tags, page
        data = json.loads(Outline(html).data)
        assert page == "index.html" or data["tables"]["t"]["rows"][0][0] == hostile, "the data hold the text as it was"


def test_marks_that_reverse_text_are_shown_instead_of_obeyed(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    text = Outline(publish(make_report("a\u202eb"))["their_report.html"]).text
    assert "a\ufffdb" in text
    assert "\u202e" not in text


def test_page_data_cannot_end_their_script_element(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    html = publish(make_report("</script>&\u2028\u2029"))["their_report.html"]
    (data,) = re.findall(r'id="page-data">(.*?)</script>', html, re.DOTALL)
    assert not set("<>&\u2028\u2029") & set(data)


def test_page_data_hold_money_as_plain_decimals(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    data = json.loads(Outline(publish(make_report())["their_report.html"]).data)
    assert data["tables"]["t"]["total"][1] == "6.000000000"


def test_the_home_page_ranks_findings_by_dollars_a_month(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    text = Outline(publish(*reports)["index.html"]).text
    places = [text.index(words) for words in ("gpt-5 makes 45%", "Failed calls of gemini", "No change of price")]
    assert places == sorted(places)  # $4,210.50, $96.20, no amount


def test_the_home_page_says_what_amounts_a_month_from_a_single_day_rest_on(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    calls = calls_from([{"timestamp": "2026-01-05 08:00"}, {"timestamp": "2026-01-05 20:40"}])
    home = publish(*reports, calls=calls, period=calls.period)["index.html"]
    assert "A month is extrapolated from 1 day." in Outline(home).text
    assert "extrapolated" not in Outline(publish(*reports)["index.html"]).text


def test_the_home_page_of_a_log_without_calls_says_how_to_get_some(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    empty = make_report("x").model_copy(update={"state": "empty", "findings": ()})
    text = Outline(publish(empty, counts=LogCounts(lines=1, header=1), period=None, now=None)["index.html"]).text
    assert "0 AI calls, 1 report, 0 findings." in text
    assert "The log holds no calls yet: simulate some with finops run" in text
    assert "1 line of" in text


def test_the_home_page_of_a_period_without_calls_says_what_the_log_covers(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    empty = make_report("x").model_copy(update={"state": "empty", "findings": ()})
    calls = calls_from([{"timestamp": "2026-01-05"}], choice=PeriodChoice(first=date(2026, 3, 1)))
    text = Outline(publish(empty, calls=calls, period=calls.period, now=calls.now)["index.html"]).text
    assert "No data in this period" in text
    assert "No calls in this period: the log covers 2026-01-05 to 2026-01-05." in text


def test_findings_link_to_the_section_that_proves_them(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    written = publish(*reports)
    for page, html in written.items():
        for target, anchor in re.findall(r'href="([^"#]*)#([^"]+)"', html):
            assert f'id="{anchor}"' in written[target or page], f"{page} links to {target}#{anchor}"


def test_ids_are_unique_in_a_page(publish: Callable[..., dict[str, str]], reports: list[Report]) -> None:
    for page, html in publish(*reports).items():
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), page


def test_long_tables_are_cut_in_the_page_and_whole_in_its_data(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    html = publish(*reports)["finops_understanding.html"]
    rows = json.loads(Outline(html).data)["tables"]["customers"]["rows"]
    assert len(rows) == 600
    assert rows[pages.SHOWN_ROWS - 1][0] in Outline(html).text
    assert rows[pages.SHOWN_ROWS][0] not in Outline(html).text


@pytest.mark.parametrize(("rows", "shown"), [(10, 10), (15, 15), (16, 10)])
def test_no_press_is_needed_for_a_handful_of_rows(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report], rows: int, shown: int
) -> None:
    report = make_report()
    table = Table.of("t", "T", [Column(name="n", label="N")], [(f"row {i}!",) for i in range(rows)])
    told = report.sections[0].model_copy(update={"blocks": (table,)})
    html = publish(report.model_copy(update={"sections": (told,)}))["their_report.html"]
    assert Outline(html).text.count("!") == shown
    assert ("Show more" in html) == (shown < rows)


def test_dollars_that_add_up_have_the_same_decimals() -> None:
    columns = [
        Column(name="all", label="All", unit="usd", role="measure"),
        Column(name="part", label="Part", unit="usd", role="measure"),
        Column(name="each", label="Each", unit="usd"),
    ]
    table = Table.of("t", "T", columns, [("12.5", "0.0123", "0.00123")])
    assert pages._table_data(table)["columns"][1]["decimals"] == 2
    assert [c["decimals"] for c in pages._table_data(table)["columns"]] == [2, 2, 5]


def test_no_unit_cost_reads_as_nothing_beside_a_larger_one() -> None:
    columns = [Column(name="unit", label="Unit"), Column(name="cost", label="Cost of one", unit="usd")]
    table = Table.of("t", "T", columns, [("call", "0.003914"), ("free", 0), ("customer", "7.114")])
    (_, decimals) = pages._decimals(table)
    assert [units.full(row[1], "usd", decimals) for row in table.rows] == ["$0.00391", "$0.00000", "$7.11400"]


def test_a_number_stays_with_its_unit(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    html = publish(make_report("It took 12 s, 5 % of 3 hours or 4 short calls"))["their_report.html"]
    assert "It took 12\u00a0s, 5\u00a0% of 3 hours or 4 short calls" in html


def test_reports_of_the_headline_numbers_come_first_then_titles(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    titles = re.findall(r'<h3><a href="[a-z_]+\.html">([^<]+)', publish(*reports)["index.html"])
    # Spend, failed calls and a third party's number are the first ones of their reports on the home page.
    first = ["An analyzer of somebody else", "Performance", "Usage and cost"]
    assert titles == [*first, "Anomalies", "Customer profitability"]


def test_a_page_says_how_its_numbers_came_about(publish: Callable[..., dict[str, str]], reports: list[Report]) -> None:
    text = " ".join(Outline(publish(*reports)["finops_understanding.html"]).text.split())
    assert "1,000 lines of data/simulated_calls.csv = 990 accepted + 4 quarantined + 1 header + 5 blank" in text
    for words in ("2026-01-05 to 2026-02-03", "2026-02-03 23:59 UTC", "US dollars", "run-1", "Q_COST", "html 0.1.0"):
        assert words in text


def test_home_tells_a_part_of_the_log_from_all_of_it(
    publish: Callable[..., dict[str, str]], reports: list[Report]
) -> None:
    whole = SimpleNamespace(log_period=Period(date(2026, 1, 1), date(2026, 2, 3)), month_caveat="")
    assert "990 AI calls from 2026-01-05 to 2026-02-03, 5 reports" in Outline(publish(*reports)["index.html"]).text
    part = publish(*reports, calls=whole)["index.html"]
    assert "2026-01-05 to 2026-02-03 of a log of 990 AI calls, 5 reports" in Outline(part).text


def test_pages_refer_to_nothing_outside(publish: Callable[..., dict[str, str]], reports: list[Report]) -> None:
    for html in publish(*reports).values():
        assert not re.findall(r'(?:src|href)="(?!assets/|data:,|#|[a-z_]+\.html)', html)
        assert not re.findall(r"<[^>]+\s(?:style|on\w+)=", html)


def test_what_a_section_says_its_blocks_do_not_repeat(
    publish: Callable[..., dict[str, str]], make_report: Callable[..., Report]
) -> None:
    report = make_report("Costs rise.")
    (section,) = report.sections
    block = section.blocks[-1].model_copy(update={"title": "Why", "takeaway": "More calls."})
    again = block.model_copy(update={"id": "u"})
    told = section.model_copy(update={"title": "Why", "text": "More calls. Same prices.", "blocks": (block, again)})
    page = publish(report.model_copy(update={"sections": (told,)}))["their_report.html"]
    text = Outline(page.partition('<section id="s-s"')[2].partition("</section>")[0])
    assert text.text.count("More calls.") == 1
    assert text.tags.count(("h3", "id")) == 1, "the second table's"
    assert 'aria-labelledby="sh-s"' in page.partition('id="b-t"')[2][:40]


def test_findings_of_a_report_are_ranked_too(publish: Callable[..., dict[str, str]], reports: list[Report]) -> None:
    (report,) = (r for r in reports if r.name == "finops_understanding")
    text = Outline(publish(report.model_copy(update={"findings": report.findings[::-1]}))["finops_understanding.html"])
    assert text.text.index("gpt-5 makes 45%") < text.text.index("No change of price")


@pytest.mark.parametrize(
    ("unit", "current", "previous", "better", "text", "mood"),
    [
        ("usd", "110", "100", "lower", "after $100.00, up 10.0\u00a0%", "bad"),
        ("usd", "75", "100", "lower", "after $100.00, down 25.0\u00a0%", "good"),
        ("count", 3, 2, None, "after 2, up 50.0\u00a0%", "neutral"),
        ("percent", 30.0, 32.5, "higher", "after 32.5\u00a0%, down 2.50 points", "bad"),
        ("usd", "5", "0", "lower", "after $0.00, up", "bad"),
        ("usd", "5", "5", "lower", "after $5.00, unchanged", "neutral"),
        ("usd", "100.4", "100", "lower", "after $100.00, about the same", "neutral"),
        ("percent", 30.04, 30.0, "higher", "after 30.0\u00a0%, about the same", "neutral"),
    ],
)
def test_changes_are_put_in_words(
    unit: str, current: object, previous: object, better: str | None, text: str, mood: str
) -> None:
    metric = Metric(id="m", label="m", value=current, unit=unit, current=current, previous=previous, better=better)
    assert pages.change(metric) == pages.Change(text, mood)


def test_prices_keep_their_digits_beside_dearer_ones_and_differences_do_not() -> None:
    prices, differences = [Decimal("7.5"), Decimal("0.00042")], [Decimal("-3.55"), Decimal("0.00042")]
    assert units.decimals_of(prices, "usd", each=True) == 6
    assert units.decimals_of(differences, "usd", each=True) == 2


def test_a_change_within_the_period_names_both_numbers() -> None:
    # 119 in the whole period; of these 65 in its later half and 52 in its earlier one: 65 / 52 = 1.25
    metric = Metric(id="m", label="m", value=119, unit="count", current=65, previous=52, better="lower")
    assert pages.change(metric) == pages.Change("65 after 52, up 25.0\u00a0%", "bad")


def test_nothing_to_compare_is_no_change() -> None:
    assert pages.change(Metric(id="m", label="m", value=1, unit="count", current=1)) is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "usd", "–"),
        (Decimal("1234.565"), "usd", "$1,234.57"),
        (Decimal("-0.005"), "usd", "−$0.00500"),
        (Decimal("0.0123456"), "usd", "$0.0123"),
        (Decimal("0.000000001"), "usd", "$0.000000001"),
        (Decimal("0.5"), "usd", "$0.50"),
        (Decimal(0), "usd", "$0.00"),
        (12.34, "percent", "12.3\u00a0%"),
        (0.042, "percent", "0.042\u00a0%"),
        (1.5, "ratio", "1.50×"),
        (1234567, "count", "1,234,567"),
        (12.34, "count", "12.3"),
        (1234.5, "ms", "1,235 ms"),
        ("2026-01-05T08:00:00Z", "time", "2026-01-05 08:00"),
        ("2026-01-05T08:00:07Z", "time", "2026-01-05 08:00:07"),
        ("x" * 200, "text", "x" * 160 + "…"),
    ],
)
def test_units_read_as_stated(value: object, unit: units.Unit, text: str) -> None:
    assert units.full(value, unit) == text


@pytest.mark.parametrize(
    ("values", "unit", "texts"),
    [
        ([Decimal("51.04"), Decimal("0.00075"), None], "usd", ["$51.04", "$0.00", "–"]),
        ([Decimal("0.0181"), Decimal("0.000375")], "usd", ["$0.0181", "$0.0004"]),
        ([1, 2.25, 30], "count", ["1.0", "2.3", "30.0"]),
        ([1, 2, 1000], "count", ["1", "2", "1,000"]),
        ([], "usd", []),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(values: list[object], unit: units.Unit, texts: list[str]) -> None:
    decimals = units.decimals_of(values, unit)
    assert [units.full(value, unit, decimals) for value in values] == texts


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Decimal("12345.67"), "usd", "$12,346"),
        (Decimal("999.99"), "usd", "$999.99"),
        (1_234_567_890, "tokens", "1.23B"),
        (123_456_789, "tokens", "123.5M"),
        (15_007.4, "ms", "15.0\u00a0s"),
        (999.4, "ms", "999.4 ms"),
    ],
)
def test_headlines_leave_out_small_digits(value: object, unit: units.Unit, text: str) -> None:
    assert units.tile(value, unit) == text


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=2, max_size=40))
def test_a_sparkline_stays_in_its_box(values: list[float]) -> None:
    points = [tuple(map(float, p.split(","))) for p in pages.sparkline(values).split()]
    assert [p[0] for p in points] == sorted(p[0] for p in points)
    assert all(0 <= x <= 120 and 0 <= y <= 28 for x, y in points)
