"""The search for a hybrid's included usage and overage price.

For a given allowance the revenue rises with the overage price, and each customer has one price from which on its
bill is raised by more than the threshold. So the best price under "at most n raised customers" is the (n+1)-th
smallest of these prices: an order statistic, not a grid. Only the allowance is tried out, and only at values at
which some customer stands today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from finops_plugin_revenue.accounts import Accounts
from finops_plugin_revenue.pricing.plans import Hybrid, UsageUnit, bases, readable, units

ALLOWANCES = 128
"""At most so many allowances are tried, spread over those at which customers stand."""

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


def best_hybrids(
    accounts: Accounts, terms: HybridTerms, rise_percent: Decimal, allowed: Sequence[int]
) -> list[Hybrid | None]:
    """For each number of customers that may be raised, the hybrid that earns most.

    A searched overage price never exceeds what a unit costs within the base (1 / included), so that a customer
    never pays more for a unit beyond its allowance than within it. Searched values are rounded in the customers'
    favour: more included, a lower price.

    Args:
        accounts: The calls to price; at least one known account.
        terms: What is fixed.
        rise_percent: A bill that rises by more than this counts as raised.
        allowed: How many bills may be raised.

    Returns:
        A plan for each of ``allowed``; ``None`` where there is none: no usage, no base, or the base alone raises
        too many bills.
    """
    base = np.array([float(b) for b in bases(accounts, terms.base)])
    today = np.array([float(a.revenue) for a in accounts.known])
    used = np.array([float(units(a.use, terms.unit)) for a in accounts.known])
    included = _allowances(base, used) if terms.included is None else [terms.included]
    if not included:
        return [None] * len(allowed)
    allowance = np.array([float(k) for k in included])
    beyond = np.maximum(0.0, used - allowance[:, None] * base)
    ceiling = today * (1 + float(rise_percent) / 100)
    # The price from which on a bill is raised; a bill without overage is raised by its base or never.
    with np.errstate(divide="ignore", invalid="ignore"):
        tipping = np.where(beyond > 0, (ceiling - base) / beyond, np.where(base > ceiling, -np.inf, np.inf))
    tipping.sort(axis=1)
    volume = beyond.sum(axis=1)
    fair = np.divide(1.0, allowance, out=np.full_like(allowance, np.inf), where=allowance > 0)
    plans: list[Hybrid | None] = []
    for n in allowed:
        limit = tipping[:, n] if n < len(today) else np.full_like(allowance, np.inf)
        if terms.overage is None:
            price = np.minimum(limit, fair)
            possible = (price >= 0) & np.isfinite(price)
        else:
            price = np.full_like(allowance, float(terms.overage))
            possible = limit >= price
        if not possible.any():
            plans.append(None)
            continue
        i = int(np.argmax(np.where(possible, price * volume, -1.0)))
        overage = readable(Decimal(repr(float(price[i]))), 4, "down") if terms.overage is None else terms.overage
        plans.append(Hybrid(terms.unit, terms.base, included[i], overage))
    return plans


def _allowances(base: Floats, used: Floats) -> list[Decimal]:
    """Allowances to try, the largest first, so that of equal gains the one that touches fewest customers wins."""
    standing = np.unique(used[(base > 0) & (used > 0)] / base[(base > 0) & (used > 0)])
    if standing.size > ALLOWANCES:
        standing = standing[np.linspace(0, standing.size - 1, ALLOWANCES).astype(int)]
    return sorted({readable(Decimal(repr(float(k))), 3, "up") for k in standing}, reverse=True)
