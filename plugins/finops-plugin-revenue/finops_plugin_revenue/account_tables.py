"""What reports on accounts have in common: columns, metrics over spans, and customers of unknown revenue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from finops_core import Column, Finding, Metric, Period, Section, Table, dollars, plural
from finops_plugin_revenue.accounts import Accounts, Spans

CUSTOMER = Column(name="customer", label="Customer", role="dimension", dimension="customer_id")
TIER = Column(name="tier", label="Tier", role="dimension", dimension="subscription_tier")
CUSTOMERS = Column(name="customers", label="Customers", unit="count", role="measure")
CALLS = Column(name="calls", label="Calls", unit="count", role="measure")
REVENUE = Column(name="revenue", label="Revenue", unit="usd", role="measure")
COST = Column(name="cost", label="Cost", unit="usd", role="measure")
MARGIN = Column(name="margin", label="Margin", unit="usd", role="measure")
MARGIN_PERCENT = Column(name="margin_percent", label="Margin %", unit="percent")


def metric(spans: Spans, value: Callable[[Accounts], Any], **fields: Any) -> Metric:
    """A metric of the period and of both spans of the comparison.

    Args:
        spans: The accounts; the latter two are ``None`` without a comparison.
        value: What is measured.
        fields: The metric's other fields.
    """
    measured = [None if accounts is None else value(accounts) for accounts in spans]
    return Metric(value=measured[0], current=measured[1], previous=measured[2], **fields)


def unknown_customers(accounts: Accounts) -> str:
    """How many customers of unknown revenue called, and what that cost."""
    return f"{plural(len(accounts.unknown), 'customer')} of unknown revenue that cost {dollars(accounts.unknown_cost)}"


def nobody_known(accounts: Accounts) -> str:
    """That no customer's revenue is known, as the first half of a sentence."""
    if len(accounts.unknown) == 1:
        return f"the one customer, {accounts.unknown[0].name}, has no tier with a known price"
    return f"none of the {plural(len(accounts.unknown), 'customer')} has a tier with a known price"


def unknown_finding(accounts: Accounts, period: Period) -> Finding:
    """That some customers' revenue is not known, and what to set."""
    who = unknown_customers(accounts)
    return Finding(
        id="unknown-revenue",
        title=f"{who} are left out of margins and prices."
        if len(accounts.unknown) > 1
        else f"{accounts.unknown[0].name} has no known revenue and cost {dollars(accounts.unknown_cost)}; it is left "
        "out of margins and prices.",
        who=accounts.unknown[0].name if len(accounts.unknown) == 1 else "",
        usd_per_month=period.per_month(accounts.unknown_cost),
        confidence="high",
        why_sure="The cost is logged; the amount is that cost a month, not a loss.",
        action="Write subscription_tier into the log, or set the price of each missing tier under [tiers] in "
        "finops.toml.",
        section="unknown",
        severity="warning",
    )


def unknown_section(accounts: Accounts) -> Section:
    """The customers of unknown revenue, and what is missing."""
    title = "Customers without known revenue"
    if not accounts.unknown:
        return Section(id="unknown", title=title, text="Every customer has a tier with a known price.")
    rows = [
        (a.name, a.unpaid.tier, a.unpaid.why, a.use.calls, a.use.cost)
        for a in sorted(accounts.unknown, key=lambda a: (-a.use.cost, a.name))
    ]
    columns = [CUSTOMER, TIER, Column(name="why", label="What is missing"), CALLS, COST]
    return Section(
        id="unknown",
        title=title,
        text="Their revenue is not assumed: they are left out of revenue, margins and prices. Set the price of each "
        "missing tier under [tiers] in finops.toml (such as gold = 199), or write subscription_tier into the log.",
        blocks=(Table.of("unknown_customers", title, columns, rows, total=True),),
    )
