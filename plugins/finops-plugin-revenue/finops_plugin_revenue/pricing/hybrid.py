"""The search for a hybrid's included usage and overage price.

A customer with the base ``b`` that uses ``u`` pays ``b + p max(0, u - k b)``, where ``k`` units are included for each
dollar of base and ``p`` is the price of a unit beyond. Its bill counts as raised above its ceiling ``c``: today's bill
and what it may rise by. Two prices hold ``p`` back. A bill is raised from ``(c - b) / (u - k b)`` on, so that of the
prices at which at most ``n`` bills are raised, the highest is the (n+1)-th smallest of these. And a unit beyond the
base never costs more than one within it, ``1 / k``, the cap.

At the cap a customer pays the larger of ``b`` and ``u / k``: more than ``n`` bills are raised up to the (n+1)-th
largest ``u / c``. From this crossing on, the cap is the lower price, and a larger allowance earns less, as price and
billed units both fall. Below it, where today's bill is the base, the same customer holds the price back at every
allowance, the one with the (n+1)-th largest ``u / b``. What is earned is then, between any two allowances at which a
customer stands, a ratio of two linear functions of ``k``, which only rises or only falls; and it cannot turn from
rising to falling where a customer stands, as fewer units drop out with each further step. So the most is earned at one
of the two ends: with nothing included, or at the crossing. Where everybody gets the same new base, who holds the price
back may change below the crossing: there a grid is tried, and a finer one around its best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from finops_plugin_revenue.accounts import Accounts
from finops_plugin_revenue.pricing.plans import Hybrid, UsageUnit, bases, readable, units

GRID, FINE = 128, 17
"""How many allowances are tried where everybody gets a new base: below the crossing, and around the best of these."""

DIGITS = 4
"""Included usage and prices are searched to so many significant digits, as people would print them."""

AS_GOOD = 0.999
"""Rounding to four digits moves what is earned by up to a thousandth; of plans that close, the one that includes most
is taken, as it touches the fewest customers."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HybridTerms:
    """What of a hybrid is fixed; ``None`` is searched for, except for the base.

    Attributes:
        unit: What is metered.
        base: US dollars a calendar month for everybody; ``None`` keeps each customer's tier price.
        included: Units included for each dollar of base.
        overage: US dollars for each unit beyond.
    """

    unit: UsageUnit
    base: Decimal | None = None
    included: Decimal | None = None
    overage: Decimal | None = None

    @property
    def searched(self) -> bool:
        """Whether anything is searched for."""
        return self.included is None or self.overage is None


def best_hybrids(
    accounts: Accounts, terms: HybridTerms, rise_percent: Decimal, allowed: Sequence[int]
) -> list[Hybrid | None]:
    """For each number of customers that may be raised, the hybrid that earns most.

    A searched overage price never exceeds what a unit costs within the base (1 / included), so that a customer
    never pays more for a unit beyond its allowance than within it. Searched values are rounded in the customers'
    favour: more included, a lower price.

    Args:
        accounts: The calls to price; at least one known account.
        terms: What is fixed; not both included usage and overage price.
        rise_percent: A bill that rises by more than this counts as raised.
        allowed: How many bills may be raised.

    Returns:
        A plan for each of ``allowed``; ``None`` where there is none: no usage, no base, the base alone raises
        too many bills, or all who use anything may be raised, so that no price is too high.
    """
    book = _Book.of(accounts, terms, rise_percent)
    uses = book.used > 0
    if not uses.any() or (terms.included is None and not ((book.base > 0) & uses).any()):
        return [None] * len(allowed)
    if terms.overage is not None:
        return [
            Hybrid(terms.unit, terms.base, _more(k), terms.overage) if np.isfinite(k) else None
            for k in book.least_allowances(float(terms.overage), allowed)
        ]
    tried = _allowances(book, allowed, grid=terms.base is not None) if terms.included is None else [terms.included]
    prices, earned = book.best_prices(np.array([float(k) for k in tried]), allowed)
    most = earned.max(axis=0)
    best = (earned >= AS_GOOD * np.maximum(0.0, most)).argmax(axis=0)
    return [
        Hybrid(terms.unit, terms.base, tried[k], readable(_exact(prices[k, i]), DIGITS, "down"))
        if 0 <= most[i] < np.inf
        else None
        for i, k in enumerate(best)
    ]


