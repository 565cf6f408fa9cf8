"""What moved cost, as findings: who, how sure it is that it lasts, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Comparison, Finding, Period, count, dollars, listing, percent
from finops_plugin_domains.understanding.breakdown import label, named
from finops_plugin_domains.understanding.cost_change import DRIVERS, CostChange, Movement
from finops_plugin_domains.understanding.movement import because, compared, main_cause, span_words

LEVEL_DAYS = 7
"""Spans of fewer days show no level: any two of them hold much of the cost, and weekdays differ."""

PEAK_DAYS = 2
"""A customer's change is a burst if at most this many days hold half of the dearer span's cost."""

BURST = ", a burst rather than a level"

_ADVICE = {
    "calls": "Check that the added calls of {who} are wanted, and that revenue grows with them.",
    "shift": "See which calls of {who} went where a call costs more, and whether that is worth it.",
    "intensity": "Look at prompts and answer lengths of {who}: a call uses more tokens than before.",
    "price": "Compare the models of {who} with others: their catalogue prices rose.",
    "mix": "Check discounts, invoices and failed calls of {who}: neither usage nor catalogue prices explain it.",
}


@dataclass(frozen=True)
class Peak:
    """The dearest days of a customer.

    Attributes:
        days: At most :data:`PEAK_DAYS` days of the dearer span, in order.
        percent: Their share of what the customer cost in that span.
    """

    days: tuple[date, ...]
    percent: float

    @property
    def is_burst(self) -> bool:
        """Whether these days are at least half of it."""
        return self.percent >= 50


def change_findings(change: CostChange, calls: Calls, material_percent: float) -> list[Finding]:
    """What moved cost by at least ``material_percent`` of the earlier span (of the later, if that one cost nothing)."""
    total, now = change.total, change.comparison.current
    least = (total.previous or total.current) * Decimal(repr(material_percent)) / 100
    if not least:
        return []
    spans = span_words(calls, change.comparison)
    customers, drivers = (
        [m for m in group if abs(m.change) >= least][:3] if len(group) > 1 else []
        for group in (change.groups["customer_id",], change.groups[DRIVERS])
    )
    peaks = _peaks(calls, change.comparison, [str(m.names[0]) for m in customers])
    moved = [(m, peaks.get(str(m.names[0]))) for m in customers]
    return [
        *([_total_finding(total, now, spans, moved)] if abs(total.change) >= least else []),
        *(_customer_finding(i, m, now, spans, peak) for i, (m, peak) in enumerate(moved, 1)),
        *(_driver_finding(i, m, now, spans) for i, m in enumerate(drivers, 1)),
    ]


def _total_finding(
    total: Movement, now: Period, spans: tuple[str, str], customers: list[tuple[Movement, Peak | None]]
) -> Finding:
    later, earlier = spans
    rose = total.change > 0
    lead, peak = next((one for one in customers if one[0].change / total.change * 2 >= 1), (None, None))
    burst = peak is not None and peak.is_burst
    why = _counted(total, now, burst)
    if lead is not None:
        why += f"; {label(lead.names)} alone cost {dollars(abs(lead.change))} {'more' if rose else 'less'}"
    return Finding(
        id="cost-moved",
        title=f"{dollars(total.current)} was spent {later}, {compared(total, earlier)}, {because(total)}.",
        who="all calls",
        usd_per_month=_at_stake(total, now, burst),
        confidence=_confidence(total, now, burst),
        why_sure=f"{why}{BURST if burst else ''}.",
        action=_advice(total, "the customers and features that grew")
        if rose
        else "See which customers and features went down before planning with the lower level.",
        section="change",
        severity="warning" if rose else "info",
    )


def _customer_finding(i: int, m: Movement, now: Period, spans: tuple[str, str], peak: Peak | None) -> Finding:
    who = label(m.names)
    rose = m.change > 0
    burst = peak is not None and peak.is_burst
    return Finding(
        id=f"customer-moved-{i}",
        title=f"Customer {_moved(who, m, spans, ('customer_id',))}",
        who=who,
        usd_per_month=_at_stake(m, now, burst),
        confidence=_confidence(m, now, burst),
        why_sure=f"{_counted(m, now, burst)}{_peak_text(peak, rose)}{BURST if burst else ''}.",
        action=_customer_action(who, m, peak),
        section="change",
        severity="warning" if rose else "info",
    )


def _customer_action(who: str, m: Movement, peak: Peak | None) -> str:
    if peak and peak.is_burst:
        return f"Find out what {who} did on {_days(peak)}; plan with the level of the other days."
    if m.change > 0:
        return _advice(m, who)
    if peak is None:
        return f"Look at {who} again when whole weeks can be compared."
    return f"Ask whether {who} is leaving: cost that falls can be revenue that falls."


def _driver_finding(i: int, m: Movement, now: Period, spans: tuple[str, str]) -> Finding:
    feature, *model = m.names
    who = f"{named(feature, 'feature')} on {label(model)}"
    rose = m.change > 0
    return Finding(
        id=f"driver-{i}",
        title=_moved(who, m, spans, DRIVERS),
        who=who,
        usd_per_month=_at_stake(m, now),
        confidence=_confidence(m, now),
        why_sure=f"{_counted(m, now)}.",
        action=_advice(m, who) if rose else "Nothing to do if it was intended; else see where its calls went.",
        section="change",
        severity="warning" if rose else "info",
    )


def _moved(who: str, m: Movement, spans: tuple[str, str], grouping: tuple[str, ...]) -> str:
    later, earlier = spans
    return f"{who} cost {dollars(m.current)} {later}, {compared(m, earlier)}, {because(m, grouping)}."


def _advice(m: Movement, who: str) -> str:
    cause, _ = main_cause(m)
    return _ADVICE[cause].format(who=who)


def _at_stake(m: Movement, now: Period, burst: bool = False) -> Decimal | None:
    """What a rise costs in a month; a fall puts nothing at stake, and what bursts come to is not known from one."""
    return now.per_month(m.change) if m.change > 0 and not burst else None


def _counted(m: Movement, now: Period, burst: bool = False) -> str:
    text = f"Logged cost of {count(m.current_calls)} calls against {count(m.previous_calls)}"
    if now.days < LEVEL_DAYS:
        return f"{text}; less than a week does not show whether it lasts"
    scaled = m.change > 0 and not burst
    return f"{text}; for a month the rise is scaled from {now.days} days to 30" if scaled else text


def _confidence(m: Movement, now: Period, burst: bool = False) -> Literal["high", "medium", "low"]:
    """How far logged cost can be read as a level: by the days of a span and how many calls stand on both sides."""
    if burst or now.days < LEVEL_DAYS:
        return "low"
    fewer = min(m.previous_calls, m.current_calls)
    return "high" if fewer >= 100 else "medium" if m.previous_calls + m.current_calls >= 100 else "low"


def _peaks(calls: Calls, comparison: Comparison, customers: list[str]) -> dict[str, Peak]:
    """The dearest days of each customer in its dearer span; none where spans are too short to tell a burst."""
    if not customers or comparison.current.days < LEVEL_DAYS:
        return {}
    days: dict[str, tuple[dict[date, Decimal], dict[date, Decimal]]] = {customer: ({}, {}) for customer in customers}
    wanted = calls.customer_days.filter(pc.is_in(calls.customer_days["customer_id"], pa.array(customers)))
    for row in wanted.to_pylist():
        if comparison.previous.first <= row["day"] <= comparison.current.last:
            days[row["customer_id"]][row["day"] >= comparison.current.first][row["day"]] = row["cost"]
    return {customer: _peak(max(spans, key=lambda costs: sum(costs.values()))) for customer, spans in days.items()}


def _peak(costs: dict[date, Decimal]) -> Peak:
    dearest = sorted(costs, key=lambda day: (-costs[day], day))[:PEAK_DAYS]
    share = sum((costs[day] for day in dearest), Decimal(0)) / sum(costs.values()) * 100
    return Peak(tuple(sorted(dearest)), float(share))


def _peak_text(peak: Peak | None, rose: bool) -> str:
    if peak is None:
        return ""
    span = "later" if rose else "earlier"
    return f"; {percent(peak.percent, 0)} of its cost in the {span} span fell on {_days(peak)}"


def _days(peak: Peak) -> str:
    return listing([day.isoformat() for day in peak.days])
