"""Organisations whose cost moved, and whether a few days made the change: worked out by hand."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from finops_plugin_domains.alignment.analyzer import AlignmentAnalyzer

from finops_core import PeriodChoice, Settings
from finops_core.testing import calls_from


def analyze(rows, **options):
    return AlignmentAnalyzer().analyze(calls_from(rows, **options))


def days(organization, costs, **columns):
    """One call a day of a customer of an organisation, from January 5 on."""
    row = {"organization_id": organization, "customer_id": f"customer of {organization}", **columns}
    return [
        {**row, "timestamp": datetime(2026, 1, 5, 12) + timedelta(days=d), "cost_usd": cost}
        for d, cost in enumerate(costs)
    ]


LEVEL = [1] * 14
BURST = [1] * 6 + [20, 30] + [1] * 6  # $62, of it $50 on the 7th and 8th day


def test_a_rise_that_stays_is_told_with_its_dollars_and_one_that_may_not_last_is_not_sure():
    # 14 days at $1 and 14 at $2: +$14 or +100 % in 14 days, $30 in 30 days. A fifth of 14
    # days are 3: without the 3 dearest days of each span it is 11 x $2 - 11 x $1. The steady one is no finding.
    report = analyze(days("grows", LEVEL + [2] * 14) + days("steady", [10] * 28))
    (finding,) = report.findings
    assert (finding.who, finding.usd_per_month, finding.confidence) == ("grows", Decimal(30), "medium")
    assert finding.title == (
        "grows pays $14.00 more (+100 %) for the last 14 days: $28.00 after $14.00 for the 14 days before."
    )
    assert finding.why_sure == (
        "Both are exact sums of logged cost; without the 3 dearest days of each span its customers' calls cost $11.00 "
        "more. Whether it lasts is not known."
    )
    assert finding.action.startswith("Tell grows before its statement arrives")


def test_a_rise_that_two_days_made_is_a_burst_without_an_amount_a_month():
    # +$48, and $11 - $11 without the 3 dearest days of each span. Of these the 7th and 8th from January 19 on are above
    # the mean of $62 / 14.
    (finding,) = analyze(days("bursts", LEVEL + BURST)).findings
    assert (finding.usd_per_month, finding.confidence, finding.severity) == (None, "low", "warning")
    assert "its customers' calls cost the same: a burst rather than a level" in finding.why_sure
    assert finding.action == (
        "See what bursts ran on 2026-01-25 and 2026-01-26, and tell it before its statement arrives; leave its plan as "
        "it is."
    )


def test_a_fall_after_a_burst_lowers_no_plan():
    (finding,) = analyze(days("bursts", BURST + LEVEL)).findings
    assert (finding.usd_per_month, finding.confidence, finding.severity) == (None, "low", "info")
    assert finding.action == (
        "Leave the plan of bursts as it is: its cost was high on 2026-01-11 and 2026-01-12, and is at its usual level "
        "again."
    )


def test_a_fall_to_a_lower_level_has_nothing_at_stake():
    (finding,) = analyze(days("falls", [2] * 14 + LEVEL)).findings
    assert (finding.usd_per_month, finding.confidence, finding.severity) == (None, "medium", "info")
    assert finding.action.startswith("Lower the plan of falls")


@pytest.mark.parametrize(
    ("peaks", "confidence"),
    [
        # 11 x $2 + $14 after $14: +$22; without the 3 dearest days 22 - 11 = 11, half of it.
        ([4, 5, 5], "medium"),
        # 11 x $2 + $14.50: +$22.50, of which 11 is less than half.
        ([4, 5, "5.5"], "low"),
    ],
)
def test_less_than_half_of_a_burst_is_left_without_its_days(peaks, confidence):
    (finding,) = analyze(days("o", LEVEL + [2] * 11 + peaks)).findings
    assert finding.confidence == confidence


def test_of_a_week_one_day_is_few():
    # 6 x $1 + $9 after 7 x $1: +$8, and nothing without the dearest day.
    (finding,) = analyze(days("o", [1] * 13 + [9]), choice=PeriodChoice(tail="7d")).findings
    assert "without the dearest day of each span its customers' calls cost the same: a burst" in finding.why_sure
    assert "ran on 2026-01-18, and" in finding.action


def test_days_of_customers_that_call_for_others_too_tell_nothing_of_an_organisation():
    rows = days("bursts", LEVEL + BURST, customer_id="c") + days("other", [10] * 28, customer_id="c")
    (finding,) = analyze(rows).findings
    assert finding.why_sure == "Both are exact sums of logged cost; whether the change lasts is not known."
    # +$48 in 14 days.
    assert (finding.usd_per_month, finding.confidence) == (Decimal("102.857142857"), "medium")


def test_a_change_by_shared_cost_is_no_burst_of_the_organisation():
    # Of $56 shared in the later span, a's part is by its calls: it pays more though its own customers cost less after
    # a burst. a: $62 and then $14 + 56 x 14 / 15 (b has one call in each span) = $66.27; 25 % is set to 5 %.
    settings = Settings.model_validate({"shared_cost": {"match": {"product_id": ["platform"]}, "rule": "by_calls"}})
    rows = days("a", BURST + LEVEL) + days("b", [1] + [0] * 13 + [1])[::14]
    rows += days("b", [0] * 14 + [4] * 14, product_id="platform")[14:]
    report = AlignmentAnalyzer(min_change_percent=5).analyze(calls_from(rows, settings=settings))
    finding = next(f for f in report.findings if f.who == "a")
    assert "$66.27 after $62.00" in finding.title
    assert finding.why_sure == "Both are exact sums of logged cost; whether the change lasts is not known."


def test_in_less_than_a_week_no_burst_is_told_from_a_level_and_no_amount_a_month():
    # 4 x $1 + 2 x $9 after 6 x $1: +$16, which five times over would be $80.00 a month.
    (finding,) = analyze(days("o", [1] * 6 + [1] * 4 + [9, 9]), choice=PeriodChoice(tail="6d")).findings
    assert "burst" not in finding.why_sure
    assert "o pays $16.00 more" in finding.title
    assert (finding.usd_per_month, finding.confidence, finding.severity) == (None, "low", "warning")


def test_a_change_that_hardly_matters_to_the_whole_is_no_finding_and_what_was_checked_is():
    (finding,) = analyze(days("tiny", ["0.01"] * 14 + ["0.03"] * 14) + days("steady", [10] * 28)).findings
    assert (finding.id, finding.severity, finding.usd_per_month) == ("nothing", "good", None)
    # 28 x $10 + 14 x $0.01 + 14 x $0.03
    assert finding.title == (
        "Every call can be charged (56 calls, $280.56), and no organisation's cost moved by 25 % of its own and 1 % of "
        "everybody's."
    )


def test_one_call_that_names_its_organisation_is_a_finding_too():
    (finding,) = analyze([{"organization_id": "o", "cost_usd": 2}]).findings
    assert finding.title == (
        "Every call can be charged (1 call, $2.00), but for want of an earlier span nothing can be said of changes."
    )


@pytest.mark.parametrize(
    ("choice", "labels"),
    [(None, ["Last 14 days", "14 days before"]), (PeriodChoice(tail="1d"), ["Last day", "Day before"])],
)
def test_the_compared_spans_are_named_by_their_days(choice, labels):
    report = analyze(days("o", [1] * 28), choice=choice)
    table = next(b for s in report.sections for b in s.blocks if b.id == "statements")
    assert [c.label for c in table.columns][-2:] == labels
