"""Which hours are unusual, what belongs together, and what explains it."""

from datetime import datetime, timedelta
from decimal import Decimal
from math import exp, inf, lgamma, log

import numpy as np
import pyarrow as pa
import pytest
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer
from finops_plugin_domains.realtime.anomalies import find_unusual, log_tail_bound, merge_incidents
from finops_plugin_domains.realtime.hourly import HourlyUse, grouped_median, hourly_use
from hypothesis import given
from hypothesis import strategies as st

from finops_core import EVENT_SCHEMA, PeriodChoice
from finops_core.testing import calls_from

START = datetime(2026, 1, 5)  # a Monday


def steady(customer="c1", days=14, per_hour=1, cost="0.01", start=START, **columns):
    """The same number of calls in every hour of some days."""
    return [
        {"timestamp": start + timedelta(hours=h, minutes=k), "customer_id": customer, "cost_usd": cost, **columns}
        for h in range(24 * days)
        for k in range(per_hour)
    ]


def burst(at, calls, customer="c1", cost="0.01", **columns):
    return [
        {"timestamp": at + timedelta(seconds=10 * k), "customer_id": customer, "cost_usd": cost, **columns}
        for k in range(calls)
    ]


def analyze(rows, **options):
    return RealtimeAnalyzer().analyze(calls_from(rows, **options))


def table(report, name):
    blocks = [b for s in report.sections for b in s.blocks if b.id == name]
    return [dict(zip((c.name for c in b.columns), row, strict=True)) for b in blocks for row in b.rows]


def metric(report, name):
    return next(m for m in report.metrics if m.id == name)


def exact_tail(calls, mean, dispersion):
    r = 1 / dispersion
    terms = [
        exp(lgamma(k + r) - lgamma(r) - lgamma(k + 1) + r * log(r / (r + mean)) + k * (log(mean) - log(r + mean)))
        for k in range(calls, calls + 5_000)
    ]
    return sum(terms)


@pytest.mark.parametrize("dispersion", [0.01, 0.3, 1.0, 4.0])
@pytest.mark.parametrize(("mean", "factor"), [(0.05, 100), (1.0, 8), (7.0, 3), (40.0, 5)])
def test_the_bound_of_the_tail_is_above_the_exact_sum_and_close_to_it(mean, factor, dispersion):
    calls = int(mean * factor)
    bound = exp(log_tail_bound(np.array([calls]), np.array([mean]), np.array([dispersion]))[0])
    exact = exact_tail(calls, mean, dispersion)
    assert exact <= bound * (1 + 1e-9)
    assert bound <= exact * (1 + 4 * dispersion) * 1.5


def test_without_dispersion_the_tail_is_that_of_a_poisson_count():
    # P(Y >= 10) for mean 2, summed by hand: 4.65e-5
    exact = 1 - sum(exp(-2) * 2**k / np.prod(np.arange(1, k + 1), dtype=float) for k in range(10))
    bound = exp(log_tail_bound(np.array([10]), np.array([2.0]), np.array([0.0]))[0])
    assert exact == pytest.approx(4.65e-5, rel=1e-2)
    assert bound == pytest.approx(exact, rel=0.1)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-100, 100)), min_size=1, max_size=40))
def test_grouped_medians_are_the_medians_of_the_groups(pairs):
    group, values = (np.array(x) for x in zip(*pairs, strict=True))
    medians = grouped_median(values, group, 5)
    for g in range(5):
        if (group == g).any():
            assert medians[g] == np.median(values[group == g])
        else:
            assert np.isnan(medians[g])


