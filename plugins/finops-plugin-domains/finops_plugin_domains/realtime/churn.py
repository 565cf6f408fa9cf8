"""Who stopped calling, and who calls less and less."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from statistics import NormalDist

import numpy as np

from finops_core import Calls, Period
from finops_plugin_domains.realtime.hourly import HourlyUse, grouped_median

DECLINE_DAYS = 56
"""Eight weeks: two spans of four weeks, so that a monthly cycle is in both."""
CAP = 2.0
"""For a trend, a day counts as at most this many times the customer's typical day."""
PRIOR_DAYS = 4.0
"""How many days of a customer the habit of all customers weighs as much as."""

_lgamma = np.vectorize(math.lgamma, otypes=[float])


@dataclass(frozen=True)
class Stopped:
    """A customer whose silence is too long for their own rate.

    Attributes:
        customer: Name.
        last_call: Day of the last call.
        since: The first silent day.
        silent_days: Days from 00:00 of ``since`` to now.
        active_days: Days with a call, from the first to the last.
        span_days: Days from the first to the last.
        calls_per_day: Median calls of an active day.
        chance: How likely such a silence is for a customer who calls on days as this one did.
        tier: Latest known subscription tier.
        revenue: The tier's price, US dollars a calendar month; ``None`` for an unknown tier.
    """

    customer: str
    last_call: date
    since: date
    silent_days: float
    active_days: int
    span_days: int
    calls_per_day: float
    chance: float
    tier: str | None
    revenue: Decimal | None


@dataclass(frozen=True)
class Declining:
    """A customer who calls less than before.

    Attributes:
        customer: Name.
        before: Calls a day in the earlier span.
        after: Calls a day in the later span, as long as the earlier one.
        sigmas: The fall in standard errors.
        tier: Latest known subscription tier.
        revenue: The tier's price, US dollars a calendar month; ``None`` for an unknown tier.
    """

    customer: str
    before: float
    after: float
    sigmas: float
    tier: str | None
    revenue: Decimal | None

    @property
    def fall(self) -> float:
        """How much less, in percent."""
        return 100 * (1 - self.after / self.before)


@dataclass(frozen=True)
class Decline:
    """Who declines, and how well that can be known.

    Attributes:
        customers: By the price of their tier, the dearest first.
        span_days: Length of each of the two spans compared; 0 if the log is too short for any.
        cycle_excluded: Whether both spans hold a whole monthly cycle.
        compared: Customers compared.
    """

    customers: list[Declining]
    span_days: int
    cycle_excluded: bool
    compared: int


def find_stopped(
    calls: Calls, use: HourlyUse, tiers: Mapping[str, str], *, false_alarms: float, min_silence_days: float
) -> list[Stopped] | None:
    """Customers who fell silent in the days that were loaded, the dearest first.

    ``None`` if too few were loaded to tell: not even somebody who used to call every day would be listed.

    The rate is the share of days with a call: a burst is one day like another in it, however large, while it
    would rule the mean calls a day. The share of a customer is uncertain, all the more after few days: it has a
    beta distribution, from the customer's own days and the habit of all customers as the prior, and the
    chance of k silent days is the mean of (1 - share)^k over it (beta-binomial).

    Args:
        calls: For the prices of tiers.
        use: Calls by customer and hour.
        tiers: Of each customer; see :func:`latest_tiers`.
        false_alarms: Customers expected to be listed by chance.
        min_silence_days: Shortest silence that is reported.
    """
    n = len(use.customers)
    customer, _, per_day = use.days
    active = np.bincount(customer, minlength=n)
    span = use.last_day - use.first_day + 1
    loaded = (use.now - use.start).total_seconds() / 86_400
    # A span begins and ends with a call by definition: only the days after its first are a sample.
    called, quiet = np.maximum(active - 1, 0), span - active
    habit = float((called.sum() + 1) / (called.sum() + quiet.sum() + 2))
    every_day = np.arange(max(math.floor(loaded - min_silence_days), 0))
    clearest = _chance_of_silence(every_day, np.zeros(len(every_day)), loaded - (every_day + 1), habit)
    if clearest.min(initial=1.0) >= false_alarms / n:
        return None
    silent = loaded - (use.last_day + 1)
    chance = _chance_of_silence(called, quiet, np.maximum(silent, 0), habit)
    found = np.flatnonzero((silent >= min_silence_days) & (chance < false_alarms / n))
    typical = grouped_median(per_day, customer, n)
    stopped = [
        Stopped(
            customer=use.customers[i],
            last_call=use.date_of(use.last_day[i]),
            since=use.date_of(use.last_day[i] + 1),
            silent_days=float(silent[i]),
            active_days=int(active[i]),
            span_days=int(span[i]),
            calls_per_day=float(typical[i]),
            chance=float(chance[i]),
            tier=tiers.get(use.customers[i]),
            revenue=calls.settings.tiers.get(tiers.get(use.customers[i]) or ""),
        )
        for i in found
    ]
    return sorted(stopped, key=lambda s: (-(s.revenue or 0), -s.calls_per_day, s.customer))


