"""Incidents as findings: who should do what."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from finops_core import Finding, dollars, plural
from finops_plugin_domains.ids import named_id
from finops_plugin_domains.realtime.anomalies import Incident
from finops_plugin_domains.realtime.drivers import Driver
from finops_plugin_domains.realtime.incident_report import Incidents, checked_text, extra_of, span_text

MAX_NAMED = 5
"""Customers with a finding of their own."""
SURE_TIMES, SURE_HOURS = 5.0, 3
"""From this many times the expected calls, or unusual hours, on a customer's finding is of high confidence."""


def incident_findings(incidents: Incidents, false_alarms: float) -> list[Finding]:
    """One finding for each of the customers whose incidents cost most, and one for all others together."""
    groups = incidents.by_customer()
    busiest = _busiest_ordinary_hour(incidents)
    findings = [_customer_finding(incidents, name, group, busiest, false_alarms) for name, group in groups[:MAX_NAMED]]
    others = groups[MAX_NAMED:]
    if others:
        number = sum(len(group) for _, group in others)
        extra = sum((extra_of(group) for _, group in others), Decimal(0))
        findings.append(
            Finding(
                id="other-incidents",
                title=(
                    f"{plural(len(others), 'further customer')}: {plural(number, 'incident')}, {dollars(extra)} more "
                    "than expected."
                ),
                who=f"{others[0][0]} and others" if len(others) > 1 else others[0][0],
                usd_per_month=_per_month(incidents, extra),
                confidence="high",
                why_sure=_by_chance(false_alarms),
                action="Go through the table of customers, the dearest first.",
                section="incidents",
                severity="warning" if extra > 0 else "info",
            )
        )
    return findings


def _customer_finding(
    incidents: Incidents,
    customer: str,
    group: Sequence[tuple[Incident, Driver]],
    busiest: np.ndarray,
    false_alarms: float,
) -> Finding:
    extra = extra_of(group)
    worst, driver = max(group, key=lambda g: (g[0].extra, g[0].start))
    hours = sum(i.flagged for i, _ in group)
    explained = f", {driver.text}" if driver.specific else ""
    several = f"{plural(len(group), 'incident')} ({plural(hours, 'hour')})"
    title = (
        f"{customer}: an incident {span_text(worst)}, {dollars(extra)} more than expected{explained}."
        if len(group) == 1
        else f"{customer}: {several}, {dollars(extra)} more than expected; the dearest {span_text(worst)}{explained}."
    )
    if any(i.by_calls for i, _ in group):
        times = sum(i.calls for i, _ in group) / max(sum(i.expected_calls for i, _ in group), 1e-9)
        sure = f"{times:,.{0 if times >= 10 else 1}f} times the expected calls. {_by_chance(false_alarms)}"
        limit = int(busiest[worst.position])
        action = f"Ask {customer} what ran {span_text(worst)}, and limit its calls if it was not planned"
        if worst.by_calls and limit:
            action += (
                f": its busiest ordinary hour holds {plural(limit, 'call')}, the dearest incident "
                f"{plural(worst.calls, 'call')} in {plural(worst.last - worst.first + 1, 'hour')}"
            )
    else:
        times = 0.0
        sure = f"The cost per call lies outside what the customer's ordinary hours show. {_by_chance(false_alarms)}"
        action = f"Find out what changed for {customer} {span_text(worst)}: the model, the prompt or its length"
    return Finding(
        id=named_id("incidents", customer),
        title=title,
        who=customer,
        usd_per_month=_per_month(incidents, extra),
        confidence="high" if times >= SURE_TIMES or hours >= SURE_HOURS else "medium",
        why_sure=f"{sure} Whether it was intended, only the customer knows.",
        action=f"{action}.",
        section="incidents",
        severity="warning" if extra > 0 else "info",
    )


def _by_chance(false_alarms: float) -> str:
    return f"Of all the hours tested, about {false_alarms:g} would be flagged by chance."


def _per_month(incidents: Incidents, extra: Decimal) -> Decimal:
    # An incident that was cheaper than expected puts nothing at stake.
    return incidents.calls.period.per_month(max(extra, Decimal(0)))


def nothing_unusual(incidents: Incidents, min_days: int) -> Finding:
    """The finding where there is none: what was checked, and that it is as expected."""
    judged, checked = incidents.unusual.hours_tested > 0, checked_text(incidents, min_days)
    return Finding(
        id="nothing-unusual",
        title=f"No incidents. {checked}" if judged else checked,
        confidence="high" if judged else "low",
        why_sure=(
            "Every customer-hour was held against the same customer's level, weekday and hour of day."
            if judged
            else "How many calls are usual for a customer is not known yet."
        ),
        action="Nothing to do." if judged else "Look again when the log holds more days.",
        section="incidents",
        severity="good" if judged else "info",
    )


def _busiest_ordinary_hour(incidents: Incidents) -> np.ndarray:
    """Of each customer, the most calls in an hour outside of incidents."""
    busiest = np.zeros(len(incidents.use.customers), np.int64)
    ordinary = incidents.member < 0
    np.maximum.at(busiest, incidents.use.customer[ordinary], incidents.use.calls[ordinary])
    return busiest
