"""The findings of the profitability report: who loses money, who nearly does, and whose revenue is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from finops_core import Finding, count, dollars, plural
from finops_plugin_revenue.account_tables import SET_TIERS, all_of, unknown_customers, unknown_names, who
from finops_plugin_revenue.accounts import Account, Accounts
from finops_plugin_revenue.profitability.margins import (
    Days,
    band,
    break_even_calls,
    covering_tier,
    covers,
    stable_id,
)


def findings(accounts: Accounts, losing: Sequence[Account], days: Days, named: int) -> tuple[Finding, ...]:
    """What to act on; with nobody who loses money, that all were checked.

    Args:
        accounts: Of the period.
        losing: The unprofitable ones among the known.
        days: The same accounts day by day.
        named: How many of these get a finding of their own, those that lose most a month.
    """
    by_month = sorted(losing, key=lambda a: (a.margin_per_month, a.name))
    found = [_loss(a, days.losing[a.name], accounts) for a in by_month[:named]]
    if by_month[named:]:
        found.append(_more_losses(accounts, by_month[named:]))
    thin = [a for a in accounts.known if a.margin >= 0 and band(a) == "0 to 20 %" and a.use.cost]
    if thin:
        found.append(_thin(thin))
    if accounts.unknown:
        found.append(_unknown(accounts))
    if accounts.known and not losing:
        found.append(_no_losses(accounts))
    return tuple(found)


def losing_accounts(accounts: Accounts) -> list[Account]:
    """The unprofitable accounts, the largest loss in the period first."""
    return sorted((a for a in accounts.known if a.margin < 0), key=lambda a: (a.margin, a.name))


def lost(losing: Sequence[Account]) -> Decimal:
    """What unprofitable accounts cost more than they pay, US dollars in the period."""
    return -sum((a.margin for a in losing), Decimal(0))


def _loss(account: Account, dear_days: int, accounts: Accounts) -> Finding:
    charged, tier, prices = account.paid.days, account.paid.tier, accounts.subscriptions.prices
    confidence: Literal["high", "medium", "low"] = "medium"
    if charged < 7:
        confidence = "low"
    elif charged >= 14 and 2 * dear_days >= charged:
        confidence = "high"
    spent = f"{dollars(account.use.cost)} of cost on {dollars(account.revenue)} of revenue in {plural(charged, 'day')}"
    why = f"It cost more than it paid on {count(dear_days)} of {plural(charged, 'charged day')}."
    if charged < 7 <= accounts.period.days:
        why += f" A month is extrapolated from {plural(charged, 'day')}."
    # Its tier changed, and the price that it has now would have done.
    mended = covers(account, prices[tier])
    per_month = -account.margin_per_month
    return Finding(
        id=stable_id("loses", account.name),
        title=f"{account.name} cost more than it paid: {spent}; its new tier, {tier}, covers its cost."
        if mended
        else f"{account.name} ({tier}) costs {dollars(per_month)} a month more than it pays: {spent}.",
        who=account.name,
        usd_per_month=None if mended else per_month,
        confidence=confidence,
        why_sure=why,
        action="Nothing to do while its use stays as it is." if mended else _way_out(account, prices),
        section="losing",
        severity="info" if mended else "critical" if account.use.cost > 2 * account.revenue else "warning",
    )


def _way_out(account: Account, prices: Mapping[str, Decimal]) -> str:
    enough, calls = covering_tier(account, prices), break_even_calls(account)
    ways = [
        f"Move it to {enough}, whose price covers its cost"
        if enough
        else "No tier's price covers its cost: charge by use"
    ]
    if calls:
        ways.append(
            f"limit it to {plural(calls, 'call')} in {plural(account.paid.days, 'day')} (it made "
            f"{count(account.use.calls)}), where it breaks even"
        )
    return ", or ".join(ways) + "."


def _more_losses(accounts: Accounts, rest: Sequence[Account]) -> Finding:
    per_month = -sum((a.margin_per_month for a in rest), Decimal(0))
    days = accounts.period.days
    return Finding(
        id="more-losses",
        title=f"{plural(len(rest), 'more customer costs', 'more customers cost')} {dollars(per_month)} a month more "
        f"than {'it pays' if len(rest) == 1 else 'they pay'}.",
        who=who([a.name for a in rest]),
        usd_per_month=per_month,
        confidence="medium" if days >= 14 else "low",
        why_sure=f"Revenue and cost are exact for the period, which has {plural(days, 'day')}.",
        action="Go through the list: raise the tier, limit usage, or move the work to a cheaper model.",
        section="losing",
        severity="warning",
    )


def _thin(thin: Sequence[Account]) -> Finding:
    one = len(thin) == 1
    title = (
        f"{thin[0].name} leaves a margin of less than 20 %: a quarter more usage would make it unprofitable."
        if one
        else f"{len(thin):,} customers leave a margin of less than 20 %: a quarter more usage would make each of "
        "them unprofitable."
    )
    return Finding(
        id="thin-margins",
        title=title,
        who=who([a.name for a in sorted(thin, key=lambda a: (a.margin, a.name))]),
        confidence="high",
        why_sure="A margin under 20 % is gone when cost grows by 25 % (20 / 80).",
        action=f"Look at {'it' if one else 'them'} before usage grows: the next tier, or an allowance.",
        section="bands",
        severity="info",
    )


def _unknown(accounts: Accounts) -> Finding:
    names = unknown_names(accounts)
    title = (
        f"{names[0]} has no known revenue and cost {dollars(accounts.unknown_cost)}; it is in no margin."
        if len(names) == 1
        else f"{unknown_customers(accounts)} are in no margin."
    )
    return Finding(
        id="unknown-revenue",
        title=title,
        who=who(names),
        usd_per_month=accounts.period.per_month(accounts.unknown_cost) if accounts.unknown_cost else None,
        confidence="high",
        why_sure="The cost is logged; the amount is that cost a month, not a loss.",
        action=SET_TIERS,
        section="unknown",
        severity="warning",
    )


def _no_losses(accounts: Accounts) -> Finding:
    days, known = accounts.period.days, len(accounts.known)
    return Finding(
        id="no-losses",
        title=f"No customer costs more than it pays: {count(known)} checked.",
        who=accounts.known[0].name if known == 1 else f"{all_of(accounts)} customers",
        confidence="high" if days >= 14 else "low",
        why_sure=f"Revenue and cost are exact for the period, which has {plural(days, 'day')}.",
        action="Nothing to do.",
        section="losing",
        severity="good",
    )
