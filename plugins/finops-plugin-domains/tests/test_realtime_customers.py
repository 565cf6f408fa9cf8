"""Who stopped, and who declines."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer
from finops_plugin_domains.realtime.churn import Stopped
from finops_plugin_domains.realtime.churn_report import stopped_finding

from finops_core import EVENT_SCHEMA, PeriodChoice, Settings
from finops_core.testing import calls_from, check_analyzer

START = datetime(2026, 1, 5)  # a Monday


def daily(customer, days, calls=2, **columns):
    """Calls at noon of the given days, counted from the start."""
    return [
        {"timestamp": START + timedelta(days=d, hours=12, minutes=k), "customer_id": customer, **columns}
        for d in days
        for k in range(calls)
    ]


def others(days, number=9):
    return [row for i in range(number) for row in daily(f"other{i}", range(days), subscription_tier="starter")]


def analyze(rows, **options):
    return RealtimeAnalyzer().analyze(calls_from(rows, **options))


def table(report, name):
    blocks = [b for s in report.sections for b in s.blocks if b.id == name]
    return [dict(zip((c.name for c in b.columns), row, strict=True)) for b in blocks for row in b.rows]


def metric(report, name):
    return next(m for m in report.metrics if m.id == name)


def finding(report, name):
    return next((f for f in report.findings if f.id == name), None)


def test_a_customer_who_stopped_is_named_with_the_day_and_the_revenue_at_risk():
    report = analyze(others(20) + daily("gone", range(12), subscription_tier="pro"))
    (row,) = table(report, "stopped")
    assert row["customer"] == "gone"
    # Calls on days 0 to 11, that is until January 16; now is noon of January 24, day 19, 7.5 days after it.
    assert row["since"] == "2026-01-17"
    assert row["silent_days"] == pytest.approx(7.5, abs=0.1)
    assert (row["active_days"], row["span_days"], row["calls_per_day"]) == (12, 12, 2)
    assert row["revenue"] == Decimal(99)
    assert finding(report, "stopped").usd_per_month == Decimal(99)
    assert "gone" in finding(report, "stopped").title
    assert "1 customer stopped using the service ($99.00 a month)" in report.answer


@pytest.mark.parametrize(
    ("chance", "words"),
    [(1e-20, "less than once in a million times"), (1 / 2423, "only once in 2,000 times")],
)
def test_how_sure_a_silence_is_has_no_more_digits_than_it_deserves(chance, words):
    gone = Stopped("c", date(2026, 1, 5), date(2026, 1, 6), 9.0, 5, 5, 2.0, chance, "pro", Decimal(99))
    assert f"the least certain of these silences would come by chance {words}." in stopped_finding([gone]).why_sure


def test_an_unknown_tier_is_listed_and_not_priced():
    gone = daily("gone", range(12), subscription_tier="platinum") + daily("lost", range(12))
    report = analyze(others(20) + gone)
    assert {r["customer"]: (r["tier"], r["revenue"]) for r in table(report, "stopped")} == {
        "gone": ("platinum", None),
        "lost": ("unknown", None),
    }
    assert finding(report, "stopped").usd_per_month is None
    assert "what they pay is unknown" in finding(report, "stopped").title


def test_the_latest_known_tier_counts():
    upgraded = daily("gone", range(6), subscription_tier="starter") + daily(
        "gone", range(6, 12), subscription_tier="pro"
    )
    (row,) = table(analyze(others(20) + upgraded + daily("gone", [12])), "stopped")
    assert (row["tier"], row["revenue"]) == ("pro", Decimal(99))


def test_a_rare_caller_with_a_burst_is_not_taken_for_gone():
    # Calls on every third day, once 500 of them: eight silent days are its habit. By calls a day they would not be.
    rare = daily("rare", range(0, 12, 3)) + daily("rare", [9], calls=500)
    assert table(analyze(others(18) + rare), "stopped") == []


def test_a_pause_of_less_than_three_days_is_not_reported():
    # Silent from January 22 on, 2.5 days before now, at noon of January 24.
    assert table(analyze(others(20) + daily("pause", range(17))), "stopped") == []


def test_only_customers_who_fell_silent_in_the_period_are_reported():
    rows = others(28) + daily("early", range(10)) + daily("late", range(20))
    report = analyze(rows, choice=PeriodChoice(tail="14d"))
    assert [r["customer"] for r in table(report, "stopped")] == ["late"]
    # The 14 days before are the earlier span; "early" fell silent in them. Neither direction of the change is coloured:
    # who fell silent within the last days is not known yet.
    assert (metric(report, "stopped").better, metric(report, "revenue_at_risk").better) == (None, None)
    assert (metric(report, "stopped").current, metric(report, "stopped").previous) == (1, 1)


def test_on_a_short_log_nobody_can_be_said_to_have_stopped():
    report = analyze(daily("a", range(2)) + daily("b", [0]))
    assert "too few days are known to tell who stopped using the service" in report.answer
    assert metric(report, "stopped").value is None
    assert metric(report, "revenue_at_risk").value is None


def test_where_no_silence_would_be_beyond_chance_nobody_is_said_to_stay():
    # Six days; nine customers call on each, "gone" on the first two. Of the 48 days that count (5 x 9 + 1, and 2 of a
    # uniform prior) 47 are days with calls, so after one more day with calls the share is beta with a = 1 + 4 x 47/48
    # and b = 4/48: 3.5 silent days come up once in 1,800 times, B(a, b) / B(a, b + 3.5), and 4.5 after none once in
    # 2,000. Asked for is once in 10,000: 0.001 false alarms over 10 customers.
    report = analyze(others(6) + daily("gone", range(2)))
    assert "too few days are known to tell who stopped using the service" in report.answer
    assert (metric(report, "stopped").value, table(report, "stopped")) == (None, [])


def test_in_a_period_shorter_than_the_shortest_silence_nobody_is_said_to_stay():
    # Now is noon of January 24; what began on January 22 has lasted 2.5 days.
    report = analyze(others(20) + daily("gone", range(12)), choice=PeriodChoice(tail="3d"))
    # The log holds 20 days.
    assert "the period is too short to tell who stopped using the service" in report.answer
    # The three days before: whoever fell silent in them has been so for three days at least.
    stopped = metric(report, "stopped")
    assert (stopped.value, stopped.current, stopped.previous) == (None, None, 0)
    text = next(s for s in report.sections if s.id == "stopped").text
    assert "no silence that began in it has lasted the 3 days" in text


@pytest.mark.parametrize(("days", "reported"), [(12, 1), (10, 0)])
def test_a_planted_stop_counts_as_found_even_if_all_calls_lie_before_the_period(days, reported):
    # Planted on the first day of the period. What tells that the customer was simulated lies before it; so does the
    # first silent day of a customer without calls on the two days before, who is then no one the period reports.
    start = START + timedelta(days=12)
    event = {"source": "s", "customer_id": "s-1-a", "kind": "churn", "start": start, "end": None, "factor": 0.0}
    rows = others(20) + daily("s-1-a", range(days), source="s")
    for i, row in enumerate(rows):
        row["call_id"] = f"sim_{i}"
    report = analyze(
        rows, events=pa.Table.from_pylist([event], schema=EVENT_SCHEMA), choice=PeriodChoice(first=start.date())
    )
    (score,) = table(report, "score")
    assert (score["planted"], score["found"]) == (1, 1)
    assert (score["reported"], score["right"]) == (reported, reported)


def test_stopped_customers_are_scored_but_the_last_three_days_count_neither_way():
    def event(customer, day):
        start = START + timedelta(days=day)
        return {"source": "s", "customer_id": customer, "kind": "churn", "start": start, "end": None, "factor": 0.0}

    # Planted on day 12 and found; planted on day 17, the first of the last three, and not found, as it cannot be yet.
    events = pa.Table.from_pylist([event("s-1-a", 12), event("s-1-b", 17)], schema=EVENT_SCHEMA)
    rows = others(20) + daily("s-1-a", range(12), source="s") + daily("s-1-b", range(17), source="s")
    for i, row in enumerate(rows):
        row["call_id"] = f"sim_{i}"
    (score,) = table(analyze(rows, events=events), "score")
    assert (score["planted"], score["found"], score["reported"], score["right"]) == (1, 1, 1, 1)


def shrinking(days):
    """20 calls a day in the first half, 10 in the second, beside somebody steady."""
    half = days // 2
    rows = daily("shrinks", range(half), calls=20, subscription_tier="pro")
    return (
        rows + daily("shrinks", range(half, days), calls=10, subscription_tier="pro") + daily("same", range(days), 20)
    )


def ended(rows, days):
    """The same, with a call in the last hour, so that the last day counts as whole."""
    return [*rows, {"timestamp": START + timedelta(days=days - 1, hours=23), "customer_id": "same"}]


def test_decline_over_eight_weeks_is_a_finding_with_the_revenue():
    report = analyze(ended(shrinking(56), 56))
    (row,) = table(report, "declining")
    assert (row["customer"], row["before"], row["after"], row["fall"]) == ("shrinks", 20, 10, 50)
    found = finding(report, "declining")
    assert (found.confidence, found.usd_per_month) == ("medium", Decimal(99))


def test_decline_over_fewer_weeks_says_that_a_monthly_cycle_cannot_be_excluded():
    report = analyze(ended(shrinking(28), 28))
    found = finding(report, "declining")
    assert (found.confidence, found.usd_per_month) == ("low", None)
    assert "a monthly cycle cannot be excluded" in found.why_sure


def test_under_two_weeks_no_decline_is_told():
    report = analyze(shrinking(10))
    assert finding(report, "declining") is None
    assert "With less than two whole weeks" in next(s for s in report.sections if s.id == "declining").text


def test_a_decline_over_two_weeks_compares_the_last_week_with_the_week_before():
    found = finding(analyze(ended(shrinking(14), 14)), "declining")
    assert found.title.endswith(" fewer calls in the last week than in the week before.")


def test_where_nobody_called_in_both_spans_no_decline_is_told():
    # "gone" called on days 0 to 13 and "new" on days 14 to 27: nobody who still calls has done so for 28 days.
    report = analyze(ended(daily("gone", range(14)) + daily("new", range(14, 28)), 28))
    text = next(s for s in report.sections if s.id == "declining").text
    assert text == "No decline can be told: nobody who still calls has done so for 28 days."


def test_a_burst_is_no_decline():
    # 500 calls on one early day beside the usual 20, and 19 a day later: a fall of 5 % without the burst.
    rows = daily("bursty", range(28), 20) + daily("bursty", [3], 480) + daily("bursty", range(28, 56), 19)
    assert table(analyze(ended(rows + daily("same", range(56)), 56)), "declining") == []


def test_doubled_cost_leaves_budgets_and_revenue_as_they_are():
    rows = others(20) + daily("gone", range(12), subscription_tier="pro", cost_usd="0.10")
    settings = Settings.model_validate({"budgets": {"total": {"all": {"usd_per_month": 7}}}})
    once = analyze(rows, settings=settings)
    twice = analyze([{**r, "cost_usd": 2 * Decimal(r.get("cost_usd", 0))} for r in rows], settings=settings)
    assert metric(once, "revenue_at_risk").value == metric(twice, "revenue_at_risk").value == 99
    ((a,), (b,)) = table(once, "budgets"), table(twice, "budgets")
    assert (a["budget"], a["to_date"], 2 * a["spent"]) == (b["budget"], b["to_date"], b["spent"])


def test_the_contract_of_analyzers_is_kept():
    assert check_analyzer(RealtimeAnalyzer).headline == "anomalies"
