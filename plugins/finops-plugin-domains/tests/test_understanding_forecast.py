"""The forecast on series whose future is known."""

import numpy as np
import pytest
from finops_plugin_domains.understanding.forecast import FEWEST_DAYS, Forecast, forecast

WEEK = np.array([10.0, 12, 14, 12, 10, 4, 2])


def run(y, horizons=(30, 90, 365), **options) -> Forecast:
    options = {"interval_percent": 80, "damping": 0.95, **options}
    return forecast(np.asarray(y, dtype=float), horizons, **options)


def test_a_repeating_week_is_carried_on_exactly() -> None:
    found = run(np.tile(WEEK, 5), horizons=(7, 30))
    assert found.method.name == "the same weekday of the last week"
    # A week costs 64; 30 days are four weeks and two days: 4 x 64 + 10 + 12 = 278.
    assert [o.expected for o in found.outlooks] == pytest.approx([64, 278])
    assert found.outlooks[1].lower == pytest.approx(278)
    assert found.held_back is not None
    assert found.held_back.error_percent == pytest.approx(0)
    assert found.held_back.days_inside == 7


def test_equal_days_are_their_mean() -> None:
    found = run([5.0] * 40)
    assert found.method.name == "the mean of all days"
    assert [o.expected for o in found.outlooks] == pytest.approx([150, 450, 1825])


@pytest.mark.parametrize("cost", [15.0, 0.1, 1 / 3])
def test_equal_days_lie_inside_an_interval_of_no_width_whatever_sums_round_to(cost: float) -> None:
    held_back = run(np.full(40, cost)).held_back
    assert held_back is not None
    assert (held_back.days_inside, held_back.weeks_inside) == (7, held_back.weeks)


def test_a_straight_line_is_damped() -> None:
    # Day i costs 100 + i over 35 days. A damping of a half adds 1/2, then 1/4, to the last day's 134.
    found = run(100 + np.arange(35.0), damping=0.5)
    assert found.method.name == "weekday and damped trend"
    assert found.daily[:2] == pytest.approx([134.5, 134.75])


def test_a_forecast_never_goes_below_zero() -> None:
    found = run(np.maximum(300.0 - 10 * np.arange(30), 1), damping=0.99)
    assert (found.daily >= 0).all()
    assert (found.daily_lower >= 0).all()
    assert all(o.expected >= 0 and o.lower is not None and o.lower >= 0 for o in found.outlooks)


def test_days_without_any_cost_are_forecast_as_such() -> None:
    found = run(np.zeros(30))
    assert [o.expected for o in found.outlooks] == [0, 0, 0]
    assert found.held_back is not None
    assert found.held_back.error_percent is None


def test_days_to_skip_are_left_out_of_the_sums() -> None:
    # The eighth day after five weeks is skipped Monday's Tuesday: 12 + 14 + 12 + 10 + 4 + 2 + 10 = 64, from Tuesday on.
    found = run(np.tile(WEEK, 5), horizons=(3,), skip=1)
    assert found.outlooks[0].expected == pytest.approx(12 + 14 + 12)


@pytest.mark.parametrize("days", [1, 2, 7, FEWEST_DAYS - 1])
def test_below_two_weeks_there_is_a_rate_and_no_interval(days: int) -> None:
    found = run([3.0] * days)
    assert found.outlooks[0].expected == pytest.approx(90)
    assert found.outlooks[0].lower is None
    assert (found.trials, found.held_back) == ((), None)


@pytest.mark.parametrize(("days", "methods", "weeks"), [(14, 1, 0), (20, 1, 0), (21, 3, 0), (27, 3, 0), (28, 3, 1)])
def test_a_method_is_tried_when_it_has_seen_two_weeks(days: int, methods: int, weeks: int) -> None:
    found = run(np.tile(WEEK, 4)[:days] + np.arange(days) % 3)
    assert len(found.trials) == methods
    assert found.held_back is not None
    assert found.held_back.weeks == weeks


def test_the_held_back_week_is_not_seen_by_what_forecasts_it() -> None:
    y = np.concatenate([np.tile(WEEK, 5), np.full(7, 100.0)])
    held = run(y).held_back
    assert held is not None
    assert held.forecast == pytest.approx(64)
    assert held.actual == pytest.approx(700)
    assert held.error_percent == pytest.approx((64 - 700) / 700 * 100)
    assert held.days_inside == 0


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    inside = 0
    for _ in range(300):
        days = np.tile(WEEK, 14)[:86] * 10 + rng.normal(0, 10, 86)
        outlook = run(days[:56], horizons=(30,)).outlooks[0]
        assert outlook.lower is not None
        assert outlook.upper is not None
        inside += outlook.lower <= days[56:].sum() <= outlook.upper
    # 240 of 300 are expected; four standard deviations of a binomial are 28.
    assert 212 <= inside <= 290
