"""What each day cost, and the days on which nobody called."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from finops_core import Chart, Finding, Period, Section, dollars, listing, plural
from finops_plugin_domains.understanding.breakdown import by_model
from finops_plugin_domains.understanding.days import Days
from finops_plugin_domains.understanding.usage import Usage

LONG_PAUSE_DAYS = 5
"""So many days in a row without a call are a finding: more than a long weekend."""

MOST_PAUSES = 3
"""Stretches of days without a call that a sentence names."""


def daily_section(
    dates: Sequence[str], daily: Sequence[Sequence[Usage]], totals: Sequence[Usage], pauses: str
) -> Section:
    """The cost of every day of the period.

    Args:
        dates: Of the days.
        daily: The usage of each by provider and model,
        totals: and in all.
        pauses: What :func:`pause_text` says of days without a call.
    """
    costs = [u.cost for u in totals]
    text = _costs_text(dates, costs)
    chart = Chart(
        id="cost-per-day",
        kind="line",
        title="What did each day cost?",
        takeaway=text,
        description=f"Cost of each of {plural(len(dates), 'day')}.",
        x={"label": "Day", "unit": "date"},
        y={"label": "Cost", "unit": "usd"},
        categories=tuple(dates),
        series=({"name": "Cost", "values": costs},),
        breakdowns=(by_model(daily, lambda u: u.cost),),
    )
    return Section(id="days", title="What did each day cost?", text=f"{text} {pauses}".rstrip(), blocks=(chart,))


def _costs_text(dates: Sequence[str], costs: Sequence[Decimal]) -> str:
    dearest = max(range(len(costs)), key=lambda i: (costs[i], -i))
    if not costs[dearest]:
        return "By the log, no day cost anything."
    if len(dates) == 1:
        return f"The only day, {dates[0]}, cost {dollars(costs[0])}."
    if min(costs) == costs[dearest]:
        return f"Every day cost {dollars(costs[0])}."
    mean = sum(costs, Decimal(0)) / len(costs)
    return f"A day cost {dollars(mean)} on average; the dearest, {dates[dearest]}, cost {dollars(costs[dearest])}."


def pause_text(days: Days, period: Period) -> str:
    """Which days of the period hold no call, as a sentence; empty without such a day."""
    pauses = days.without_calls(period)
    return f"{_held_none(pauses)}: a missing export or a real pause; {_counted(pauses)} as $0." if pauses else ""


def long_pauses(days: Days, period: Period) -> list[Period]:
    """The stretches of days without a call that no weekend explains."""
    return [pause for pause in days.without_calls(period) if pause.days >= LONG_PAUSE_DAYS]


def pause_findings(days: Days, period: Period) -> list[Finding]:
    """Nobody called for so long that calls may be missing from the log."""
    pauses = long_pauses(days, period)
    if not pauses:
        return []
    return [
        Finding(
            id="days-without-calls",
            title=f"{_held_none(pauses)}: calls may be missing from the log.",
            who="all calls",
            confidence="low",
            why_sure=f"A log does not tell a missing export from a real pause; {_counted(pauses)} as $0, in the "
            "forecast too.",
            action="Compare these days with the invoice; if calls are missing, import them.",
            section="days",
        )
    ]


def _held_none(pauses: Sequence[Period]) -> str:
    whole = sum(pause.days for pause in pauses)
    return (
        f"{plural(whole, 'day')} ({listing([str(pause) for pause in pauses], most=MOST_PAUSES)}) "
        f"{'holds' if whole == 1 else 'hold'} no call"
    )


def _counted(pauses: Sequence[Period]) -> str:
    return "it counts" if sum(pause.days for pause in pauses) == 1 else "they count"
