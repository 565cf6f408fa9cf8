"""Which hours are unusual, and which of them belong to one incident.

Two tests, one on the number of calls and one on the cost of a call; dollars describe an incident and
never trigger one. Both hold the expected number of false alarms in a run to a stated rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import NormalDist

import numpy as np

from finops_core import usd
from finops_plugin_domains.realtime.expectation import Expectation, ExpectationFit
from finops_plugin_domains.realtime.hourly import HourlyUse, grouped_median

MAX_ROUNDS = 20
MAD_TO_SD = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""
MIN_PRICED_HOURS = 24
"""Hours with enough calls that a customer needs before its cost per call is judged."""
POISSON_LIMIT = 1e-4
"""A smaller dispersion is computed as this one: the two differ in no digit that matters here."""

_lgamma = np.vectorize(math.lgamma, otypes=[float])


def log_tail_bound(calls: np.ndarray, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Logarithm of an upper bound of P(Y >= calls) for a negative binomial Y, where calls > mean.

    With r = 1 / dispersion and q = mean / (mean + r), one term of the tail is (k + r) / (k + 1) * q times the one
    before. That ratio moves from its value at ``calls`` towards q, so the tail is at most a geometric series with
    the larger of the two. The bound is never below the exact tail: no alarm is raised by the approximation.

    Args:
        calls: Counts, each above its mean.
        mean: Expected counts, above 0.
        dispersion: Variance is mean + dispersion * mean squared.
    """
    r = 1.0 / np.maximum(dispersion, POISSON_LIMIT)
    q = mean / (mean + r)
    log_term = _lgamma(calls + r) - _lgamma(r) - _lgamma(calls + 1.0) - r * np.log1p(mean / r) + calls * np.log(q)
    ratio = np.maximum((calls + r) / (calls + 1.0) * q, q)
    return log_term - np.log1p(-ratio)


@dataclass(frozen=True)
class Unusual:
    """What the tests found.

    Attributes:
        expectation: The model, fitted without the unusual hours.
        judged: Mask over customers whose active span is long enough.
        by_calls: Mask over rows with too many calls.
        by_cost: Mask over rows whose calls cost too much each.
        hours_tested: Customer-hours tested on calls.
        cost_hours_tested: Customer-hours tested on cost per call.
    """

    expectation: Expectation
    judged: np.ndarray
    by_calls: np.ndarray
    by_cost: np.ndarray
    hours_tested: int
    cost_hours_tested: int

    @property
    def tested(self) -> bool:
        """Whether there was anything to test."""
        return self.hours_tested + self.cost_hours_tested > 0

    @property
    def any(self) -> np.ndarray:
        """Mask over rows found by either test."""
        return self.by_calls | self.by_cost


def find_unusual(
    use: HourlyUse, *, false_alarms: float, min_factor: float, min_days: int, min_calls_for_cost: int
) -> Unusual:
    """Test every customer-hour on calls and on cost per call.

    Args:
        use: Calls by customer and hour.
        false_alarms: Hours expected to be flagged by chance in all; half of it for each test.
        min_factor: An hour is unusual only from this many times the expected on.
        min_days: Shortest active span that is judged.
        min_calls_for_cost: Fewest calls in an hour for the test on cost per call.
    """
    fit = ExpectationFit(use, min_days)
    tested = int((use.span_end - use.first_day * 24)[fit.judged].sum())
    log_chance = math.log(false_alarms / 2 / max(tested, 1))
    expectation = fit.first()
    aside = _too_many(use, fit.judged, expectation, log_chance, min_factor)
    # A loud hour inflates the spread and can hide a quieter one: set the found ones aside until none is new.
    for _ in range(MAX_ROUNDS):
        expectation = fit.again(expectation, aside)
        flagged = _too_many(use, fit.judged, expectation, log_chance, min_factor)
        if not (flagged & ~aside).any():
            break
        aside |= flagged
    by_cost, cost_tested = _too_dear(use, false_alarms / 2, min_factor, min_calls_for_cost)
    return Unusual(expectation, fit.judged, flagged, by_cost, tested, cost_tested)


def _too_many(
    use: HourlyUse, judged: np.ndarray, expectation: Expectation, log_chance: float, min_factor: float
) -> np.ndarray:
    mean = expectation.mean(use.customer, use.hour)
    spread = expectation.dispersion[use.customer]
    # Nothing within three standard deviations reaches the small chances used here.
    rows = np.flatnonzero(
        judged[use.customer] & (use.calls > np.maximum(min_factor * mean, mean + 3 * np.sqrt(mean + spread * mean**2)))
    )
    flagged = np.zeros(len(use.calls), bool)
    flagged[rows] = log_tail_bound(use.calls[rows], mean[rows], spread[rows]) < log_chance
    return flagged


