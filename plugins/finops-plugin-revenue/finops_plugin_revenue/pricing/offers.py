"""The pricing models that are compared, each with its prices and where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from finops_core import count, dollars, plural
from finops_plugin_revenue.accounts import Accounts
from finops_plugin_revenue.pricing.hybrid import HybridTerms, best_hybrids
from finops_plugin_revenue.pricing.plans import (
    UNIT_TEXT,
    Flat,
    Hybrid,
    Outcome,
    Plan,
    Tiered,
    Usage,
    UsageUnit,
    bases,
    neutral_flat_price,
    neutral_usage_price,
    outcome,
    units,
)

MONTH_DAYS = 28
"""An allowance a month is judged from so many days on: over fewer, a burst looks like lasting use."""


@dataclass(frozen=True)
class Terms:
    """What is fixed of the four models; ``None`` is derived from the log.

    Attributes:
        flat: US dollars a calendar month.
        tiers: US dollars a calendar month of the tiers whose price differs from today's.
        usage: US dollars per unit.
        hybrid: Unit, base, included usage and overage price.
    """

    flat: Decimal | None
    tiers: dict[str, Decimal] | None
    usage: Decimal | None
    hybrid: HybridTerms


@dataclass(frozen=True)
class Limit:
    """How much customers may be asked to bear.

    Attributes:
        rise_percent: A bill that rises by more than this counts as raised.
        raised_percent: No more than this share of customers may have a raised bill.
    """

    rise_percent: Decimal
    raised_percent: Decimal

    def allowed(self, customers: int) -> int:
        """How many of so many customers may have a raised bill."""
        return int(customers * self.raised_percent // 100)

    def __str__(self) -> str:
        return f"no more than {percent_text(self.raised_percent)} of customers pay {self.raised}"

    @property
    def raised(self) -> str:
        """What a customer with a raised bill pays."""
        return f"over {percent_text(self.rise_percent)} more" if self.rise_percent else "more"


@dataclass(frozen=True)
class Offer:
    """A pricing model, priced on the calls of the period.

    Attributes:
        key: Its stable name.
        name: What it is called.
        terms: Its prices, in words.
        origin: Where they come from.
        plan: The model with its prices.
        result: What it does to today's bills.
        contender: Whether it may earn more than today: it is neither today's model nor made to earn the same.
        today: Whether it is today's model.
    """

    key: str
    name: str
    terms: str
    origin: str
    plan: Plan
    result: Outcome
    contender: bool
    today: bool = False


@dataclass(frozen=True)
class Missing:
    """A pricing model that cannot be priced.

    Attributes:
        key: Its stable name.
        name: What it is called.
        why: The reason, as half a sentence.
        action: What would make a price, as a sentence.
    """

    key: str
    name: str
    why: str
    action: str


def make_offers(accounts: Accounts, terms: Terms, limit: Limit) -> tuple[list[Offer], list[Missing]]:
    """The four models on the same calls.

    Args:
        accounts: At least one of known revenue.
        terms: Which prices are set.
        limit: What a search must keep to.
    """
    unit = terms.hybrid.unit
    offers, missing = [], []

    def offer(key: str, name: str, text: str, origin: str, plan: Plan, *, contender: bool, today: bool = False) -> None:
        result = outcome(plan, accounts, limit.rise_percent)
        offers.append(Offer(key, name, text, origin, plan, result, contender, today))

    prices = {**accounts.subscriptions.prices, **(terms.tiers or {})}
    offer(
        "tiered",
        "Tiered" if terms.tiers else "Tiered (today)",
        tier_list(accounts, prices),
        "Set by tier_prices." if terms.tiers else "What customers pay today: [tiers] in finops.toml.",
        Tiered(prices),
        contender=bool(terms.tiers),
        today=not terms.tiers,
    )
    flat = neutral_flat_price(accounts) if terms.flat is None else terms.flat
    offer(
        "flat",
        "Flat",
        f"{price_text(flat)} a month for everybody",
        "Derived: today's revenue / months charged, to the cent; made to earn what is earned today."
        if terms.flat is None
        else "Set by flat_price.",
        Flat(flat),
        contender=terms.flat is not None,
    )
    usage = neutral_usage_price(accounts, unit) if terms.usage is None else terms.usage
    if usage is None:
        why = f"no customer of known revenue has any {unit}"
        missing.append(Missing("usage", "Usage-based", why, "Set usage_price, or another usage_unit."))
    else:
        offer(
            "usage",
            "Usage-based",
            f"{price_text(usage)} per {UNIT_TEXT[unit]}",
            f"Derived: today's revenue / {unit} used, to four digits; made to earn what is earned today."
            if terms.usage is None
            else "Set by usage_price.",
            Usage(unit, usage),
            contender=terms.usage is not None,
        )
    hybrid = _hybrid(accounts, terms.hybrid, limit)
    if isinstance(hybrid, Missing):
        missing.append(hybrid)
    else:
        text = hybrid_text(hybrid, accounts)
        offer("hybrid", "Hybrid", text, _hybrid_origin(terms.hybrid, limit), hybrid, contender=True)
    return offers, missing


def best_offer(offers: Sequence[Offer], limit: Limit) -> Offer | None:
    """The model that earns most beyond today within the limit; ``None`` if none does."""
    within = [
        o
        for o in offers
        if o.contender and o.result.gain > 0 and len(o.result.raised) <= limit.allowed(len(o.result.bills))
    ]
    return max(within, key=lambda o: o.result.gain, default=None)


def unsearched(best: Offer | None, missing: Sequence[Missing]) -> Missing | None:
    """The hybrid, where it has no price and no other model is best: then nothing says that today's tiers are."""
    return None if best is not None else next((m for m in missing if m.key == "hybrid"), None)


