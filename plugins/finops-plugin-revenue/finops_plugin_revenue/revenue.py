"""What customers pay: tier prices, charged by the day from a customer's first call on.

The revenue of a day is the price of the customer's tier over the days of that calendar month, for every day of
a period from the customer's first call in the log, silent days included: the log does not say when a
subscription ended. The tier of a day is the one that the customer's latest call on or before that day states;
a call without a tier changes nothing. A customer is of known revenue only if every charged day has a tier with
a price in ``[tiers]``; nothing is assumed about the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, lru_cache

from finops_core import Calls, Period, read_once, split, usd

CACHED = 4096
"""Many customers share a tier and a first day, and exact fractions are slow."""


@dataclass(frozen=True)
class CustomerRevenue:
    """What a customer paid in a period.

    Attributes:
        customer_id: As in the log.
        tier: The tier of the period's last day.
        first_day: The day of the customer's first call in the log, which may lie before the period.
        days: Days of the period that are charged.
        months: The same as calendar months: each day is one over the days of its month.
        revenue: US dollars, rounded once to nine digits.
    """

    customer_id: str
    tier: str
    first_day: date
    days: int
    months: Fraction
    revenue: Decimal


@dataclass(frozen=True)
class UnknownRevenue:
    """A customer whose revenue in a period cannot be known.

    Attributes:
        customer_id: As in the log.
        tier: The tier of the period's last day; ``None`` if no call states one.
        first_day: The day of the customer's first call in the log.
        days: Days of the period that would be charged.
        months: The same as calendar months.
        why: What is missing.
    """

    customer_id: str
    tier: str | None
    first_day: date
    days: int
    months: Fraction
    why: str


@dataclass(frozen=True)
class Revenue:
    """The revenue of a period, customer by customer.

    Attributes:
        period: The days it covers.
        known: Customers whose revenue is known, by customer id, sorted by it.
        unknown: The others, by customer id, sorted by it.
    """

    period: Period
    known: Mapping[str, CustomerRevenue]
    unknown: Mapping[str, UnknownRevenue]

    @cached_property
    def total(self) -> Decimal:
        """Known revenue, US dollars."""
        return sum((c.revenue for c in self.known.values()), Decimal(0))

    def split_by_use(self, customers: Sequence[str], use: Sequence[int]) -> list[Decimal | None]:
        """Share out each customer's revenue in proportion to use, such as calls or tokens per feature.

        Args:
            customers: The customer of each row; one customer may have many rows.
            use: How much of the thing each row stands for; not cost, or revenue would follow waste.

        Returns:
            Dollars for each row, in the same order, adding up to the customer's revenue exactly (the last
            nano-dollar goes to the earlier row on a tie, so give rows in a fixed order); ``None`` for a
            customer without known revenue. A customer that paid and used nothing has no row: its revenue is
            what :attr:`total` exceeds the rows by.
        """
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row, customer in enumerate(customers):
            rows_of[customer].append(row)
        shares: list[Decimal | None] = [None] * len(customers)
        for customer, rows in rows_of.items():
            if customer in self.known:
                parts = split(self.known[customer].revenue, [use[row] for row in rows])
                for row, part in zip(rows, parts, strict=True):
                    shares[row] = part
        return shares


@dataclass(frozen=True)
class Subscription:
    """When a customer had which tier.

    Attributes:
        first_day: The day of its first call in the log.
        tiers: ``(day, tier)`` in time order: the tier from that day on.
    """

    first_day: date
    tiers: tuple[tuple[date, str], ...]

    def over(self, period: Period) -> Iterator[tuple[str | None, date, date]]:
        """The charged days of a period as runs of one tier: tier (``None`` before any is stated), first, last."""
        start = max(self.first_day, period.first)
        changes: list[tuple[date, str | None]] = [(self.first_day, None), *self.tiers]
        ends = [day - timedelta(days=1) for day, _ in changes[1:]] + [period.last]
        for (day, tier), end in zip(changes, ends, strict=True):
            first, last = max(day, start), min(end, period.last)
            if first <= last:
                yield tier, first, last


@dataclass(frozen=True)
class Subscriptions:
    """Every customer's tiers over the whole log, and what tiers cost.

    Attributes:
        by_customer: Sorted by customer id.
        prices: Price of each tier, US dollars a calendar month.
    """

    by_customer: Mapping[str, Subscription]
    prices: Mapping[str, Decimal]
    _over: dict[Period, Revenue] = field(default_factory=dict, init=False, repr=False, compare=False)

    def over(self, period: Period) -> Revenue:
        """What every customer paid in a period that ends no later than the log that was read."""
        if period not in self._over:  # several reports ask for the same few
            self._over[period] = self._paid_in(period)
        return self._over[period]

    def _paid_in(self, period: Period) -> Revenue:
        known: dict[str, CustomerRevenue] = {}
        unknown: dict[str, UnknownRevenue] = {}
        for customer, subscription in self.by_customer.items():
            if subscription.first_day > period.last:
                continue
            runs = list(subscription.over(period))
            tier, start = runs[-1][0], runs[0][1]
            days, months = (period.last - start).days + 1, months_between(start, period.last)
            missing = [(t, last) for t, _, last in runs if t not in self.prices]
            if tier is None or missing:
                why = _why_unknown(*missing[-1], period)
                unknown[customer] = UnknownRevenue(customer, tier, subscription.first_day, days, months, why)
            else:
                revenue = self.paid_by(customer, period)
                known[customer] = CustomerRevenue(customer, tier, subscription.first_day, days, months, revenue)
        return Revenue(period, known, unknown)

    def paid_by(self, customer: str, period: Period) -> Decimal:
        """What a customer paid in a period, US dollars; days of a tier without a price are not counted."""
        runs = self.by_customer[customer].over(period)
        return prorated(tuple((self.prices[t], first, last) for t, first, last in runs if t in self.prices))


@read_once
def read_subscriptions(calls: Calls) -> Subscriptions:
    """The subscriptions that the calls up to the end of the period show."""
    first_days: dict[str, date] = {}
    tiers: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for row in calls.stated_tiers:
        customer, day = row["customer_id"], row["first"].date()
        first_days[customer] = min(day, first_days.get(customer, day))
        if row["tier"] is not None:
            tiers[customer].append((day, row["tier"]))
    if any(len(stated) > 1 for stated in tiers.values()):
        tiers.update(_changes(calls))
    return Subscriptions(
        {customer: Subscription(first_days[customer], tuple(tiers[customer])) for customer in sorted(first_days)},
        calls.settings.tiers,
    )


@lru_cache(CACHED)
def months_between(first: date, last: date) -> Fraction:
    """Days from ``first`` to ``last``, both included, as calendar months: a day is one over its month's days."""
    months = Fraction(0)
    while first <= last:
        next_month = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        end = min(last, next_month - timedelta(days=1))
        month_days = (next_month - timedelta(days=1)).day
        months += Fraction((end - first).days + 1, month_days)
        first = next_month
    return months


