"""The understanding report: by hand, on planted truth, and under its laws."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from finops_plugin_domains.understanding.analyzer import UnderstandingAnalyzer
from finops_plugin_domains.understanding.days import days_of

from finops_core import Calls, PeriodChoice, Report, Table
from finops_core.testing import calls_from, check_analyzer

START = datetime(2026, 1, 5)


def analyze(calls: Calls, **parameters) -> Report:
    return UnderstandingAnalyzer(**parameters).analyze(calls)


def table(report: Report, name: str) -> Table:
    (found,) = (b for s in report.sections for b in s.blocks if b.id == name)
    return found


def metric(report: Report, name: str):
    (found,) = (m for m in report.metrics if m.id == name)
    return found


def section(report: Report, name: str):
    (found,) = (s for s in report.sections if s.id == name)
    return found


def column(of: Table, name: str) -> list:
    index = [c.name for c in of.columns].index(name)
    return [row[index] for row in of.rows]


def steady(days: int, *, per_day: int = 4, cost: object = "0.01", whale: int = 0) -> list[dict]:
    """The same calls every day by c0 and c1 and, from the middle of the days on, ``whale`` calls more by a third."""
    counts = [per_day + (whale if day >= days // 2 else 0) for day in range(days)]
    return [
        {
            "timestamp": START + timedelta(days=day, hours=8, minutes=min(i, per_day)),
            "call_id": f"{day}-{i}",
            "customer_id": "whale" if i >= per_day else f"c{i % 2}",
            "feature_id": "chat",
            "model": "gpt-5",
            "input_tokens": 1000,
            "output_tokens": 100,
            "cost_usd": cost,
        }
        for day, count in enumerate(counts)
        for i in range(count)
    ]


def test_it_keeps_the_contract_of_analyzers() -> None:
    report = check_analyzer(UnderstandingAnalyzer)
    assert [s.id for s in report.sections] == ["days", "spend", "tokens", "change", "forecast"]


def test_a_small_log_by_hand() -> None:
    rows = [
        # 1,000 tokens in, 200 of them cached, and 500 out for $3; 500 in for $1; a failed call for nothing.
        {
            "input_tokens": 1000,
            "cache_read_tokens": 200,
            "output_tokens": 500,
            "cost_usd": 3,
            "feature_id": "chat",
            "organization_id": "acme",
        },
        {"input_tokens": 500, "cost_usd": 1, "provider": "google", "model": "gemini-2.5-pro", "customer_id": "c2"},
        {"status": "server_error", "customer_id": "c2", "feature_id": "chat"},
    ]
    report = analyze(calls_from(rows))
    assert report.answer.startswith("$4.00 was spent on 3 calls within 1 hour of 2026-01-05, 75.0 % of it on openai / ")
    assert metric(report, "spend").value == 4
    assert metric(report, "spend").home
    assert metric(report, "tokens").value == 2000
    assert metric(report, "cost-per-1k-tokens").value == 2  # $4 / 2,000 x 1,000
    assert metric(report, "cache-hit-rate").value == pytest.approx(200 / 1500 * 100)
    assert table(report, "by-provider").rows[0][:4] == ("openai", 3, 75.0, 2)
    assert table(report, "by-feature").rows == (
        ("chat", Decimal(3), 75.0, 2, 1000, 200, 500, Decimal(2), 20.0),
        (None, Decimal(1), 25.0, 1, 500, 0, 0, Decimal(2), 0.0),
    )
    assert column(table(report, "by-organisation"), "organization_id") == ["acme", None]
    assert {row[0]: row[1] for row in table(report, "token-classes").rows} == {
        "Input, not cached": 1300,
        "Input, read from a cache": 200,
        "Input, written to a cache": 0,
        "Output, without reasoning": 500,
        "Output, reasoning": 0,
    }
    assert section(report, "forecast").text == "Nothing can be forecast from fewer than two whole days."
    assert report.answer.endswith("; nothing can be forecast from fewer than two whole days.")
    assert metric(report, "forecast-30d").note == "Nothing can be forecast from fewer than two whole days."
    assert "Nothing is compared" in section(report, "change").text


@pytest.mark.parametrize(
    ("minutes", "said"),
    [([0], "1 call, "), ([0, 57], "within 1 hour of"), ([0, 720], "within 12 hours of"), ([0, 721], "in 1 day,")],
)
def test_a_day_of_which_calls_cover_half_or_less_is_told_in_hours(minutes: list[int], said: str) -> None:
    rows = [{"timestamp": START + timedelta(minutes=m), "call_id": str(m), "cost_usd": 1} for m in minutes]
    assert said in analyze(calls_from(rows)).answer


def test_charts_tell_what_each_model_and_customer_adds() -> None:
    rows = [
        {"customer_id": "ada", "input_tokens": 10, "cost_usd": 3},
        {"customer_id": "bob", "input_tokens": 4, "cache_read_tokens": 1, "cost_usd": 1, "model": "gpt-4.1"},
        {"customer_id": "bob", "output_tokens": 7, "cost_usd": 2, "timestamp": START + timedelta(days=1)},
        {"customer_id": "bob", "output_tokens": 7, "cost_usd": 5, "timestamp": START + timedelta(days=1)},
    ]
    gpt_5, gpt_41 = ("openai", "gpt-5"), ("openai", "gpt-4.1")

    def rows_of(chart: str, which: int = 0) -> tuple:
        return table(report, chart).breakdowns[which].rows

    report = analyze(calls_from(rows))
    assert rows_of("cost-per-day") == ((0, *gpt_5, 3), (0, *gpt_41, 1), (1, *gpt_5, 7))
    assert rows_of("tokens-per-day") == ((0, *gpt_5, 10, 0, 0), (0, *gpt_41, 3, 1, 0), (1, *gpt_5, 0, 0, 14))
    assert rows_of("cost-by-model") == ((0, *gpt_5, 10), (1, *gpt_41, 1))
    report = analyze(calls_from(steady(28, per_day=2, cost="0.01", whale=3)))
    moved = {row[1]: row[-1] for row in rows_of("change-waterfall", 1) if row[0] == 1}
    # 3 calls more on each of the last 14 days, all of the whale: 3 x 14 x $0.01 of volume.
    assert moved == {"whale": Decimal("0.42"), "c0": 0, "c1": 0}


def test_every_breakdown_adds_up_to_the_total() -> None:
    report = analyze(calls_from(steady(30, cost="0.000000001", whale=3)))
    spend = metric(report, "spend").value
    for name in ("provider", "model", "customer", "organisation", "product", "feature", "task"):
        found = table(report, f"by-{name}")
        assert sum(column(found, "cost_usd")) == spend
        assert sum(column(found, "calls")) == metric(report, "calls").value


def test_a_customer_who_starts_to_dominate_is_named() -> None:
    # Days of 4 calls at a cent; from day 14 on 36 more by the whale. 14 days: $0.56, then $5.60: + $5.04, all volume.
    report = analyze(calls_from(steady(28, whale=36)))
    whole, moved = (next(f for f in report.findings if f.id == i) for i in ("cost-moved", "customer-moved-1"))
    assert whole.usd_per_month == Decimal("10.8")  # $5.04 x 30 / 14
    assert whole.why_sure == (
        "Logged cost of 560 calls against 56; for a month the rise is scaled from 14 days to 30; whale alone cost "
        "$5.04 more."
    )
    assert (moved.who, moved.severity) == ("whale", "warning")
    assert moved.usd_per_month is None  # a part of the $10.80
    assert moved.title == (
        "Customer whale cost $5.04 in the last 14 days, up from nothing in the 14 days before, mainly because more "
        "calls added $5.04."
    )
    # Any 2 of 14 equal days are 14 % of their cost: that is not worth a word.
    assert moved.why_sure == "Logged cost of 504 calls against 0."
    concentration = next(f for f in report.findings if f.id == "concentration-1")
    assert concentration.who == "whale"
    # $5.04 of $6.16, 504 of 616 calls. That is what hangs on the whale, not what is lost.
    assert concentration.title == (
        "Customer whale causes 81.8 % of all cost, $5.04 in 28 days, with 81.8 % of all calls."
    )
    assert (concentration.usd_per_month, concentration.severity) == (None, "info")
    waterfall = next(b for b in section(report, "change").blocks if b.id == "change-waterfall")
    assert waterfall.series[0].values == tuple(Decimal(v) for v in ("0.56", "5.04", "0", "0", "0", "5.6"))
    assert section(report, "change").text.endswith(
        "Customers that moved most: whale (+$5.04). By feature and model, what moved most (100 % of the change): chat "
        "on openai / gpt-5 (+$5.04, all volume)."
    )
    assert metric(report, "spend").current == Decimal("5.6")
    assert metric(report, "spend").previous == Decimal("0.56")
    assert (metric(report, "customers").current, metric(report, "customers").previous) == (3, 2)


def test_customers_who_all_cost_the_same_are_no_concentration() -> None:
    # Five customers with a fifth of the cost each.
    rows = [{**row, "customer_id": f"c{i % 5}"} for i, row in enumerate(steady(28, per_day=5))]
    assert [f.id for f in analyze(calls_from(rows)).findings] == ["nothing-unusual"]


@pytest.mark.parametrize(("of_big", "found"), [(4, True), (3, False)])
def test_a_customer_stands_out_at_twice_what_the_others_cost(of_big: int, found: bool) -> None:
    # Three others cost $2 each; $4 is 40 % of all and twice that, $3 is 33 % and one and a half times.
    rows = [{"customer_id": "big", "cost_usd": 1}] * of_big
    rows += [{"customer_id": name, "cost_usd": 1} for name in ("c0", "c1", "c2") for _ in range(2)]
    rows = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    (finding,) = analyze(calls_from(rows)).findings
    assert (finding.who == "big") is found
    if found:
        assert finding.why_sure.startswith("Logged cost of 4 calls; the other 3 customers cost $2.00 each on average.")


def test_as_many_calls_on_a_dearer_model_are_told_as_a_shift() -> None:
    # 4 calls a day at a cent, from day 14 on at three cents on another model: 14 x 4 x $0.02 = $1.12 more.
    rows = steady(28)
    for row in rows:
        if row["timestamp"] >= START + timedelta(days=14):
            row |= {"model": "gpt-5-pro", "cost_usd": "0.03"}
    report = analyze(calls_from(rows))
    moved = {f.id: f for f in report.findings}
    assert moved["cost-moved"].title == (
        "$1.68 was spent in the last 14 days, $1.12 (200.0 %) more than in the 14 days before, mainly because a shift "
        "of calls to dearer models, features or customers added $1.12."
    )
    assert "a shift of calls to dearer models or features added $0.56." in moved["customer-moved-1"].title
    assert "more calls" not in report.answer
    assert "added calls" not in moved["cost-moved"].action + moved["customer-moved-1"].action


def test_a_fall_puts_no_amount_at_stake() -> None:
    # The whale calls in the first half only.
    rows = steady(28, whale=36)
    for row in rows:
        row["timestamp"] = START + timedelta(days=27) - (row["timestamp"] - START) + timedelta(hours=16)
    falls = [f for f in analyze(calls_from(rows)).findings if f.section in ("change", "forecast")]
    assert {f.id for f in falls} >= {"cost-moved", "customer-moved-1"}
    assert all(f.usd_per_month is None and f.severity == "info" for f in falls)


def test_a_burst_is_told_from_a_new_level() -> None:
    rows = steady(28)
    rows += [
        {**rows[0], "timestamp": START + timedelta(days=20, hours=9, seconds=i), "call_id": f"b{i}", "customer_id": "b"}
        for i in range(200)
    ]
    moved = {f.who: f for f in analyze(calls_from(rows)).findings if f.section == "change"}
    assert moved["b"].confidence == "low"
    assert moved["b"].usd_per_month is None  # what bursts come to in a month cannot be known from one
    assert moved["b"].why_sure == (
        "Logged cost of 200 calls against 0; 100 % of its cost in the later span fell on 2026-01-25, a burst rather "
        "than a level."
    )
    assert moved["b"].action == "Find out what b did on 2026-01-25; plan with the level of the other days."
    # The whole rose by the $2.00 of the burst, so that it is no level either.
    assert (moved["all calls"].confidence, moved["all calls"].usd_per_month) == ("low", None)
    assert moved["all calls"].why_sure.endswith("; b alone cost $2.00 more, a burst rather than a level.")


def test_less_than_a_week_tells_no_burst_from_a_level_and_is_never_sure() -> None:
    # c0 makes 100 calls a day at a cent, and none on 12 January. A span of one day always holds its cost on one day.
    rows = [{**row, "call_id": f"{row['call_id']}-{i}"} for row in steady(9) for i in range(50)]
    rows = [row for row in rows if (row["timestamp"].day, row["customer_id"]) != (12, "c0")]
    rise = analyze(calls_from(rows, choice=PeriodChoice(tail="1d"))).findings
    quiet = datetime(2026, 1, 12).date()
    fall = analyze(calls_from(rows, choice=PeriodChoice(first=quiet, last=quiet))).findings
    rose, fell = (next(f for f in findings if f.id == "customer-moved-1") for findings in (rise, fall))
    assert rose.title == (
        "Customer c0 cost $1.00 on 2026-01-13, up from nothing on 2026-01-12, mainly because more calls added $1.00."
    )
    assert fell.title == (
        "Customer c0 cost $0 on 2026-01-12, $1.00 (100.0 %) less than on 2026-01-11, mainly because fewer calls took "
        "off $1.00."
    )
    assert fell.why_sure == "Logged cost of 0 calls against 100; less than a week does not show whether it lasts."
    assert fell.action == "Look at c0 again when whole weeks can be compared."
    assert {f.confidence for f in (*rise, *fall) if f.section == "change"} == {"low"}


def test_as_much_as_before_is_said_to_be_so() -> None:
    # 4 calls a day at a cent, then 2 a day at two cents.
    rows = [row for row in steady(28) if row["timestamp"] < START + timedelta(days=14) or row["call_id"][-1] in "01"]
    for row in rows:
        if row["timestamp"] >= START + timedelta(days=14):
            row["cost_usd"] = "0.02"
    assert "; $0.56 of it in the last 14 days, as much as in the 14 days before;" in analyze(calls_from(rows)).answer


def test_a_quiet_log_says_what_was_checked() -> None:
    rows = [{**row, "customer_id": f"c{i % 9}"} for i, row in enumerate(steady(28, per_day=9))]
    (finding,) = analyze(calls_from(rows)).findings
    assert finding.severity == "good"
    assert "no customer causes 20 % of the cost and at least 2 times what the others cost" in finding.title
    assert "2026-01-19 to 2026-02-01 against 2026-01-05 to 2026-01-18" in finding.title


def test_cost_out_of_nothing_is_a_finding() -> None:
    rows = steady(28)
    for row in rows:
        row["cost_usd"] = row["cost_usd"] if row["timestamp"] >= START + timedelta(days=14) else 0
    finding = next(f for f in analyze(calls_from(rows)).findings if f.id == "cost-moved")
    assert finding.title.startswith(
        "$0.56 was spent in the last 14 days, up from nothing in the 14 days before, mainly "
    )


def test_names_that_are_missing_are_put_into_words() -> None:
    rows = steady(28, whale=3)
    for row in rows:
        row["feature_id"] = None
    report = analyze(calls_from(rows))
    assert "No call names a task." in section(report, "spend").text
    assert "calls without a feature on openai / gpt-5" in section(report, "change").text


def test_growth_beyond_the_interval_is_a_finding() -> None:
    rows = [
        {**row, "call_id": f"{row['call_id']}-{copy}"}
        for row in steady(56, per_day=1)
        for copy in range(10 + (row["timestamp"] - START).days)
    ]
    finding = next(f for f in analyze(calls_from(rows)).findings if f.id == "forecast-moves")
    assert "heading up" in finding.title
    assert finding.severity == "warning"


def calls_a_day(*counts: int) -> Calls:
    """So many calls a day at a cent."""
    (row, *_) = steady(1)
    return calls_from(
        [
            {**row, "call_id": f"{day}-{i}", "timestamp": row["timestamp"] + timedelta(days=day)}
            for day, n in enumerate(counts)
            for i in range(n)
        ]
    )


def test_the_forecast_owns_up_to_what_it_missed() -> None:
    # $0.10 a day for five weeks, then $0.20: the last week was forecast at $0.70 and cost $1.40. Of the 14 weeks that
    # begin on days 21 to 34, those from day 29 on hold a dear day, and nothing had varied before: 8 of 14 are inside.
    report = analyze(calls_a_day(*[10] * 35, *[20] * 7))
    assert (
        "The last week, forecast from the days before it, was expected to cost $0.70 and cost $1.40: an error of "
        "-50.0 %, outside an interval of no width; of 14 earlier spans of seven days, one beginning each day and "
        "forecast in the same way, 8 (57 %) fell inside."
    ) in section(report, "forecast").text
    assert metric(report, "forecast-accuracy").value == pytest.approx(50)
    assert metric(report, "forecast-accuracy").note.endswith("it fell outside the interval.")


@pytest.mark.parametrize(
    ("days", "caveat"),
    [
        (14, "the weekday methods need three weeks of days to be tried"),
        (21, "below four weeks of days it can only be chosen on the last week itself, so its error flatters it"),
        (34, "chosen on 34 whole days. "),
    ],
)
def test_with_fewer_than_seven_earlier_weeks_it_is_too_early_to_say_how_often_the_interval_holds(
    days: int, caveat: str
) -> None:
    text = section(analyze(calls_a_day(*[3, 5] * (days // 2), *[4] * (days % 2))), "forecast").text
    assert "it is too early to tell how often the interval holds" in text
    assert caveat in text


def test_a_forecast_whose_last_week_fell_outside_is_of_low_confidence() -> None:
    # Growth by a call a day, and a last week at 1.2 times that: 59 to 65 calls are expected, 434, and 521 come.
    report = analyze(calls_a_day(*range(10, 59), *(round(1.2 * n) for n in range(59, 66))))
    finding = next(f for f in report.findings if f.id == "forecast-moves")
    assert finding.confidence == "low"
    assert re.search(r"an error of -1\d\.\d %, outside the interval\.$", finding.why_sure)


def test_spend_that_is_heading_down_puts_no_amount_at_stake() -> None:
    finding = next(f for f in analyze(calls_a_day(*range(66, 10, -1))).findings if f.id == "forecast-moves")
    assert "heading down" in finding.title
    assert (finding.usd_per_month, finding.confidence) == (None, "high")


def test_the_last_day_counts_in_totals_and_not_in_the_forecast_while_it_is_not_over() -> None:
    rows = steady(29, per_day=13)
    for row in rows:  # calls on every hour from 8:00 to 20:00
        hour = int(row["call_id"].split("-")[1])
        row["timestamp"] = row["timestamp"].replace(hour=8 + hour, minute=0, second=0)
    rows = [row for row in rows if row["timestamp"] <= START + timedelta(days=28, hours=10)]
    calls = calls_from(rows)
    days = days_of(calls, 90)
    assert (days.unfinished, days.begins_late) == (1, False)
    assert days.costs() == pytest.approx([0.13] * 28)
    report = analyze(calls)
    assert metric(report, "spend").value == Decimal("0.13") * 28 + Decimal("0.03")
    assert metric(report, "forecast-30d").value == Decimal("3.9")
    assert any(note.startswith("2026-02-02 was not over") for note in report.assumptions)
    chart = next(b for b in section(report, "forecast").blocks if b.id == "forecast-daily")
    assert chart.categories[29] == "2026-02-03"
    assert [v is None for v in chart.series[1].values] == [True] * 29 + [False] * 30


def test_a_day_in_the_middle_of_a_longer_log_is_whole() -> None:
    rows = steady(20)
    calls = calls_from(rows, choice=PeriodChoice(last=(START + timedelta(days=15)).date()))
    assert days_of(calls, 90).unfinished == 0


def test_a_log_that_begins_in_the_middle_of_a_day_leaves_it_out_of_the_forecast() -> None:
    rows = steady(20)
    rows[0]["timestamp"] = rows[0]["timestamp"].replace(hour=17)
    calls = calls_from([rows[0], *rows[4:]])
    assert days_of(calls, 90).begins_late
    assert len(days_of(calls, 90).costs()) == 19


def test_below_two_weeks_the_report_says_how_little_is_known() -> None:
    report = analyze(calls_from(steady(9)))
    assert "That is little to go by" in section(report, "forecast").text
    assert report.answer.endswith(
        "the next 30 days are expected to cost $1.20, the mean of 9 days carried on, too few for an interval."
    )
    assert metric(report, "forecast-accuracy").value is None
    assert table(report, "forecast-horizons").rows[0][1:] == (Decimal("1.2"), None, None)


def test_a_log_without_cached_tokens_has_no_cache_hit_rate() -> None:
    rows = [{"input_tokens": 10, "call_id": "a"}, {"input_tokens": 30, "call_id": "b", "customer_id": "c2"}]
    report = analyze(calls_from(rows))
    assert metric(report, "cache-hit-rate").value is None
    assert metric(report, "cache-hit-rate").note == "No call records tokens read from a cache."
    assert "No call records tokens read from a cache." in section(report, "tokens").text
    assert set(column(table(report, "by-customer"), "cache_hit")) == {None}
    # One written token shows that the log records caching: then none of 40 is a rate.
    rows[0]["cache_write_tokens"] = 1
    assert metric(analyze(calls_from(rows)), "cache-hit-rate").value == 0


def test_free_calls_are_reported_without_shares() -> None:
    report = analyze(calls_from(steady(28, cost=0)))
    assert set(column(table(report, "by-customer"), "share")) == {None}


def test_a_log_without_costs_is_no_good_news() -> None:
    # 28 days of 4 calls.
    report = analyze(calls_from(steady(28, cost=0)))
    assert report.answer == "By the log, 112 calls in 28 days cost nothing."
    (finding,) = report.findings
    assert (finding.id, finding.severity, finding.confidence) == ("no-costs", "warning", "high")
    assert finding.title == "Costs are not logged: no call has any, so that spend cannot be judged."
    assert metric(report, "forecast-30d").value is None
    assert metric(report, "forecast-30d").note == "Nothing can be forecast, because no call has a cost."
    assert section(report, "days").text == "By the log, no day cost anything."
    assert section(report, "change").text == (
        "By the log, nothing was spent in either span (2026-01-05 to 2026-01-18 and 2026-01-19 to 2026-02-01)."
    )


def test_days_that_all_cost_the_same_are_told_in_one_number() -> None:
    # 4 calls at a cent on each of 28 days: $0.04 a day, $0.56 in 14 days, $1.20 in 30.
    report = analyze(calls_from(steady(28)))
    assert report.answer.endswith(
        "; $0.56 of it in the last 14 days, as much as in the 14 days before; the next 30 days are expected to cost "
        "$1.20."
    )
    assert section(report, "days").text == "Every day cost $0.04."
    assert metric(report, "forecast-30d").note == "No interval to give: no day was off what the method says."
    assert "are expected to cost $1.20; there is no interval to give" in section(report, "forecast").text
    assert section(report, "change").text.startswith("Cost did not move: it was $0.56 in both spans (2026-01-05 to ")


def without_days(rows: list[dict], first: int, last: int) -> list[dict]:
    """The same rows without those of some days of January."""
    return [row for row in rows if not datetime(2026, 1, first) <= row["timestamp"] < datetime(2026, 1, last + 1)]


def test_days_without_a_call_are_named_and_leave_no_amount_at_stake() -> None:
    # Two customers with 4 calls a day at a cent in all; five of the earlier 14 days hold none: $0.56 after $0.36.
    report = analyze(calls_from(without_days(steady(28), 8, 12)))
    held_none = "5 days (2026-01-08 to 2026-01-12) hold no call"
    assert f"{held_none}: a missing export or a real pause; they count as $0." in report.assumptions
    assert section(report, "days").text.endswith(f"{held_none}: a missing export or a real pause; they count as $0.")
    findings = {f.id: f for f in report.findings}
    assert findings["days-without-calls"].title == f"{held_none}: calls may be missing from the log."
    moved = findings["cost-moved"]
    assert (moved.confidence, moved.usd_per_month) == ("low", None)
    assert moved.why_sure.startswith(
        "Logged cost of 56 calls against 36; the two spans have 5 days without a call, on which calls may be missing"
    )
    assert all(f.usd_per_month is None for f in report.findings)


def test_a_weekend_without_calls_is_named_and_no_finding() -> None:
    rows = without_days(without_days(steady(28), 10, 11), 19, 19)
    report = analyze(calls_from(rows))
    assert "3 days (2026-01-10 to 2026-01-11 and 2026-01-19) hold no call" in section(report, "days").text
    assert "days-without-calls" not in {f.id for f in report.findings}
    report = analyze(calls_from(without_days(steady(28), 19, 19)))
    assert "1 day (2026-01-19) holds no call: a missing export or a real pause; it counts as $0." in report.assumptions


@pytest.mark.parametrize("choice", [PeriodChoice(), PeriodChoice(tail="7d"), PeriodChoice(tail="1d")])
def test_the_forecast_is_compared_with_what_it_was_before_the_later_span(choice: PeriodChoice) -> None:
    rows = [
        {**row, "call_id": f"{row['call_id']}-{copy}"}
        for row in steady(40, per_day=1)
        for copy in range(10 + (row["timestamp"] - START).days % 7)
    ]
    calls = calls_from(rows, choice=choice)
    report = analyze(calls, history_days=21)
    assert calls.comparison is not None
    then = analyze(calls_from(rows, choice=PeriodChoice(last=calls.comparison.previous.last)), history_days=21)
    for name in ("forecast-30d", "forecast-accuracy"):
        found = metric(report, name)
        assert found.value is not None
        assert (found.current, found.previous) == (found.value, metric(then, name).value)


def test_the_answer_owns_up_to_an_interval_that_did_not_hold() -> None:
    # $0.10 a day for 26 days, then $0.20 for 14. The 12 weeks that begin on days 21 to 32 all hold dear days, and none
    # was inside an interval that followed from the cheap days before.
    report = analyze(calls_a_day(*[10] * 26, *[20] * 14))
    assert report.answer.endswith(
        ", an interval that is meant to hold in 4 of 5 cases, but held in none of 12 earlier weeks."
    )
    assert "which was best until then" in section(report, "forecast").text
    # At $0.20 a day, the level of the last 14 days, 30 days cost $6.00.
    assert metric(report, "forecast-30d").value == Decimal(6)
    # The rise to that level is told once with an amount: $1.40 in 14 days are $3.00 in 30.
    amounts = {f.id: f.usd_per_month for f in report.findings}
    assert amounts["cost-moved"] == Decimal(3)
    assert [i for i, amount in amounts.items() if amount is not None] == ["cost-moved"]


def test_an_amount_is_given_once_by_customers_where_the_whole_has_none() -> None:
    # 10 calls a day at a cent each: "stays" on all 28 days, "leaves" on the first 14, "comes" on the last 14.
    (row, *_) = steady(1)
    rows = [
        {
            **row,
            "timestamp": START + timedelta(days=day, hours=8, minutes=i),
            "call_id": f"{name}-{day}-{i}",
            "customer_id": name,
            "feature_id": f"feature of {name}",
        }
        for name, days in (("stays", range(28)), ("leaves", range(14)), ("comes", range(14, 28)))
        for day in days
        for i in range(10)
    ]
    moved = {f.who: f.usd_per_month for f in analyze(calls_from(rows)).findings if f.section == "change"}
    # The whole did not move. "comes" rose from nothing to $1.40, which is $3.00 in 30 days; its feature is the same $3.
    assert moved.pop("comes") == Decimal(3)
    assert moved == {
        "leaves": None,
        "feature of comes on openai / gpt-5": None,
        "feature of leaves on openai / gpt-5": None,
    }


def test_a_feature_that_may_hold_a_burst_has_no_amount() -> None:
    rows = steady(28)
    rows += [
        {
            **rows[0],
            "timestamp": START + timedelta(days=20, hours=9, seconds=i),
            "call_id": f"b{i}",
            "customer_id": "b",
            "feature_id": "search",
        }
        for i in range(200)
    ]
    driver = next(f for f in analyze(calls_from(rows)).findings if f.id == "driver-1")
    assert (driver.usd_per_month, driver.confidence) == (None, "low")
    assert driver.why_sure == "Logged cost of 200 calls against 0; it may hold a burst of b."


def test_what_hardly_went_against_a_change_is_not_named() -> None:
    # 5 calls of chat more on 14 days at a cent add $0.70. 4 calls of search a day end after 14 days: 56 of them.
    def text(cost: str) -> str:
        rows = steady(28, whale=5)
        rows += [
            {**row, "call_id": f"s{row['call_id']}", "feature_id": "search", "cost_usd": cost} for row in steady(14)
        ]
        return section(analyze(calls_from(rows)), "change").text

    # They took off 56 x $0.0005 = $0.028, which is 4 % of $0.70, or 56 x $0.001 = $0.056, which is 8 %.
    assert "Against it went" not in text("0.0005")
    assert "Against it went search on openai / gpt-5 (-$0.056, all volume)." in text("0.001")


def test_a_period_is_compared_with_the_one_before_it() -> None:
    calls = calls_from(steady(20, whale=5), choice=PeriodChoice(tail="7d"))
    report = analyze(calls)
    assert metric(report, "spend").current == metric(report, "spend").value
    # Days of 4 calls, and of 9 from the eleventh on: 63 calls in 7 days after 4 x 4 + 3 x 9 = 43.
    assert "; that is $0.20 (46.5 %) more than in the 7 days before, mainly because more calls added" in report.answer


def test_within_a_longer_period_its_last_days_are_compared() -> None:
    # 14 days of 9 calls after 14 days of 4, at a cent: $1.26 after $0.56.
    answer = analyze(calls_from(steady(28, whale=5))).answer
    assert "; $1.26 of it in the last 14 days, $0.70 (125.0 %) more than in the 14 days before, mainly" in answer


def test_days_before_the_end_of_the_log_are_not_called_the_last() -> None:
    first, last = ((START + timedelta(days=day)).date() for day in (14, 26))
    report = analyze(calls_from(steady(28, whale=5), choice=PeriodChoice(first=first, last=last)))
    assert " was spent in the 13 days to 2026-01-31, " in report.findings[0].title


def test_a_single_customer_and_a_single_day_are_no_finding() -> None:
    report = analyze(calls_from([{"cost_usd": 5, "call_id": str(i)} for i in range(3)]))
    assert [f.id for f in report.findings] == ["nothing-unusual"]
    assert report.findings[0].title.startswith("Too little to judge")


@pytest.mark.parametrize(("percent", "cases"), [(80, "4 of 5 cases"), (95, "19 of 20 cases"), (97.5, "39 of 40 cases")])
def test_how_often_an_interval_holds_is_told_in_cases(percent: float, cases: str) -> None:
    report = analyze(calls_a_day(*[3, 5] * 7), interval_percent=percent)
    assert f"that interval is meant to hold in {cases}." in section(report, "forecast").text
    assert table(report, "forecast-horizons").note.endswith(
        f"the interval from low to high is meant to hold in {cases}."
    )


@pytest.fixture(scope="module")
def busy() -> pa.Table:
    """Two thousand random calls of 40 days."""
    rng = np.random.Generator(np.random.PCG64(9))
    models = [("openai", "gpt-5"), ("deepseek", "deepseek-chat"), ("google", "gemini-2.5-pro"), ("x", "unknown")]
    rows = []
    for i in range(2000):
        provider, model = models[rng.integers(4)]
        rows.append(
            {
                "timestamp": START + timedelta(seconds=int(rng.integers(40 * 86400))),
                "call_id": str(i),
                "provider": provider,
                "model": model,
                "customer_id": f"c{rng.integers(9)}",
                "feature_id": [None, "chat", "qa"][rng.integers(3)],
                "input_tokens": int(rng.integers(5000)),
                "output_tokens": int(rng.integers(500)),
                "cost_usd": Decimal(int(rng.integers(10**8))).scaleb(-9),
            }
        )
    return calls_from(rows).sql("SELECT * FROM calls")


def test_the_order_of_rows_changes_nothing_to_the_last_digit(busy: pa.Table) -> None:
    shuffled = busy.take(np.random.Generator(np.random.PCG64(1)).permutation(busy.num_rows))
    assert analyze(Calls.from_arrow(busy)) == analyze(Calls.from_arrow(shuffled))


def test_doubled_costs_double_logged_dollars_and_leave_the_rest(busy: pa.Table) -> None:
    i = busy.schema.get_field_index("cost_usd")
    doubled = busy.set_column(
        i, busy.schema.field(i), pa.array([2 * c.as_py() for c in busy["cost_usd"]], busy.schema.field(i).type)
    )
    once, twice = analyze(Calls.from_arrow(busy)), analyze(Calls.from_arrow(doubled))
    for name, factor in (("spend", 2), ("calls", 1), ("tokens", 1), ("cache-hit-rate", 1), ("forecast-30d", 2)):
        for field in ("value", "current", "previous"):
            before = getattr(metric(once, name), field)
            if before is not None:
                assert float(getattr(metric(twice, name), field)) == pytest.approx(factor * float(before))
    for name in ("by-customer", "by-model", "change-by-customer"):
        for measure in ("cost_usd", "change"):
            if any(c.name == measure for c in table(once, name).columns):
                assert column(table(twice, name), measure) == [2 * v for v in column(table(once, name), measure)]
    assert metric(twice, "forecast-accuracy").value == pytest.approx(metric(once, "forecast-accuracy").value)
