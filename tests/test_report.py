from datetime import date, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from finops_core import (
    Axis,
    Breakdown,
    Chart,
    Column,
    Finding,
    Metric,
    Point,
    Report,
    Section,
    Series,
    Table,
    extrapolated,
)
from finops_core.report import MAX_ROWS

COLUMNS = [
    Column(name="who", label="Who", role="dimension", dimension="customer_id"),
    Column(name="cost", label="Cost", unit="usd", role="measure"),
    Column(name="calls", label="Calls", unit="count", role="measure"),
    Column(name="share", label="Share", unit="percent"),
]


def a_report(**fields):
    return Report(**{"name": "some_report", "title": "Some report", "answer": "It is so.", **fields})


def a_finding(**fields):
    return Finding(**{"id": "f", "title": "t", "confidence": "high", "action": "act", "section": "proof", **fields})


def test_extrapolated_amounts_are_of_low_confidence_and_say_what_they_rest_on():
    amount, none = a_finding(id="a", usd_per_month=30, why_sure="Counted."), a_finding(id="b", why_sure="Counted.")
    hedged, same = extrapolated([amount, none], "A month is extrapolated from 1 day.")
    assert (hedged.confidence, hedged.why_sure) == ("low", "Counted. A month is extrapolated from 1 day.")
    assert same == none
    assert extrapolated([amount, none], "") == (amount, none)


def test_a_report_of_every_part_is_equal_after_json_and_back():
    table = Table.of("rows", "Rows", COLUMNS, [("a", Decimal("1.5"), 2, 60.0), ("b", 1, 1, None)], total=True)
    line = Chart(
        id="line",
        kind="line",
        title="Cost per day",
        description="It rises.",
        x=Axis(label="day", unit="date"),
        y=Axis(label="cost", unit="usd"),
        categories=("2026-01-05", "2026-01-06"),
        series=(Series(name="cost", values=(Decimal("0.1"), None)), Series(name="high", values=(1, 2.5), role="upper")),
        breakdowns=(Breakdown(by=("model",), rows=((0, "123", "0.1", 1), (1, None, None, 2.5))),),
    )
    scatter = Chart(
        id="scatter",
        kind="scatter",
        title="Speed",
        description="One is fast.",
        x=Axis(label="cost", unit="usd"),
        y=Axis(label="latency", unit="ms"),
        points=(Point(label="gpt-5", x=1.5, y=2, highlight=True),),
    )
    report = a_report(
        metrics=(Metric(id="spend", label="Spend", value=1.25, unit="usd", current=1, previous=None, home=1),),
        findings=(a_finding(usd_per_month=3),),
        sections=(Section(id="proof", title="Proof", blocks=(table, line, scatter)),),
        headline="spend",
        sparkline=(1.0, 2.0),
    )
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert report.metrics[0].value == Decimal("1.250000000")


def test_cut_rows_are_added_up_measure_by_measure():
    table = Table.of("t", "T", COLUMNS, [("a", 3, 2, 50.0), ("b", 2, 1, 33.0), ("c", 1, 4, 17.0)], limit=1, total=True)
    assert table.rows == (("a", Decimal(3), 2, 50.0),)
    assert table.other == ("2 more", Decimal(3), 5, None)
    assert table.other_rows == 2
    assert table.total == ("Total", Decimal(6), 7, None)


def test_a_table_of_more_rows_than_a_page_bears_is_refused():
    with pytest.raises(ValidationError, match=r"use Table\.of to keep the top"):
        Table(id="t", title="T", columns=(COLUMNS[0],), rows=[("x",)] * (MAX_ROWS + 1))


def test_times_and_dates_are_iso_text_in_utc():
    columns = [Column(name="at", label="At", unit="time"), Column(name="day", label="Day", unit="date")]
    table = Table.of("t", "T", columns, [(datetime(2026, 1, 5, 8), date(2026, 1, 5))])
    assert table.rows == (("2026-01-05T08:00:00Z", "2026-01-05"),)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", True])
