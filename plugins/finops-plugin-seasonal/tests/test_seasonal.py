import math
from datetime import date

import numpy as np
import pytest
from finops_plugin_seasonal import SeasonalPatternSimulator

from finops_core import AICallSimulator
from finops_core.testing import check_pattern, hourly_calls

MONDAY = date(2026, 1, 5)
THURSDAY = date(2026, 1, 8)


@pytest.fixture(scope="module")
def factor():
    """The measured factor of each day and hour, shape (28, 24), over 2,000 customers."""
    calls, normal = hourly_calls(SeasonalPatternSimulator(num_customers=2000, num_days=28), start=MONDAY)
    return (calls.sum(axis=0) / normal.sum()).reshape(28, 24)


def test_it_keeps_the_contract_of_patterns():
    check_pattern(SeasonalPatternSimulator)


def test_its_defaults_are_the_documented_ones():
    seasonal = SeasonalPatternSimulator()
    assert (seasonal.seed, seasonal.num_customers, seasonal.num_days) == (100, 50, 30)
    assert isinstance(seasonal, AICallSimulator)


def test_monday_to_wednesday_is_1_3_and_the_weekend_0_5_times_thursday_and_friday(factor):
    monthly = 1 + 0.2 * np.sin(2 * np.pi * np.arange(28) / 30)
    by_weekday = (factor.mean(axis=1) / monthly).reshape(4, 7).mean(axis=0)
    middle = by_weekday[3:5].mean()
    assert by_weekday / middle == pytest.approx([1.3, 1.3, 1.3, 1, 1, 0.5, 0.5], abs=0.01)


@pytest.mark.parametrize(("hours", "expected"), [((9, 11), 1.4), ((13, 15), 1.3), ((16, 18), 1.1), ((19, 20), 0.8)])
def test_the_peaks_of_the_day_stand_out_from_other_hours(factor, hours, expected):
    by_hour = factor.mean(axis=0)
    others = [h for h in range(24) if not (9 <= h <= 11 or 13 <= h <= 20)]
    normal = by_hour[others].mean() / 0.6
    first, last = hours
    assert by_hour[first : last + 1] / normal == pytest.approx([expected] * (last - first + 1), abs=0.02)
    assert by_hour[others] / normal == pytest.approx([0.6] * len(others), abs=0.02)


def test_the_month_is_a_sine_of_thirty_days(factor):
    weekly = np.tile([1.3, 1.3, 1.3, 1, 1, 0.5, 0.5], 4)
    day = np.arange(28)
    # the mean of the daily factors: (3 x 1.4 + 3 x 1.3 + 3 x 1.1 + 2 x 0.8 + 13 x 0.6) / 24 = 20.8 / 24
    monthly = factor.mean(axis=1) / weekly / (20.8 / 24)
    assert monthly == pytest.approx(1 + 0.2 * np.sin(2 * np.pi * day / 30), abs=0.025)


def test_weekdays_are_real_ones_whatever_the_first_day_is():
    simulator = SeasonalPatternSimulator(start=THURSDAY)
    assert simulator.seasonal_factor(0, 10) == pytest.approx(1.0 * 1.4)
    assert simulator.seasonal_factor(2, 10) == pytest.approx(0.5 * 1.4 * (1 + 0.2 * math.sin(2 * math.pi * 2 / 30)))
    assert simulator.seasonal_factor(4, 3) == pytest.approx(1.3 * 0.6 * (1 + 0.2 * math.sin(2 * math.pi * 4 / 30)))


def test_a_subclass_may_override_the_seasonal_factor_with_plain_numbers():
    class Afternoon(SeasonalPatternSimulator):
        def seasonal_factor(self, day, hour):
            return 2.0 if 14 <= hour <= 16 else 0.0

    calls, normal = hourly_calls(Afternoon(num_customers=100, num_days=7), start=MONDAY, source="afternoon")
    by_hour = calls.sum(axis=0).reshape(7, 24).sum(axis=0)
    assert by_hour[[h for h in range(24) if not 14 <= h <= 16]].sum() == 0
    assert by_hour.sum() / (normal.sum() * 3 * 7) == pytest.approx(2.0, rel=0.03)
