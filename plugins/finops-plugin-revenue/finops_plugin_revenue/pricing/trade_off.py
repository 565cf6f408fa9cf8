"""What a wider or a narrower limit would bring: the best hybrid under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from finops_core import Axis, Chart, Column, Section, Series, Table, begin, dollars
from finops_plugin_revenue.accounts import Accounts
from finops_plugin_revenue.pricing.hybrid import HybridTerms, best_hybrids
from finops_plugin_revenue.pricing.offers import (
    Limit,
    Missing,
    included_text,
    percent_text,
    search_terms,
    too_short,
    unsearched,
)
from finops_plugin_revenue.pricing.plans import UNIT_TEXT, Hybrid, Outcome, outcome

RAISED_SHARES = tuple(Decimal(n) for n in (0, 1, 2, 5, 10, 15, 20, 30, 40, 50))
"""Shares of customers with a raised bill at which the trade-off is shown, percent; the limit's own is added."""


@dataclass(frozen=True)
class TradeOff:
    """The best hybrid where up to some share of the customers may have a raised bill."""

    raised_percent: Decimal
    plan: Hybrid
    result: Outcome


def trade_off(accounts: Accounts, terms: HybridTerms, limit: Limit) -> list[TradeOff]:
    """What the search finds under wider and narrower limits, each plan priced exactly.

    Of shares that come to the same number of customers the smallest is shown; one without a plan is left out. There
    is no trade-off where nothing is searched for, nor in a period that is too short for an allowance a month.
    """
    if too_short(accounts) or not terms.searched:
        return []
    shares = {
        Limit(limit.rise_percent, share).allowed(len(accounts.known)): share
        for share in sorted({*RAISED_SHARES, limit.raised_percent}, reverse=True)
    }
    allowed = sorted(shares)
    plans = best_hybrids(accounts, terms, limit.rise_percent, allowed)
    return [
        TradeOff(shares[n], plan, outcome(plan, accounts, limit.rise_percent))
        for n, plan in zip(allowed, plans, strict=True)
        if plan is not None
    ]


def trade_off_section(
    accounts: Accounts, curve: Sequence[TradeOff], limit: Limit, hybrid: HybridTerms, missing: Sequence[Missing]
) -> Section:
    """What the best hybrid earns under each limit, or why there is none."""
    title = "What a wider limit would bring"
    rise = percent_text(limit.rise_percent)
    if not curve:
        return Section(
            id="tradeoff",
            title=title,
            text=f"{begin(none.why)}. {none.action}"
            if (none := unsearched(None, missing))
            else "Included usage and overage price are both set, so that a wider limit changes nothing.",
        )
    per_month = accounts.period.per_month
    gains = [per_month(point.result.gain) for point in curve]
    chart = Chart(
        id="tradeoff_curve",
        kind="line",
        title=f"What does the best hybrid earn if more customers may pay {limit.raised}?",
        takeaway=f"The best hybrid earns {dollars(gains[0])} a month more where {_customers_may(curve[0])} pay "
        f"{limit.raised}" + (f", {dollars(gains[-1])} where {_customers_may(curve[-1])}." if len(curve) > 1 else "."),
        description="Gain a month of the best hybrid by the share of customers with a raised bill.",
        x=Axis(label=f"Customers that may pay {limit.raised}, %", unit="percent"),
        y=Axis(label="Gain a month, US dollars", unit="usd"),
        categories=tuple(f"{point.raised_percent.normalize():f}" for point in curve),
        series=(Series(name="Gain a month", values=tuple(gains)),),
    )
    table = Table.of(
        "tradeoff_points",
        "The best hybrid under each limit",
        [
            Column(name="share", label="Limit", unit="percent"),
            Column(name="included", label="Included, by price of the base"),
            Column(name="overage", label=f"Overage per {UNIT_TEXT[hybrid.unit]}", unit="usd"),
            Column(name="gain", label="Gain a month", unit="usd"),
            Column(name="raised", label=f"Bills that rise by over {rise}", unit="count"),
            Column(name="higher", label="Bills that rise", unit="count"),
            Column(name="leave", label="Leavers that erase the gain", unit="percent"),
        ],
        [
            (
                float(point.raised_percent),
                included_text(point.plan),
                point.plan.overage,
                gain,
                len(point.result.raised),
                point.result.higher,
                point.result.leave_break_even,
            )
            for point, gain in zip(curve, gains, strict=True)
        ],
        note="Leavers are in percent of the customers with a raised bill; empty where there is no gain, or some of it "
        "is left when all of them leave.",
    )
    return Section(
        id="tradeoff",
        title=title,
        text="Each point is the hybrid that earns most while no more than that share of customers pays "
        f"{limit.raised}{search_terms(hybrid)}. The limit in force is {percent_text(limit.raised_percent)}.",
        blocks=(chart, table),
    )


def _customers_may(point: TradeOff) -> str:
    if not point.raised_percent:
        return "nobody may"
    return f"up to {percent_text(point.raised_percent)} of customers may"
