"""What the answer and the findings say about incidents, and in which order."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer

from finops_core import PeriodChoice
from finops_core.testing import calls_from

START = datetime(2026, 1, 5)  # a Monday


def steady(customer="c1"):
    """A call of a cent in every hour of 14 days; the last one is at 23:00 of January 18."""
    return [
        {"timestamp": START + timedelta(hours=h), "customer_id": customer, "cost_usd": "0.01"} for h in range(24 * 14)
    ]


def burst(at, calls, customer="c1"):
    return [
        {"timestamp": at + timedelta(seconds=10 * k), "customer_id": customer, "cost_usd": "0.01"} for k in range(calls)
    ]


def analyze(rows, **options):
    return RealtimeAnalyzer().analyze(calls_from(rows, **options))


def test_the_answer_begins_with_the_last_24_hours():
    # One call an hour at $0.01 for 14 days; now is 23:00 of January 18. 100 calls more are $1.00 above the expected.
    noon = START + timedelta(days=13, hours=12)
    earlier = burst(START + timedelta(days=8), 200)
    assert analyze(steady() + earlier).answer.startswith(
        "No incident in the last 24 hours. One earlier incident, of c1 2026-01-13 00:00 to 01:00 UTC, cost $2.00 more "
        "than expected (37.3 % of spend); "  # 2.00 / (3.36 + 2.00)
    )
    assert analyze(steady() + burst(noon, 100)).answer.startswith(
        "In the last 24 hours, one incident, of c1 2026-01-18 12:00 to 13:00 UTC, cost $1.00 more than expected "
        "(22.9 % of spend); "  # 1.00 / (3.36 + 1.00)
    )
    two = steady() + steady("c2") + burst(noon, 100) + burst(noon, 50, "c2")
    assert analyze(two).answer.startswith(
        "In the last 24 hours, 2 incidents cost $1.50 more than expected (18.2 % of spend), most of all c1 with $1.00; "
    )  # 1.50 / (2 x 3.36 + 1.50)
    both = steady() + steady("c2") + earlier + burst(noon, 100) + burst(noon, 50, "c2")
    assert analyze(both).answer.startswith(
        "In the last 24 hours, 2 incidents cost $1.50 more than expected, most of all c1 with $1.00; in the whole "
        "period, 3 incidents cost $3.50 (34.2 % of spend); "  # 3.50 / (2 x 3.36 + 3.50)
    )


def test_in_a_period_that_ended_before_the_log_the_last_24_hours_are_told_by_their_end():
    # The log goes on to January 18; the last call of the period is at 23:00 of January 13, eleven hours after the 100.
    rows = steady() + burst(START + timedelta(days=8, hours=12), 100)
    told = analyze(rows, choice=PeriodChoice(last=date(2026, 1, 13)))
    assert told.answer.startswith("In the 24 hours to 2026-01-13 23:00 UTC, one incident, of c1 ")
    assert told.findings[0].title.startswith("c1: an incident in the last 24 hours of the period, 2026-01-13 12:00 to")
    quiet = analyze(rows, choice=PeriodChoice(last=date(2026, 1, 15)))
    assert quiet.answer.startswith("No incident in the 24 hours to 2026-01-15 23:00 UTC. One earlier incident, ")


@pytest.mark.parametrize(("calls", "severity"), [(200, "info"), (300, "warning")])
def test_what_costs_less_than_a_tenth_of_a_mean_day_can_wait(calls, severity):
    # 24 calls of $1.01 a day, so $24.24, and the incident's $2 or $3 once in 14 days: a tenth of a mean day is $2.44 or
    # $2.45.
    dear = [{**row, "cost_usd": "1.00"} for row in steady("dear")]
    report = analyze(steady() + dear + burst(START + timedelta(days=13, hours=2), calls))
    (found,) = [f for f in report.findings if f.who == "c1"]
    assert (found.severity, found.confidence) == (severity, "high")


def test_days_on_which_nobody_called_are_told():
    # January 11 and 13 to 15 have no call; before, between and after them there is one in every hour.
    rows = [row for row in steady() if row["timestamp"].day not in (11, 13, 14, 15)]
    told = (
        "4 days (2026-01-11 and 2026-01-13 to 2026-01-15) hold no call: a missing export or a real pause; they count "
        "as days on which nobody called."
    )
    assert told in analyze(rows).assumptions
    # In a period that holds one of them, that one.
    one = (
        "1 day (2026-01-11) holds no call: a missing export or a real pause; it counts as a day on which nobody called."
    )
    assert one in analyze(rows, choice=PeriodChoice(last=date(2026, 1, 12))).assumptions
    assert not any("no call" in note for note in analyze(steady()).assumptions)


def test_a_customer_with_an_incident_in_the_last_24_hours_comes_first_however_little_it_cost():
    # Seven customers with an incident on the ninth day, from $1.00 to $7.00 above the expected, and one with $0.60 on
    # the last day, half a day before now.
    names = [f"c{i}" for i in range(1, 8)]
    rows = [row for c in [*names, "now"] for row in steady(c)]
    rows += [row for i, c in enumerate(names, 1) for row in burst(START + timedelta(days=8), 100 * i, c)]
    rows += burst(START + timedelta(days=13, hours=11), 60, "now")
    report = analyze(rows)
    incidents = [f for f in report.findings if f.section == "incidents"]
    assert [f.who for f in incidents] == ["now", "c7", "c6", "c5", "c4", "c3", "c2 and others"]
    assert incidents[0].title == (
        "now: an incident in the last 24 hours, 2026-01-18 11:00 to 12:00 UTC, $0.60 more than expected."
    )
    assert incidents[0].action.startswith("Ask now what ran on 2026-01-18 11:00 to 12:00 UTC, ")
    assert incidents[-1].title == (
        "2 incidents at 2 customers cost $3.00 more than expected together, at most $2.00 at one of them (c2)."
    )
    # Each customer's dollars are at stake once: 28.60 in 14 days, which are events and no rate.
    at_stake = sum(f.usd_per_month for f in incidents)
    assert at_stake == pytest.approx(Decimal("28.60"), abs=Decimal("1e-6"))


def test_what_a_customer_did_before_the_last_24_hours_is_added_to_its_recent_incident():
    rows = steady() + burst(START + timedelta(days=8), 300) + burst(START + timedelta(days=13, hours=12), 100)
    report = analyze(rows)
    (found,) = [f for f in report.findings if f.section == "incidents"]
    # $1.00 of late, after $3.00 before.
    assert found.title == (
        "c1: an incident in the last 24 hours, 2026-01-18 12:00 to 13:00 UTC, $1.00 more than expected; with 1 earlier "
        "one, $4.00 in all."
    )
    assert found.why_sure.startswith("101 times the expected calls. ")
    assert found.usd_per_month == pytest.approx(Decimal(4), abs=Decimal("1e-6"))


def test_where_many_customers_have_an_incident_in_the_last_24_hours_all_are_named():
    names = [f"c{i}" for i in range(1, 9)]
    rows = [row for c in names for row in steady(c)]
    rows += [row for i, c in enumerate(names, 1) for row in burst(START + timedelta(days=13, hours=i), 100 * i, c)]
    (together,) = [f for f in analyze(rows).findings if f.id == "recent-incidents"]
    # The five dearest have findings of their own; the others cost $3.00, $2.00 and $1.00.
    assert together.title == (
        "3 incidents at 3 customers cost $6.00 more than expected together, at most $3.00 at one of them (c3); in the "
        "last 24 hours it was c3, c2 and c1."
    )


@pytest.mark.parametrize(
    ("false_alarms", "words"),
    [
        (0.1, "Chance alone would raise one false alarm in about 10 such reports."),
        (2, "Chance alone would raise about 2 false alarms in such a report."),
    ],
)
def test_false_alarms_are_told_by_how_often_a_report_has_one(false_alarms, words):
    rows = steady() + burst(START + timedelta(days=9), 100)
    report = RealtimeAnalyzer(false_alarms=false_alarms).analyze(calls_from(rows))
    (found,) = report.findings
    assert words in found.why_sure
