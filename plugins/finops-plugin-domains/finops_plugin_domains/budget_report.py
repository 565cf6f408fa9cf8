"""Budgets as findings and a table, for every report that speaks of them."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date

from finops_core import Calls, Column, Finding, Section, Table, dollars, plural
from finops_plugin_domains.budgets import BudgetStatus
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
    return "within the budget" if status.expected is not None else "too early to tell"


def budget_findings(statuses: Sequence[BudgetStatus], today: date) -> list[Finding]:
    """One finding for each budget that is or will be overspent."""
    findings = []
    for status in statuses:
        if status.runs_out is None:
            continue
        end = status.expected if status.expected is not None else status.spent
        findings.append(
            Finding(
                id=named_id(f"budget-{status.dimension}", status.name),
                title=(
                    f"{status.label[0].upper()}{status.label[1:]} {'is ' if status.over else ''}"
                    f"{state_of(status, today)}: {dollars(status.spent)} of {dollars(status.budget)} is spent, "
                    f"{dollars(end)} is expected by the end of the month."
                ),
                who="" if status.dimension == "total" else status.name,
                usd_per_month=end - status.budget,
                confidence="high" if status.over else "medium",
                why_sure=(
                    "It is spent already."
                    if status.over
                    else f"Expected from the mean cost of the last {plural(status.days, 'whole day')}, by weekday from "
                    "two weeks on; no trend is assumed."
                ),
                action="Raise the budget knowingly, or cut what drives it"
                + ("." if status.over else " before that day."),
                section="budgets",
                severity="critical" if status.over else "warning",
            )
        )
    return findings


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
            Column(name="to_date", label="Budget up to today", unit="usd"),
            Column(name="variance", label="Spent over it", unit="usd"),
            Column(name="expected", label="Expected by the end of the month", unit="usd"),
            Column(name="runs_out", label="Runs out on", unit="date"),
            Column(name="state", label="State"),
        ),
        [
            (
                s.dimension,
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
        note="Budgets of different dimensions cover the same calls and are not added up.",
    )
    return Section(
        id="budgets",
        title=title,
        text=(
            f"{trouble} of {plural(len(statuses), 'budget')} {'is' if trouble == 1 else 'are'} overspent or will be "
            f"by the end of the month; {calls.now.day} of its {days} days have begun."
        ),
        blocks=(table,),
    )
