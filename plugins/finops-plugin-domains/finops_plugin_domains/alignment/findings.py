"""What about the allocation needs somebody's attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from finops_core import Calls, Comparison, Finding, dollars, percent, plural
from finops_plugin_domains.alignment.sections import known_text, share_of
from finops_plugin_domains.alignment.statements import Allocation, Untagged
from finops_plugin_domains.ids import named_id


def unallocated_finding(calls: Calls, whole: Allocation, customers: Sequence[Untagged]) -> Finding:
    """Cost that nobody can be charged for, because calls name no organisation."""
    share = share_of(whole.unallocated, whole.total)
    return Finding(
        id="unallocated",
        title=(
            f"{dollars(whole.unallocated)}{f' ({percent(share)})' if share is not None else ''} cannot be charged to "
            f"anybody for want of an organisation: {plural(whole.unallocated_calls, 'call')} of "
            f"{_whose(customers)}."
        ),
        who=customers[0].customer,
        usd_per_month=calls.period.per_month(whole.unallocated),
        confidence="high",
        why_sure="A sum of logged cost over calls without organization_id.",
        action=f"Have organization_id set where these calls are made. {known_text(whole, customers)}",
        section="unallocated",
        severity="warning" if whole.unallocated else "info",
    )


def _whose(customers: Sequence[Untagged]) -> str:
    dearest = customers[0].customer
    return dearest if len(customers) == 1 else f"{plural(len(customers), 'customer')}, most of all {dearest}"


def unsplit_finding(calls: Calls, whole: Allocation) -> Finding:
    """Shared cost that nobody carries, because no organisation has direct calls."""
    return Finding(
        id="unsplit",
        title=f"{dollars(whole.unsplit)} of shared cost has nobody to carry it: no organisation has direct calls.",
        usd_per_month=calls.period.per_month(whole.unsplit),
        confidence="high",
        why_sure="A sum of logged cost over calls that match shared_cost in finops.toml.",
        action="Narrow shared_cost.match in finops.toml, or have organization_id set where calls are made.",
        section="shared",
        severity="warning",
    )


def change_findings(
    comparison: Comparison,
    current: Mapping[str, Decimal],
    previous: Mapping[str, Decimal],
    *,
    min_percent: float,
    min_share: float,
) -> list[Finding]:
    """Organisations whose total moved, those with the most dollars first.

    Args:
        comparison: The compared spans.
        current: Total of each organisation in the later span.
        previous: The same in the earlier span.
        min_percent: Smallest change that is a finding, percent of the organisation's earlier total,
        min_share: and percent of all earlier totals.
    """
    span, none = comparison.current, Decimal(0)
    least = Decimal(str(min_share)) * sum(previous.values(), none)
    changes = {name: current.get(name, none) - previous.get(name, none) for name in current.keys() | previous.keys()}
    moved = [
        (change, name)
        for name, change in changes.items()
        if change and 100 * abs(change) >= max(least, Decimal(str(min_percent)) * previous.get(name, none))
    ]
    moved.sort(key=lambda m: (-abs(m[0]), m[1]))
    findings = []
    days = "day" if span.days == 1 else f"{span.days} days"
    for change, name in moved:
        old, new = previous.get(name, none), current.get(name, none)
        more = "more" if change > 0 else "less"
        how = f" ({'+' if change > 0 else ''}{percent(100 * change / old, 0)})" if old else ""
        findings.append(
            Finding(
                id=named_id("changed", name),
                title=(
                    f"{name} pays {dollars(abs(change))} {more}{how} for the last {days}: "
                    f"{dollars(new)} after {dollars(old)} for the {days} before."
                ),
                who=name,
                usd_per_month=span.per_month(abs(change)),
                confidence="high",
                why_sure="Both are exact sums of logged cost; whether the change lasts is not known.",
                action=(
                    f"Tell {name} before the statement does, and agree whether the rise was planned."
                    if change > 0
                    else f"Lower the plan of {name}, or ask whether something has stopped that should run."
                ),
                section="statements",
                severity="warning" if change > 0 else "info",
            )
        )
    return findings
