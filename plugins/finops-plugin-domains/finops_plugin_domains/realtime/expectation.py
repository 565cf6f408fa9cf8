"""How many calls to expect of a customer in an hour: level x weekday x hour, with overdispersion.

Every estimate is made without the hours that are found unusual. They are unknown at first, so the fit
starts from capped counts and is repeated as unusual hours are set aside (see :mod:`.anomalies`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finops_plugin_domains.realtime.hourly import HourlyUse, grouped_median

# Customer-hours at the average that the pooled profile is drawn towards: one customer's single odd hour
# does not make a profile, and an hour in which nobody ever called keeps a small expectation.
PRIOR_HOURS = 24.0
TURNS = 3
"""How often level and profile are fitted in turn; they hardly move after the second."""


@dataclass(frozen=True)
class Expectation:
    """The fitted model: calls in an hour have mean ``level[customer] * profile[hour]``.

    Their variance is mean + dispersion[customer] * mean squared (negative binomial, NB2).

    Attributes:
        level: Of each customer, calls in an average hour of the active span.
        profile: Of each hour since the start, the factor of its weekday times that of its hour of day.
        dispersion: Of each customer; 0 would be Poisson.
        reach: Cumulative sum of ``profile``, starting with 0.
    """

    level: np.ndarray
    profile: np.ndarray
    dispersion: np.ndarray
    reach: np.ndarray

    def mean(self, customer: np.ndarray, hour: np.ndarray) -> np.ndarray:
        """Expected calls of customers in hours."""
        return self.level[customer] * self.profile[hour]

    def total(self, customer: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Expected calls of customers from ``start`` up to and without ``end``."""
        return self.level[customer] * (self.reach[end] - self.reach[start])


class ExpectationFit:
    """Fits an :class:`Expectation`, again and again with other hours set aside."""

    def __init__(self, use: HourlyUse, min_days: int) -> None:
        """Prepare what does not depend on the hours set aside.

        Args:
            use: Calls by customer and hour.
            min_days: A customer with a shorter active span is not judged and does not shape the profile.
        """
        n = len(use.customers)
        self._use = use
        self._first, self._end = use.first_day * 24, use.span_end
        self.judged = use.last_day - use.first_day + 1 >= min_days
        customer, _, calls = use.days
        typical = grouped_median(calls, customer, n)
        # An hour with more calls than a typical whole day counts as that day: a burst cannot pass for the
        # customer's level or spread, not even before it has been found.
        self._capped = np.minimum(use.calls, typical[use.customer])
        self._start_level = np.bincount(customer, np.minimum(calls, typical[customer]), n) / (self._end - self._first)
        active = np.zeros(use.hours + 1)
        np.add.at(active, self._first[self.judged], 1)
        np.add.at(active, self._end[self.judged], -1)
        self._active = np.cumsum(active)[:-1]
        hours = np.arange(use.hours)
        self._clock = hours % 24
        self._weekday = (use.start.weekday() + hours // 24) % 7

    def first(self) -> Expectation:
        """From capped days, the same in every hour: what is unusual must not shape the profile that judges it."""
        return self._expectation(self._start_level, np.ones(self._use.hours), np.zeros(len(self._use.calls), bool))

    def again(self, previous: Expectation, aside: np.ndarray) -> Expectation:
        """Level and profile in turn, without some hours.

        Args:
            previous: The fit so far.
            aside: Mask over the rows of the hours to leave out.
        """
        use, n = self._use, len(self._use.customers)
        level, profile = previous.level, previous.profile
        kept = np.where(aside, 0.0, self._capped)
        calls = np.bincount(use.customer, kept, n)
        exposed = self._active - np.bincount(use.hour[self.judged[use.customer] & aside], minlength=use.hours)
        for _ in range(TURNS):
            profile = self._profile(level, kept, exposed)
            level = self._level(profile, calls, aside)
        return self._expectation(level, profile, aside)

    def _expectation(self, level: np.ndarray, profile: np.ndarray, aside: np.ndarray) -> Expectation:
        reach = np.concatenate(([0.0], np.cumsum(profile)))
        return Expectation(level, profile, self._dispersion(level, profile, aside), reach)

    def _level(self, profile: np.ndarray, calls: np.ndarray, aside: np.ndarray) -> np.ndarray:
        """Each customer's calls over what the profile would give at one call an hour."""
        use, n = self._use, len(self._use.customers)
        reach = np.concatenate(([0.0], np.cumsum(profile)))
        exposure = reach[self._end] - reach[self._first]
        exposure -= np.bincount(use.customer[aside], profile[use.hour[aside]], n)
        return np.divide(calls, exposure, out=self._start_level.copy(), where=(exposure > 0) & (calls > 0))

    def _profile(self, level: np.ndarray, kept: np.ndarray, exposed: np.ndarray) -> np.ndarray:
        """Weekday x hour factors; each customer's calls count relative to its own level, so all weigh the same.

        Args:
            level: Of each customer.
            kept: Calls of each row, 0 for the hours to leave out.
            exposed: Of each hour, how many judged customers were active and are not left out.
        """
        use = self._use
        share = kept / np.where(self.judged, level, np.inf)[use.customer]
        seen = np.bincount(use.hour, share, use.hours)
        weekday = np.ones(use.hours)
        for _ in range(TURNS):
            clock = self._factor(self._clock, seen, exposed * weekday)
            weekday = self._factor(self._weekday, seen, exposed * clock)
        return weekday * clock

    @staticmethod
    def _factor(kind: np.ndarray, seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Seen over expected of all hours of a kind; every array has an entry per hour since the start."""
        return ((np.bincount(kind, seen) + PRIOR_HOURS) / (np.bincount(kind, expected) + PRIOR_HOURS))[kind]

    def _dispersion(self, level: np.ndarray, profile: np.ndarray, aside: np.ndarray) -> np.ndarray:
        """By moments, mean((y - mu)^2 - y) / mean(mu^2), and at least the median over all customers."""
        use, n = self._use, len(self._use.customers)
        squares = np.concatenate(([0.0], np.cumsum(profile**2)))
        base = level**2 * (squares[self._end] - squares[self._first])
        mean = level[use.customer] * profile[use.hour]
        base -= np.bincount(use.customer[aside], mean[aside] ** 2, n)
        # Hours without a call have no row; each of them adds mu^2, and so does the base. A row adds the rest of
        # (y - mu)^2 - y, which is y (y - 1 - 2 mu).
        y = self._capped
        over = base + np.bincount(use.customer, np.where(aside, 0.0, y * (y - 1 - 2 * mean)), n)
        own = np.maximum(np.divide(over, base, out=np.zeros(n), where=base > 0), 0.0)
        common = float(np.median(own[self.judged])) if self.judged.any() else 0.0
        return np.maximum(own, common)
