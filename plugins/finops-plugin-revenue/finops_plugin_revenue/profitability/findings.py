"""The findings of the profitability report: who loses money, who nearly does, and whose revenue is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from finops_core import Finding, Period, begin, count, dollars, listing, percent, plural, some_of
from finops_plugin_revenue.account_tables import (
    LOG_COSTS,
    NAMED,
    SET_TIERS,
    everybody,
    unknown_customers,
    unknown_names,
)
from finops_plugin_revenue.accounts import Account, Accounts
from finops_plugin_revenue.profitability.margins import (
    Days,
    band,
    break_even_calls,
    covering_tier,
    covers,
    stable_id,
)

SURE_DAYS = 14
"""So many charged days make a margin sure."""


def findings(accounts: Accounts, losing: Sequence[Account], days: Days, named: int) -> tuple[Finding, ...]:
    """What to act on; with nobody who loses money, that all were checked.

    Args:
        accounts: Of the period.
        losing: The unprofitable ones among the known.
        days: The same accounts day by day.
        named: How many of these get a finding of their own, those that lose most a month.
    """
    by_month = sorted(losing, key=lambda a: (-(_at_stake(a, accounts) or 0), a.margin, a.name))
    found = [_loss(a, days.losing[a.name], accounts) for a in by_month[:named]]
    if by_month[named:]:
        found.append(_more_losses(accounts, by_month[named:]))
    thin = [a for a in accounts.known if a.margin >= 0 and band(a) == "0 to 20 %" and a.use.cost]
    if thin:
        found.append(_thin(accounts, thin))
    if accounts.unknown:
        found.append(_unknown(accounts))
    if accounts.known and accounts.uncosted:
        found.append(_uncosted(accounts))
    elif accounts.known and not losing:
        found.append(_no_losses(accounts))
    return tuple(found)


def losing_accounts(accounts: Accounts) -> list[Account]:
    """The unprofitable accounts, the largest loss in the period first."""
    return sorted((a for a in accounts.known if a.margin < 0), key=lambda a: (a.margin, a.name))


def lost(losing: Sequence[Account]) -> Decimal:
    """What unprofitable accounts cost more than they pay, US dollars in the period."""
    return -sum((a.margin for a in losing), Decimal(0))


def _at_stake(account: Account, accounts: Accounts) -> Decimal | None:
    """What an unprofitable account loses a month; ``None`` where it is charged for too few days to show a level."""
    return -account.margin_per_month if accounts.charged(account).shows_level else None


def _sure(charged: Period) -> Literal["high", "medium", "low"]:
    """How sure the margin of so many days is."""
    if not charged.shows_level:
        return "low"
    return "high" if charged.days >= SURE_DAYS else "medium"


def _loss(account: Account, dear_days: int, accounts: Accounts) -> Finding:
    charged, tier, prices = accounts.charged(account), account.paid.tier, accounts.subscriptions.prices
    sure, per_month = _sure(charged), _at_stake(account, accounts)
    if sure == "high" and 2 * dear_days < charged.days:
        sure = "medium"
    days = plural(charged.days, "day")
    spent = f"{dollars(account.use.cost)} of cost on {dollars(account.revenue)} of revenue in {days}"
    why = f"It cost more than it paid on {count(dear_days)} of {plural(charged.days, 'charged day')}."
    severity: Literal["info", "warning", "critical"]
    severity = "critical" if account.use.cost > 2 * account.revenue else "warning"
    if covers(account, prices[tier]):
        # Its tier changed, and the price that it has now would have done.
        title = f"{account.name} cost more than it paid: {spent}; its new tier, {tier}, covers its cost."
        per_month, severity = None, "info"
        action = "Nothing to do while its use stays as it is."
    elif per_month is None:
        title = f"{account.name} ({tier}) cost {dollars(-account.margin)} more than it paid: {spent}."
        why += " Less than a week does not show whether it lasts."
        severity = "info"
        action = f"See whether it lasts. If it does: {_way_out(account, prices)}"
    else:
        title = f"{account.name} ({tier}) costs {dollars(per_month)} a month more than it pays: {spent}."
        action = begin(_way_out(account, prices))
    return Finding(
        id=stable_id("loses", account.name),
        title=title,
        who=account.name,
        usd_per_month=per_month,
        confidence=sure,
        why_sure=why,
        action=action,
        section="losing",
        severity=severity,
    )


def _way_out(account: Account, prices: Mapping[str, Decimal]) -> str:
    """What would end a loss, as a sentence without a capital letter."""
    enough, calls = covering_tier(account, prices), break_even_calls(account)
    ways = [
        f"move it to {enough}, whose price covers its cost"
        if enough
        else "no tier's price covers its cost, so charge it by use"
    ]
    if calls:
        ways.append(
            f"limit it to {plural(calls, 'call')} in {plural(account.paid.days, 'day')} (it made "
            f"{count(account.use.calls)}), where it breaks even"
        )
    return ", or ".join(ways) + "."


def _more_losses(accounts: Accounts, rest: Sequence[Account]) -> Finding:
    months = [_at_stake(a, accounts) for a in rest]
    at_stake = [loss for loss in months if loss is not None]
    per_month = sum(at_stake, Decimal(0)) if at_stake else None
    days = accounts.period.days
    costs = plural(len(rest), "more customer costs", "more customers cost")
    pays = "it pays" if len(rest) == 1 else "they pay"
    why = f"Revenue and cost are exact for the period, which has {plural(days, 'day')}."
    if short := len(rest) - len(at_stake):
        paid = begin(some_of(short, len(rest), "customer"))
        why += f" {paid} paid for less than a week, which does not show whether a loss lasts."
    return Finding(
        id="more-losses",
        title=f"{costs} {dollars(per_month)} a month more than {pays}."
        if per_month is not None and not short
        else f"{costs} {dollars(lost(rest))} more than {pays} in {plural(days, 'day')}.",
        who=listing([a.name for a in rest], most=NAMED),
        usd_per_month=per_month,
        confidence="medium" if not short and days >= SURE_DAYS else "low",
        why_sure=why,
        action="Go through the list: raise the tier, limit usage, or move the work to a cheaper model.",
        section="losing",
        severity="warning",
    )


def _thin(accounts: Accounts, thin: Sequence[Account]) -> Finding:
    one = len(thin) == 1
    shortest = min((accounts.charged(a) for a in thin), key=lambda charged: charged.days)
    days = plural(shortest.days, "charged day")
    title = (
        _one_thin(thin[0])
        if one
        else f"{count(len(thin))} customers leave a margin of less than 20 %: a quarter more usage, or less, would "
        "make each of them unprofitable."
    )
    return Finding(
        id="thin-margins",
        title=title,
        who=listing([a.name for a in sorted(thin, key=lambda a: (a.margin, a.name))], most=NAMED),
        confidence=_sure(shortest),
        why_sure="A margin under 20 % is gone when cost grows by 25 % (20 / 80); "
        + (f"it is that of {days}." if one else f"each is that of at least {days}."),
        action=f"Look at {'it' if one else 'them'} before usage grows: the next tier, or an allowance.",
        section="bands",
        severity="info",
    )


def _one_thin(account: Account) -> str:
    cost = account.revenue - account.margin
    more = percent(100 * account.margin / cost, 0)
    return (
        f"{account.name} leaves {dollars(account.margin)} of {dollars(account.revenue)} that it paid: {more} more "
        "usage at the same cost per call would make it unprofitable."
    )


def _unknown(accounts: Accounts) -> Finding:
    names, lasting = unknown_names(accounts), accounts.period.shows_level
    title = (
        f"{names[0]} has no known revenue and cost {dollars(accounts.unknown_cost)}; it is in no margin."
        if len(names) == 1
        else f"{unknown_customers(accounts)} are in no margin."
    )
    return Finding(
        id="unknown-revenue",
        title=title,
        who=listing(names, most=NAMED),
        usd_per_month=accounts.period.per_month(accounts.unknown_cost) if accounts.unknown_cost and lasting else None,
        confidence="high",
        why_sure="The cost is logged; the amount is that cost a month, not a loss."
        if lasting
        else "The cost is logged; less than a week does not show what it is a month.",
        action=SET_TIERS,
        section="unknown",
        severity="warning" if lasting else "info",
    )


def _uncosted(accounts: Accounts) -> Finding:
    return Finding(
        id="no-cost",
        title="No cost is logged: margins cannot be judged.",
        who=everybody(accounts),
        confidence="high",
        why_sure=f"cost_usd is 0 in {some_of(accounts.calls, accounts.calls, 'call')} of the period.",
        action=LOG_COSTS,
        section="losing",
        severity="warning",
    )


def _no_losses(accounts: Accounts) -> Finding:
    days, known = accounts.period.days, len(accounts.known)
    return Finding(
        id="no-losses",
        title=f"No customer costs more than it pays: {count(known)} checked.",
        who=everybody(accounts),
        confidence=_sure(accounts.period),
        why_sure=f"Revenue and cost are exact for the period, which has {plural(days, 'day')}.",
        action="Nothing to do.",
        section="losing",
        severity="good",
    )
