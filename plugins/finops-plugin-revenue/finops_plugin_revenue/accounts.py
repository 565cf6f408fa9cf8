"""Customers' accounts: what each paid, cost and used in a period."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Period, read_once
from finops_plugin_revenue.revenue import (
    CustomerRevenue,
    Subscriptions,
    UnknownRevenue,
    dollars_of,
    read_subscriptions,
)


@dataclass(frozen=True)
class Use:
    """What a customer used, and what that cost.

    Attributes:
        calls: Number of calls.
        tokens: Input and output tokens.
        cost: US dollars, as logged.
    """

    calls: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True)
class Account:
    """A customer of known revenue."""

    paid: CustomerRevenue
    use: Use

    @property
    def name(self) -> str:
        """The customer's id."""
        return self.paid.customer_id

    @property
    def revenue(self) -> Decimal:
        """US dollars."""
        return self.paid.revenue

    @property
    def margin(self) -> Decimal:
        """Revenue less cost, US dollars."""
        return self.paid.revenue - self.use.cost

    @property
    def margin_per_month(self) -> Decimal:
        """The margin of the charged days as that of 30 such days: the customer may have come within the period."""
        return dollars_of(Fraction(self.margin) * 30 / self.paid.days)


@dataclass(frozen=True)
class UnknownAccount:
    """A customer whose revenue is not known."""

    unpaid: UnknownRevenue
    use: Use

    @property
    def name(self) -> str:
        """The customer's id."""
        return self.unpaid.customer_id


@dataclass(frozen=True)
class Accounts:
    """All accounts of a period.

    Attributes:
        period: The days they cover.
        known: Customers of known revenue, sorted by id; those who paid without a call included.
        unknown: The others, sorted by id; those without a call included.
        subscriptions: Who had which tier when.
        daily: ``customer_id, day, calls, tokens, cost`` of every customer and day with calls, sorted.
    """

    period: Period
    known: tuple[Account, ...]
    unknown: tuple[UnknownAccount, ...]
    subscriptions: Subscriptions
    daily: pa.Table

    @cached_property
    def revenue(self) -> Decimal:
        """Of the known accounts, US dollars."""
        return sum((a.revenue for a in self.known), Decimal(0))

    @cached_property
    def cost(self) -> Decimal:
        """Of the known accounts, US dollars."""
        return sum((a.use.cost for a in self.known), Decimal(0))

    @cached_property
    def unknown_cost(self) -> Decimal:
        """Of the accounts without known revenue, US dollars."""
        return sum((a.use.cost for a in self.unknown), Decimal(0))

    @property
    def margin(self) -> Decimal:
        """Of the known accounts, US dollars."""
        return self.revenue - self.cost

    @cached_property
    def calls(self) -> int:
        """Of all accounts."""
        return sum(a.use.calls for a in (*self.known, *self.unknown))

    @property
    def uncosted(self) -> bool:
        """Whether there are calls of which none has a cost, so that revenue would pass for margin."""
        return bool(self.calls) and not self.cost and not self.unknown_cost

    def charged(self, account: Account) -> Period:
        """The days that a known account is charged for."""
        return Period(max(self.period.first, account.paid.first_day), self.period.last)


Spans = tuple[Accounts, Accounts | None, Accounts | None]
"""Accounts of the period, then of the later and the earlier span of the comparison; ``None`` without one."""


@read_once
def read_accounts(calls: Calls) -> Spans:
    """The accounts of the period and of both spans of the comparison.

    Args:
        calls: Of a log with at least one call.
    """
    if calls.period is None:
        raise ValueError("a log without calls has no period")
    subscriptions = read_subscriptions(calls)
    comparison, daily = calls.comparison, calls.customer_days
    whole = _accounts(subscriptions, calls.period, daily)
    if comparison is None:
        return whole, None, None
    current = _accounts(subscriptions, comparison.current, daily)
    return whole, current, _accounts(subscriptions, comparison.previous, daily)


def _accounts(subscriptions: Subscriptions, period: Period, daily: pa.Table) -> Accounts:
    within = pc.and_(
        pc.greater_equal(daily["day"], pa.scalar(period.first)), pc.less_equal(daily["day"], pa.scalar(period.last))
    )
    daily = daily.filter(within)
    sums = daily.group_by("customer_id").aggregate([("calls", "sum"), ("tokens", "sum"), ("cost", "sum")])
    used = {
        name: Use(n, tokens, cost)
        for name, n, tokens, cost in zip(
            *(sums[c].to_pylist() for c in ("customer_id", "calls_sum", "tokens_sum", "cost_sum")), strict=True
        )
    }
    revenue = subscriptions.over(period)
    return Accounts(
        period,
        tuple(Account(paid, used.get(name, Use())) for name, paid in revenue.known.items()),
        tuple(UnknownAccount(unpaid, used.get(name, Use())) for name, unpaid in revenue.unknown.items()),
        subscriptions,
        daily,
    )
