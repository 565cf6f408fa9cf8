"""The sections of the profitability report: charts and tables that prove its findings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from finops_core import Axis, Chart, Column, Section, Series, Table, begin, count, dollars, percent, plural, some_of
from finops_plugin_revenue.account_tables import (
    CALLS,
    COST,
    CUSTOMER,
    CUSTOMERS,
    MARGIN,
    MARGIN_PERCENT,
    REVENUE,
    TIER,
    unknown_section,
)
from finops_plugin_revenue.accounts import Account, Accounts
from finops_plugin_revenue.profitability.margins import (
    BANDS,
    Days,
    band,
    break_even_calls,
    concentration,
    covering_tier,
    grouped,
    margin_percent,
    whale_curve,
)

CURVE_POINTS = 200
"""At most this many points of the whale curve are drawn; its peak and its end are always among them."""

CHARTED_LOSSES = 15

CLOSEST = 10
"""Where nobody loses money, so many customers that are closest to it are shown."""

SUMS = (CUSTOMERS, REVENUE, COST, MARGIN, MARGIN_PERCENT)


def margin_sections(accounts: Accounts, losing: Sequence[Account], days: Days) -> tuple[Section, ...]:
    """Everything that proves the report.

    Args:
        accounts: Of the period.
        losing: The unprofitable ones among the known, the largest loss first.
        days: The same accounts day by day.
    """
    if not accounts.known:
        return (unknown_section(accounts),)
    if accounts.uncosted:
        calls = begin(some_of(accounts.calls, accounts.calls, "call"))
        text = f"{calls} of the period cost nothing by the log, so that a margin would be the revenue."
        return (Section(id="losing", title="Who loses money", text=text), unknown_section(accounts))
    return (
        _losing(accounts, losing, days),
        _tiers(accounts),
        _bands(accounts),
        _whales(accounts),
        _customers(accounts),
        unknown_section(accounts),
    )


def _losing(accounts: Accounts, losing: Sequence[Account], days: Days) -> Section:
    shown = losing or sorted(accounts.known, key=lambda a: (_kept(a), a.name))[:CLOSEST]
    rows = [
        (
            a.name,
            a.paid.tier,
            a.paid.days,
            a.use.calls,
            break_even_calls(a) if a.use.cost else None,
            a.revenue,
            a.use.cost,
            a.margin,
            margin_percent(a.margin, a.revenue),
            days.losing.get(a.name) if losing else None,
            covering_tier(a, accounts.subscriptions.prices),
        )
        for a in shown
    ]
    columns = [
        CUSTOMER,
        TIER,
        Column(name="days", label="Days charged", unit="days"),
        CALLS,
        Column(name="break_even_calls", label="Calls at break-even", unit="count"),
        REVENUE,
        COST,
        MARGIN,
        MARGIN_PERCENT,
        Column(name="dear_days", label="Days at a loss", unit="days"),
        Column(name="enough", label="Cheapest tier that covers its cost"),
    ]
    if not losing:
        columns, rows = [c for c in columns if c.name != "dear_days"], [r[:9] + r[10:] for r in rows]
    text = (
        "These customers cost more than they pay. A customer breaks even where its cost equals its revenue; at its "
        "own cost per call, that is the number of calls shown."
        if losing
        else "No customer costs more than it pays. At its own cost per call, a customer breaks even at the number of "
        f"calls shown; {'this one is' if len(rows) == 1 else f'these {len(rows)} are'} closest to it."
    )
    table = Table.of(
        "break_even",
        "Unprofitable customers and where they break even" if losing else "Closest to a loss",
        columns,
        rows,
        total=bool(losing),
        note="Break-even calls = calls x revenue / cost, for the charged days; empty without cost.",
    )
    if not losing:
        return Section(id="losing", title="Who loses money", text=text, blocks=(table,))
    worst = losing[:CHARTED_LOSSES]
    chart = Chart(
        id="losses",
        kind="bar",
        title="What do the most unprofitable customers pay and cost?",
        takeaway=f"{worst[0].name} costs {dollars(worst[0].use.cost)} and pays {dollars(worst[0].revenue)}.",
        description="Revenue and cost of the customers with the largest losses, in dollars.",
        x=Axis(label="Customer"),
        y=Axis(label="US dollars in the period", unit="usd"),
        categories=tuple(a.name for a in worst),
        series=(
            Series(name="Revenue", values=tuple(a.revenue for a in worst)),
            Series(name="Cost", values=tuple(a.use.cost for a in worst)),
        ),
        dimension="customer_id",
    )
    return Section(id="losing", title="Who loses money", text=text, blocks=(chart, table))


def _tiers(accounts: Accounts) -> Section:
    groups = grouped(accounts.known, lambda a: a.paid.tier)
    rows = sorted(((tier, *_sums(group)) for tier, group in groups.items()), key=lambda row: (-row[4], row[0]))
    chart = Chart(
        id="tier_margins",
        kind="bar",
        title="What does each tier bring and cost?",
        takeaway=f"{_left(rows[0], 'the largest margin,')}; {_left(rows[-1], 'the smallest,')}."
        if len(rows) > 1
        else f"{_left(rows[0], 'a margin of')}.",
        description=f"Revenue and cost of {plural(len(rows), 'tier')}, in dollars.",
        x=Axis(label="Tier"),
        y=Axis(label="US dollars in the period", unit="usd"),
        categories=tuple(row[0] for row in rows),
        series=(
            Series(name="Revenue", values=tuple(row[2] for row in rows)),
            Series(name="Cost", values=tuple(row[3] for row in rows)),
        ),
        dimension="subscription_tier",
    )
    table = Table.of("tiers", "Margin by tier", [TIER, *SUMS], rows, total=True)
    return Section(
        id="tiers",
        title="Margin by tier",
        text="A customer counts in the tier it had on the period's last day.",
        blocks=(chart, table),
    )


def _bands(accounts: Accounts) -> Section:
    groups = grouped(accounts.known, band)
    rows = [(name, *_sums(groups.get(name, []))) for name in BANDS]
    best = len(groups.get(BANDS[0], []))
    leave = "leave" if best > 1 else "leaves"
    takeaway = f"{begin(some_of(best, len(accounts.known), 'customer'))} {leave} a margin of more than 50 %."
    chart = Chart(
        id="band_customers",
        kind="bar",
        title="How many customers are in which margin band?",
        takeaway=takeaway,
        description=", ".join(f"{name}: {count(row[1])}" for name, row in zip(BANDS, rows, strict=True)) + ".",
        x=Axis(label="Margin % of revenue"),
        y=Axis(label="Customers", unit="count"),
        categories=BANDS,
        series=(Series(name="Customers", values=tuple(row[1] for row in rows)),),
    )
    table = Table.of(
        "bands", "Customers by margin band", [Column(name="band", label="Margin band"), *SUMS], rows, total=True
    )
    return Section(
        id="bands",
        title="Margin bands",
        text="Margin over revenue; exactly 20 % and exactly 50 % belong to the band between them. A customer that "
        "pays nothing and costs something is below 0 %.",
        blocks=(chart, table),
    )


def _whales(accounts: Accounts) -> Section:
    curve = whale_curve(accounts.known)
    peak = max(range(len(curve)), key=lambda i: curve[i])
    shown = sorted({*np.linspace(0, len(curve) - 1, CURVE_POINTS, dtype=int).tolist(), peak, len(curve) - 1})
    if curve[peak] <= 0:
        takeaway = "No customer brings a profit."
    elif curve[peak] > curve[-1]:
        some, others = peak + 1, len(curve) - peak - 1
        bring = "The one profitable customer brings" if some == 1 else f"The {count(some)} profitable customers bring"
        take = "the other one takes" if others == 1 else f"the other {count(others)} take"
        takeaway = f"{bring} {dollars(curve[peak])}, of which {take} {dollars(curve[peak] - curve[-1])} away."
    elif len(curve) == 1:
        takeaway = f"The one customer brings all of the profit, {dollars(curve[-1])}."
    else:
        half = next(i + 1 for i, profit in enumerate(curve) if 2 * profit >= curve[-1])
        takeaway = (
            f"Half of the profit comes from {count(half)} of {count(len(curve))} customers; nobody takes any away."
        )
    chart = Chart(
        id="whale_curve",
        kind="line",
        title="How does profit add up over customers?",
        takeaway=takeaway,
        description=f"Cumulative profit from the most to the least profitable of {plural(len(curve), 'customer')}: "
        f"peak {dollars(curve[peak])} at customer {count(peak + 1)}, end {dollars(curve[-1])}.",
        x=Axis(label="Customers, most profitable first", unit="count"),
        y=Axis(label="Cumulative profit, US dollars", unit="usd"),
        categories=tuple(str(i + 1) for i in shown),
        series=(
            Series(name="Cumulative profit", values=tuple(curve[i] for i in shown)),
            Series(name="Total profit", values=(curve[-1],) * len(shown), role="reference"),
        ),
    )
    tops = concentration(accounts.known)
    table = Table.of(
        "concentration",
        "How concentrated are cost and profit?",
        [
            Column(name="top", label="Top share of customers", unit="percent"),
            Column(name="customers", label="Customers", unit="count"),
            Column(name="cost", label="Cost of the costliest", unit="usd"),
            Column(name="cost_percent", label="of all cost", unit="percent", role="share"),
            Column(name="profit", label="Profit of the most profitable", unit="usd"),
            Column(name="profit_percent", label="of all profit", unit="percent", role="share"),
        ],
        [
            (
                top.percent,
                top.customers,
                top.cost,
                float(100 * top.cost / accounts.cost) if accounts.cost else None,
                top.profit,
                float(100 * top.profit / accounts.margin) if accounts.margin > 0 else None,
            )
            for top in tops
        ],
        note="Cost and profit are ranked separately. A share of profit above 100 % is what the unprofitable customers "
        "take away again; without a profit in all there is no share.",
    )
    tenth = next((top for top in tops if top.percent >= 10), tops[-1])
    if not accounts.cost:
        text = "No customer has caused any cost."
    elif len(accounts.known) == 1:
        text = "There is one customer, which causes all of the cost."
    else:
        dearest = "costliest causes" if tenth.customers == 1 else f"{count(tenth.customers)} costliest cause"
        text = (
            f"Of {count(len(accounts.known))} customers, the {dearest} {percent(100 * tenth.cost / accounts.cost)} of "
            "the cost."
        )
    return Section(id="whales", title="Concentration", text=text, blocks=(chart, table))


def _customers(accounts: Accounts) -> Section:
    rows = [
        (
            a.name,
            a.paid.tier,
            a.paid.days,
            a.use.calls,
            a.revenue,
            a.use.cost,
            a.margin,
            margin_percent(a.margin, a.revenue),
        )
        for a in sorted(accounts.known, key=lambda a: (a.margin, a.name))
    ]
    days = Column(name="days", label="Days charged", unit="days")
    columns = [CUSTOMER, TIER, days, CALLS, REVENUE, COST, MARGIN, MARGIN_PERCENT]
    table = Table.of("customers", "Margin by customer, smallest margin in dollars first", columns, rows, total=True)
    return Section(id="customers", title="Every customer", blocks=(table,))


def _sums(group: Sequence[Account]) -> tuple[int, Decimal, Decimal, Decimal, float | None]:
    """The cells of the columns ``SUMS``."""
    revenue = sum((a.revenue for a in group), Decimal(0))
    cost = sum((a.use.cost for a in group), Decimal(0))
    return len(group), revenue, cost, revenue - cost, margin_percent(revenue - cost, revenue)


def _left(row: tuple[str, int, Decimal, Decimal, Decimal, float | None], what: str) -> str:
    """What a tier, a row of its table, leaves or loses."""
    return f"{row[0]} loses {dollars(-row[4])}" if row[4] < 0 else f"{row[0]} leaves {what} {dollars(row[4])}"


def _kept(account: Account) -> Fraction:
    """The share of revenue that is left after cost."""
    return Fraction(account.margin) / Fraction(account.revenue) if account.revenue else Fraction(0)
