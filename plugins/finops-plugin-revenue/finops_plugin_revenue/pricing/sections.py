"""The sections of the pricing report: charts and tables that prove its answer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from finops_core import Axis, Chart, Column, Section, Series, Table, begin, dollars, listing, percent, plural, some_of
from finops_plugin_revenue.account_tables import (
    CUSTOMER,
    CUSTOMERS,
    MARGIN_PERCENT,
    TIER,
    unknown_section,
)
from finops_plugin_revenue.accounts import Account, Accounts, Use
from finops_plugin_revenue.pricing.hybrid import HybridTerms
from finops_plugin_revenue.pricing.offers import (
    Limit,
    Missing,
    Offer,
    percent_text,
    unsearched,
)
from finops_plugin_revenue.pricing.plans import UNIT_TEXT, Outcome, UsageUnit, units
from finops_plugin_revenue.pricing.trade_off import TradeOff, trade_off_section
from finops_plugin_revenue.profitability.margins import grouped, margin_percent
from finops_plugin_revenue.revenue import dollars_of

LEAVING = tuple(Decimal(n) for n in (0, 10, 25, 50, 75, 100))
"""Shares of raised customers that leave at which the gain is shown, percent; the setting's own is added."""


def pricing_sections(
    accounts: Accounts,
    offers: Sequence[Offer],
    missing: Sequence[Missing],
    best: Offer | None,
    curve: Sequence[TradeOff],
    limit: Limit,
    hybrid: HybridTerms,
    leave_percent: Decimal | None,
) -> tuple[Section, ...]:
    """Everything that proves the report."""
    changes = [o for o in offers if not o.today]
    return (
        _models(accounts, offers, missing, best, limit),
        trade_off_section(accounts, curve, limit, hybrid, missing),
        _leaving(accounts, changes, leave_percent),
        _tiers(accounts, changes),
        _bills(accounts, changes, best or changes[-1], hybrid.unit),
        _unit_costs(accounts),
        unknown_section(accounts),
    )


def what_leavers_leave(result: Outcome, them: str) -> str:
    """What is left of a gain if customers with a raised bill leave.

    Args:
        result: With at least one raised bill.
        them: The customers with a raised bill, where they are several.
    """
    share = result.leave_break_even
    if len(result.raised) == 1:
        name = result.raised[0][0].name
        return f"some of the gain is left if {name} leaves" if share is None else f"the gain is gone if {name} leaves"
    if share is None:
        return f"some of the gain is left even if all of {them} leave"
    return f"the gain is gone once {percent(share, 0)} of {them} leave"


def unpriced_sections(accounts: Accounts) -> tuple[Section, ...]:
    """What is known where no customer's revenue is."""
    return _unit_costs(accounts), unknown_section(accounts)


def cost_per(accounts: Accounts, unit: UsageUnit) -> Decimal | None:
    """Logged cost of all customers per unit, US dollars; ``None`` where nothing was used."""
    used = _all_use(accounts)
    n = units(used, unit)
    return dollars_of(Fraction(used.cost) / Fraction(n)) if n else None


