"""Customers who stopped, or call less and less, as findings and tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from finops_core import Column, Finding, Section, Table, dollars, listing, percent, plural
from finops_plugin_domains.realtime.churn import Decline, Declining, Stopped

NAMED = 3
"""Customers, or pauses, named in a sentence."""


def revenue_at_risk(customers: Sequence[Stopped | Declining]) -> Decimal:
    """What they pay a calendar month, where it is known."""
    return sum((c.revenue for c in customers if c.revenue is not None), Decimal(0))


def revenue_text(customers: Sequence[Stopped | Declining]) -> str:
    """The revenue at risk in words, with how many have no known price."""
    unknown = sum(c.revenue is None for c in customers)
    if unknown == len(customers):
        return "what they pay is unknown: no price is set for their tier"
    text = f"{dollars(revenue_at_risk(customers))} a month"
    return f"{text}, not counting {unknown} of unknown tier" if unknown else text


def _names(customers: Sequence[Stopped | Declining]) -> str:
    return listing([c.customer for c in customers], most=NAMED)


def _rarely(chance: float) -> str:
    """How seldom a chance comes up, without digits that no model of silence deserves."""
    if chance < 1e-6:
        return "less than once in a million times"
    return f"only once in {float(f'{1 / chance:.1g}'):,.0f} times"


def stopped_finding(stopped: Sequence[Stopped]) -> Finding:
    """One finding for all who stopped; the table names each."""
    longest = max(s.chance for s in stopped)
    return Finding(
        id="stopped",
        title=(
            f"{plural(len(stopped), 'customer')} stopped using the service ({_names(stopped)}): "
            f"{revenue_text(stopped)}."
        ),
        who=_names(stopped),
        usd_per_month=revenue_at_risk(stopped) if any(s.revenue is not None for s in stopped) else None,
        confidence="high" if longest < 1e-4 else "medium",
        why_sure=(
            "By the days on which these customers used to call, even the least certain of these silences would come "
            f"by chance {_rarely(longest)}. Whether they cancelled, billing knows."
        ),
        action=(
            "Contact them, the largest revenue first, before the next renewal; the table has the day each fell silent."
        ),
        section="stopped",
        severity="critical" if revenue_at_risk(stopped) else "warning",
    )


def stopped_section(
    silent: Sequence[Stopped] | None, stopped: Sequence[Stopped] | None, checked: int, min_silence_days: float
) -> Section:
    """Who stopped, and since when.

    Args:
        silent: Everybody who stopped in the days that were loaded; ``None`` if too few were loaded to tell.
        stopped: Those of the period; ``None`` if it is too short to tell.
        checked: Customers checked.
        min_silence_days: Shortest silence that is reported.
    """
    if stopped is None:
        text = (
            "Too few days are known to tell who stopped: a silence that fits into them would not be beyond chance even "
            "for somebody who used to call every day."
            if silent is None
            else f"The period is too short to tell who stopped: no silence that began in it has lasted the "
            f"{min_silence_days:g} days from which on a customer counts as gone."
        )
        return Section(id="stopped", title="Customers who stopped", text=text)
    rule = (
        f"{plural(checked, 'customer')} checked: who is silent for {min_silence_days:g} days or more, and for too "
        "long by the share of days on which they used to call."
    )
    if not stopped:
        return Section(id="stopped", title="Customers who stopped", text=f"Nobody stopped using the service. {rule}")
    table = Table.of(
        "stopped",
        "Customers who stopped using the service, the largest revenue first",
        (
            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
            Column(name="since", label="Silent since", unit="date"),
            Column(name="silent_days", label="Silent for", unit="days"),
            Column(name="active_days", label="Days with calls", unit="days"),
            Column(name="span_days", label="Days from first to last", unit="days"),
            Column(name="calls_per_day", label="Calls on a typical day", unit="count"),
            Column(name="tier", label="Tier", role="dimension", dimension="subscription_tier"),
            Column(name="revenue", label="Revenue a month at risk", unit="usd", role="measure"),
        ),
        [
            (
                s.customer,
                s.since,
                round(s.silent_days, 1),
                s.active_days,
                s.span_days,
                s.calls_per_day,
                s.tier or "unknown",
                s.revenue,
            )
            for s in stopped
        ],
        total=True,
        note="Revenue is the price of the latest known tier for a calendar month; empty where no price is known.",
    )
    return Section(
        id="stopped",
        title="Customers who stopped",
        text=f"{plural(len(stopped), 'customer')} stopped using the service: {revenue_text(stopped)}. {rule}",
        blocks=(table,),
    )


def pause_text(days: Sequence[date]) -> str:
    """That nobody called on some days, as a sentence about each pause.

    Args:
        days: At least one, in order.
    """
    pauses: list[list[date]] = []
    for day in days:
        if pauses and (day - pauses[-1][-1]).days == 1:
            pauses[-1].append(day)
        else:
            pauses.append([day])
    named = listing([str(p[0]) if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in pauses], most=NAMED)
    hold, they = ("holds", "it counts as a day") if len(days) == 1 else ("hold", "they count as days")
    return (
        f"{plural(len(days), 'day')} ({named}) {hold} no call: a missing export or a real pause; {they} on which "
        "nobody called."
    )


def _weeks(decline: Decline) -> str:
    weeks = decline.span_days // 7
    return "week" if weeks == 1 else plural(weeks, "week")


def decline_finding(decline: Decline) -> Finding:
    """One finding for all who decline."""
    customers = decline.customers
    before, after = sum(c.before for c in customers), sum(c.after for c in customers)
    known = decline.cycle_excluded
    return Finding(
        id="declining",
        title=(
            f"Use declines at {plural(len(customers), 'customer')} ({_names(customers)}): together "
            f"{percent(100 * (1 - after / before), 0)} fewer calls in the last {_weeks(decline)} than in the "
            f"{_weeks(decline)} before."
        ),
        who=_names(customers),
        usd_per_month=(revenue_at_risk(customers) if known and any(c.revenue is not None for c in customers) else None),
        confidence="medium" if known else "low",
        why_sure=(
            "Each fall is beyond what the spread of the days explains, and both spans hold a monthly cycle."
            if known
            else "Each fall is beyond what the spread of the days explains, but with less than eight weeks of data a "
            "monthly cycle cannot be excluded; no revenue is called at risk for that reason."
        ),
        action=(
            "Ask the account owners of those with the largest revenue whether use is moving elsewhere."
            if known
            else "Look again when the log holds eight weeks; until then, ask only where something else is known."
        ),
        section="declining",
        severity="warning" if known else "info",
    )


def decline_section(decline: Decline, min_percent: float) -> Section:
    """Who calls less than before, and how far that can be trusted."""
    title = "Customers in decline"
    if not decline.span_days:
        return Section(
            id="declining", title=title, text="With less than two whole weeks of data no decline can be told."
        )
    if not decline.compared:
        text = f"No decline can be told: nobody who still calls has done so for {2 * decline.span_days} days."
        return Section(id="declining", title=title, text=text)
    caveat = "" if decline.cycle_excluded else " With less than eight weeks of data a monthly cycle cannot be excluded."
    compared = (
        f"Compared: the last {_weeks(decline)} with the {_weeks(decline)} before, of "
        f"{plural(decline.compared, 'customer')}; a fall counts from {min_percent:g} % on if the spread of the days "
        f"does not explain it.{caveat}"
    )
    if not decline.customers:
        return Section(id="declining", title=title, text=f"Nobody's use declines. {compared}")
    table = Table.of(
        "declining",
        "Customers who call less, the largest revenue first",
        (
            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
            Column(name="before", label="Calls a day before", unit="count"),
            Column(name="after", label="Calls a day lately", unit="count"),
            Column(name="fall", label="Fall", unit="percent"),
            Column(name="tier", label="Tier", role="dimension", dimension="subscription_tier"),
            Column(name="revenue", label="Revenue a month", unit="usd", role="measure"),
        ),
        [
            (c.customer, round(c.before, 2), round(c.after, 2), round(c.fall, 1), c.tier or "unknown", c.revenue)
            for c in decline.customers
        ],
        total=True,
        note="Days are capped at two typical days, so that a burst is no trend.",
    )
    return Section(
        id="declining",
        title=title,
        text=f"Use declines at {plural(len(decline.customers), 'customer')}. {compared}",
        blocks=(table,),
    )
