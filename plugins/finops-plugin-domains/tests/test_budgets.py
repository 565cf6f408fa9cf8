"""Which budgets run out, and what is unknown about them."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from finops_plugin_domains.budgets import budget_statuses
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer

from finops_core import Settings
from finops_core.testing import calls_from


def analyze(rows, **options):
    return RealtimeAnalyzer().analyze(calls_from(rows, **options))


def section(report):
    return next(s for s in report.sections if s.id == "budgets")


def table(report, name):
    blocks = [b for s in report.sections for b in s.blocks if b.id == name]
    return [dict(zip((c.name for c in b.columns), row, strict=True)) for b in blocks for row in b.rows]


def spending(days, cost="10", **columns):
    """One call at noon of each of the first days of January 2026."""
    return [{"timestamp": datetime(2026, 1, d, 12), "cost_usd": cost, **columns} for d in range(1, days + 1)]


def budgets(**dimensions):
    return Settings.model_validate(
        {"budgets": {d: {n: {"usd_per_month": v} for n, v in names.items()} for d, names in dimensions.items()}}
    )


def test_a_budget_is_projected_to_the_end_of_the_month_and_to_the_day_it_runs_out():
    # $10 a day on January 1-10, now is noon of the 10th: $100 spent. Nine whole days before it cost $10 each, so half
    # of today and 21 more days make 5 + 210: $315. After the 10th $105 are gone, $195 after the 19th, $205 on the 20th.
    (status,) = budget_statuses(calls_from(spending(10), settings=budgets(total={"all": 200})))
    assert (status.spent, status.expected, status.runs_out) == (Decimal(100), Decimal(315), date(2026, 1, 20))
    # Ten of 31 days: 200 x 10 / 31.
    assert status.to_date == Decimal("64.516129032")


def test_weekdays_count_for_themselves_once_there_are_two_weeks():
    # $10 on each weekday, nothing on weekends, January 1-20. Today, a Tuesday at noon, and 11 days are left; of the
    # days 21-31 seven are weekdays (21-23 and 26-30) plus one: 21, 22, 23, 26, 27, 28, 29, 30 = 8. 14 weekdays are
    # spent by the 20th (1, 2, 5-9, 12-16, 19, 20): 140 + 5 + 80 = 225.
    rows = [r for r in spending(20) if r["timestamp"].weekday() < 5]
    (status,) = budget_statuses(calls_from(rows, settings=budgets(total={"all": 1000})))
    assert (status.spent, status.expected, status.runs_out) == (Decimal(140), Decimal(225), None)


def test_a_budget_that_is_used_up_names_the_day_it_happened():
    report = analyze(spending(10), settings=budgets(total={"all": 55}))
    # $50 by the 5th, $60 on the 6th.
    (row,) = table(report, "budgets")
    assert row["state"] == "overspent since 2026-01-06"
    (found,) = [f for f in report.findings if f.section == "budgets"]
    assert (found.severity, found.confidence, found.usd_per_month) == ("critical", "high", Decimal(260))
    assert found.title.startswith("The total budget is overspent since 2026-01-06: $100.00 of $55.00 is spent, $315.00")
    assert found.action == "Raise the budget knowingly, or cut what drives it."
    assert "the only budget will not last the month" in report.answer


def test_budgets_of_every_dimension_see_their_own_calls():
    rows = spending(4, cost="1", customer_id="c", organization_id="o", product_id="p", feature_id="f")
    rows += spending(4, cost="100", customer_id="x")
    statuses = budget_statuses(
        calls_from(
            rows,
            settings=budgets(
                customer={"c": 50}, organization={"o": 50}, product={"p": 50}, feature={"f": 50}, total={"all": 500}
            ),
        )
    )
    assert {s.dimension: s.spent for s in statuses} == {
        "customer": 4, "organization": 4, "product": 4, "feature": 4, "total": 404,
    }  # fmt: skip


def test_a_budget_of_a_name_without_calls_is_a_finding():
    report = analyze(spending(3), settings=budgets(organization={"nobody": 5}))
    (row,) = table(report, "budgets")
    assert (row["dimension"], row["spent"], row["state"]) == ("organisation", Decimal(0), "no calls carry this name")
    (found,) = [f for f in report.findings if f.section == "budgets"]
    assert found.title == (
        "The budget of organisation nobody watches nothing: no call since 2026-01-01 carries this name."
    )
    assert (found.severity, found.usd_per_month) == ("warning", None)
    assert "No budget is overspent or will be by the end of the month; day 3 of 31 has begun." in section(report).text


def test_days_of_the_month_before_the_log_are_unknown_and_said_so():
    # $10 a day on January 5-10: $60 spent; the four days before are not in the log, and no budget counts them.
    rows = [r for r in spending(10) if r["timestamp"].day >= 5]
    report = analyze(rows, settings=budgets(total={"all": 55, "wide": 1000}))
    unknown = "The log begins on 2026-01-05: what the month cost before that day is unknown and not counted."
    # Five whole days at $10, and half of today and 21 days more: 60 + 5 + 210.
    assert section(report).text.endswith(
        "day 10 of 31 has begun. It is the total budget: $60.00 of $55.00 is spent, $275.00 is expected by the end of "
        f"the month. {unknown}"
    )
    assert {r["name"]: (r["spent"], r["state"]) for r in table(report, "budgets")} == {
        "all": (Decimal(60), "overspent since 2026-01-10"),
        "wide": (Decimal(60), "within the budget by what is logged"),
    }
    (found,) = [f for f in report.findings if f.section == "budgets"]
    assert found.why_sure == f"It is spent already. {unknown}"


@pytest.mark.parametrize("before", [datetime(2026, 1, 1), datetime(2025, 12, 31)])
def test_a_log_that_holds_the_whole_month_misses_no_days(before):
    rows = [{"timestamp": before, "cost_usd": "1"}, *spending(3)]
    report = analyze(rows, settings=budgets(total={"all": 1000}))
    assert section(report).text.endswith("day 3 of 31 has begun.")
    assert table(report, "budgets")[0]["state"] == "within the budget"


def test_total_budgets_are_told_apart_by_their_names():
    report = analyze(spending(10), settings=budgets(total={"all": 55, "small": 25}))
    assert {f.title.split(" is overspent")[0] for f in report.findings if f.section == "budgets"} == {
        "The total budget",
        'The total budget "small"',
    }
    assert "both budgets will not last the month" in report.answer
    # $315 are expected: 290 over the small budget, 260 over the other.
    assert section(report).text.endswith(
        'Furthest over is the total budget "small": $100.00 of $25.00 is spent, $315.00 is expected by the end of the '
        "month."
    )


@pytest.mark.parametrize(("match", "told"), [({}, False), ({"task_type": ["eval"]}, True)])
def test_where_cost_is_shared_an_organisations_budget_says_that_it_counts_what_its_statement_does_not(match, told):
    # Ten calls of $10 name the organisation, one of them is shared: the budget counts all of them, 100 dollars.
    rows = spending(9, organization_id="o") + spending(10, organization_id="o", task_type="eval")[9:]
    settings = Settings.model_validate(
        {"budgets": {"organization": {"o": {"usd_per_month": 500}}}, "shared_cost": {"match": match}}
    )
    report = analyze(rows, settings=settings)
    assert table(report, "budgets")[0]["spent"] == Decimal(100)
    (block,) = section(report).blocks
    assert ("those of shared cost included" in block.note) == told


def test_on_the_first_day_nothing_is_projected():
    (status,) = budget_statuses(calls_from(spending(1), settings=budgets(total={"all": 15})))
    assert (status.spent, status.expected, status.runs_out) == (Decimal(10), None, None)
    assert status.end == Decimal(10)


def test_a_budget_overspent_on_the_first_day_does_not_say_what_the_month_will_come_to():
    report = analyze(spending(1), settings=budgets(total={"all": 8}))
    (found,) = [f for f in report.findings if f.section == "budgets"]
    assert found.title == (
        "The total budget is overspent since 2026-01-01: $10.00 of $8.00 is spent, and what the month will come to is "
        "not known yet."
    )
    # What is over already: 10 - 8.
    assert found.usd_per_month == Decimal(2)
    assert table(report, "budgets")[0]["expected"] is None


def test_a_budget_counts_its_calendar_month_only():
    rows = [{"timestamp": datetime(2025, 12, 31, 12), "cost_usd": "70"}, *spending(2)]
    (status,) = budget_statuses(calls_from(rows, settings=budgets(total={"all": 1000})))
    assert status.spent == Decimal(20)


def test_without_budgets_the_section_says_how_to_set_one():
    assert "[budgets.total.all]" in section(analyze(spending(2))).text