def tier_list(accounts: Accounts, prices: dict[str, Decimal]) -> str:
    """The prices of the tiers that customers have."""
    tiers = sorted({a.paid.tier for a in accounts.known}, key=lambda tier: (prices[tier], tier))
    return ", ".join(f"{tier} {price_text(prices[tier])}" for tier in tiers) + " a month"


def too_short(accounts: Accounts) -> str:
    """That the period has too few days for an allowance a month, as half a sentence; empty where it has enough."""
    days = accounts.period.days
    if days >= MONTH_DAYS:
        return ""
    return f"it takes {MONTH_DAYS} days to judge what a month includes, and the period has {count(days)}"


def hybrid_text(plan: Hybrid, accounts: Accounts) -> str:
    """A hybrid's prices in words."""
    price = f"{price_text(plan.overage)} per {UNIT_TEXT[plan.unit]}"
    base = "each tier keeps its price" if plan.base is None else f"{price_text(plan.base)} a month for everybody"
    if not plan.included:
        return f"{base}, and all use costs {price} on top"
    if plan.base is not None:
        return f"{base}, with {amount_text(plan.included * plan.base, plan.unit)} included and {price} beyond"
    return f"{base}, with {included_text(plan)} of it{_example(plan, accounts)} included and {price} beyond"


def included_text(plan: Hybrid) -> str:
    """What a hybrid includes, for a dollar of base or for as many as make a number that can be read aloud."""
    if not plan.included:
        return "nothing"
    amount = plan.included.scaleb(3) if plan.unit == "tokens" else plan.included
    if plan.unit == "cost" or amount == int(amount):
        return f"{amount_text(plan.included, plan.unit)} per dollar"
    return f"{amount_text(plan.included * 1000, plan.unit)} per $1,000"


