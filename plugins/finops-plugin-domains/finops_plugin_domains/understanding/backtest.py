"""How well methods forecast weeks that they had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from finops_plugin_domains.understanding.methods import Floats, Method, variance_factor

HELD_BACK = 7
"""Days of every test, a whole week."""

MOST_TESTS = 28
"""Weeks on which a method is judged: the last so many, one beginning on each day."""

ROUNDING = 1e-9
"""What floating-point sums may be off: days that all cost the same have an interval of no width."""


@dataclass(frozen=True)
class Backtest:
    """Methods on held-back weeks, one beginning on each day, each forecast from the days before it alone.

    The arrays have the shape (methods, weeks), but for ``actual``.

    Attributes:
        methods: What was tested, the simplest first.
        first: Days before the first week.
        actual: What each week cost, dollars, shape (weeks,).
        said: What each method said it would.
        error: Absolute errors of the days of the week, added up, dollars.
        variance: That of a day around the method's expectation, from the days before the week, dollars squared.
        factor: The variance of the week's sum over that of a day.
    """

    methods: tuple[Method, ...]
    first: int
    actual: Floats
    said: Floats
    error: Floats
    variance: Floats
    factor: Floats

    def over(self, seen: int) -> slice:
        """The last weeks that were over after ``seen`` days, at most :data:`MOST_TESTS`."""
        end = max(0, seen - HELD_BACK - self.first + 1)
        return slice(max(0, end - MOST_TESTS), end)

    def error_percent(self, weeks: slice) -> Floats:
        """Each method's mean absolute error of a day, in percent of the mean day; NaN if nothing was spent."""
        actual = float(self.actual[weeks].sum())
        return self.error[:, weeks].sum(axis=1) / (actual or np.nan) * 100

    def best(self, weeks: slice) -> int:
        """The method with the smallest error."""
        # Rounded, so that the simplest of equally good methods wins whatever the last digits of its sums.
        return int(np.argmin(np.nan_to_num(self.error_percent(weeks)).round(6)))

    def missed(self, method: int, weeks: slice) -> float:
        """The variance of a day that the misses of whole weeks come to on average, dollars squared; 0 without weeks."""
        misses = (self.said[method, weeks] - self.actual[weeks]) ** 2 / self.factor[method, weeks]
        return float(misses.mean()) if len(misses) else 0.0

    def reach(self, method: int, week: int, interval_percent: float) -> float:
        """How far the week may be off by what was known before it, dollars."""
        seen = self.first + week
        variance = max(self.variance[method, week], self.missed(method, self.over(seen)))
        t = quantile(interval_percent, seen - self.methods[method].parameters)
        return t * float(np.sqrt(variance * self.factor[method, week]))

    def inside(self, method: int, week: int, interval_percent: float) -> bool:
        """Whether the week cost what the method said, within its reach."""
        off = abs(float(self.said[method, week] - self.actual[week]))
        return off <= self.reach(method, week, interval_percent) + ROUNDING * float(self.actual[week])


def backtest(y: Floats, candidates: Sequence[Method]) -> Backtest:
    """Test on every week that can be held back those methods that see enough days before the last one.

    Args:
        y: Cost of consecutive whole days, dollars, at least two weeks of them.
        candidates: The methods, the simplest first.
    """
    tried = tuple(m for m in candidates if m.needs <= len(y) - HELD_BACK)
    # All are judged on the same weeks: those before which each of them has seen enough.
    first = max(HELD_BACK, *(m.needs for m in tried))
    origins = range(first, len(y) - HELD_BACK + 1)
    weeks = np.lib.stride_tricks.sliding_window_view(y[first:], HELD_BACK)
    said, error, variance, factor = np.empty((4, len(tried), len(origins)))
    for i, method in enumerate(tried):
        for j, origin in enumerate(origins):
            weights, sigma = method.fit(y[:origin], HELD_BACK)
            days = np.maximum(weights @ y[:origin], 0)
            said[i, j], error[i, j] = days.sum(), np.abs(days - weeks[j]).sum()
            variance[i, j], factor[i, j] = sigma**2, variance_factor(weights)
    return Backtest(tried, first, weeks.sum(axis=1), said, error, variance, factor)


def quantile(interval_percent: float, freedom: int) -> float:
    """Student's t for a two-sided interval, from the normal quantile (Abramowitz & Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(0.5 + interval_percent / 200)
    v = max(1, freedom)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