def _too_dear(use: HourlyUse, false_alarms: float, min_factor: float, min_calls: int) -> tuple[np.ndarray, int]:
    """Hours whose mean log cost of a call lies too far above the customer's median hour.

    The variance of an hour's mean is that of single calls over their number, plus what hours of the customer
    differ beyond it (from the median absolute deviation); its tail is taken as normal.
    """
    n = len(use.customers)
    rows = np.flatnonzero(use.priced >= min_calls)
    rows = rows[np.bincount(use.customer[rows], minlength=n)[use.customer[rows]] >= MIN_PRICED_HOURS]
    flagged = np.zeros(len(use.calls), bool)
    if not len(rows):
        return flagged, 0
    who, k = use.customer[rows], use.priced[rows]
    mean = use.log_cost[rows] / k
    usual = grouped_median(mean, who, n)[who]
    within = np.bincount(who, use.log_square[rows] - k * mean**2, n) / np.maximum(np.bincount(who, k - 1, n), 1)
    single = np.maximum(within, 0.0)[who]
    mad = MAD_TO_SD * grouped_median(np.abs(mean - usual), who, n)[who]
    between = np.maximum(mad**2 - single * grouped_median(1 / k, who, n)[who], 0.0)
    limit = NormalDist().inv_cdf(1 - false_alarms / len(rows))
    # A millionth stands for the precision of the sums where all calls cost the same.
    excess = mean - usual
    flagged[rows] = (excess > limit * np.sqrt(single / k + between + 1e-12)) & (excess >= math.log(min_factor) - 1e-6)
    return flagged, len(rows)


@dataclass(frozen=True)
class Incident:
    """Unusual hours of one customer that belong together.

    Attributes:
        customer: Name.
        position: The customer's position in :attr:`HourlyUse.customers`.
        first: The first hour, counted from the start of the use.
        last: The last hour, included.
        start: When it began.
        end: When its last hour was over.
        flagged: The unusual hours in it.
        by_calls: Whether there were too many calls.
        by_cost: Whether a call cost too much.
        calls: Calls in it.
        expected_calls: Calls expected in that time.
        cost: What it cost, exact.
        expected_cost: What the expected calls would have cost at the customer's usual cost per call, rounded.
    """

    customer: str
    position: int
    first: int
    last: int
    start: datetime
    end: datetime
    flagged: int
    by_calls: bool
    by_cost: bool
    calls: int
    expected_calls: float
    cost: Decimal
    expected_cost: Decimal

    @property
    def extra(self) -> Decimal:
        """Dollars over the expected."""
        return self.cost - self.expected_cost

    @property
    def what(self) -> str:
        """What was unusual, in words."""
        if self.by_calls and self.by_cost:
            return "calls and cost per call"
        return "calls" if self.by_calls else "cost per call"


def merge_incidents(use: HourlyUse, unusual: Unusual, merge_gap: int) -> tuple[list[Incident], np.ndarray]:
    """Join unusual hours of a customer that lie close together.

    Args:
        use: Calls by customer and hour.
        unusual: What the tests found.
        merge_gap: Quiet hours that may lie between two hours of one incident.

    Returns:
        The incidents by customer and time, and for each row the position of its incident or -1; an incident
        covers the quiet hours inside it.
    """
    flagged = np.flatnonzero(unusual.any)
    member = np.full(len(use.calls), -1)
    if not len(flagged):
        return [], member
    who, hour = use.customer[flagged].astype(np.int64), use.hour[flagged]
    begins = np.flatnonzero((np.diff(who, prepend=-1) != 0) | (np.diff(hour, prepend=hour[0]) > merge_gap + 1))
    ends = np.append(begins[1:], len(flagged)) - 1
    for i, (first, last) in enumerate(zip(flagged[begins], flagged[ends], strict=True)):
        member[first : last + 1] = i
    inside = member >= 0
    count = len(begins)
    calls = np.bincount(member[inside], use.calls[inside], count)
    position, start, end = who[begins], hour[begins], hour[ends] + 1
    expected = unusual.expectation.total(position, start, end)
    usual_cost = expected * usual_cost_per_call(use, inside)[position]
    return [
        Incident(
            customer=use.customers[position[i]],
            position=int(position[i]),
            first=int(start[i]),
            last=int(end[i]) - 1,
            start=use.at(start[i]),
            end=use.at(end[i]),
            flagged=int(ends[i] - begins[i]) + 1,
            by_calls=bool(unusual.by_calls[flagged[begins[i] : ends[i] + 1]].any()),
            by_cost=bool(unusual.by_cost[flagged[begins[i] : ends[i] + 1]].any()),
            calls=int(calls[i]),
            expected_calls=float(expected[i]),
            cost=use.cost_of(slice(flagged[begins[i]], flagged[ends[i]] + 1)),
            expected_cost=usd(float(usual_cost[i])),
        )
        for i in range(count)
    ], member


def usual_cost_per_call(use: HourlyUse, inside: np.ndarray) -> np.ndarray:
    """Of each customer, dollars per call outside of incidents; over all hours where nothing lies outside."""
    n = len(use.customers)

    outside = ~inside
    cost, calls = (np.bincount(use.customer, amount * outside, n) for amount in (use.dollars, use.calls))
    all_cost, all_calls = (np.bincount(use.customer, amount, n) for amount in (use.dollars, use.calls))
    return np.where(calls > 0, cost, all_cost) / np.where(calls > 0, calls, all_calls)
