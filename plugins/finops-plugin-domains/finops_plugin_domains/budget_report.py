"""Budgets as findings and a table, for every report that speaks of them."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date

from finops_core import Calls, Column, Finding, Section, Table, are, begin, dollars, plural, some_of
from finops_plugin_domains.budgets import WEEKDAY_DAYS, BudgetStatus
from finops_plugin_domains.ids import named_id

HOW_TO_SET = (
    "No budget is set. Set one in finops.toml, such as [budgets.total.all] with usd_per_month = 5000, or for an "
    "organisation, product, feature or customer: [budgets.organization.NAME]."
)


def state_of(status: BudgetStatus, today: date) -> str:
    """Where a budget stands, in words."""
    if status.over:
        return f"overspent since {status.runs_out}"
    if status.runs_out is not None:
        return "runs out today" if status.runs_out == today else f"runs out on {status.runs_out}"
    if not status.known:
        return "no calls carry this name"
    if status.expected is None:
        return "too early to tell"
    return "within the budget by what is logged" if status.unlogged_days else "within the budget"


def budget_findings(calls: Calls, statuses: Sequence[BudgetStatus]) -> list[Finding]:
    """One finding for each budget that is or will be overspent, and for each whose name no call carries."""
    today = calls.now.date()
    findings = [_overspent(calls, status, today) for status in statuses if status.runs_out is not None]
    return findings + [_unused(status) for status in statuses if not status.known]


def _overspent(calls: Calls, status: BudgetStatus, today: date) -> Finding:
    why = (
        "It is spent already."
        if status.over
        else f"Expected from the mean cost of the last {plural(status.days, 'whole day')}, by weekday from "
        f"{WEEKDAY_DAYS} of them on; no trend is assumed."
    )
    return Finding(
        id=named_id(f"budget-{status.dimension}", status.name),
        title=(
            f"{begin(status.label)} {'is ' if status.over else ''}{state_of(status, today)}: {_progress_text(status)}."
        ),
        who="" if status.dimension == "total" else status.name,
        usd_per_month=status.end - status.budget,
        confidence="high" if status.over else "medium",
        why_sure=f"{why}{_unlogged_text(calls, status)}",
        action="Raise the budget knowingly, or cut what drives it" + ("." if status.over else " before that day."),
        section="budgets",
        severity="critical" if status.over else "warning",
    )


def _progress_text(status: BudgetStatus) -> str:
    """What is spent and expected of a budget that is exceeded, in words."""
    spent = f"{dollars(status.spent)} of {dollars(status.budget)} is spent"
    if status.expected is None:
        return f"{spent}, and what the month will come to is not known yet"
    return f"{spent}, {dollars(status.expected)} is expected by the end of the month"


def _unused(status: BudgetStatus) -> Finding:
    return Finding(
        id=named_id(f"budget-unused-{status.dimension}", status.name),
        title=f"{begin(status.label)} watches nothing: no call since {status.since} carries this name.",
        who=status.name,
        confidence="medium",
        why_sure="The name may be misspelt, or nobody has called under it yet.",
        action="Correct the name in finops.toml, or remove the budget.",
        section="budgets",
        severity="warning",
    )


def _unlogged_text(calls: Calls, status: BudgetStatus) -> str:
    """That the first days of the month are missing, as a sentence to append; empty if they are not."""
    if not status.unlogged_days:
        return ""
    return (
        f" The log begins on {calls.log_period.first}: what the month cost before that day is unknown and not counted."
    )


def _worst_text(worst: BudgetStatus, exceeded: int) -> str:
    """Which of the exceeded budgets is so by most, as a sentence to append; empty if none is."""
    if not exceeded:
        return ""
    return f" {'It' if exceeded == 1 else 'Furthest over'} is {worst.label}: {_progress_text(worst)}."


def _shared_text(calls: Calls, statuses: Sequence[BudgetStatus]) -> str:
    """That budgets and statements treat shared cost differently, as a sentence to append; empty where they do not."""
    if not calls.settings.shared_cost.match or not any(s.dimension == "organization" for s in statuses):
        return ""
    return (
        " An organisation's budget counts every call that names it, those of shared cost included; its statement has "
        "its share of all shared cost in their place."
    )


def budget_section(calls: Calls, statuses: Sequence[BudgetStatus]) -> Section:
    """Budget against actual in the calendar month of the last call."""
    title = f"Budgets of {calls.now:%B %Y}"
    if not statuses:
        return Section(id="budgets", title="Budgets", text=HOW_TO_SET)
    days = monthrange(calls.now.year, calls.now.month)[1]
    trouble = sum(s.runs_out is not None for s in statuses)
    table = Table.of(
        "budgets",
        "Budget against actual",
        (
            Column(name="dimension", label="Budget for"),
            Column(name="name", label="Name"),
            Column(name="budget", label="Budget", unit="usd"),
            Column(name="spent", label="Spent so far", unit="usd"),
            Column(name="used", label="Used", unit="percent"),
            Column(name="to_date", label="Planned up to today", unit="usd"),
            Column(name="variance", label="Over (+) or under (-) plan", unit="usd"),
            Column(name="expected", label="Expected by the end of the month", unit="usd"),
            Column(name="runs_out", label="Runs out on", unit="date"),
            Column(name="state", label="State"),
        ),
        [
            (
                s.kind,
                s.name,
                s.budget,
                s.spent,
                100 * s.spent / s.budget,
                s.to_date,
                s.spent - s.to_date,
                s.expected,
                s.runs_out,
                state_of(s, calls.now.date()),
            )
            for s in statuses
        ],
        note="Budgets of different dimensions cover the same calls and are not added up."
        f"{_shared_text(calls, statuses)}",
    )
    return Section(
        id="budgets",
        title=title,
        text=(
            f"{begin(some_of(trouble, len(statuses), 'budget'))} {are(trouble)} overspent or will be by the end of the "
            f"month; day {calls.now.day} of {days} has begun.{_worst_text(statuses[0], trouble)}"
            f"{_unlogged_text(calls, statuses[0])}"
        ),
        blocks=(table,),
    )