def _example(plan: Hybrid, accounts: Accounts) -> str:
    """What that comes to in the tier that most customers have."""
    tiers = Counter(a.paid.tier for a in accounts.known if accounts.subscriptions.prices[a.paid.tier])
    if not tiers:
        return ""
    tier = min(tiers, key=lambda name: (-tiers[name], name))
    included = plan.included * accounts.subscriptions.prices[tier]
    if plan.unit == "cost":
        return f" ({tier}: {dollars(included)} a month)"
    amount = included * 1000 if plan.unit == "tokens" else included
    if amount < 10:
        return ""
    rounded = int(amount.quantize(Decimal(1).scaleb(amount.adjusted() - 2)) if amount >= 1000 else amount)
    text = f"{Decimal(rounded).scaleb(-6):,.1f} million" if rounded >= 10**6 else count(rounded)
    return f" ({tier}: about {text} a month)"


def amount_text(n: Decimal, unit: UsageUnit) -> str:
    """An amount of usage in words."""
    if unit == "cost":
        return f"{price_text(n)} of cost"
    n = (n.scaleb(3) if unit == "tokens" else n).normalize()
    return plural(int(n), unit[:-1]) if n == int(n) else f"{n:,f} {unit}"


def price_text(price: Decimal) -> str:
    """A price with all its digits: it must be possible to check a bill by hand."""
    text = f"{price.normalize():,f}"
    return f"${text}0" if text[-2:-1] == "." else f"${text}"


def percent_text(value: Decimal) -> str:
    """A parameter in percent, with all its digits."""
    return f"{value.normalize():f} %"


def _hybrid(accounts: Accounts, terms: HybridTerms, limit: Limit) -> Hybrid | Missing:
    """The hybrid that is set, whatever it does to bills; else the best one within the limit, or why there is none."""
    if short := too_short(accounts):
        longer = f"Look again once the log holds {MONTH_DAYS} days, or analyze a longer period."
        return Missing("hybrid", "Hybrid", short, longer)
    if terms.included is not None and terms.overage is not None:
        return Hybrid(terms.unit, terms.base, terms.included, terms.overage)
    (found,) = best_hybrids(accounts, terms, limit.rise_percent, [limit.allowed(len(accounts.known))])
    return found or Missing("hybrid", "Hybrid", *_why_none(accounts, terms, limit))


def _why_none(accounts: Accounts, terms: HybridTerms, limit: Limit) -> tuple[str, str]:
    """Why the search finds no hybrid, as half a sentence, and what to do."""
    base = bases(accounts, terms.base)
    if not any(b and units(a.use, terms.unit) for a, b in zip(accounts.known, base, strict=True)):
        return (
            f"no customer has both a base price and {terms.unit} to charge for",
            "Set hybrid_base to a price, or another usage_unit.",
        )
    base_alone = outcome(Hybrid(terms.unit, terms.base, Decimal(0), Decimal(0)), accounts, limit.rise_percent)
    if len(base_alone.raised) > limit.allowed(len(base_alone.bills)):
        return "the base of the hybrid alone raises more bills than the limit allows", "Set a lower hybrid_base."
    if terms.overage is not None:
        return (
            "with that overage price more bills rise than the limit allows, however much is included",
            "Set a lower hybrid_overage.",
        )
    return (
        "every customer that would pay for use may be raised, and without a limit there is no best price",
        "Set raised_percent to the share of customers that may be asked to pay more.",
    )


def _hybrid_origin(terms: HybridTerms, limit: Limit) -> str:
    if not terms.searched:
        return f"Set by {', '.join(_fixed(terms))}."
    return f"Searched for the best margin while {limit}{search_terms(terms)}."


def search_terms(terms: HybridTerms) -> str:
    """What a search keeps to beside the limit, as the end of a sentence."""
    cap = "" if terms.overage is not None else ", and a unit beyond the base costs no more than one within it"
    return cap + (f", given {', '.join(fixed)}" if (fixed := _fixed(terms)) else "")


def _fixed(terms: HybridTerms) -> list[str]:
    known = {"hybrid_base": terms.base, "hybrid_included": terms.included, "hybrid_overage": terms.overage}
    return [name for name, value in known.items() if value is not None]
