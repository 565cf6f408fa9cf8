from datetime import date

import numpy as np
import pytest
from finops_plugin_base import BaseSimulator

from finops_core import AICallSimulator, Calendar
from finops_core.testing import check_pattern, hourly_calls

MONDAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def measured():
    """2,000 customers over 28 days: calls, and normal calls an hour."""
    return hourly_calls(BaseSimulator(num_customers=2000, num_days=28), start=MONDAY)


def test_it_keeps_the_contract_of_patterns():
    check_pattern(BaseSimulator)


def test_its_defaults_are_the_documented_ones():
    base = BaseSimulator()
    assert (base.seed, base.num_customers, base.num_days) == (42, 100, 30)
    assert isinstance(base, AICallSimulator)


def test_all_calls_of_a_day_lie_between_8_00_and_20_59(measured):
    calls, _ = measured
    hour = Calendar(MONDAY, 28).hour
    assert calls[:, (hour < 8) | (hour > 20)].sum() == 0
    assert (calls[:, (hour >= 8) & (hour <= 20)].sum(axis=0) > 0).all()


def test_office_hours_are_even(measured):
    calls, _ = measured
    by_hour = calls.sum(axis=0).reshape(28, 24).sum(axis=0)[8:21]
    # each of the 13 hours has about 280,000 calls: a standard deviation is 0.2 %
    assert by_hour / by_hour.mean() == pytest.approx(np.ones(13), abs=0.01)


def test_a_weekday_has_the_normal_calls_of_a_day_and_a_weekend_day_seven_tenths(measured):
    calls, normal = measured
    by_day = calls.sum(axis=0).reshape(28, 24).sum(axis=1)
    weekend = np.array([(MONDAY.weekday() + day) % 7 >= 5 for day in range(28)])
    # a day has about 127,000 calls; its 2,000 customer-days vary by 12 % each, weighted by size: about 0.4 %
    assert by_day[~weekend].mean() / (normal.sum() * 24) == pytest.approx(1.0, abs=0.01)
    assert by_day[weekend].mean() / by_day[~weekend].mean() == pytest.approx(0.7, abs=0.01)


def test_each_customer_day_varies_between_0_8_and_1_2(measured):
    calls, normal = measured
    heavy = (normal * 24 > 200)[:, 0]
    weekdays = np.array([(MONDAY.weekday() + day) % 7 < 5 for day in range(28)])
    days = calls.reshape(2000, 28, 24).sum(axis=2)[heavy][:, weekdays]
    factor = days / (normal[heavy] * 24)
    # uniform on 0.8 to 1.2 has variance 0.4 ^ 2 / 12 = 0.01333; Poisson adds 1 / expected calls
    noise = (1 / (normal[heavy] * 24)).mean()
    assert factor.mean() == pytest.approx(1.0, abs=0.01)
    assert factor.var() - noise == pytest.approx(0.4**2 / 12, rel=0.1)


def test_without_variation_a_customer_day_is_poisson():
    calls, normal = hourly_calls(
        BaseSimulator(num_customers=200, num_days=14, day_spread=0, weekend_factor=1), start=MONDAY
    )
    days = calls.reshape(200, 14, 24).sum(axis=2)
    # a Poisson count has the variance of its mean: the standardised squares average 1
    assert (((days - normal * 24) ** 2) / (normal * 24)).mean() == pytest.approx(1.0, abs=0.1)
