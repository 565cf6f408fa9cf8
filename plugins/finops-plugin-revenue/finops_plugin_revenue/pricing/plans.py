"""Pricing models: what each customer's bill of a period would be, to the last digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal, Protocol

from finops_core import NANO, usd
from finops_plugin_revenue.accounts import Account, Accounts, Use
from finops_plugin_revenue.revenue import dollars_of

UsageUnit = Literal["tokens", "calls", "cost"]

UNIT_TEXT: Mapping[UsageUnit, str] = {"tokens": "1,000 tokens", "calls": "call", "cost": "dollar of cost"}
"""What a price per unit is a price of."""


def units(use: Use, unit: UsageUnit) -> Decimal:
    """How many units were used: thousands of tokens, calls, or dollars of logged cost."""
    if unit == "tokens":
        return Decimal(use.tokens).scaleb(-3)
    return Decimal(use.calls) if unit == "calls" else use.cost


class Plan(Protocol):
    """A pricing model with its prices."""

    def bills(self, accounts: Accounts) -> list[Decimal]:
        """The bill of each known account for the accounts' period, US dollars, rounded once to nine digits."""
        ...


@dataclass(frozen=True)
class Flat:
    """One price for everybody.

    Attributes:
        price: US dollars a calendar month, charged by the day like a tier's price.
    """

    price: Decimal

    def bills(self, accounts: Accounts) -> list[Decimal]:
        """Price times the months charged."""
        return [dollars_of(Fraction(self.price) * a.paid.months) for a in accounts.known]


@dataclass(frozen=True)
class Tiered:
    """A price for each tier.

    Attributes:
        prices: US dollars a calendar month of every tier that has a price today.
    """

    prices: Mapping[str, Decimal]

    def bills(self, accounts: Accounts) -> list[Decimal]:
        """The tier's price of each charged day."""
        subscriptions = replace(accounts.subscriptions, prices=self.prices)
        return [subscriptions.paid_by(a.name, accounts.period) for a in accounts.known]


@dataclass(frozen=True)
class Usage:
    """A price per unit used, and nothing else.

    Attributes:
        unit: What is metered.
        price: US dollars per unit; for the unit ``cost`` it is a markup: 1.3 charges cost plus 30 %.
    """

    unit: UsageUnit
    price: Decimal

    def bills(self, accounts: Accounts) -> list[Decimal]:
        """Price times units."""
        return [usd(self.price * units(a.use, self.unit)) for a in accounts.known]


@dataclass(frozen=True)
class Hybrid:
    """A base price that includes some usage, and a price for each unit beyond it.

    Attributes:
        unit: What is metered.
        base: US dollars a calendar month for everybody; ``None`` keeps each customer's tier price.
        included: Units included for each dollar of base.
        overage: US dollars for each unit beyond.
    """

    unit: UsageUnit
    base: Decimal | None
    included: Decimal
    overage: Decimal

    def bills(self, accounts: Accounts) -> list[Decimal]:
        """Base plus overage; the included usage counts over all charged days of the period together."""
        return [
            usd(base + self.overage * max(Decimal(0), units(a.use, self.unit) - self.included * base))
            for a, base in zip(accounts.known, bases(accounts, self.base), strict=True)
        ]


def bases(accounts: Accounts, base: Decimal | None) -> list[Decimal]:
    """What the base of a hybrid comes to for each known account, US dollars in the period."""
    return [a.revenue for a in accounts.known] if base is None else Flat(base).bills(accounts)


@dataclass(frozen=True)
class Outcome:
    """What a plan does to the known accounts of a period.

    Attributes:
        accounts: Of the period.
        bills: Under the plan, in the order of ``accounts.known``, US dollars.
        rise_percent: A bill that rises by more than this counts as raised.
    """

    accounts: Accounts
    bills: Sequence[Decimal]
    rise_percent: Decimal

    @cached_property
    def revenue(self) -> Decimal:
        """US dollars in the period."""
        return sum(self.bills, Decimal(0))

    @property
    def margin(self) -> Decimal:
        """Revenue less cost; the calls, and so their cost, are the same under every plan."""
        return self.revenue - self.accounts.cost

    @property
    def gain(self) -> Decimal:
        """What the plan earns more than the customers pay today."""
        return self.revenue - self.accounts.revenue

    @cached_property
    def raised(self) -> list[tuple[Account, Decimal]]:
        """Accounts whose bill rises by more than the threshold, with that bill, the largest rise first.

        Any bill is a rise for a customer that pays nothing today.
        """
        pairs = zip(self.accounts.known, self.bills, strict=True)
        raised = [(a, bill) for a, bill in pairs if 100 * bill > (100 + self.rise_percent) * a.revenue]
        return sorted(raised, key=lambda pair: (pair[0].revenue - pair[1], pair[0].name))

    @property
    def higher(self) -> int:
        """How many bills rise at all."""
        return sum(1 for a, bill in zip(self.accounts.known, self.bills, strict=True) if bill > a.revenue)

    @property
    def lower(self) -> int:
        """How many bills fall."""
        return sum(1 for a, bill in zip(self.accounts.known, self.bills, strict=True) if bill < a.revenue)

    @cached_property
    def lost_if_all_leave(self) -> Decimal:
        """What the raised accounts would bring under the plan: their new bills less their cost."""
        return sum((bill - a.use.cost for a, bill in self.raised), Decimal(0))

    def gain_if(self, leave: Decimal) -> Decimal:
        """What is expected to be left of the gain if this share (0 to 1) of the raised accounts leaves, at random."""
        return usd(self.gain - leave * self.lost_if_all_leave)

    @property
    def leave_break_even(self) -> float | None:
        """The percentage of raised accounts whose leaving takes all of the gain.

        ``None`` if there is no gain, or if it survives when all of them leave.
        """
        if self.gain <= 0 or self.lost_if_all_leave < self.gain:
            return None
        return float(100 * self.gain / self.lost_if_all_leave)


def outcome(plan: Plan, accounts: Accounts, rise_percent: Decimal) -> Outcome:
    """What a plan would have done."""
    return Outcome(accounts, plan.bills(accounts), rise_percent)


def neutral_flat_price(accounts: Accounts) -> Decimal:
    """The flat price, to the cent, that brings today's revenue; there is at least one known account."""
    months = sum((a.paid.months for a in accounts.known), Fraction(0))
    return readable(dollars_of(Fraction(accounts.revenue) / months), 4)


def neutral_usage_price(accounts: Accounts, unit: UsageUnit) -> Decimal | None:
    """The price per unit, to four significant digits, that brings today's revenue; ``None`` where nothing was used."""
    used = sum((units(a.use, unit) for a in accounts.known), Decimal(0))
    return readable(accounts.revenue / used, 4) if used else None


def readable(value: Decimal, digits: int, direction: Literal["near", "up", "down"] = "near") -> Decimal:
    """A price or allowance as people would print it: to some significant digits, but not coarser than cents.

    Args:
        value: Not negative.
        digits: Significant digits to keep.
        direction: Where to round.
    """
    if not value:
        return Decimal(0)
    places = min(9, max(2, digits - 1 - value.adjusted()))
    rounding = {"near": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}[direction]
    return max(value.quantize(Decimal(1).scaleb(-places), rounding=rounding), NANO if direction == "up" else Decimal(0))
