"""Incidents as findings: who should do what."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import numpy as np

from finops_core import Finding, dollars, listing, plural
from finops_plugin_domains.ids import named_id
from finops_plugin_domains.realtime.incident_report import Group, Incidents, checked_text, extra_of, span_text

MAX_NAMED = 5
"""Customers with a finding of their own, of those with an incident in the last 24 hours and of the others each."""
MAX_LISTED = 20
"""Customers whose names a finding about many lists."""
SOON_PART = Decimal("0.1")
"""Incidents are to be acted on soon if they cost this part of what all customers cost on a mean day, or more."""
SURE_TIMES, SURE_HOURS = 5.0, 3
"""From this many times the expected calls, or unusual hours, on a customer's finding is of high confidence."""


def incident_findings(incidents: Incidents, false_alarms: float) -> list[Finding]:
    """What to do about the incidents: first those of the last 24 hours, then the dearest of the period.

    Each customer is in one finding, with all its incidents. The dearest have one of their own, the others share one.

    Args:
        incidents: All of them.
        false_alarms: Expected in a run.
    """
    busiest = _busiest_ordinary_hour(incidents)
    groups = incidents.by_customer()
    everything = dict(groups)
    recent = {customer: everything[customer] for customer, _ in incidents.recent_by_customer()}
    findings = []
    for lately, part in ((True, [*recent.items()]), (False, [g for g in groups if g[0] not in recent])):
        # A single one that is left over deserves its name.
        named = part if len(part) == MAX_NAMED + 1 else part[:MAX_NAMED]
        findings += [_customer_finding(incidents, name, group, busiest, false_alarms) for name, group in named]
        if len(part) > len(named):
            findings.append(_shared_finding(incidents, part[len(named) :], false_alarms, lately=lately))
    return findings


def _shared_finding(
    incidents: Incidents, groups: Sequence[tuple[str, Group]], false_alarms: float, *, lately: bool
) -> Finding:
    """One finding for customers without one of their own; those of the last 24 hours are named.

    Args:
        incidents: All of them.
        groups: At least two customers with all their incidents.
        false_alarms: Expected in a run.
        lately: Whether each of them has an incident in the last 24 hours.
    """
    number = sum(len(group) for _, group in groups)
    extra = sum((extra_of(group) for _, group in groups), Decimal(0))
    dearest, most = max(groups, key=lambda g: extra_of(g[1]))
    names = listing([customer for customer, _ in groups], most=MAX_LISTED)
    return Finding(
        id="recent-incidents" if lately else "other-incidents",
        title=(
            f"{plural(number, 'incident')} at {plural(len(groups), 'customer')} cost {dollars(extra)} more than "
            f"expected together, at most {dollars(extra_of(most))} at one of them ({dearest})"
            + (f"; in {incidents.lately} it was {names}." if lately else ".")
        ),
        who=f"{dearest} and others",
        usd_per_month=_per_month(incidents, extra),
        confidence="high",
        why_sure=f"Customers with a finding of their own are not counted here. {_by_chance(false_alarms)}",
        action="Go through the table of all incidents, the latest first."
        if lately
        else "Go through the table of customers, the dearest first.",
        section="incidents",
        severity=_severity(incidents, extra),
    )


def _customer_finding(
    incidents: Incidents, customer: str, group: Group, busiest: np.ndarray, false_alarms: float
) -> Finding:
    recent = incidents.recent_of(group)
    told = recent or group
    worst, _ = max(told, key=lambda g: (g[0].extra, g[0].start))
    hours = sum(i.flagged for i, _ in group)
    when = " in the last 24 hours" if incidents.until_the_end else " in the last 24 hours of the period"
    if any(i.by_calls for i, _ in told):
        times = sum(i.calls for i, _ in told) / max(sum(i.expected_calls for i, _ in told), 1e-9)
        sure = f"{times:,.{0 if times >= 10 else 1}f} times the expected calls. {_by_chance(false_alarms)}"
        limit = int(busiest[worst.position])
        action = f"Ask {customer} what ran on {span_text(worst)}, and limit its calls if it was not planned"
        if worst.by_calls and limit:
            action += (
                f": its busiest ordinary hour holds {plural(limit, 'call')}, that incident "
                f"{plural(worst.calls, 'call')} in {plural(worst.last - worst.first + 1, 'hour')}"
            )
    else:
        times = 0.0
        sure = f"The cost per call lies outside what the customer's ordinary hours show. {_by_chance(false_alarms)}"
        action = f"Find out what changed for {customer} on {span_text(worst)}: the model, the prompt or its length"
    return Finding(
        id=named_id("incidents", customer),
        title=f"{customer}: {_what_happened(told, group, when if recent else '')}.",
        who=customer,
        usd_per_month=_per_month(incidents, extra_of(group)),
        confidence="high" if times >= SURE_TIMES or hours >= SURE_HOURS else "medium",
        why_sure=f"{sure} Whether it was intended, only the customer knows.",
        action=f"{action}.",
        section="incidents",
        severity=_severity(incidents, extra_of(group)),
    )


def _what_happened(told: Group, group: Group, when: str) -> str:
    """The incidents to act on, what they cost, the dearest of them, and what the customer's others add.

    Args:
        told: The incidents to act on.
        group: All incidents of the customer.
        when: When those to act on were, to follow their number; empty if they are not those of the last 24 hours.
    """
    worst, driver = max(told, key=lambda g: (g[0].extra, g[0].start))
    explained = f", {driver.text}" if driver.specific else ""
    cost = f"{dollars(extra_of(told))} more than expected"
    if len(told) == 1:
        text = f"an incident{when}, {span_text(worst)}, {cost}{explained}"
    else:
        hours = plural(sum(i.flagged for i, _ in told), "hour")
        text = f"{plural(len(told), 'incident')}{when} ({hours}), {cost}; the dearest {span_text(worst)}{explained}"
    earlier = len(group) - len(told)
    if not earlier:
        return text
    return f"{text}; with {plural(earlier, 'earlier one')}, {dollars(extra_of(group))} in all"


def _by_chance(false_alarms: float) -> str:
    """How many findings of this kind chance makes, in words."""
    if false_alarms < 1:
        return f"Chance alone would raise one false alarm in about {1 / false_alarms:.0f} such reports."
    return f"Chance alone would raise about {false_alarms:g} false alarms in such a report."


def _per_month(incidents: Incidents, extra: Decimal) -> Decimal | None:
    """What incidents cost in 30 days, US dollars; ``None`` where less than a week was looked at.

    Incidents are events and no rate: those of a longer period are told for 30 days of it, those of a shorter one as
    they are.
    """
    period = incidents.calls.period
    if not period.shows_level:
        return None
    # An incident that was cheaper than expected puts nothing at stake.
    cost = max(extra, Decimal(0))
    return min(cost, period.per_month(cost))


def _severity(incidents: Incidents, extra: Decimal) -> Literal["warning", "info"]:
    """A warning only from :data:`SOON_PART` of a mean day's spend on; less can wait."""
    a_day = incidents.use.spend(incidents.calls.period) / incidents.calls.period.days
    return "warning" if extra > 0 and extra >= SOON_PART * a_day else "info"


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
