import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from finops_core import Calls, LogCounts, Period, PeriodChoice, UsageError
from finops_core.testing import calls_from


def daily(first, days, cost="1"):
    """A call a day at noon."""
    start = datetime.combine(first, datetime.min.time()).replace(hour=12)
    return [
        {"timestamp": start.replace() + (datetime(2026, 1, 2) - datetime(2026, 1, 1)) * d, "cost_usd": cost}
        for d in range(days)
    ]


def test_the_default_period_is_the_whole_log_in_whole_days():
    calls = calls_from(daily(date(2026, 1, 5), 10))
    assert calls.period == Period(date(2026, 1, 5), date(2026, 1, 14))
    assert (calls.period.days, calls.total) == (10, 10)
    assert calls.now == datetime(2026, 1, 14, 12)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (PeriodChoice(first=date(2026, 1, 20)), ("2026-01-20", "2026-02-13")),
        (PeriodChoice(last=date(2026, 1, 10)), ("2026-01-05", "2026-01-10")),
        (PeriodChoice(tail="7d"), ("2026-02-07", "2026-02-13")),
        (PeriodChoice(tail="month"), ("2026-02-01", "2026-02-13")),
    ],
)
def test_a_period_can_be_chosen(choice, expected):
    calls = calls_from(daily(date(2026, 1, 5), 40), choice=choice)
    assert str(calls.period) == " to ".join(expected)
    assert calls.total == calls.period.days


@pytest.mark.parametrize(
    ("choice", "covered", "asked"),
    [
        # The log covers 2026-01-05 to 2026-02-13.
        (PeriodChoice(first=date(2026, 2, 10), last=date(2026, 2, 28)), "2026-02-10 to 2026-02-13", "2026-02-28"),
        (PeriodChoice(last=date(2026, 1, 6), first=date(2025, 12, 1)), "2026-01-05 to 2026-01-06", "2025-12-01"),
        (PeriodChoice(tail="90d"), "2026-01-05 to 2026-02-13", "2025-11-16"),
    ],
)
def test_days_that_the_log_does_not_cover_are_left_out_and_it_is_said(choice, covered, asked):
    calls = calls_from(daily(date(2026, 1, 5), 40), choice=choice)
    assert str(calls.period) == covered
    assert calls.total == calls.period.days
    assert f"reaches beyond the log, which covers {covered} of it." in calls.comparison_text
    assert asked in calls.comparison_text


def test_a_period_outside_of_the_log_has_no_calls_and_is_called_what_it_is():
    calls = calls_from(daily(date(2026, 1, 5), 4), choice=PeriodChoice(date(2026, 3, 1), date(2026, 3, 5)))
    assert (calls.total, calls.empty_text) == (
        0,
        "No calls in the period (2026-03-01 to 2026-03-05); the log covers 2026-01-05 to 2026-01-08.",
    )


def test_calls_after_the_period_are_not_history_and_not_now():
    calls = calls_from(daily(date(2026, 1, 5), 40), choice=PeriodChoice(last=date(2026, 1, 10)))
    assert calls.rows("SELECT count(*) AS n FROM history") == [{"n": 6}]
    assert calls.now == datetime(2026, 1, 10, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PeriodChoice(tail="28"),
        lambda: PeriodChoice(tail="0d"),
        lambda: PeriodChoice(first=date(2026, 1, 1), tail="7d"),
        lambda: Period(date(2026, 1, 2), date(2026, 1, 1)),
    ],
)
def test_a_period_that_makes_no_sense_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        wrong()


def test_a_period_is_compared_with_the_equally_long_one_before_it():
    calls = calls_from(daily(date(2026, 1, 5), 40), choice=PeriodChoice(tail="7d"))
    assert str(calls.comparison) == "2026-02-07 to 2026-02-13 against 2026-01-31 to 2026-02-06"


def test_without_a_period_before_the_last_two_weeks_are_compared():
    calls = calls_from(daily(date(2026, 1, 5), 30, cost="2"))
    assert str(calls.comparison) == "2026-01-21 to 2026-02-03 against 2026-01-07 to 2026-01-20"
    whole, current, previous = calls.spans("sum(cost_usd) AS cost")
    assert (whole["cost"], current["cost"], previous["cost"]) == (60, 28, 28)


def test_the_last_two_weeks_are_compared_with_two_weeks_that_began_before_the_period():
    # The log holds 30 days, too few for the 20 before the last 20, and enough for 14 before the last 14.
    calls = calls_from(daily(date(2026, 1, 5), 30), choice=PeriodChoice(tail="20d"))
    assert str(calls.comparison) == "2026-01-21 to 2026-02-03 against 2026-01-07 to 2026-01-20"


@pytest.mark.parametrize(
    ("days", "choice", "why"),
    [
        (20, None, "the log covers 20 days, and to compare its last 14 days with the 14 before takes 28."),
        (1, None, "the log covers 1 day, and"),
        (20, PeriodChoice(tail="12d"), "the log begins on 2026-01-05 and does not hold the 12 days before 2026-01-13."),
        (9, PeriodChoice(last=date(2026, 1, 5)), "the log begins on 2026-01-05 and does not hold the day before it."),
    ],
)
def test_a_short_log_is_compared_with_nothing_and_says_so(days, choice, why):
    calls = calls_from(daily(date(2026, 1, 5), days), choice=choice)
    assert calls.comparison is None
    assert calls.spans("count(*) AS n") == ({"n": calls.period.days}, None, None)
    assert calls.comparison_text.startswith(f"Nothing is compared: {why}")


