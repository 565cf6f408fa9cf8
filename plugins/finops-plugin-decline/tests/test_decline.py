from datetime import date

import numpy as np
import pytest
from finops_plugin_decline import GradualDeclineSimulator

from finops_core import AICallSimulator, Calendar
from finops_core.testing import check_pattern, hourly_calls

MONDAY = date(2026, 1, 5)
CUSTOMERS, DAYS = 2000, 28


def silent_from(simulator):
    """Each customer's first silent day, from the events."""
    events = simulator.planted(start=MONDAY)
    begin = Calendar(MONDAY, simulator.num_days).at(0)
    days = np.full(simulator.num_customers, simulator.num_days)
    for customer, start in zip(events["customer_id"].to_pylist(), events["start"].to_pylist(), strict=True):
        days[int(customer[-5:])] = (start - begin).days
    return days


@pytest.fixture(scope="module")
def simulator():
    return GradualDeclineSimulator(num_customers=CUSTOMERS, num_days=DAYS)


@pytest.fixture(scope="module")
def measured(simulator):
    """Calls by customer and day, normal calls a day, and each customer's first silent day."""
    calls, normal = hourly_calls(simulator, start=MONDAY)
    return calls.reshape(CUSTOMERS, DAYS, 24).sum(axis=2), normal[:, 0] * 24, silent_from(simulator)


def test_it_keeps_the_contract_of_patterns():
    check_pattern(GradualDeclineSimulator)


def test_its_defaults_are_the_documented_ones():
    decline = GradualDeclineSimulator()
    assert (decline.seed, decline.num_customers, decline.num_days) == (300, 40, 30)
    assert (decline.decline_rate, decline.churn_probability, decline.minimum_per_day) == (0.03, 0.02, 1)
    assert isinstance(decline, AICallSimulator)


def test_usage_shrinks_by_three_percent_a_week(measured):
    days, _, silent = measured
    stayed = silent == DAYS
    by_week = days[stayed].reshape(-1, 4, 7).sum(axis=(0, 2))
    assert by_week[1:] / by_week[:-1] == pytest.approx([0.97] * 3, abs=0.01)


def test_every_customer_has_a_constant_factor_of_0_7_to_1(measured):
    days, normal, silent = measured
    heavy = (silent == DAYS) & (normal > 200)
    remaining = 0.97 ** (np.arange(DAYS) / 7)
    own = days[heavy].sum(axis=1) / (normal[heavy] * remaining.sum())
    # 28 days of 200 calls or more: a counting noise of 1.4 % at most
    assert own.min() > 0.66
    assert own.max() < 1.05
    assert own.mean() == pytest.approx(0.85, abs=0.03)
    assert own.std() == pytest.approx(0.3 / np.sqrt(12), abs=0.02)


def test_two_of_a_hundred_customers_leave_after_each_day_and_everyone_is_there_on_the_first(measured):
    _, _, silent = measured
    assert silent.min() >= 1
    at_risk = sum((silent > day).sum() for day in range(DAYS - 1))
    # 2 % of about 43,000 customer-days, with a standard deviation of 0.07 %
    assert (silent < DAYS).sum() / at_risk == pytest.approx(0.02, abs=0.003)


def test_who_left_never_calls_again_and_who_stays_calls_every_day(measured):
    days, _, silent = measured
    active = np.arange(DAYS) < silent[:, None]
    assert (days[~active] == 0).all()
    assert (days[active] >= 1).all()


def test_hours_are_flat():
    calls, _ = hourly_calls(GradualDeclineSimulator(num_customers=500, num_days=14), start=MONDAY)
    by_hour = calls.sum(axis=0).reshape(14, 24).sum(axis=0)
    assert by_hour / by_hour.mean() == pytest.approx(np.ones(24), abs=0.05)


def test_the_minimum_fills_up_quiet_days_of_small_customers():
    quiet = GradualDeclineSimulator(num_customers=300, num_days=14, decline_rate=0.9, churn_probability=0)
    quiet.minimum_per_day = 3
    calls, _ = hourly_calls(quiet, start=MONDAY)
    assert calls.reshape(300, 14, 24).sum(axis=2).min() == 3


def test_decline_and_churn_can_be_assigned():
    simulator = GradualDeclineSimulator(num_customers=1000, num_days=28, seed=300)
    simulator.decline_rate = 0.05
    simulator.churn_probability = 0.03
    calls, _ = hourly_calls(simulator, start=MONDAY)
    silent = silent_from(simulator)
    weeks = calls[silent == 28].reshape(-1, 4, 168).sum(axis=(0, 2))
    assert weeks[1:] / weeks[:-1] == pytest.approx([0.95] * 3, abs=0.015)
    assert (silent < 28).sum() / sum((silent > day).sum() for day in range(27)) == pytest.approx(0.03, abs=0.006)
