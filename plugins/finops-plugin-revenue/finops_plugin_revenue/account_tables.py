"""What reports on accounts have in common: columns, and customers of unknown revenue."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Column, Finding, Section, Table, are, dollars, listing, plural, some_of
from finops_plugin_revenue.accounts import Accounts

CUSTOMER = Column(name="customer", label="Customer", role="dimension", dimension="customer_id")
TIER = Column(name="tier", label="Tier", role="dimension", dimension="subscription_tier")
CUSTOMERS = Column(name="customers", label="Customers", unit="count", role="measure")
CALLS = Column(name="calls", label="Calls", unit="count", role="measure")
REVENUE = Column(name="revenue", label="Revenue", unit="usd", role="measure")
COST = Column(name="cost", label="Cost", unit="usd", role="measure")
MARGIN = Column(name="margin", label="Margin", unit="usd", role="measure")
MARGIN_PERCENT = Column(name="margin_percent", label="Margin %", unit="percent")

SET_TIERS = "Write subscription_tier into the log, or set the price of each missing tier under [tiers] in finops.toml."

LOG_COSTS = "Write cost_usd with every call, or let finops import price a file that has no costs."

NAMED = 3
"""So many customers are named before the rest is counted."""


def everybody(accounts: Accounts) -> str:
    """The customers of known revenue, of whom there is at least one, as those whom a finding concerns."""
    known = len(accounts.known)
    return accounts.known[0].name if known == 1 else some_of(known, known, "customer")


def unknown_customers(accounts: Accounts) -> str:
    """How many customers are of unknown revenue, and what their calls cost."""
    return f"{plural(len(accounts.unknown), 'customer')} of unknown revenue that cost {dollars(accounts.unknown_cost)}"


def nobody_known(accounts: Accounts) -> str:
    """That no customer's revenue is known, as the first half of a sentence."""
    if len(accounts.unknown) == 1:
        return f"the one customer, {accounts.unknown[0].name}, has no tier with a known price"
    return f"none of the {plural(len(accounts.unknown), 'customer')} has a tier with a known price"


def unknown_names(accounts: Accounts) -> list[str]:
    """The customers of unknown revenue, the dearest first."""
    return [a.name for a in sorted(accounts.unknown, key=lambda a: (-a.use.cost, a.name))]


def unknown_finding(names: Sequence[str], of: str, section: str) -> Finding:
    """That a report leaves customers of unknown revenue out, and what to set; what they cost, profitability tells.

    Args:
        names: Theirs, the dearest first.
        of: What they are left out of.
        section: Where the report lists them.
    """
    them = names[0] if len(names) == 1 else plural(len(names), "customer")
    return Finding(
        id="unknown-revenue",
        title=f"{them} {are(len(names))} left out of {of} for want of a known revenue.",
        who=listing(names, most=NAMED),
        confidence="high",
        why_sure="The tier is missing in the log, or has no price under [tiers]. The cost is told by the report "
        "customer_profitability.",
        action=SET_TIERS,
        section=section,
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
