"""Organisations whose cost moved between the compared spans, and whether a few days made the change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Finding, dollars, listing, percent
from finops_plugin_domains.ids import named_id

FEW = 5
"""One in this many days of a span are few: a change is a burst if less than half of it is left without the dearest."""

FEWEST_DAYS = 7
"""In shorter spans a few days are much of the whole, and a burst cannot be told from a level."""

NAMED = 3
"""Most days that are named in a sentence."""

NONE = Decimal(0)


@dataclass(frozen=True)
class DailyCost:
    """What the customers of an organisation cost on each day with calls, in both compared spans, dollars.

    That includes their calls that are shared cost, which statements split over all organisations.
    """

    current: Mapping[date, Decimal]
    previous: Mapping[date, Decimal]
    few: int
    """How many days of such a span are few."""

    @property
    def change(self) -> Decimal:
        """The later span less the earlier one."""
        return sum(self.current.values(), NONE) - sum(self.previous.values(), NONE)

    @property
    def change_without_peaks(self) -> Decimal:
        """The same without the few dearest days of each span."""
        current, previous = (sum(sorted(s.values())[: -self.few], NONE) for s in (self.current, self.previous))
        return current - previous

    @property
    def is_burst(self) -> bool:
        """Whether the few dearest days make more than half of the change."""
        rest = self.change_without_peaks if self.change > 0 else -self.change_without_peaks
        return 2 * rest < abs(self.change)

    @property
    def peaks(self) -> list[date]:
        """Of the few dearest days of the span that cost more, those above its mean; in order, at most :data:`NAMED`."""
        dearer = self.current if self.change > 0 else self.previous
        total = sum(dearer.values(), NONE)
        dearest = sorted(dearer, key=lambda day: (-dearer[day], day))[: min(self.few, NAMED)]
        return sorted(day for day in dearest if dearer[day] * len(dearer) >= total)


def changes(
    current: Mapping[str, Decimal], previous: Mapping[str, Decimal], *, min_percent: float, min_share: float
) -> list[str]:
    """Organisations whose total moved, those with the most dollars first.

    Args:
        current: Total of each organisation in the later span, dollars.
        previous: The same in the earlier span.
        min_percent: Smallest change that counts, percent of the organisation's earlier total,
        min_share: and percent of all earlier totals.
    """
    least = Decimal(str(min_share)) * sum(previous.values(), NONE)
    moved = {name: current.get(name, NONE) - previous.get(name, NONE) for name in current.keys() | previous.keys()}
    material = [
        name
        for name, change in moved.items()
        if change and 100 * abs(change) >= max(least, Decimal(str(min_percent)) * previous.get(name, NONE))
    ]
    return sorted(material, key=lambda name: (-abs(moved[name]), name))


def daily_costs(calls: Calls, organizations: Collection[str]) -> dict[str, DailyCost]:
    """The daily cost of organisations, as far as that of their customers tells it.

    Args:
        calls: With a comparison.
        organizations: Names.

    Returns:
        Nothing for an organisation with a customer whose calls do not all name it, nor in spans of less than
        :data:`FEWEST_DAYS`.
    """
    comparison = calls.comparison
    if comparison is None or comparison.current.days < FEWEST_DAYS or not organizations:
        return {}
    named: dict[str, set[str | None]] = {}
    for span in (1, 2):
        used = calls.usage("customer_id", "organization_id", span=span)
        for customer, name in zip(used["customer_id"].to_pylist(), used["organization_id"].to_pylist(), strict=True):
            named.setdefault(customer, set()).add(name)
    mixed = {name for names in named.values() if len(names) > 1 for name in names}
    days = calls.customer_days
    found = {}
    for organization in sorted(set(organizations) - mixed):
        customers = [customer for customer, names in named.items() if organization in names]
        rows = days.filter(pc.is_in(days["customer_id"], value_set=pa.array(customers, pa.string())))
        sums = rows.group_by("day").aggregate([("cost", "sum")])
        cost = dict(zip(sums["day"].to_pylist(), sums["cost_sum"].to_pylist(), strict=True))
        current, previous = (
            {day: c for day, c in cost.items() if span.first <= day <= span.last}
            for span in (comparison.current, comparison.previous)
        )
        found[organization] = DailyCost(current, previous, few=round(comparison.current.days / FEW))
    return found


def change_finding(calls: Calls, name: str, new: Decimal, old: Decimal, daily: DailyCost | None) -> Finding:
    """An organisation that pays more or less than before; only a rise over weeks, and no burst, has an amount at stake.

    Args:
        calls: With a comparison.
        name: The organisation.
        new: What it pays for the later span, dollars.
        old: What it pays for the earlier span.
        daily: What its days cost, where that is known.
    """
    span = calls.comparison.current
    change = new - old
    if daily is not None and daily.change * change <= 0:
        daily = None  # its part of shared cost moved it, not its own calls
    burst = daily is not None and daily.is_burst
    days = "day" if span.days == 1 else f"{span.days} days"
    how = f" ({'+' if change > 0 else ''}{percent(100 * change / old, 0)})" if old else ""
    return Finding(
        id=named_id("changed", name),
        title=(
            f"{name} pays {dollars(abs(change))} {'more' if change > 0 else 'less'}{how} for the last {days}: "
            f"{dollars(new)} after {dollars(old)} for the {days} before."
        ),
        who=name,
        usd_per_month=span.per_month(change) if change > 0 and span.shows_level and not burst else None,
        confidence="low" if burst or not span.shows_level else "medium",
        why_sure=f"Both are exact sums of logged cost{_lasting(daily)}",
        action=_advice(name, daily if burst else None, rose=change > 0, lasting=span.shows_level),
        section="statements",
        severity="warning" if change > 0 else "info",
    )


def _lasting(daily: DailyCost | None) -> str:
    """Whether the change may last, as the end of a sentence."""
    if daily is None:
        return "; whether the change lasts is not known."
    dearest = "dearest day" if daily.few == 1 else f"{daily.few} dearest days"
    rest = daily.change_without_peaks
    much = f"{dollars(abs(rest))} {'more' if rest > 0 else 'less'}" if rest else "the same"
    left = f"without the {dearest} of each span its customers' calls cost {much}"
    if daily.is_burst:
        return f", but {left}: a burst rather than a level."
    return f"; {left}. Whether it lasts is not known."


def _advice(name: str, burst: DailyCost | None, *, rose: bool, lasting: bool) -> str:
    if burst is not None:
        on = listing([str(day) for day in burst.peaks])
        if rose:
            return f"See what {name} ran on {on}, and tell it before its statement arrives; leave its plan as it is."
        return f"Leave the plan of {name} as it is: its cost was high on {on}, and is at its usual level again."
    if rose:
        return f"Tell {name} before its statement arrives, and agree whether the rise was planned."
    if not lasting:
        return f"Leave the plan of {name} as it is, and look again when whole weeks can be compared."
    return f"Lower the plan of {name}, or ask whether something has stopped that should run."