def _chance_of_silence(called: np.ndarray, quiet: np.ndarray, silent: np.ndarray, habit: float) -> np.ndarray:
    """After so many days with and without calls, for customers who call on a share of days around ``habit``."""
    a, b = called + PRIOR_DAYS * habit, quiet + PRIOR_DAYS * (1 - habit)
    return np.exp(_lgamma(b + silent) - _lgamma(b) + _lgamma(a + b) - _lgamma(a + b + silent))


def find_decline(
    calls: Calls,
    use: HourlyUse,
    tiers: Mapping[str, str],
    stopped: Sequence[Stopped],
    *,
    min_percent: float,
    false_alarms: float,
) -> Decline:
    """Customers who call less in the later of two equally long spans of whole weeks than in the earlier one.

    The spans are four weeks each; with less data as many whole weeks as there are, and then a monthly cycle cannot
    be excluded. Days are capped at two typical days. Each day is compared with the same weekday of the other span,
    and the mean difference is held against the spread of the differences, and at least against that of counts.

    Args:
        calls: For the prices of tiers.
        use: Calls by customer and hour.
        tiers: Of each customer; see :func:`latest_tiers`.
        stopped: Customers who are silent altogether, left out.
        min_percent: Smallest fall that is reported.
        false_alarms: Customers expected to be listed by chance.
    """
    n, end = len(use.customers), use.whole_days
    span = 7 * min(DECLINE_DAYS // 14, end // 14)
    gone = {s.customer for s in stopped}
    here = np.array([name not in gone for name in use.customers])
    compared = np.flatnonzero(here & (use.first_day <= end - 2 * span))
    if not span or not len(compared):
        return Decline([], span, span * 2 >= DECLINE_DAYS, 0)
    customer, day, per_day = use.days
    capped = np.minimum(per_day, CAP * grouped_median(per_day, customer, n)[customer])

    def days_from(first: int) -> np.ndarray:
        rows = (day >= first) & (day < first + span)
        where = customer[rows] * span + day[rows] - first
        return np.bincount(where, capped[rows], n * span).reshape(n, span)

    earlier, later = days_from(end - 2 * span), days_from(end - span)
    before, after = earlier.mean(axis=1), later.mean(axis=1)
    variance = np.maximum((earlier - later).var(axis=1, ddof=1), before + after)
    sigmas = (before - after) / np.sqrt(np.maximum(variance, 1e-12) / span)
    limit = NormalDist().inv_cdf(1 - min(false_alarms / len(compared), 0.5))
    found = [i for i in compared if sigmas[i] > limit and after[i] <= (1 - min_percent / 100) * before[i]]
    declining = [
        Declining(
            customer=use.customers[i],
            before=float(before[i]),
            after=float(after[i]),
            sigmas=float(sigmas[i]),
            tier=tiers.get(use.customers[i]),
            revenue=calls.settings.tiers.get(tiers.get(use.customers[i]) or ""),
        )
        for i in found
    ]
    declining.sort(key=lambda d: (-(d.revenue or 0), -d.fall, d.customer))
    return Decline(declining, span, span * 2 >= DECLINE_DAYS, len(compared))


def latest_tiers(calls: Calls) -> dict[str, str]:
    """The tier on each customer's latest call that names one; of two at the same instant, the last by name."""
    stated = [row for row in calls.stated_tiers if row["tier"] is not None]
    stated.sort(key=lambda row: (row["last"], row["tier"]))
    return {row["customer_id"]: row["tier"] for row in stated}


def in_span(stopped: Sequence[Stopped], span: Period) -> list[Stopped]:
    """Those whose first silent day lies in a span."""
    return [s for s in stopped if span.first <= s.since <= span.last]


def told_in(stopped: Sequence[Stopped] | None, decided: datetime, span: Period) -> list[Stopped] | None:
    """Those of a span, or ``None`` where that cannot be told.

    Args:
        stopped: See :func:`find_stopped`.
        decided: A silence that began later may be a pause.
        span: Days.
    """
    return None if stopped is None or span.start > decided else in_span(stopped, span)
