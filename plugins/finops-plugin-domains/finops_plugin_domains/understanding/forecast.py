"""What the coming days will cost: three simple methods, and the one that did best on days it had not seen.

Every method is linear in the past: with ``n`` whole days ``y``, a horizon of ``h`` days is ``W @ y`` with a weight
matrix ``W`` of shape (h, n). That gives the variance of any sum of forecast days without simulation:
``sigma^2 * (h + |sum of W's rows|^2)``, day-to-day noise plus what the fit itself does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HELD_BACK = 7
"""Days forecast in every test, a whole week."""

FEWEST_DAYS = 14
"""Whole days below which nothing is tested: a week seen and a week held back."""

ROUNDING = 1e-9
"""What floating-point sums may be off: days that all cost the same have an interval of no width."""

MOST_TESTS = 28
"""Tests on which a method is chosen: one starts on each of the last so many days."""


@dataclass(frozen=True)
class Method:
    """A way to forecast.

    Attributes:
        name: In words.
        weights: ``(n, h)`` to the weight matrix of shape (h, n).
        sigma: The standard deviation of a day around the method's expectation, from the past alone.
        parameters: How many numbers it estimates.
        needs: The days it has to see before it is tried.
    """

    name: str
    weights: Callable[[int, int], Floats]
    sigma: Callable[[Floats], float]
    parameters: int
    needs: int


def methods(damping: float) -> tuple[Method, ...]:
    """The methods that compete, the simplest first, which wins a tie.

    Args:
        damping: What is left of the trend's daily step one day further out; see :func:`_trend_weights`.
    """
    return (
        Method("the mean of all days", lambda n, h: np.full((h, n), 1 / n), _mean_sigma, 1, 1),
        Method("the same weekday of the last week", _naive_weights, _naive_sigma, 7, 14),
        Method("weekday and damped trend", lambda n, h: _trend_weights(n, h, damping), _trend_sigma, 8, 14),
    )


def _mean_sigma(y: Floats) -> float:
    return float(np.sqrt(np.sum((y - y.mean()) ** 2) / max(1, len(y) - 1)))


def _naive_weights(n: int, h: int) -> Floats:
    weights = np.zeros((h, n))
    steps = np.arange(h)
    weights[steps, n - 7 + steps % 7] = 1
    return weights


def _naive_sigma(y: Floats) -> float:
    # The difference of two days a week apart has twice the variance of one.
    return float(np.sqrt(np.mean((y[7:] - y[:-7]) ** 2) / 2))


def _design(days: npt.NDArray[np.int64], trend: Floats) -> Floats:
    """One column for each weekday and one for the trend; shape (days, 8)."""
    return np.column_stack([days[:, None] % 7 == np.arange(7), trend]).astype(np.float64)


def _trend_weights(n: int, h: int, damping: float) -> Floats:
    """Least squares on weekdays and a straight line; beyond the last day each step of the line shrinks by ``damping``.

    The damped trend is that of Gardner & McKenzie (1985): over h days a slope b adds b (d + d^2 + ... + d^h).
    """
    past = np.arange(n)
    coming = np.arange(n, n + h)
    line = n - 1 + np.cumsum(damping ** np.arange(1.0, h + 1))
    fitted = np.linalg.pinv(_design(past, past.astype(np.float64)))
    weights: Floats = _design(coming, line) @ fitted
    return weights


def _trend_sigma(y: Floats) -> float:
    past = np.arange(len(y))
    design = _design(past, past.astype(np.float64))
    rest = y - design @ (np.linalg.pinv(design) @ y)
    return float(np.sqrt(np.sum(rest**2) / max(1, len(y) - design.shape[1])))


@dataclass(frozen=True)
class Trial:
    """How a method did on held-back weeks.

    Attributes:
        method: What was tried.
        error_percent: Mean absolute error of a day, in percent of the mean day; ``None`` if nothing was spent.
        widening: By what its variance has to be multiplied to fit the errors of whole held-back weeks; at least 1.
    """

    method: Method
    error_percent: float | None
    widening: float


@dataclass(frozen=True)
class HeldBack:
    """The chosen method against the last whole week, which it had not seen.

    Attributes:
        forecast: What it said the week would cost, dollars.
        actual: What the week cost, dollars.
        days_inside: How many of the seven days fell inside their daily interval.
        weeks: How many earlier weeks, one beginning each day, chose it; 0 if the choice had to use this very week.
        weeks_inside: In how many of those the week's cost fell inside its interval.
    """

    forecast: float
    actual: float
    days_inside: int
    weeks: int
    weeks_inside: int

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


@dataclass(frozen=True)
class Forecast:
    """What was chosen, how it did, and what it says.

    Attributes:
        method: The method chosen.
        days: The whole days it was fitted on.
        trials: How each method did; empty without enough days.
        held_back: The chosen method on the last week; ``None`` without enough days.
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

    The method is chosen by its mean absolute error over held-back weeks that end before the last week, then measured
    on the last week, then fitted on all days. Below four weeks of days it is chosen on the last week itself, below
    three the weekday methods are not tried, and below two nothing is tested.

    Args:
        y: Cost of consecutive whole days, dollars, at least one day.
        horizons: Numbers of coming days to add up.
        interval_percent: The probability that intervals should have.
        damping: What is left of a trend's daily step one day further out, between 0 and 1.
        skip: Days after ``y`` that are not counted in: a day that has begun and is not over.
    """
    candidates = methods(damping)
    n = len(y)
    trials: tuple[Trial, ...] = ()
    held_back = None
    chosen, widening = candidates[0], 1.0
    if n >= FEWEST_DAYS:
        earlier = list(range(max(m.needs for m in candidates), n - 2 * HELD_BACK + 1))[-MOST_TESTS:]
        origins = earlier or [n - HELD_BACK]
        trials = tuple(_trial(method, y, origins) for method in candidates if method.needs <= origins[0])
        # Rounded, so that the simplest of equally good methods wins whatever the last digits of its sums.
        best = min(trials, key=lambda t: round(t.error_percent or 0.0, 6))
        chosen, widening = best.method, best.widening
        held_back = _held_back(chosen, y, earlier, interval_percent, widening)
    weights = chosen.weights(n, skip + max(horizons))[skip:]
    daily = np.maximum(weights @ y, 0)
    if n < FEWEST_DAYS:
        nothing = np.empty(0)
        outlooks = tuple(Outlook(h, float(daily[:h].sum()), None, None) for h in horizons)
        return Forecast(chosen, n, trials, held_back, daily, nothing, nothing, outlooks)
    spread = chosen.sigma(y) * widening**0.5 * _quantile(interval_percent, n - chosen.parameters)
    reach = spread * np.sqrt(1 + np.sum(weights**2, axis=1))
    outlooks = tuple(_outlook(h, daily, weights, spread) for h in horizons)
    return Forecast(chosen, n, trials, held_back, daily, np.maximum(daily - reach, 0), daily + reach, outlooks)


def _outlook(h: int, daily: Floats, weights: Floats, spread: float) -> Outlook:
    expected = float(daily[:h].sum())
    reach = spread * float(np.sqrt(h + np.sum(weights[:h].sum(axis=0) ** 2)))
    return Outlook(h, expected, max(0.0, expected - reach), expected + reach)


def _trial(method: Method, y: Floats, origins: list[int]) -> Trial:
    errors, squares = [], []
    actual = 0.0
    for origin in origins:
        seen, week = y[:origin], y[origin : origin + HELD_BACK]
        weights = method.weights(origin, HELD_BACK)
        said = np.maximum(weights @ seen, 0)
        errors.append(float(np.abs(said - week).sum()))
        actual += float(week.sum())
        variance = method.sigma(seen) ** 2 * (HELD_BACK + float(np.sum(weights.sum(axis=0) ** 2)))
        if variance > 0:
            squares.append(float(said.sum() - week.sum()) ** 2 / variance)
    return Trial(
        method,
        sum(errors) / actual * 100 if actual > 0 else None,
        max(1.0, sum(squares) / len(squares)) if squares else 1.0,
    )


def _held_back(method: Method, y: Floats, origins: list[int], interval_percent: float, widening: float) -> HeldBack:
    seen, week = y[:-HELD_BACK], y[-HELD_BACK:]
    said, reach, _ = _week(method, seen, interval_percent, widening)
    inside = 0
    for origin in origins:
        total, _, total_reach = _week(method, y[:origin], interval_percent, widening)
        actual = float(y[origin : origin + HELD_BACK].sum())
        inside += abs(float(total.sum()) - actual) <= total_reach + ROUNDING * actual
    return HeldBack(
        float(said.sum()),
        float(week.sum()),
        int(np.sum(np.abs(said - week) <= reach + ROUNDING * week)),
        len(origins),
        inside,
    )


def _week(method: Method, seen: Floats, interval_percent: float, widening: float) -> tuple[Floats, Floats, float]:
    """The week after ``seen``: its days, how far each may be off, and how far their sum may be off."""
    weights = method.weights(len(seen), HELD_BACK)
    spread = method.sigma(seen) * widening**0.5 * _quantile(interval_percent, len(seen) - method.parameters)
    return (
        np.maximum(weights @ seen, 0),
        spread * np.sqrt(1 + np.sum(weights**2, axis=1)),
        spread * float(np.sqrt(HELD_BACK + np.sum(weights.sum(axis=0) ** 2))),
    )


def _quantile(interval_percent: float, freedom: int) -> float:
    """Student's t for a two-sided interval, from the normal quantile (Abramowitz & Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(0.5 + interval_percent / 200)
    v = max(1, freedom)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