def test_a_burst_is_one_incident_with_what_it_cost_above_the_expected():
    # One call an hour for 14 days; on the 10th, 100 more in each of the two hours from 13:00.
    day = START + timedelta(days=9, hours=13)
    report = analyze(steady() + burst(day, 100) + burst(day + timedelta(hours=1), 100))
    (incident,) = table(report, "incidents")
    assert incident["start"] == "2026-01-14T13:00:00Z"
    assert incident["end"] == "2026-01-14T15:00:00Z"
    assert incident["unusual"] == "calls"
    assert incident["calls"] == 202
    # Without the two hours the level is 1 call an hour at $0.01: 2 calls and $0.02 were expected of 202 and $2.02.
    assert incident["expected_calls"] == pytest.approx(2)
    assert incident["cost"] == Decimal("2.02")
    assert incident["extra"] == pytest.approx(Decimal("2.00"), abs=Decimal("1e-8"))
    # Spend is 336 + 200 calls at $0.01 = $5.36; 2.00 / 5.36 = 37.3 %.
    assert metric(report, "anomalies").value == 1
    assert metric(report, "anomaly_rate").value == pytest.approx(100 * 2 / 5.36)
    (finding,) = [f for f in report.findings if f.section == "incidents"]
    assert finding.who == "c1"
    # A single event is no rate: $2.00 in 14 days are not multiplied to a month.
    assert finding.usd_per_month == pytest.approx(Decimal(2), abs=Decimal("1e-6"))
    assert "c1" in report.answer
    assert "$2.00" in report.answer


def test_dollars_alone_raise_no_alarm():
    report = analyze([*steady(), *burst(START + timedelta(days=9, hours=13), 1, cost="500")])
    assert metric(report, "anomalies").value == 0
    assert report.answer.startswith("Nothing unusual")


def test_calls_that_cost_more_each_are_an_incident_and_the_model_explains_it():
    # 40 calls an hour at $0.01 for three days; in the last hour the same number on a dear model at $0.05.
    rows = steady(days=3, per_hour=40, model="small")
    for row in rows[-40:]:
        row.update(model="dear", cost_usd="0.05")
    report = analyze(rows)
    (incident,) = table(report, "incidents")
    assert incident["start"] == "2026-01-07T23:00:00Z"
    assert incident["unusual"] == "cost per call"
    # 40 x $0.05 = $2.00 against 40 x $0.01 = $0.40.
    assert incident["extra"] == pytest.approx(Decimal("1.60"), abs=Decimal("1e-8"))
    assert incident["explained_by"] == "model dear: 100 % of cost, usually 0 %"


def test_longer_prompts_explain_dearer_calls_where_no_value_does():
    rows = steady(days=3, per_hour=40, input_tokens=100)
    for row in rows[-40:]:
        row.update(input_tokens=400, cost_usd="0.04")
    (incident,) = table(analyze(rows), "incidents")
    assert incident["explained_by"] == "each call took 4.0 times its usual tokens"


def test_the_feature_whose_share_rose_explains_a_burst():
    rows = steady(feature_id="search") + steady(feature_id="mail")
    rows += burst(START + timedelta(days=9, hours=13), 200, feature_id="mail")
    (incident,) = table(analyze(rows), "incidents")
    # 201 of 202 calls are mail, against half of them on other hours.
    assert incident["explained_by"] == "feature mail: 100 % of calls, usually 50 %"


def test_a_burst_of_everything_is_explained_by_nothing_in_particular():
    rows = steady(feature_id="search") + steady(feature_id="mail")
    day = START + timedelta(days=9, hours=13)
    rows += burst(day, 100, feature_id="mail") + burst(day, 100, feature_id="search")
    (incident,) = table(analyze(rows), "incidents")
    assert incident["explained_by"] == "no single model or feature"


def test_calls_without_a_value_explain_nothing():
    # 200 of 201 calls name no feature, where all did before: the share of no feature rose, but that is no value.
    rows = steady(feature_id="search") + burst(START + timedelta(days=9, hours=13), 200)
    (incident,) = table(analyze(rows), "incidents")
    assert incident["explained_by"] == "no single model or feature"


def test_of_values_that_rose_alike_the_first_dimension_and_name_is_given():
    # Half of the burst is on the models "y" and "x" each, all new, and so are the features "v" and "u".
    day = START + timedelta(days=9, hours=13)
    rows = steady(model="m", feature_id="f", per_hour=2)
    rows += burst(day, 199, model="y", feature_id="v") + burst(day, 199, model="x", feature_id="u")
    (incident,) = table(analyze(rows), "incidents")
    # 199 of 400 calls.
    assert incident["explained_by"] == "model x: 50 % of calls, usually 0 %"