def _models(
    accounts: Accounts, offers: Sequence[Offer], missing: Sequence[Missing], best: Offer | None, limit: Limit
) -> Section:
    rise = percent_text(limit.rise_percent)
    columns = [
        Column(name="model", label="Model"),
        Column(name="revenue", label="Revenue", unit="usd"),
        Column(name="margin", label="Margin", unit="usd"),
        MARGIN_PERCENT,
        Column(name="change", label="Against today", unit="usd"),
        Column(name="raised", label=f"Bills that rise by over {rise}", unit="count"),
        Column(name="higher", label="Bills that rise", unit="count"),
        Column(name="lower", label="Bills that fall", unit="count"),
        Column(name="largest", label="Largest rise", unit="usd"),
    ]
    rows = [
        (
            o.name,
            o.result.revenue,
            o.result.margin,
            margin_percent(o.result.margin, o.result.revenue),
            o.result.gain,
            len(o.result.raised),
            o.result.higher,
            o.result.lower,
            max((bill - a.revenue for a, bill in zip(accounts.known, o.result.bills, strict=True)), default=None),
        )
        for o in offers
    ]
    chart = Chart(
        id="model_margins",
        kind="bar",
        title="What would each model have earned?",
        takeaway=_most(offers, missing, best, limit),
        description="; ".join(f"{o.name}: margin {dollars(o.result.margin)}" for o in offers)
        + f"; cost {dollars(accounts.cost)} under each.",
        x=Axis(label="Model"),
        y=Axis(label="US dollars in the period", unit="usd"),
        categories=tuple(o.name for o in offers),
        series=(
            Series(name="Margin", values=tuple(o.result.margin for o in offers)),
            Series(name="Cost", values=(accounts.cost,) * len(offers)),
        ),
        stacked=True,
    )
    terms = Table.of(
        "terms",
        "The prices of each model and where they come from",
        [
            Column(name="model", label="Model"),
            Column(name="terms", label="Prices"),
            Column(name="origin", label="Where they come from"),
        ],
        [
            *((o.name, o.terms, o.origin) for o in offers),
            *((m.name, None, f"{begin(m.why)}. {m.action}") for m in missing),
        ],
    )
    return Section(
        id="models",
        title="Four models on the same calls",
        text=f"{plural(len(accounts.known), 'customer')} of known revenue, billed by each model for {accounts.period}. "
        "A flat or usage price that is not set is the one that earns today's "
        "revenue: it shows whose bills would move, not a gain.",
        blocks=(chart, Table.of("models", "Revenue, margin and bills by model", columns, rows), terms),
    )


def _most(offers: Sequence[Offer], missing: Sequence[Missing], best: Offer | None, limit: Limit) -> str:
    """Which model earns most of those that could earn more than today's tiers."""
    most = max((o for o in offers if o.contender), key=lambda o: o.result.margin, default=None)
    if most is not None and most.result.gain > 0:
        raised = plural(len(most.result.raised), "customer") if most.result.raised else "no customer"
        gain = dollars(most.result.gain)
        return f"{most.name} would have earned most, {gain} more than today's tiers; {raised} would pay {limit.raised}."
    derived = [o.name for o in offers if not o.contender and not o.today]
    if unsearched(best, missing) and derived:
        earn = "earns" if len(derived) == 1 else "earn"
        return f"The hybrid was not priced; {listing(derived).lower()} {earn} today's revenue by construction."
    return "No model that could earn more than today's tiers does."


def _leaving(accounts: Accounts, offers: Sequence[Offer], leave_percent: Decimal | None) -> Section:
    title = "What survives if customers leave"
    changed = [o for o in offers if o.result.raised]
    if not changed:
        return Section(
            id="leaving",
            title=title,
            text="No model raises a bill by more than the threshold, so nobody is taken to leave.",
        )
    per_month = accounts.period.per_month
    shares = sorted({*LEAVING, *(() if leave_percent is None else (leave_percent,))})
    left = {o.key: [per_month(o.result.gain_if(share / 100)) for share in shares] for o in changed}
    gone = [
        f"{o.name}: {what_leavers_leave(o.result, f'the {len(o.result.raised):,} customers with a raised bill')}"
        for o in changed
        if o.contender and o.result.leave_break_even is not None
    ]
    chart = Chart(
        id="gain_left",
        kind="line",
        title="What is left of the gain if customers with a raised bill leave?",
        takeaway="; ".join(gone) + "." if gone else "",
        description="Change of the margin a month against today by the share of customers with a raised bill that "
        f"leave, for {', '.join(o.name for o in changed)}.",
        x=Axis(label="Customers with a raised bill that leave, %", unit="percent"),
        y=Axis(label="Margin against today a month, US dollars", unit="usd"),
        categories=tuple(f"{share.normalize():f}" for share in shares),
        series=tuple(Series(name=o.name, values=tuple(left[o.key])) for o in changed),
    )
    table = Table.of(
        "gain_left_points",
        "Margin against today, a month",
        [
            Column(name="share", label="Share that leaves", unit="percent"),
            *(Column(name=o.key, label=o.name, unit="usd") for o in changed),
        ],
        [(float(share), *(left[o.key][i] for o in changed)) for i, share in enumerate(shares)],
    )
    setting = (
        "Set leave_percent to say which share you expect."
        if leave_percent is None
        else f"The share that is expected to leave is set to {percent_text(leave_percent)}."
    )
    return Section(
        id="leaving",
        title=title,
        text="A customer that leaves takes its new bill and its cost along. Who leaves is taken at random from the "
        f"customers with a raised bill; nobody else leaves. {setting}",
        blocks=(chart, table),
    )