def test_usage_adds_up_by_whom_and_for_what_in_every_reported_span():
    # 28 days at noon: the later span is the last 14, the earlier one the first 14.
    rows = daily(date(2026, 1, 5), 28, cost="0.000000001")
    for day, row in enumerate(rows):
        row |= {"customer_id": f"c{day % 2}", "feature_id": None if day % 4 else "search", "input_tokens": 2**53}
    calls = calls_from(rows)
    assert [str(span) for span in calls.reported] == [
        "2026-01-05 to 2026-02-01",
        "2026-01-19 to 2026-02-01",
        "2026-01-05 to 2026-01-18",
    ]
    whole = {(r["customer_id"], r["feature_id"]): r for r in calls.usage("customer_id", "feature_id").to_pylist()}
    # c0 has the even days: 14, of which every second is a search (days 0, 4 ... 24).
    assert {who: row["calls"] for who, row in whole.items()} == {("c0", "search"): 7, ("c0", None): 7, ("c1", None): 14}
    assert whole["c1", None]["cost"] == Decimal("0.000000014")
    assert whole["c1", None]["input_tokens"] == 14 * 2**53
    (later,) = calls.usage(span=1).to_pylist()
    assert (later["calls"], later["cost"]) == (14, Decimal("0.000000014"))
    # Days 14 to 27 hold 16, 20 and 24.
    searched = {r["feature_id"]: r["calls"] for r in calls.usage("feature_id", span=1).to_pylist()}
    assert searched == {"search": 3, None: 11}


def test_usage_by_something_else_is_refused_with_what_it_is_kept_by():
    calls = calls_from([{}])
    with pytest.raises(KeyError, match="not kept by model; it is by customer_id"):
        calls.usage("model")
    with pytest.raises(IndexError, match="no span -1: 1 are reported"):
        calls.usage(span=-1)


def test_token_sums_beyond_64_bits_are_exact():
    calls = calls_from([{"input_tokens": 2**53, "output_tokens": 2**53}] * 1100)
    (everything,) = calls.usage().to_pylist()
    assert everything["input_tokens"] == 1100 * 2**53 > 2**63
    (day,) = calls.customer_days.to_pylist()
    assert day["tokens"] == 2200 * 2**53


def test_a_log_without_calls_has_no_period():
    calls = calls_from([])
    assert (calls.period, calls.comparison, calls.now, calls.total) == (None, None, None, 0)
    assert (calls.empty_text, calls.month_caveat) == ("No calls yet.", "")
    assert calls.rows("SELECT count(*) AS n FROM calls") == [{"n": 0}]
    assert calls.reported == ()
    with pytest.raises(IndexError, match="no span 0: 0 are reported"):
        calls.usage()


def test_a_log_whose_lines_are_all_quarantined_says_so():
    calls = calls_from([], counts=LogCounts(lines=3, header=1, quarantined=2))
    assert calls.empty_text == (
        "No calls: nothing in the log could be read as one (2 lines quarantined; finops check says why)."
    )


def test_an_interrupt_in_the_middle_of_a_query_is_an_interrupt(monkeypatch):
    def interrupted(*_, **__):
        raise RuntimeError("Query interrupted")  # which is what duckdb makes of Ctrl-C

    calls = calls_from([])
    monkeypatch.setattr(Calls, "_connection", SimpleNamespace(sql=interrupted))
    with pytest.raises(KeyboardInterrupt):
        calls.rows("SELECT 1 AS one")


def test_a_month_is_thirty_days_of_the_period():
    assert Period(date(2026, 1, 1), date(2026, 1, 10)).per_month(Decimal("1.5")) == Decimal("4.5")


def test_a_period_of_one_day_is_that_day():
    assert str(Period(date(2026, 1, 5), date(2026, 1, 5))) == "2026-01-05"
    assert str(Period(date(2026, 1, 5), date(2026, 1, 6))) == "2026-01-05 to 2026-01-06"


@pytest.mark.parametrize(
    ("times", "caveat"),
    [
        (["01T18:17"], "a single call."),
        (["01T18:17", "01T19:14"], "1 day, whose calls cover 1 hour only."),
        (["01T08:00", "01T20:40"], "1 day."),
        (["01T08:00", "03T08:00"], "3 days."),
        (["01T08:00", "07T08:00"], None),
    ],
)
def test_a_month_made_of_less_than_a_week_says_what_it_rests_on(times, caveat):
    calls = calls_from([{"timestamp": f"2026-01-{t}:00"} for t in times])
    assert calls.month_caveat == (f"A month is extrapolated from {caveat}" if caveat else "")


def test_sums_of_money_are_exact():
    calls = calls_from([{"cost_usd": "999999999.999999999"}] * 3 + [{"cost_usd": "0.000000001"}])
    assert calls.rows("SELECT sum(cost_usd) AS cost FROM calls") == [{"cost": Decimal("2999999999.999999998")}]


def test_hours_are_those_of_utc_on_any_machine():
    program = (
        "from finops_core.testing import calls_from\n"
        "calls = calls_from([{'timestamp': '2026-07-05T23:30:00'}])\n"
        "query = \"SELECT date_trunc('day', timestamp) AS day, extract('hour' FROM timestamp) AS h FROM calls\"\n"
        "print(calls.rows(query))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"TZ": zone, "PATH": ""}, capture_output=True, text=True, check=True
        ).stdout
        for zone in ("UTC", "America/New_York", "Asia/Kolkata")
    }
    assert outputs == {"[{'day': datetime.datetime(2026, 7, 5, 0, 0), 'h': 23}]\n"}


def test_a_row_with_a_column_that_calls_do_not_have_is_refused():
    with pytest.raises(ValueError, match="no column 'price'"):
        calls_from([{"price": 1}])
