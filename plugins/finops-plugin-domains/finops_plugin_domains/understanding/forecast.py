"""What the coming days will cost: the method that did best on weeks it had not seen, and how far it may be off.

How far follows from the days around the method's fit or, if that is more, from how far it missed held-back weeks; see
:mod:`~finops_plugin_domains.understanding.methods` for what that comes to over several days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finops_plugin_domains.understanding.backtest import HELD_BACK, ROUNDING, Backtest, backtest, quantile
from finops_plugin_domains.understanding.methods import Floats, Method, methods, variance_factor

FEWEST_DAYS = 14
"""Whole days below which nothing is tested: a week seen and a week held back."""

FEWEST_WEEKS = 7
"""Earlier weeks, one beginning on each day, below which nothing is said of how often the interval holds."""


@dataclass(frozen=True)
class Trial:
    """How a method did on the weeks that chose among the methods.

    Attributes:
        method: What was tried.
        error_percent: Mean absolute error of a day, in percent of the mean day; ``None`` if nothing was spent.
    """

    method: Method
    error_percent: float | None


@dataclass(frozen=True)
class HeldBack:
    """The last whole week, forecast from the days before it alone, and the weeks before it in the same way.

    Attributes:
        method: What it was forecast with: the method that was best before it, which the week may have changed.
        forecast: What the week was expected to cost, dollars.
        lower: The lower end of its interval, dollars.
        upper: The upper end.
        actual: What the week cost, dollars.
        inside: Whether that lies in the interval.
        unseen: Whether the method was chosen without this week.
        weeks: How many earlier weeks, one beginning on each day, were forecast by the method that was best until then.
        weeks_inside: In how many of those the week's cost fell inside its interval.
    """

    method: Method
    forecast: float
    lower: float
    upper: float
    actual: float
    inside: bool
    unseen: bool
    weeks: int
    weeks_inside: int

    def falls_short(self, interval_percent: float) -> bool:
        """Whether clearly fewer weeks than the interval is meant to hold fell inside; not said of a few weeks.

        Clearly is by two standard deviations of as many weeks that do not overlap. These do and vary more, so that
        some intervals are doubted that are right: better than to promise what did not come true.
        """
        if self.weeks < FEWEST_WEEKS:
            return False
        share = interval_percent / 100
        return self.weeks_inside < self.weeks * share - 2 * (self.weeks * share * (1 - share)) ** 0.5

    @property
    def error_percent(self) -> float | None:
        """Forecast against actual, in percent of actual; ``None`` if the week cost nothing."""
        return (self.forecast - self.actual) / self.actual * 100 if self.actual > 0 else None


@dataclass(frozen=True)
class Outlook:
    """The cost of the days ahead.

    Attributes:
        days: How many coming days it covers.
        expected: Their cost, dollars, never below zero.
        lower: Below it with half of the probability that the interval leaves out; ``None`` below two weeks of days:
            what a weekend does to the mean is then unknown, and an interval would pretend otherwise.
        upper: Above it with the other half.
    """

    days: int
    expected: float
    lower: float | None
    upper: float | None

    def excludes(self, amount: float) -> bool:
        """Whether the interval leaves an amount out, and not merely by what sums round to; without one it does not."""
        if self.lower is None or self.upper is None:
            return False
        return not self.lower - ROUNDING * amount <= amount <= self.upper + ROUNDING * amount


@dataclass(frozen=True)
class Forecast:
    """What was chosen, how it did, and what it says.

    Attributes:
        method: The method chosen.
        days: The whole days it was fitted on.
        trials: How each method did; empty without enough days.
        held_back: What would have been forecast for the last week; ``None`` without enough days.
        daily: Expected cost of each coming day, shape (longest horizon,).
        daily_lower: Lower bound of each day; empty below two weeks of days.
        daily_upper: Upper bound of each day.
        outlooks: The sums over the horizons asked for.
    """

    method: Method
    days: int
    trials: tuple[Trial, ...]
    held_back: HeldBack | None
    daily: Floats
    daily_lower: Floats
    daily_upper: Floats
    outlooks: tuple[Outlook, ...]


def forecast(
    y: Floats, horizons: tuple[int, ...], *, interval_percent: float, damping: float, skip: int = 0
) -> Forecast:
    """Forecast daily cost.

    The method is chosen by its mean absolute error over held-back weeks up to the last one, and fitted on all days. The
    error reported is that of the method chosen in the same way before the last week: that one has not seen it, and the
    forecast still learns from it. Below four weeks of days there is no week to choose by before the last one, below
    three the weekday methods are not tried, and below two nothing is tested.

    Args:
        y: Cost of consecutive whole days, dollars, at least one day.
        horizons: Numbers of coming days to add up.
        interval_percent: The probability that intervals should have.
        damping: What is left of a trend's daily step one day further out, between 0 and 1.
        skip: Days after ``y`` that are not counted in: a day that has begun and is not over.
    """
    n, candidates = len(y), methods(damping)
    if n < FEWEST_DAYS:
        weights, _ = candidates[0].fit(y, skip + max(horizons))
        daily = np.maximum(weights[skip:] @ y, 0)
        outlooks = tuple(Outlook(h, float(daily[:h].sum()), None, None) for h in horizons)
        return Forecast(candidates[0], n, (), None, daily, np.empty(0), np.empty(0), outlooks)
    held = backtest(y, candidates)
    best = held.best(held.over(n))
    method = held.methods[best]
    weights, sigma = method.fit(y, skip + max(horizons))
    weights = weights[skip:]
    daily = np.maximum(weights @ y, 0)
    spread = max(sigma, held.missed(best, held.over(n)) ** 0.5) * quantile(interval_percent, n - method.parameters)
    reach = spread * np.sqrt(1 + np.sum(weights**2, axis=1))
    return Forecast(
        method,
        n,
        _trials(held, held.over(n)),
        _held_back(held, n, interval_percent),
        daily,
        np.maximum(daily - reach, 0),
        daily + reach,
        tuple(_outlook(h, daily, weights, spread) for h in horizons),
    )


def _outlook(h: int, daily: Floats, weights: Floats, spread: float) -> Outlook:
    expected = float(daily[:h].sum())
    reach = spread * variance_factor(weights[:h]) ** 0.5
    return Outlook(h, expected, max(0.0, expected - reach), expected + reach)


def _trials(held: Backtest, weeks: slice) -> tuple[Trial, ...]:
    errors = held.error_percent(weeks).tolist()
    return tuple(Trial(m, None if np.isnan(e) else e) for m, e in zip(held.methods, errors, strict=True))


def _held_back(held: Backtest, n: int, interval_percent: float) -> HeldBack:
    last = len(held.actual) - 1
    unseen = last >= HELD_BACK
    method = held.best(held.over(n - HELD_BACK if unseen else n))
    said, reach = float(held.said[method, last]), held.reach(method, last, interval_percent)
    # Weeks before which another one was over, so that a method could be chosen without them.
    earlier = range(HELD_BACK, last)
    inside = [held.inside(held.best(held.over(held.first + week)), week, interval_percent) for week in earlier]
    return HeldBack(
        held.methods[method],
        said,
        max(0.0, said - reach),
        said + reach,
        float(held.actual[last]),
        held.inside(method, last, interval_percent),
        unseen,
        len(earlier),
        sum(inside),
    )