def test_hours_come_by_customer_and_time_whatever_the_order_of_the_calls():
    calls = [("b", 2, "0.01"), ("z\u00e9", 0, "0"), ("b", 0, "0.02"), ("B", 1, "1"), ("b", 2, "0.04")]
    use = hourly_use(
        calls_from(
            [{"timestamp": START + timedelta(hours=h), "customer_id": c, "cost_usd": cost} for c, h, cost in calls]
        ),
        days=60,
    )
    assert use.customers == ("B", "b", "z\u00e9")
    assert list(zip(use.customer, use.hour, use.calls, use.priced, strict=True)) == [
        (0, 1, 1, 1), (1, 0, 1, 1), (1, 2, 2, 2), (2, 0, 1, 0),
    ]  # fmt: skip
    assert use.cost.to_pylist() == [Decimal(1), Decimal("0.02"), Decimal("0.05"), Decimal(0)]
    # To whole millionths for each call: ln 0.02 = -3.912023; ln 0.01 + ln 0.04 = -4.605170 - 3.218876.
    assert use.log_cost == pytest.approx([0, -3.912023, -7.824046, 0])
    assert use.log_square == pytest.approx([0, 15.303924, 21.207592 + 10.361162, 0], abs=2e-6)


@pytest.mark.parametrize(("quiet_hours", "incidents"), [(0, 1), (2, 1), (3, 2)])
def test_unusual_hours_close_together_are_one_incident(quiet_hours, incidents):
    day = START + timedelta(days=9, hours=9)
    rows = steady() + burst(day, 100) + burst(day + timedelta(hours=1 + quiet_hours), 100)
    assert len(table(analyze(rows), "incidents")) == incidents


def test_many_bursts_neither_hide_each_other_nor_raise_what_is_expected():
    # Every third day, 60 calls in one hour; one call an hour otherwise.
    rows = steady(days=30)
    for day in range(0, 30, 3):
        rows += burst(START + timedelta(days=day, hours=10), 60)
    report = analyze(rows)
    assert len(table(report, "incidents")) == 10
    assert {round(i["expected_calls"], 6) for i in table(report, "incidents")} == {1}


def test_a_customer_is_only_expected_from_the_first_to_the_last_day_of_its_calls():
    # The late one calls on the last 10 of 30 days; its level is 2 calls an hour and not 2/3.
    late = steady("late", days=10, per_hour=2, start=START + timedelta(days=20))
    report = analyze(steady(days=30) + late + burst(START + timedelta(days=25, hours=4), 100, "late"))
    (incident,) = table(report, "incidents")
    assert incident["customer"] == "late"
    assert incident["expected_calls"] == pytest.approx(2, rel=0.01)


def test_weekdays_and_hours_have_their_own_expectation():
    # Office hours only, 20 calls an hour: 9:00 on a Monday is no incident, 9:00 on a Sunday is one.
    rows = [
        {"timestamp": START + timedelta(days=d, hours=h, minutes=k), "customer_id": f"c{c}"}
        for c in range(3)
        for d in range(28)
        if d % 7 < 5
        for h in range(9, 17)
        for k in range(20)
    ]
    sunday = START + timedelta(days=20, hours=9)
    report = analyze(rows + burst(sunday, 20, "c1", cost="0"))
    assert [(i["customer"], i["start"]) for i in table(report, "incidents")] == [("c1", "2026-01-25T09:00:00Z")]


def test_a_new_customer_is_not_judged_and_the_report_says_so():
    rows = steady() + burst(START + timedelta(days=13, hours=2), 300, "new")
    report = analyze(rows)
    assert metric(report, "anomalies").value == 0
    assert "1 customer called over too few days to be judged on calls." in report.sections[0].text


def test_without_enough_days_incidents_are_unknown_and_not_none():
    report = analyze(steady(days=2) + burst(START + timedelta(days=1), 300))
    assert metric(report, "anomalies").value is None
    assert report.answer.startswith("Nothing can be called unusual before")