def test_a_number_must_be_a_finite_number(value):
    with pytest.raises(ValidationError):
        Metric(id="m", label="M", value=value, unit="count")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"findings": (a_finding(),)}, "points to a section that is not there: proof"),
        ({"sections": (Section(id="s", title="S"), Section(id="s", title="S"))}, "section id used twice: s"),
        ({"headline": "spend"}, "no metric 'spend'"),
        ({"name": "../escape"}, "pattern"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_a_report_that_does_not_hold_together_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        a_report(**fields)


def test_a_chart_needs_a_value_for_each_category():
    axis = Axis(label="x")
    with pytest.raises(ValidationError, match="has 1 values for 2 categories"):
        Chart(
            id="c", kind="bar", title="T", description="d", x=axis, y=Axis(label="y", unit="count"),
            categories=("a", "b"), series=(Series(name="s", values=(1,)),),
        )  # fmt: skip
    with pytest.raises(ValidationError, match="only a scatter chart has points"):
        Chart(id="c", kind="bar", title="T", description="d", x=axis, y=axis, points=(Point(label="p", x=1, y=1),))


def a_daily_chart(unit, values, *rows):
    return Chart(
        id="c", kind="line", title="T", description="d", x=Axis(label="Day", unit="date"), y=Axis(label="y", unit=unit),
        categories=("2026-01-05", "2026-01-06"), series=(Series(name="s", values=values),),
        breakdowns=(Breakdown(by=("provider", "model"), rows=rows),),
    )  # fmt: skip


def test_a_breakdown_adds_up_to_what_the_chart_shows():
    first, second = (0, "openai", "gpt-5"), (0, "openai", "gpt-4.1")
    chart = a_daily_chart("usd", ("0.300000001", 0), (*first, "0.1"), (*second, Decimal("0.200000001")))
    assert chart.breakdowns[0].rows[0] == (*first, Decimal("0.100000000"))
    a_daily_chart("tokens", (0.30000000000000004, None), (*first, 0.1), (*second, 0.2))
    with pytest.raises(
        ValidationError, match=r"by provider, model gives 0\.300000000 for '2026-01-05', the chart 0\.3"
    ):
        a_daily_chart("usd", ("0.300000001", 0), (*first, "0.1"), (*second, "0.2"))
    with pytest.raises(ValidationError, match="gives 0 for '2026-01-06', the chart 1"):
        a_daily_chart("count", (1, 1), (*first, 1))
    with pytest.raises(ValidationError, match="by provider, model: a row of 2 cells for 4 columns"):
        a_daily_chart("count", (1, 0), (0, 1))
    with pytest.raises(ValidationError, match="has the position 2 among 2"):
        a_daily_chart("count", (0, 0), (2, "openai", "gpt-5", 1))


def test_a_breakdown_that_a_page_cannot_hold_is_left_out():
    parts = [(0, "openai", f"model-{i}", 1) for i in range(MAX_ROWS)]
    assert len(a_daily_chart("count", (MAX_ROWS, 0), *parts).breakdowns) == 1
    assert not a_daily_chart("count", (MAX_ROWS + 1, 0), *parts, (0, "openai", "one more", 1)).breakdowns


def test_a_row_must_fit_the_columns():
    with pytest.raises(ValidationError, match="a row of 1 cells for 4 columns"):
        Table(id="t", title="T", columns=COLUMNS, rows=[("a",)])


def test_no_report_takes_the_place_of_the_home_page():
    with pytest.raises(ValidationError, match="that is the home page"):
        a_report(name="index")


def test_a_metric_is_measured_over_the_period_and_both_compared_spans():
    words = Metric.over(("three", "two", None), len, id="m", label="m", unit="count")
    assert (words.value, words.current, words.previous) == (5, 3, None)
    only = Metric.over(["three"], len, id="m", label="m", unit="count", better="lower")
    assert (only.value, only.current, only.previous, only.better) == (5, None, None, "lower")
