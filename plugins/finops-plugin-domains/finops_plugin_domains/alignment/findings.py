"""What about the allocation needs somebody's attention."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Calls, Finding, dollars, percent, plural
from finops_plugin_domains.alignment.sections import known_text, share_of
from finops_plugin_domains.alignment.statements import Allocation, Untagged, calls_of


def unallocated_finding(calls: Calls, whole: Allocation, customers: Sequence[Untagged]) -> Finding:
    """Cost that nobody can be charged for, because calls name no organisation.

    In a log that never names one, nothing is missing from anybody's statement: no amount is at stake then.
    """
    if not _names_any(calls, whole):
        return Finding(
            id="unallocated",
            title=f"Nobody can be charged for the {dollars(whole.unallocated)} of "
            f"{plural(whole.unallocated_calls, 'call')}: no call of the log names an organisation.",
            who=customers[0].customer,
            confidence="high",
            why_sure="organization_id is empty in every call.",
            action="Fill organization_id where calls are made, or when a file is imported.",
            section="unallocated",
            severity="warning",
        )
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


def _names_any(calls: Calls, whole: Allocation) -> bool:
    """Whether any call up to the end of the period names an organisation; asked of the log only if none in it does."""
    if any(line.organization is not None for line in whole.lines):
        return True
    return bool(calls.rows("SELECT 1 AS found FROM history WHERE organization_id IS NOT NULL LIMIT 1"))


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


def nothing_finding(calls: Calls, whole: Allocation, min_percent: float, min_share: float) -> Finding:
    """That nothing needs attention, and what was checked."""
    charged = f"{plural(calls_of(whole.lines), 'call')}, {dollars(whole.total)}"
    moved = (
        f"and no organisation's cost moved by {min_percent:g} % of its own and {min_share:g} % of everybody's"
        if calls.comparison
        else "but for want of an earlier span nothing can be said of changes"
    )
    return Finding(
        id="nothing",
        title=f"Every call can be charged ({charged}), {moved}.",
        confidence="high",
        why_sure=f"Exact sums of logged cost. {calls.comparison_text}",
        action="Nothing to do.",
        section="statements",
        severity="good",
    )