def _tiers(accounts: Accounts, offers: Sequence[Offer]) -> Section:
    bills = {o.key: dict(zip((a.name for a in accounts.known), o.result.bills, strict=True)) for o in offers}
    groups = grouped(accounts.known, lambda a: a.paid.tier)

    def paid(group: Sequence[Account], key: str) -> Decimal:
        return sum((bills[key][a.name] for a in group), Decimal(0))

    today = Column(name="today", label="Today", unit="usd", role="measure")
    models = [Column(name=o.key, label=o.name, unit="usd", role="measure") for o in offers]
    rows = [
        (tier, len(group), sum((a.revenue for a in group), Decimal(0)), *(paid(group, o.key) for o in offers))
        for tier, group in sorted(groups.items())
    ]
    table = Table.of("tier_revenue", "Revenue by today's tier", [TIER, CUSTOMERS, today, *models], rows, total=True)
    return Section(id="tiers", title="Who would pay", text="Under each model, for the period.", blocks=(table,))


def _bills(accounts: Accounts, offers: Sequence[Offer], shown: Offer, unit: UsageUnit) -> Section:
    pairs = [
        (a, [o.result.bills[i] for o in offers], shown.result.bills[i] - a.revenue)
        for i, a in enumerate(accounts.known)
    ]
    rows = [
        (
            a.name,
            a.paid.tier,
            float(units(a.use, unit)),
            a.revenue,
            *bills,
            rise,
            margin_percent(rise, a.revenue),
            a.use.cost,
        )
        for a, bills, rise in sorted(pairs, key=lambda pair: (-pair[2], pair[0].name))
    ]
    columns = [
        CUSTOMER,
        TIER,
        Column(name="units", label=f"Used, in {UNIT_TEXT[unit]}", unit="count", role="derived"),
        Column(name="today", label="Today", unit="usd", role="measure"),
        *(Column(name=o.key, label=o.name, unit="usd", role="measure") for o in offers),
        Column(name="rise", label=f"{shown.name} against today", unit="usd", role="measure"),
        Column(name="rise_percent", label=f"{shown.name} against today, %", unit="percent"),
        Column(name="cost", label="Cost", unit="usd", role="measure"),
    ]
    title = f"Every customer's bill, largest rise under {shown.name} first"
    return Section(id="bills", title="Every bill", blocks=(Table.of("bills", title, columns, rows, total=True),))


def _unit_costs(accounts: Accounts) -> Section:
    used = _all_use(accounts)
    months = sum(
        (p.months for p in (*(a.paid for a in accounts.known), *(a.unpaid for a in accounts.unknown))), Fraction(0)
    )
    amounts = [
        ("tokens", "1,000 tokens", "Cost of 1,000 tokens", Fraction(units(used, "tokens"))),
        ("calls", "Calls", "Cost of a call", Fraction(used.calls)),
        ("months", "Customers x calendar months", "Cost of a customer a month", months),
    ]
    # A column has its decimals in common: what a token costs must not drag those of a customer along.
    columns = [
        column
        for name, amount, unit_cost, _ in amounts
        for column in (
            Column(name=name, label=amount, unit="count"),
            Column(name=f"cost_of_{name}", label=unit_cost, unit="usd"),
        )
    ]
    row = [value for *_, n in amounts for value in (float(n), dollars_of(Fraction(used.cost) / n) if n else None)]
    cost = (
        "nothing by the log, so that what a price must cover is not known."
        if accounts.uncosted
        else f"{dollars(used.cost)}; a price below the cost of its unit loses money on average."
    )
    table = Table.of("unit_costs", "Cost per unit", columns, [row])
    return Section(
        id="unit_costs",
        title="What a price must cover",
        text=f"{begin(some_of(used.calls, used.calls, 'call'))} of the period cost {cost}",
        blocks=(table,),
    )


def _all_use(accounts: Accounts) -> Use:
    every = [a.use for a in (*accounts.known, *accounts.unknown)]
    return Use(sum(u.calls for u in every), sum(u.tokens for u in every), sum((u.cost for u in every), Decimal(0)))
