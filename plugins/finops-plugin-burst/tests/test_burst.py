from datetime import date, timedelta

import numpy as np
import pytest
from finops_plugin_burst import BurstTrafficSimulator
from pydantic import ValidationError

from finops_core import AICallSimulator, Calendar
from finops_core.testing import check_pattern, hourly_calls

MONDAY = date(2026, 1, 5)
CUSTOMERS, DAYS = 2000, 28


@pytest.fixture(scope="module")
def simulator():
    return BurstTrafficSimulator(num_customers=CUSTOMERS, num_days=DAYS)


@pytest.fixture(scope="module")
def measured(simulator):
    """Calls and normal calls an hour, by customer, day and hour."""
    calls, normal = hourly_calls(simulator, start=MONDAY)
    return calls.reshape(CUSTOMERS, DAYS, 24), normal


@pytest.fixture(scope="module")
def planted(simulator):
    """The events: customer, day, first hour, hours, factor."""
    events = simulator.planted(start=MONDAY)
    begin = Calendar(MONDAY, DAYS).at(0)
    start, end = events["start"].to_pylist(), events["end"].to_pylist()
    return {
        "customer": np.array([int(c[-5:]) for c in events["customer_id"].to_pylist()]),
        "day": np.array([(s - begin).days for s in start]),
        "first": np.array([s.hour for s in start]),
        "hours": np.array([(e - s) // timedelta(hours=1) for s, e in zip(start, end, strict=True)]),
        "factor": events["factor"].to_numpy(),
    }


def test_it_keeps_the_contract_of_patterns():
    check_pattern(BurstTrafficSimulator)


def test_its_defaults_are_the_documented_ones():
    burst = BurstTrafficSimulator()
    assert (burst.seed, burst.num_customers, burst.num_days) == (200, 30, 30)
    assert (burst.burst_probability, burst.burst_multiplier) == (0.15, (5, 20))
    assert isinstance(burst, AICallSimulator)


def test_fifteen_of_a_hundred_customer_days_are_burst_days(planted):
    share = len(planted["day"]) / (CUSTOMERS * DAYS)
    # a binomial share of 56,000 has a standard deviation of 0.0015
    assert share == pytest.approx(0.15, abs=0.006)
    assert len(set(zip(planted["customer"].tolist(), planted["day"].tolist(), strict=True))) == len(planted["day"])


def test_all_calls_of_a_burst_day_lie_in_one_window_of_one_to_three_whole_hours(measured, planted):
    calls, _ = measured
    days = calls[planted["customer"], planted["day"]]
    hour = np.arange(24)
    inside = (hour >= planted["first"][:, None]) & (hour < (planted["first"] + planted["hours"])[:, None])
    assert (days * ~inside).sum() == 0
    assert set(planted["hours"]) == {1, 2, 3}
    assert np.bincount(planted["hours"])[1:] / len(planted["hours"]) == pytest.approx([1 / 3] * 3, abs=0.02)


def test_a_window_starts_uniformly_among_the_hours_that_fit(planted):
    for hours in (1, 2, 3):
        starts = np.bincount(planted["first"][planted["hours"] == hours], minlength=24)
        fitting = 25 - hours
        assert starts[fitting:].sum() == 0
        expected = starts.sum() / fitting
        # chi-square over its degrees of freedom is about 1, with a standard deviation of sqrt(2 / 22) = 0.3
        assert (((starts[:fitting] - expected) ** 2) / expected).sum() / (fitting - 1) < 2.2


def test_a_burst_day_has_five_to_twenty_times_the_normal_calls_uniformly(measured, planted):
    calls, normal = measured
    heavy = (normal[planted["customer"], 0] * 24) > 200
    customer, day = planted["customer"][heavy], planted["day"][heavy]
    times = calls[customer, day].sum(axis=1) / (normal[customer, 0] * 24)
    # a day of 1,000 calls or more has a counting noise of 3 % at most
    assert times.min() > 4.5
    assert times.max() < 21
    assert times.mean() == pytest.approx(12.5, abs=0.5)
    assert np.quantile(times, [0.25, 0.75]) == pytest.approx([8.75, 16.25], abs=0.7)


def test_other_days_have_a_fifth_of_the_normal_calls_evenly_over_the_day(measured, planted):
    calls, normal = measured
    quiet = np.ones((CUSTOMERS, DAYS), dtype=bool)
    quiet[planted["customer"], planted["day"]] = False
    by_hour = (calls * quiet[:, :, None]).sum(axis=(0, 1))
    expected = (normal[:, 0] * quiet.sum(axis=1)).sum()
    assert by_hour.sum() / (expected * 24) == pytest.approx(0.2, abs=0.002)
    assert by_hour / expected == pytest.approx([0.2] * 24, abs=0.006)


def test_the_events_tell_the_factor_of_the_window(measured, planted):
    calls, normal = measured
    # five times a day's calls within three hours are 40 normal hours an hour, twenty times within one are 480
    assert 40 <= planted["factor"].min() < planted["factor"].max() <= 480
    total = planted["factor"] * planted["hours"] * normal[planted["customer"], 0]
    assert calls[planted["customer"], planted["day"]].sum() / total.sum() == pytest.approx(1.0, abs=0.01)


def test_intensity_and_probability_can_be_assigned():
    simulator = BurstTrafficSimulator(num_customers=50, num_days=30, seed=200)
    simulator.burst_multiplier = (10, 30)
    simulator.burst_probability = 0.25
    events = simulator.planted(start=MONDAY)
    assert events.num_rows / 1500 == pytest.approx(0.25, abs=0.05)
    assert min(events["factor"].to_pylist()) >= 10 * 24 / 3
    with pytest.raises(ValidationError, match="the smaller number comes first"):
        simulator.burst_multiplier = (30, 10)
