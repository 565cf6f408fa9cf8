"""Allocation, invoicing and chargeback: who pays?"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import ClassVar

from pydantic import NonNegativeFloat, PositiveInt

from finops_core import Analyzer, Calls, Finding, Metric, Report, dollars, extrapolated, hookimpl, percent, plural
from finops_plugin_domains.alignment.changes import change_finding, changes, daily_costs
from finops_plugin_domains.alignment.findings import nothing_finding, unallocated_finding, unsplit_finding
from finops_plugin_domains.alignment.sections import (
    detail_section,
    how_split,
    share_of,
    shared_section,
    showback_section,
    statements_section,
    unallocated_section,
)
from finops_plugin_domains.alignment.statements import (
    Allocation,
    SharedMatch,
    allocated_by_day,
    allocations,
    calls_of,
    untagged,
)
from finops_plugin_domains.budget_report import budget_section
from finops_plugin_domains.budgets import budget_statuses


class AlignmentAnalyzer(Analyzer):
    """Allocates every dollar to an organisation, product and feature, or says that it cannot be."""

    report_name: ClassVar[str] = "finops_alignment"
    title: ClassVar[str] = "Showback and chargeback"
    capability: ClassVar[str] = "Allocation; Invoicing & Chargeback"
    audience: ClassVar[str] = "CFO, FinOps lead, heads of the organisations that pay"
    question: ClassVar[str] = "Who pays?"

    bars: PositiveInt = 20
    """Bars of a chart; what is beyond is added up in a last one."""
    min_change_percent: NonNegativeFloat = 25.0
    """Smallest change of an organisation's cost between the compared spans that is a finding, percent of it."""
    min_change_share: NonNegativeFloat = 1.0
    """Smallest such change in percent of the earlier span's cost of all organisations."""
    max_changes: PositiveInt = 5
    """Most findings about changes; the ones with the most dollars are kept."""

    def read_ahead(self, calls: Calls) -> None:
        """What was used by whom, and what days cost."""
        calls.usage()
        _ = calls.daily_cost

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Make the statements, and show what they are made of."""
        match = SharedMatch.of(calls.settings)
        if not calls.total:
            return self.empty(calls.empty_text)
        whole, current, previous = allocations(calls, match)
        open_customers = untagged(calls, match) if whole.unallocated_calls else []
        how = how_split(whole, calls.settings.shared_cost.rule)
        findings = []
        if whole.unallocated_calls:
            findings.append(unallocated_finding(calls, whole, open_customers))
        if whole.unsplit:
            findings.append(unsplit_finding(calls, whole))
        if current and previous:
            findings += self._changes(calls, current, previous)
        if not findings:
            findings.append(nothing_finding(calls, whole, self.min_change_percent, self.min_change_share))
        return self.report(
            answer=_answer(whole, how),
            metrics=_metrics(whole, current, previous),
            findings=extrapolated(findings, calls.month_caveat),
            sections=(
                statements_section(calls, whole, current, previous, how, self.bars),
                detail_section(whole),
                showback_section(whole, self.bars),
                shared_section(calls, whole, how),
                unallocated_section(whole, open_customers),
                budget_section(calls, budget_statuses(calls)),
            ),
            method=(
                "Every call is one of three: shared (it matches [shared_cost] in finops.toml), direct (it names an "
                "organisation) or unallocated. Statements, the unallocated and shared cost that nobody carries add up "
                "to the total, to the ninth digit.",
                f"Shared cost is split {how} over the organisations with direct calls, by largest remainder at "
                "nine digits. The unallocated is charged to nobody and takes no part in the split.",
                "Allocation rate = cost that organisations pay / total cost x 100.",
                "Showback by product and feature counts every call where it was made, shared or not.",
            ),
            assumptions=("Cost is what the log says a call cost; nothing is added for commitments, support or taxes.",),
            comparison=calls.comparison_text,
            headline="allocated",
            sparkline=tuple(float(cost) for cost in allocated_by_day(calls, match, whole)),
        )

    def _changes(self, calls: Calls, current: Allocation, previous: Allocation) -> list[Finding]:
        now, before = ({s.organization: s.total for s in span.statements} for span in (current, previous))
        moved = changes(now, before, min_percent=self.min_change_percent, min_share=self.min_change_share)
        kept = moved[: self.max_changes]
        daily, none = daily_costs(calls, kept), Decimal(0)
        return [
            change_finding(calls, name, now.get(name, none), before.get(name, none), daily.get(name)) for name in kept
        ]


def _answer(whole: Allocation, how: str) -> str:
    if not whole.statements:
        return (
            "Nobody can be charged: no call has an organisation to charge, so that the "
            f"{dollars(whole.total)} of {plural(calls_of(whole.lines), 'call')} stays with nobody."
        )
    first = whole.statements[0]
    share = f" ({percent(share_of(first.total, whole.total) or 0)})" if whole.total else ""
    number = len(whole.statements)
    text = (
        f"{first.organization} pays all of the {dollars(whole.allocated)} that can be allocated"
        if number == 1
        else f"{plural(number, 'organisation')} pay {dollars(whole.allocated)}, most of all {first.organization} with "
        f"{dollars(first.total)}{share}"
    )
    if whole.shared:
        text += f"; {dollars(whole.shared)} of it is shared cost, split {how}"
    if whole.unallocated_calls:
        missing = f"{percent(share_of(whole.unallocated, whole.total) or 0)} of cost" if whole.total else "of no cost"
        return (
            f"{text}; {dollars(whole.unallocated)} ({missing}, {plural(whole.unallocated_calls, 'call')}) names no "
            "organisation."
        )
    return f"{text}; every dollar is allocated."


def _metrics(whole: Allocation, current: Allocation | None, previous: Allocation | None) -> tuple[Metric, ...]:
    metric = partial(Metric.over, (whole, current, previous))
    return (
        metric(
            lambda a: share_of(a.allocated, a.total),
            id="allocation_rate",
            label="Allocation rate",
            unit="percent",
            better="higher",
            note="Cost that organisations pay, direct or shared / total cost x 100.",
        ),
        metric(lambda a: a.allocated, id="allocated", label="Allocated", unit="usd"),
        metric(
            lambda a: a.rest,
            id="unallocated",
            label="Cannot be allocated",
            unit="usd",
            better="lower",
            note="Cost of calls without an organisation, and shared cost that no organisation is there to carry.",
        ),
        metric(
            lambda a: a.shared, id="shared", label="Shared cost", unit="usd", note="Calls that match [shared_cost]."
        ),
        metric(
            lambda a: len(a.statements),
            id="organizations",
            label="Organisations",
            unit="count",
            note="With direct calls.",
        ),
    )
