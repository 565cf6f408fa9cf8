"""What to charge: four pricing models on the same calls, and the best hybrid that customers can be asked to bear."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from finops_core import (
    Analyzer,
    Calls,
    Metric,
    Report,
    begin,
    count,
    dollars,
    extrapolated,
    hookimpl,
    nearest,
    percent,
    plural,
    some_of,
)
from finops_plugin_revenue.account_tables import (
    nobody_known,
    unknown_customers,
    unknown_finding,
    unknown_names,
)
from finops_plugin_revenue.accounts import Accounts, Spans, read_accounts
from finops_plugin_revenue.pricing.findings import findings, in_spans
from finops_plugin_revenue.pricing.hybrid import HybridTerms
from finops_plugin_revenue.pricing.offers import (
    MONTH_DAYS,
    Limit,
    Missing,
    Offer,
    Terms,
    best_offer,
    make_offers,
    percent_text,
    tier_list,
    unsearched,
)
from finops_plugin_revenue.pricing.plans import UsageUnit
from finops_plugin_revenue.pricing.sections import (
    cost_per,
    pricing_sections,
    unpriced_sections,
    what_leavers_leave,
)
from finops_plugin_revenue.pricing.trade_off import trade_off
from finops_plugin_revenue.profitability.margins import margin_percent

Price = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=9)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]


class PricingAnalyzer(Analyzer):
    """Flat, tiered, usage-based and hybrid prices on the same calls: revenue, margin, whose bill rises."""

    report_name: ClassVar[str] = "pricing_strategy"
    title: ClassVar[str] = "Pricing strategy"
    capability: ClassVar[str] = "Unit Economics; Planning & Estimating"
    audience: ClassVar[str] = "CFO, product management"
    question: ClassVar[str] = "What should we charge?"

    flat_price: Price | None = None
    """Flat model: US dollars a calendar month for every customer; None derives the price that earns today's revenue."""
    tier_prices: dict[str, Price] | None = None
    """Tiered model: US dollars a calendar month of each tier; a tier that is not named keeps today's price."""
    usage_unit: UsageUnit = "tokens"
    """What usage-based and hybrid prices meter: tokens (in thousands), calls, or cost (logged dollars: a markup)."""
    usage_price: Price | None = None
    """Usage-based model: US dollars per 1,000 tokens, per call or per dollar of cost (1.3 is cost plus 30 %);
    None derives the price that earns today's revenue."""
    hybrid_base: Price | None = None
    """Hybrid model: base price, US dollars a calendar month; None keeps each customer's tier price as its base."""
    hybrid_included: Price | None = None
    """Hybrid model: units included for each dollar of base (thousands of tokens, calls or dollars of cost);
    None searches for it."""
    hybrid_overage: Price | None = None
    """Hybrid model: US dollars for each unit beyond the included ones; None searches for it."""
    rise_percent: Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=6)] = Decimal(20)
    """A bill that rises by more than this many percent counts as raised."""
    raised_percent: Percent = Decimal(10)
    """The search keeps to no more than this share of customers with a raised bill."""
    leave_percent: Percent | None = None
    """Share of the customers with a raised bill that leave; None shows what is left for every share, assuming none."""

    @field_validator("tier_prices")
    @classmethod
    def _have_a_price_today(cls, prices: dict[str, Price] | None, info: ValidationInfo) -> dict[str, Price] | None:
        settings = (info.context or {}).get("settings")
        for name in prices or {}:
            if settings is not None and name not in settings.tiers:
                way_out = nearest(name, settings.tiers)
                raise PydanticCustomError(
                    "tier", "[tiers] has no tier '{name}'. {way_out}", {"name": name, "way_out": way_out}
                )
        return prices

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """The report on the calls of the period."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        spans = read_accounts(calls)
        accounts = spans[0]
        if not accounts.known:
            return self._unpriced(calls, spans)
        limit = Limit(self.rise_percent, self.raised_percent)
        hybrid = HybridTerms(self.usage_unit, self.hybrid_base, self.hybrid_included, self.hybrid_overage)
        terms = Terms(self.flat_price, self.tier_prices, self.usage_price, hybrid)
        offers, missing = make_offers(accounts, terms, limit)
        best = best_offer(offers, limit)
        curve = trade_off(accounts, hybrid, limit)
        return self.report(
            answer=_answer(accounts, offers, missing, best, limit),
            metrics=_metrics(spans, missing, best, limit, self.leave_percent),
            findings=extrapolated(findings(spans, best, hybrid, missing, limit), calls.month_caveat),
            sections=pricing_sections(accounts, offers, missing, best, curve, limit, hybrid, self.leave_percent),
            method=(
                "Every model bills the same calls of the customers of known revenue: cost stays, revenue changes, so "
                "that a gain in revenue is the same gain in margin.",
                "Flat = price x calendar months charged; tiered = the tier's price for each charged day; usage-based = "
                "price x units; hybrid = base + overage price x (units - included per dollar x base), if positive. "
                "A month is charged by the day, as today; included usage counts over the charged days together, so "
                f"that a hybrid is judged from {MONTH_DAYS} days on.",
                "Prices that are not set are derived: the flat and the usage price earn today's revenue. Search for "
                "the hybrid: for a given allowance, the highest overage price that keeps to the limit and does not "
                "exceed the price of a unit within the base (1 / included) earns most. What it earns is highest with "
                "nothing included, or at the allowance from which on the second condition is the stricter one: the "
                "largest usage / highest bill that is no raise, after leaving out as many customers as may be raised. "
                "Where hybrid_base is set, a grid of allowances between the two is tried as well. Found with floating "
                "point, then rounded to four digits in the customers' favour and priced again in exact decimals.",
                "The search is tested by doing it again on the earlier span of the comparison alone, and pricing the "
                "later one, which it did not see, with what it found.",
                "What survives = gain - share leaving x (new bills - cost) of the customers whose bill is raised, who "
                "leave at random; the break-even share is gain / (new bills - cost).",
            ),
            assumptions=(
                *_assumptions(accounts, limit, self.leave_percent),
                *([calls.month_caveat] if calls.month_caveat else []),
            ),
            comparison=calls.comparison_text,
            headline="gain",
        )

    def _unpriced(self, calls: Calls, spans: Spans) -> Report:
        accounts = spans[0]
        return self.report(
            answer=f"Pricing models cannot be compared: {nobody_known(accounts)}; what is known is that prices "
            f"must cover {dollars(accounts.unknown_cost)} of cost.",
            metrics=(_unit_cost(spans),),
            findings=(unknown_finding(unknown_names(accounts), "bills and gains", "unknown"),),
            sections=unpriced_sections(accounts),
            method=("Cost per unit = logged cost / units used in the period.",),
            assumptions=("Without today's bills, neither a gain nor a rise can be computed; none is assumed.",),
            comparison=calls.comparison_text,
            headline="cost_per_1k_tokens",
        )


def _answer(
    accounts: Accounts, offers: Sequence[Offer], missing: Sequence[Missing], best: Offer | None, limit: Limit
) -> str:
    kept = "no cost is logged" if accounts.uncosted else f"margin {_percent_of(accounts.margin, accounts.revenue)}"
    today = f"today's tiers ({dollars(accounts.revenue)} in {plural(accounts.period.days, 'day')}, {kept})"
    if best is None:
        if hybrid := unsearched(best, missing):
            return f"What to charge cannot be said: {hybrid.why}; customers paid {today}."
        return f"Keep {today}: of {plural(len(offers), 'pricing model')}, none earns more while {limit}."
    result = best.result
    gain = dollars(accounts.period.per_month(result.gain))
    customers = plural(len(result.bills), "customer")
    if result.raised:
        bear = (
            f"{count(len(result.raised))} of {customers} would pay {limit.raised}, and "
            f"{what_leavers_leave(result, 'them')}"
        )
    else:
        but = "none" if result.higher < len(result.bills) else "but not"
        bear = f"{some_of(result.higher, len(result.bills), 'customer')} would pay more, {but} {limit.raised}"
    return (
        f"{best.name} pricing would earn {gain} a month more than {today}{' if nobody leaves' if result.raised else ''}"
        f": {best.terms}; {bear}."
    )


def _metrics(
    spans: Spans, missing: Sequence[Missing], best: Offer | None, limit: Limit, leave_percent: Decimal | None
) -> tuple[Metric, ...]:
    today = (
        Metric.over(spans, lambda a: a.revenue, id="revenue", label="Revenue today", unit="usd", better="higher"),
        Metric.over(
            spans,
            lambda a: None if a.uncosted else a.margin,
            id="margin_today",
            label="Margin today",
            unit="usd",
            better="higher",
            note="Revenue less cost of the customers of known revenue.",
        ),
        _unit_cost(spans),
    )
    gain = {"id": "gain", "label": "Gain of the best model a month", "unit": "usd", "better": "higher"}
    if best is None:
        hybrid = unsearched(best, missing)
        nothing = None if hybrid else Decimal(0)
        note = f"{begin(hybrid.why)}." if hybrid else "No model within the limit earns more than today's tiers."
        return Metric.over(spans, lambda _: nothing, note=note, **gain), *today
    results = in_spans(spans, best, limit)
    metrics = [
        Metric.over(
            results,
            lambda r: r.accounts.period.per_month(r.gain),
            note=f"{best.name} against today's tiers, its prices unchanged in both spans. Over a shorter span usage "
            "evens out less, so that a hybrid seems to earn more.",
            **gain,
        ),
        *today,
        Metric.over(
            results,
            lambda r: len(r.raised),
            id="raised",
            label="Customers with a raised bill",
            unit="count",
            better="lower",
            note=f"Customers that would pay {limit.raised} under the best model.",
        ),
        Metric.over(
            results,
            lambda r: r.leave_break_even,
            id="leave_break_even",
            label="Leavers that erase the gain",
            unit="percent",
            better="higher",
            note="Gain / (new bills - cost) of the customers with a raised bill x 100; none if some of the gain is "
            "left when all of them leave.",
        ),
    ]
    if leave_percent is not None:
        metrics.append(
            Metric.over(
                results,
                lambda r: r.accounts.period.per_month(r.gain_if(leave_percent / 100)),
                id="gain_kept",
                label=f"Gain left if {percent_text(leave_percent)} of them leave, a month",
                unit="usd",
                better="higher",
                note="leave_percent is a setting.",
            )
        )
    return tuple(metrics)


def _unit_cost(spans: Spans) -> Metric:
    return Metric.over(
        spans,
        lambda a: None if a.uncosted else cost_per(a, "tokens"),
        id="cost_per_1k_tokens",
        label="Cost per 1,000 tokens",
        unit="usd",
        better="lower",
        note="Logged cost / tokens x 1,000, of all customers: what any price per token must cover.",
    )


def _assumptions(accounts: Accounts, limit: Limit, leave_percent: Decimal | None) -> tuple[str, ...]:
    leaving = (
        "No share of leaving customers is assumed; set leave_percent to name one."
        if leave_percent is None
        else f"{percent_text(leave_percent)} of the customers whose bill is raised leave (leave_percent)."
    )
    lines = [
        f"Today's prices: {tier_list(accounts, dict(accounts.subscriptions.prices))} ([tiers] in finops.toml).",
        f"The limit is a setting: {limit} (raised_percent, rise_percent).",
        leaving,
        "Customers keep using as much as they did; nobody changes tier or uses less because it costs more.",
    ]
    if accounts.unknown:
        lines.append(f"Left out: {unknown_customers(accounts)}, since their bill today is not known.")
    return tuple(lines)


def _percent_of(margin: Decimal, revenue: Decimal) -> str:
    share = margin_percent(margin, revenue)
    return dollars(margin) if share is None else percent(share)