def test_where_only_the_cost_per_call_could_be_checked_calls_are_not_called_usual():
    # 40 calls in each of 72 hours, 100 more in one of them: three days are too few to tell what is usual.
    report = analyze(steady(days=3, per_hour=40) + burst(START + timedelta(days=1), 100))
    assert report.answer.startswith(
        "Too many calls cannot be told before a customer's calls span 5 days; the cost per call was checked in 72 "
        "customer-hours, and none was unusual; "
    )
    assert [m.value for m in report.metrics if m.id.startswith("anomal")] == [None] * 4
    assert report.sparkline == ()
    (found,) = report.findings
    assert (found.severity, found.confidence) == ("info", "low")
    assert found.title == (
        "Too many calls cannot be told: the calls of 1 customer span fewer than 5 days. Only the cost per call was "
        "tested, in 72 customer-hours."
    )
    assert report.sections[0].blocks == ()


@pytest.mark.parametrize(("days", "a_month"), [("6d", None), ("7d", Decimal(1))])
def test_an_incident_has_dollars_a_month_only_where_a_week_was_looked_at(days, a_month):
    # $1.00 more than expected. Within six days that is one event, and not the $5.00 a month that 1 x 30 / 6 would make.
    rows = steady() + burst(START + timedelta(days=13, hours=2), 100)
    (found,) = analyze(rows, choice=PeriodChoice(tail=days)).findings
    assert found.usd_per_month == (a_month and pytest.approx(a_month, abs=Decimal("1e-6")))
    # That it happened is as sure as ever.
    assert (found.severity, found.confidence) == ("warning", "high")
    assert "$1.00 more than expected" in found.title


def quiet_use(counts):
    """Use from counts of shape (customers, hours), one cent a call."""
    customer, hour = np.nonzero(counts)
    calls = counts[customer, hour]
    return HourlyUse(
        start=START,
        now=START + timedelta(hours=counts.shape[1]) - timedelta(seconds=1),
        customers=tuple(f"c{i:04d}" for i in range(len(counts))),
        customer=customer,
        hour=hour,
        calls=calls,
        cost=pa.chunked_array([pa.array([Decimal(int(c)) / 100 for c in calls], pa.decimal128(38, 9))]),
        priced=calls,
        log_cost=calls * log(0.01),
        log_square=calls * log(0.01) ** 2,
    )


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_quiet_traffic_raises_no_more_false_alarms_than_stated(dispersion):
    # 40 customers, 20 days, 5 runs at 2 false alarms each: 10 expected at most, and the bound errs on the quiet side.
    alarms = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rates = np.exp(rng.normal(0, 1, (40, 1))) * np.ones((40, 480))
        if dispersion:
            rates = rates * rng.gamma(1 / dispersion, dispersion, rates.shape)
        use = quiet_use(rng.poisson(rates))
        found = find_unusual(use, false_alarms=2, min_factor=1, min_days=5, min_calls_for_cost=30)
        alarms += int(found.by_calls.sum())
    assert alarms <= 20


def test_an_hour_ten_times_above_a_busy_customers_own_spread_is_found():
    rng = np.random.default_rng(3)
    counts = rng.poisson(20 * rng.gamma(2, 0.5, (10, 480)))
    counts[4, 300] = 400
    use = quiet_use(counts)
    found = find_unusual(use, false_alarms=0.1, min_factor=2, min_days=5, min_calls_for_cost=30)
    incidents, _ = merge_incidents(use, found, 2)
    assert [(i.customer, i.first, i.last) for i in incidents] == [("c0004", 300, 300)]


def planted(*spans):
    """Bursts of the simulated customer, from one time to another."""
    rows = [
        {"source": "burst", "customer_id": "burst-1-00000", "kind": "burst", "start": a, "end": b, "factor": 50.0}
        for a, b in spans
    ]
    return pa.Table.from_pylist(rows, schema=EVENT_SCHEMA)


def hours(day, first, last):
    """From one hour to another of a day, counted from the start."""
    return START + timedelta(days=day, hours=first), START + timedelta(days=day, hours=last)


EVENTS = planted(hours(9, 12, 14), hours(11, 12, 14))


def simulated(*times):
    """A simulated customer with bursts of an hour, and somebody's own data with the same."""
    rows = steady("burst-1-00000") + [row for at in times for row in burst(at, 100, "burst-1-00000")]
    for i, row in enumerate(rows):
        row.update(source="burst", call_id=f"sim_{i}")
    return rows + steady("ours") + [row for at in times for row in burst(at, 100, "ours")]


