"""What moved cost, as findings: who, how sure it is that it lasts, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Comparison, Finding, Period, count, dollars, listing, percent, plural
from finops_plugin_domains.understanding.breakdown import label, named
from finops_plugin_domains.understanding.cost_change import DRIVERS, CostChange, Movement
from finops_plugin_domains.understanding.daily import long_pauses
from finops_plugin_domains.understanding.days import Days
from finops_plugin_domains.understanding.movement import because, compared, main_cause, span_words

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


@dataclass(frozen=True)
class Evidence:
    """What can be said of a change beyond its dollars: whether it is a level, and whether its dollars are said already.

    Attributes:
        now: The later span.
        pause_days: Days of both spans in long stretches without a call, which may be calls that are missing.
        burst: Whether a burst made the change, or may have.
        part: Whether the change is part of one whose amount a month another finding gives.
    """

    now: Period
    pause_days: int
    burst: bool = False
    part: bool = False

    def at_stake(self, m: Movement) -> Decimal | None:
        """What a rise costs in a month, told once; a fall puts nothing at stake, and without a level there is none."""
        return self.now.per_month(m.change) if m.change > 0 and self._shows_level and not self.part else None

    @property
    def _shows_level(self) -> bool:
        return self.now.shows_level and not self.burst and not self.pause_days

    def why(self, m: Movement) -> str:
        """How many calls stand on both sides, and what that does not show."""
        text = f"Logged cost of {count(m.current_calls)} calls against {count(m.previous_calls)}"
        if not self.now.shows_level:
            return f"{text}; less than a week does not show whether it lasts"
        if self.pause_days:
            text += (
                f"; the two spans have {plural(self.pause_days, 'day')} without a call, on which calls may be missing"
            )
        if self.at_stake(m) is not None:
            text += f"; for a month the rise is scaled from {self.now.days} days to 30"
        return text

    def confidence(self, m: Movement) -> Literal["high", "medium", "low"]:
        """How far logged cost can be read as a level."""
        if not self._shows_level:
            return "low"
        fewer = min(m.previous_calls, m.current_calls)
        return "high" if fewer >= 100 else "medium" if m.previous_calls + m.current_calls >= 100 else "low"


def change_findings(change: CostChange, calls: Calls, days: Days, material_percent: float) -> list[Finding]:
    """What moved cost by at least ``material_percent`` of the earlier span (of the later, if that one cost nothing).

    All of it, customers, and features on models are the same dollars seen three ways: only the first of these whose
    findings have an amount a month keeps it.
    """
    total, comparison = change.total, change.comparison
    least = (total.previous or total.current) * Decimal(repr(material_percent)) / 100
    if not least:
        return []
    spans = span_words(calls, comparison)
    pauses = long_pauses(days, Period(comparison.previous.first, comparison.current.last))
    evidence = Evidence(comparison.current, sum(pause.days for pause in pauses))
    customers, drivers = (
        [m for m in group if abs(m.change) >= least][:3] if len(group) > 1 else []
        for group in (change.groups["customer_id",], change.groups[DRIVERS])
    )
    peaks = _peaks(calls, comparison, [str(m.names[0]) for m in customers])
    moved = [(m, peaks.get(str(m.names[0]))) for m in customers]
    findings = [_total_finding(total, evidence, spans, moved)] if abs(total.change) >= least else []
    evidence = replace(evidence, part=_have_amount(findings))
    findings += [_customer_finding(i, m, evidence, spans, peak) for i, (m, peak) in enumerate(moved, 1)]
    bursts = [label(m.names) for m, peak in moved if peak is not None and peak.is_burst]
    evidence = replace(evidence, part=_have_amount(findings), burst=bool(bursts))
    return findings + [_driver_finding(i, m, evidence, spans, bursts) for i, m in enumerate(drivers, 1)]


def _have_amount(findings: list[Finding]) -> bool:
    return any(finding.usd_per_month is not None for finding in findings)


def _total_finding(
    total: Movement, evidence: Evidence, spans: tuple[str, str], customers: list[tuple[Movement, Peak | None]]
) -> Finding:
    later, earlier = spans
    rose = total.change > 0
    lead, peak = next((one for one in customers if one[0].change / total.change * 2 >= 1), (None, None))
    evidence = replace(evidence, burst=peak is not None and peak.is_burst)
    why = evidence.why(total)
    if lead is not None:
        why += f"; {label(lead.names)} alone cost {dollars(abs(lead.change))} {'more' if rose else 'less'}"
    return Finding(
        id="cost-moved",
        title=f"{dollars(total.current)} was spent {later}, {compared(total, earlier)}, {because(total)}.",
        who="all calls",
        usd_per_month=evidence.at_stake(total),
        confidence=evidence.confidence(total),
        why_sure=f"{why}{BURST if evidence.burst else ''}.",
        action=_advice(total, "the customers and features that grew")
        if rose
        else "See which customers and features went down before planning with the lower level.",
        section="change",
        severity="warning" if rose else "info",
    )


def _customer_finding(i: int, m: Movement, evidence: Evidence, spans: tuple[str, str], peak: Peak | None) -> Finding:
    who = label(m.names)
    rose = m.change > 0
    evidence = replace(evidence, burst=peak is not None and peak.is_burst)
    return Finding(
        id=f"customer-moved-{i}",
        title=f"Customer {_moved(who, m, spans, ('customer_id',))}",
        who=who,
        usd_per_month=evidence.at_stake(m),
        confidence=evidence.confidence(m),
        why_sure=f"{evidence.why(m)}{_burst_text(peak, rose)}.",
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


def _driver_finding(i: int, m: Movement, evidence: Evidence, spans: tuple[str, str], bursts: list[str]) -> Finding:
    feature, *model = m.names
    who = f"{named(feature, 'feature')} on {label(model)}"
    rose = m.change > 0
    return Finding(
        id=f"driver-{i}",
        title=_moved(who, m, spans, DRIVERS),
        who=who,
        usd_per_month=evidence.at_stake(m),
        confidence=evidence.confidence(m),
        why_sure=f"{evidence.why(m)}{f'; it may hold a burst of {listing(bursts)}' if bursts else ''}.",
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


def _peaks(calls: Calls, comparison: Comparison, customers: list[str]) -> dict[str, Peak]:
    """The dearest days of each customer in its dearer span; none where spans are too short to tell a burst."""
    if not customers or not comparison.current.shows_level:
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


def _burst_text(peak: Peak | None, rose: bool) -> str:
    if peak is None or not peak.is_burst:
        return ""
    span = "later" if rose else "earlier"
    return f"; {percent(peak.percent, 0)} of its cost in the {span} span fell on {_days(peak)}{BURST}"


def _days(peak: Peak) -> str:
    return listing([day.isoformat() for day in peak.days])