@dataclass(frozen=True)
class _Book:
    """What the search knows of each customer, in the order of the accounts.

    Attributes:
        base: US dollars in the period.
        ceiling: The highest bill that does not count as raised, US dollars.
        used: Units.
    """

    base: Floats
    ceiling: Floats
    used: Floats

    @classmethod
    def of(cls, accounts: Accounts, terms: HybridTerms, rise_percent: Decimal) -> _Book:
        today = np.array([float(a.revenue) for a in accounts.known])
        return cls(
            base=np.array([float(b) for b in bases(accounts, terms.base)]),
            ceiling=today * (1 + float(rise_percent) / 100),
            used=np.array([float(units(a.use, terms.unit)) for a in accounts.known]),
        )

    def best_prices(self, allowances: Floats, allowed: Sequence[int]) -> tuple[Floats, Floats]:
        """The highest price within the limit, and what it earns beyond the bases; shapes (allowances, allowed).

        What is earned is -1 where no price keeps to the limit, and infinite where every price does.
        """
        beyond = np.maximum(0.0, self.used - allowances[:, None] * self.base)
        # A bill without overage is raised by its base or never.
        by_base = np.where(self.base > self.ceiling, -np.inf, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            tipping = np.where(beyond > 0, (self.ceiling - self.base) / beyond, by_base)
        tipping.sort(axis=1)
        never = np.full((len(allowances), 1), np.inf)
        held = np.hstack([tipping, never])[:, np.minimum(allowed, len(self.used))]
        cap = np.divide(1.0, allowances, out=np.full_like(allowances, np.inf), where=allowances > 0)
        prices = np.minimum(held, cap[:, None])
        with np.errstate(invalid="ignore"):
            earned = prices * beyond.sum(axis=1)[:, None]
        return prices, np.where(prices >= 0, np.nan_to_num(earned, nan=0.0, posinf=np.inf), -1.0)

    def crossings(self, allowed: Sequence[int]) -> Floats:
        """The allowance from which on the cap is the lower price; infinite where bases alone raise too many bills."""
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.where(self.used > 0, self.used / self.ceiling, 0.0)
        return _nth_largest(np.where(self.base > self.ceiling, np.inf, needed), allowed)

    def least_allowances(self, price: float, allowed: Sequence[int]) -> Floats:
        """The smallest allowance that keeps to the limit at a given price; infinite where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.divide(self.used - (self.ceiling - self.base) / price, self.base)
        spared = self.base + price * self.used <= self.ceiling
        never = (self.base > self.ceiling) | (self.base == 0)
        return _nth_largest(np.where(spared, 0.0, np.where(never, np.inf, needed)), allowed)


def _allowances(book: _Book, allowed: Sequence[int], *, grid: bool) -> list[Decimal]:
    """Allowances to try, the largest first."""
    crossings = book.crossings(allowed)
    crossings = crossings[np.isfinite(crossings)]
    found = [np.zeros(1), crossings]
    if grid and crossings.size:
        coarse = np.linspace(0.0, crossings.max(), GRID)
        best = book.best_prices(coarse, allowed)[1].argmax(axis=0)
        ends = coarse[np.maximum(best - 1, 0)], coarse[np.minimum(best + 1, GRID - 1)]
        found.append(np.linspace(*ends, FINE).ravel())
    return sorted({_more(k) for k in np.unique(np.concatenate(found))}, reverse=True)


def _nth_largest(values: Floats, allowed: Sequence[int]) -> Floats:
    """The largest value but ``n``, for each ``n``; 0 where there are no more values than that."""
    return np.append(np.sort(values)[::-1], 0.0)[np.minimum(allowed, len(values))]


def _more(allowance: float) -> Decimal:
    return readable(_exact(allowance), DIGITS, "up")


def _exact(value: float) -> Decimal:
    """A float without the noise of its last digits, which would move what is rounded up or down by a whole step."""
    return Decimal(f"{value:.14g}")