def test_incidents_are_scored_against_what_was_planted():
    # Two bursts planted from 12:00 to 14:00, one of them shows, from 13:00 on; "ours" counts neither way.
    report = analyze(simulated(START + timedelta(days=9, hours=13)), events=EVENTS)
    (score,) = table(report, "score")
    assert (score["planted"], score["found"], score["recall"]) == (2, 1, 50)
    assert (score["reported"], score["right"], score["precision"]) == (1, 1, 100)
    assert score["delay"] == 2  # the hour from 13:00 is over at 14:00, two hours after the start
    assert "Missed: burst-1-00000 at 2026-01-16 12:00." in report.sections[-1].text


def test_a_burst_cannot_show_before_its_customer_is_judged():
    # The simulated customer calls from January 5 on and is judged from its fifth day on, that is January 9. A burst of
    # January 6, 12:00, shows 2.5 days later at the earliest, although the whole log tells it at once.
    report = analyze(simulated(START + timedelta(days=1, hours=12)), events=planted(hours(1, 12, 14)))
    (score,) = table(report, "score")
    assert (score["found"], score["delay"]) == (1, 60)
    assert (
        "The only planted burst was found; the only reported incident was planted. The median delay is at least 60 h"
        in report.sections[-1].text
    )


def test_a_burst_that_began_before_the_period_makes_its_incident_right():
    # One burst begins an hour before the period and shows in its first hour, another lies within the period.
    late = START + timedelta(days=10), START + timedelta(days=12, hours=13)
    events = planted((late[0] - timedelta(hours=1), late[0] + timedelta(hours=1)), hours(12, 12, 14))
    report = analyze(simulated(*late), events=events, choice=PeriodChoice(first=late[0].date()))
    (score,) = table(report, "score")
    assert (score["planted"], score["found"], score["reported"], score["right"]) == (1, 1, 2, 2)


def test_an_incident_that_was_not_planted_lowers_the_precision():
    (score,) = table(analyze(simulated(START + timedelta(days=5, hours=13)), events=EVENTS), "score")
    assert (score["found"], score["reported"], score["right"]) == (0, 1, 0)
    assert score["delay"] is None


def test_planted_events_change_nothing_but_the_score():
    rows = simulated(START + timedelta(days=9, hours=13))
    blind, told = analyze(rows), analyze(rows, events=EVENTS)
    assert (blind.answer, blind.metrics, blind.findings) == (told.answer, told.metrics, told.findings)
    assert blind.sections == tuple(s for s in told.sections if s.id != "score")


def test_a_chosen_period_is_judged_by_the_days_before_it():
    rows = steady(days=28) + burst(START + timedelta(days=3), 100) + burst(START + timedelta(days=26), 100)
    report = analyze(rows, choice=PeriodChoice(tail="7d"))
    assert [i["start"] for i in table(report, "incidents")] == ["2026-01-31T00:00:00Z"]
    # The seven days before hold none; the burst of the first week lies before both.
    assert (metric(report, "anomalies").current, metric(report, "anomalies").previous) == (1, 0)


def test_doubled_cost_doubles_dollars_and_finds_the_same_incidents():
    rows = steady() + burst(START + timedelta(days=9), 100, cost="0.0123")
    once, twice = analyze(rows), analyze([{**r, "cost_usd": 2 * Decimal(r["cost_usd"])} for r in rows])
    assert metric(twice, "anomaly_cost").value == pytest.approx(
        2 * metric(once, "anomaly_cost").value, abs=Decimal("2e-9")
    )
    assert metric(twice, "anomaly_rate").value == pytest.approx(metric(once, "anomaly_rate").value)
    same = ("customer", "start", "end", "calls", "expected_calls", "explained_by")
    assert [[i[c] for c in same] for i in table(once, "incidents")] == [
        [i[c] for c in same] for i in table(twice, "incidents")
    ]


def test_the_incidents_add_up_to_the_metric():
    rows = steady() + steady("c2") + burst(START + timedelta(days=9), 100) + burst(START + timedelta(days=5), 80, "c2")
    report = analyze(rows)
    extra = metric(report, "anomaly_cost").value
    assert extra == sum(i["extra"] for i in table(report, "incidents"))
    assert extra == sum(i["extra"] for i in table(report, "incidents-by-customer"))
    assert -inf < extra
