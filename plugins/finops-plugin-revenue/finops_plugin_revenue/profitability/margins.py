"""What margins show: bands, break-even, concentration, and on how many days a customer was dear."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core import Period
from finops_plugin_revenue.accounts import Account, Accounts
from finops_plugin_revenue.revenue import months_between

BANDS = ("> 50 %", "20 to 50 %", "0 to 20 %", "< 0 %")

TOP_SHARES = (1, 5, 10, 20, 50, 100)
"""Which shares of all customers concentration is told for, percent."""

QUIET_DAYS = 7
"""From so many days without a call at the end of the period on, a customer may have left."""


def margin_percent(margin: Decimal, revenue: Decimal) -> float | None:
    """Margin over revenue in percent; ``None`` without revenue."""
    return float(100 * margin / revenue) if revenue else None


def band(account: Account) -> str:
    """The margin band of a customer; exactly 20 and 50 % belong to ``20 to 50 %``.

    Without revenue and without cost nothing is lost: that is ``0 to 20 %``.
    """
    if account.margin < 0:
        return "< 0 %"
    if account.margin * 2 > account.revenue:
        return "> 50 %"
    return "20 to 50 %" if 0 < account.revenue <= account.margin * 5 else "0 to 20 %"


def break_even_calls(account: Account) -> int:
    """How many calls, at the customer's own cost per call, cost no more than it paid.

    The account must have a cost.
    """
    return int(account.use.calls * Fraction(account.revenue) / Fraction(account.use.cost))


def covering_tier(account: Account, prices: Mapping[str, Decimal]) -> str | None:
    """The cheapest tier whose price for the charged days is not below the customer's cost, if there is one."""
    enough = [(price, tier) for tier, price in prices.items() if covers(account, price)]
    return min(enough)[1] if enough else None


def covers(account: Account, price: Decimal) -> bool:
    """Whether a price a calendar month is, for the charged days, not below the customer's cost."""
    return Fraction(price) * account.paid.months >= Fraction(account.use.cost)


def stable_id(what: str, name: str) -> str:
    """An id for a finding about a customer: the same in every run, whatever characters the name has."""
    return f"{what}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Top:
    """What the top customers hold of something.

    Attributes:
        percent: The share of all customers that they are, at most.
        customers: How many they are.
        cost: Cost of as many customers, those with the highest cost, US dollars.
        profit: Margin of as many customers, those with the highest margin, US dollars.
    """

    percent: int
    customers: int
    cost: Decimal
    profit: Decimal


def whale_curve(accounts: Sequence[Account]) -> list[Decimal]:
    """Cumulative profit over customers, from the most profitable to the least, US dollars."""
    return list(accumulate(sorted((a.margin for a in accounts), reverse=True)))


def concentration(accounts: Sequence[Account]) -> list[Top]:
    """What the top customers hold; shares that come to the same number of customers are told once."""
    costs = list(accumulate(sorted((a.use.cost for a in accounts), reverse=True)))
    profits = whale_curve(accounts)
    sizes = {-(-len(accounts) * share // 100): share for share in TOP_SHARES}  # rounded up
    return [Top(share, n, costs[n - 1], profits[n - 1]) for n, share in sizes.items() if n]


@dataclass(frozen=True)
class Days:
    """Accounts day by day.

    Attributes:
        margin: Margin of all known accounts on each day of the period, US dollars, shape (days,).
        losing: For each unprofitable account, by customer: the charged days on which it cost more than it paid.
    """

    margin: npt.NDArray[np.float64]
    losing: dict[str, int]


def by_day(accounts: Accounts) -> Days:
    """Margins day by day, for curves and confidence; in floating point, unlike the accounts."""
    period, costs = accounts.period, accounts.daily
    row_of = {a.name: i for i, a in enumerate(accounts.known)}
    rows = np.array([row_of.get(name, -1) for name in costs["customer_id"].to_pylist()], dtype=np.int64)
    days = costs["day"].to_numpy().astype("datetime64[D]").astype(np.int64) - _day_number(period.first)
    cost = costs["cost"].cast(pa.float64()).to_numpy()
    known = rows >= 0
    day_cost = np.bincount(days[known], weights=cost[known], minlength=period.days)

    month_share = np.array(
        [float(months_between(day, day)) for day in (period.first + timedelta(days=i) for i in range(period.days))]
    )
    prices = accounts.subscriptions.prices
    change = np.zeros(period.days + 1)
    losing = {a.name: i for i, a in enumerate(a for a in accounts.known if a.margin < 0)}
    paid = np.zeros((len(losing), period.days))
    for account in accounts.known:
        for tier, first, last in accounts.subscriptions.by_customer[account.name].over(period):
            price = float(prices[str(tier)])
            begin, end = (first - period.first).days, (last - period.first).days + 1
            change[begin] += price
            change[end] -= price
            if account.name in losing:
                paid[losing[account.name], begin:end] = price * month_share[begin:end]
    spent = np.zeros_like(paid)
    place = np.full(len(accounts.known) + 1, -1)  # the last one for customers without known revenue
    for name, i in losing.items():
        place[row_of[name]] = i
    chosen = place[rows] >= 0
    spent[place[rows][chosen], days[chosen]] = cost[chosen]
    dear = (spent > paid).sum(axis=1)
    return Days(np.cumsum(change[:-1]) * month_share - day_cost, {name: int(dear[i]) for name, i in losing.items()})


def charged_after_last_call(accounts: Accounts) -> tuple[int, Decimal]:
    """How many known customers are silent at the period's end, and what they are charged since their last call."""
    period = accounts.period
    last_days = accounts.daily.group_by("customer_id").aggregate([("day", "max")])
    last_day = dict(zip(last_days["customer_id"].to_pylist(), last_days["day_max"].to_pylist(), strict=True))
    silent, charged = 0, Decimal(0)
    for account in accounts.known:
        since = last_day.get(account.name, period.first - timedelta(days=1)) + timedelta(days=1)
        if (period.last - since).days + 1 >= QUIET_DAYS:
            silent += 1
            charged += accounts.subscriptions.paid_by(account.name, Period(since, period.last))
    return silent, charged


def grouped(accounts: Sequence[Account], key: Callable[[Account], str]) -> dict[str, list[Account]]:
    """Accounts by some property, each group in their order."""
    groups: dict[str, list[Account]] = {}
    for account in accounts:
        groups.setdefault(key(account), []).append(account)
    return groups


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days
