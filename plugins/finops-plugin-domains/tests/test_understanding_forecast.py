"""The forecast on series whose future is known."""

from dataclasses import replace

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
    assert found.held_back.inside


def test_equal_days_are_their_mean() -> None:
    found = run([5.0] * 40)
    assert found.method.name == "the mean of all days"
    assert [o.expected for o in found.outlooks] == pytest.approx([150, 450, 1825])


@pytest.mark.parametrize("cost", [15.0, 0.1, 1 / 3])
def test_equal_days_lie_inside_an_interval_of_no_width_whatever_sums_round_to(cost: float) -> None:
    held_back = run(np.full(40, cost)).held_back
    assert held_back is not None
    assert (held_back.inside, held_back.weeks, held_back.weeks_inside) == (True, 12, 12)
    assert not any(run(np.full(n, cost)).outlooks[0].excludes(30 * cost) for n in range(14, 61))


def test_a_straight_line_is_damped() -> None:
    # Day i costs 100 + i over 35 days. A damping of a half adds 1/2, then 1/4, to the last day's 134.
    found = run(100 + np.arange(35.0), damping=0.5)
    assert found.method.name == "a weekday pattern plus a fading trend"
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


@pytest.mark.parametrize(
    ("days", "methods", "unseen", "weeks"),
    [(14, 1, False, 0), (20, 1, False, 0), (21, 3, False, 0), (27, 3, False, 0), (28, 3, True, 0), (35, 3, True, 7)],
)
def test_a_method_is_tried_when_it_has_seen_two_weeks(days: int, methods: int, unseen: bool, weeks: int) -> None:
    found = run(np.tile(WEEK, 5)[:days] + np.arange(days) % 3)
    assert len(found.trials) == methods
    assert found.held_back is not None
    assert (found.held_back.unseen, found.held_back.weeks) == (unseen, weeks)


def test_the_held_back_week_is_not_seen_by_what_forecasts_it() -> None:
    y = np.concatenate([np.tile(WEEK, 5), np.full(7, 100.0)])
    held = run(y).held_back
    assert held is not None
    assert held.forecast == pytest.approx(64)
    assert held.actual == pytest.approx(700)
    assert held.error_percent == pytest.approx((64 - 700) / 700 * 100)
    assert not held.inside


def test_days_that_do_not_vary_but_for_a_step_have_the_interval_of_the_week_that_was_missed() -> None:
    # 14 days of $1, then 14 of $3. After 14 + j days their mean is 3 - 28 / (14 + j), so that the mean of all days
    # misses the week after by 196 / (14 + j). The week has 7 + 49 / (14 + j) times the variance of a day, and the miss
    # comes to a variance of 196^2 / (14 + j)^2 / (7 + 49 / (14 + j)) = 5488 / ((14 + j)(21 + j)).
    held = run([1.0] * 14 + [3.0] * 14).held_back
    assert held is not None
    assert held.method.name == "the mean of all days"
    # Before the last week, j = 7: a single week is over, j = 0, with 5488 / (14 x 21) = 56 / 3. The 21 days have a mean
    # of $5/3, and t is 1.325 for 80 % and 20 degrees of freedom: 35 / 3 +- 1.325 x sqrt(56 / 3 x (7 + 49 / 21)).
    assert (held.forecast, held.actual, held.inside) == (pytest.approx(35 / 3), 21, True)
    assert held.upper == pytest.approx(35 / 3 + 1.325 * (56 / 3 * 28 / 3) ** 0.5, rel=1e-3)
    assert held.lower == 0


def test_the_interval_is_as_wide_as_weeks_were_missed_if_days_vary_less() -> None:
    # 7 days of $1, then 13 of $3: below three weeks the mean of all days alone is tried. After 7 + j days that is
    # (7 + 3 j) / (7 + j), which misses the week after, $21, by 98 / (7 + j). The week has 7 + 49 / (7 + j) times the
    # variance of a day, and the miss comes to 98^2 / (7 + j)^2 / (7 + 49 / (7 + j)) = 1372 / ((7 + j)(14 + j)).
    found = run([1.0] * 7 + [3.0] * 13, horizons=(30,))
    variance = sum(1372 / ((7 + j) * (14 + j)) for j in range(7)) / 7
    # That is 8.8, more than the 18.2 / 19 of the days around their mean of $2.30. 19 degrees of freedom have a t of
    # 1.328, and 30 days 30 + 30^2 / 20 times the variance of a day.
    (month,) = found.outlooks
    assert month.expected == pytest.approx(69)
    assert month.upper == pytest.approx(69 + 1.328 * (variance * 75) ** 0.5, rel=1e-3)


def test_the_forecast_learns_from_the_last_week_and_its_error_is_of_a_method_that_did_not() -> None:
    # 26 days of $1, then 14 of $2. Before the last week all three methods had missed by the same, and the simplest
    # carried the mean on: (26 + 7 x 2) / 33 x 7. The last week tells them apart: its days before cost as much.
    found = run([1.0] * 26 + [2.0] * 14, horizons=(30,))
    assert found.method.name == "the same weekday of the last week"
    assert found.outlooks[0].expected == pytest.approx(60)
    held = found.held_back
    assert held is not None
    assert (held.method.name, held.unseen, held.inside) == ("the mean of all days", True, False)
    assert held.forecast == pytest.approx(280 / 33)


@pytest.mark.parametrize(("weeks", "inside", "short"), [(7, 4, False), (7, 3, True), (12, 6, True), (6, 0, False)])
def test_an_interval_falls_short_by_two_standard_deviations_of_its_weeks(weeks: int, inside: int, short: bool) -> None:
    # 80 % of 7 weeks are 5.6, and two standard deviations 2 x sqrt(7 x 0.8 x 0.2) = 2.1: below 3.5 it falls short; of
    # 12 weeks below 9.6 - 2.8 = 6.8. Of 6 weeks nothing is said.
    held = run([1.0] * 14).held_back
    assert held is not None
    assert replace(held, weeks=weeks, weeks_inside=inside).falls_short(80) is short


def test_how_often_the_interval_holds_is_counted_with_what_was_known_before_each_week() -> None:
    # 34 days of $10, then 8 of $20. The weeks that begin on days 21 to 27 cost what all before them did. Those of days
    # 28 to 34 hold dear days, and nothing before them varied or was missed: they fall outside of intervals without a
    # width, although a later look at the same days would have widened these. The last week begins on day 35.
    held = run([10.0] * 34 + [20.0] * 8).held_back
    assert held is not None
    assert (held.weeks, held.weeks_inside) == (14, 7)
    # The mean of 35 days, 360 / 35, carried on for a week is $72.
    assert (held.forecast, held.actual, held.inside) == (pytest.approx(72), 140, False)


def test_a_week_counts_as_it_was_forecast_when_it_was_the_last_whatever_came_later() -> None:
    rng = np.random.Generator(np.random.PCG64(8))
    y = np.tile(WEEK, 10) * (1 + np.arange(70) // 30) + rng.gamma(2, 5, 70)
    held = {n: run(y[:n]).held_back for n in range(28, 71)}
    inside = 0
    for n in range(28, 71):
        assert held[n] is not None
        assert (held[n].weeks, held[n].weeks_inside) == (n - 28, inside)
        inside += held[n].inside
    assert 0 < inside < 43
    # The method changes on the way: which one was best is not known beforehand.
    assert len({run(y[:n]).method.name for n in range(28, 71)}) > 1


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