def dollars_of(amount: Fraction) -> Decimal:
    """An exact fraction of dollars, rounded once, half-even, to nine digits."""
    return usd(Decimal(round(amount * 10**9)).scaleb(-9))


@lru_cache(CACHED)
def prorated(runs: tuple[tuple[Decimal, date, date], ...]) -> Decimal:
    """What runs of days at a monthly price each come to, US dollars, rounded once to nine digits.

    Args:
        runs: Price a calendar month, first day, last day.
    """
    return dollars_of(sum((Fraction(price) * months_between(first, last) for price, first, last in runs), Fraction(0)))


def _changes(calls: Calls) -> dict[str, list[tuple[date, str]]]:
    """The days on which customers with several tiers took each of them.

    Of several tiers on one day, the latest call's counts; of several at the same microsecond, the last by name.
    """
    tiers: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for row in calls.rows(
        """
        SELECT customer_id, subscription_tier AS tier, CAST(timestamp AS DATE) AS day, max(timestamp) AS latest
        FROM history
        WHERE customer_id IN (
            SELECT customer_id FROM history
            GROUP BY customer_id HAVING min(subscription_tier) <> max(subscription_tier)
        ) AND subscription_tier IS NOT NULL
        GROUP BY customer_id, subscription_tier, CAST(timestamp AS DATE)
        ORDER BY customer_id, day, latest, tier
        """
    ):
        stated = tiers[row["customer_id"]]
        if stated and stated[-1][0] == row["day"]:
            stated.pop()
        if not stated or stated[-1][1] != row["tier"]:
            stated.append((row["day"], row["tier"]))
    return tiers


def _why_unknown(tier: str | None, last: date, period: Period) -> str:
    if tier is not None:
        return f"tier {tier!r} has no price"
    if last < period.last:
        return f"no tier stated up to {last}"
    return "no tier stated in the log"
