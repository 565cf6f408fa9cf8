"""Incidents as charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np

from finops_core import (
    Axis,
    Calls,
    Chart,
    Column,
    Period,
    Section,
    Series,
    Table,
    dollars,
    percent,
    plural,
    usd,
)
from finops_plugin_domains.realtime.anomalies import Incident, Unusual, usual_cost_per_call
from finops_plugin_domains.realtime.drivers import Driver
from finops_plugin_domains.realtime.hourly import HourlyUse

TIMELINE_HOURS = 7 * 24
AROUND_HOURS = 24
RECENT = timedelta(days=1)
"""How long before now an incident may have ended and still be called recent."""

Group = Sequence[tuple[Incident, Driver]]
"""Some incidents, each with its explanation."""


@dataclass(frozen=True)
class Incidents:
    """What was found in the period, with what it is judged by.

    Attributes:
        calls: The period.
        use: Calls by customer and hour.
        unusual: The tests' results.
        member: Of each row of ``use``, the position of its incident among all, or -1.
        found: The incidents that begin in the period, by customer and time.
        drivers: The explanation of each of them.
    """

    calls: Calls
    use: HourlyUse
    unusual: Unusual
    member: np.ndarray
    found: Sequence[Incident]
    drivers: Sequence[Driver]

    @property
    def until_the_end(self) -> bool:
        """Whether the period holds the last day of the log; one that was asked for may end before."""
        return self.calls.now.date() == self.calls.log_period.last

    @property
    def lately(self) -> str:
        """What a sentence calls the 24 hours before now."""
        return "the last 24 hours" if self.until_the_end else f"the 24 hours to {self.calls.now:%Y-%m-%d %H:%M} UTC"

    @property
    def extra(self) -> Decimal:
        """Dollars over the expected in all of them."""
        return sum((i.extra for i in self.found), Decimal(0))

    def by_customer(self) -> list[tuple[str, Group]]:
        """Customers with their incidents, those with the most dollars over the expected first."""
        groups: dict[str, list[tuple[Incident, Driver]]] = {}
        for incident, driver in zip(self.found, self.drivers, strict=True):
            groups.setdefault(incident.customer, []).append((incident, driver))
        return sorted(groups.items(), key=lambda g: (-extra_of(g[1]), g[0]))

    def recent_of(self, group: Group) -> Group:
        """Those of some incidents that reach into the last 24 hours before now."""
        return [(i, d) for i, d in group if i.end > self.calls.now - RECENT]

    def recent_by_customer(self) -> list[tuple[str, Group]]:
        """Customers with their incidents of the last 24 hours, the dearest in these hours first."""
        groups = [(customer, self.recent_of(group)) for customer, group in self.by_customer()]
        return sorted((g for g in groups if g[1]), key=lambda g: (-extra_of(g[1]), g[0]))


def extra_of(group: Group) -> Decimal:
    """Dollars over the expected in some incidents."""
    return sum((i.extra for i, _ in group), Decimal(0))


def begun_in(incidents: Sequence[Incident], span: Period) -> list[Incident]:
    """Those that began in a span."""
    return [i for i in incidents if span.start <= i.start < span.end]


def span_text(incident: Incident) -> str:
    """When it was, in words."""
    end = (
        f"{incident.end:%H:%M}"
        if incident.end - incident.start <= timedelta(days=1)
        else f"{incident.end:%Y-%m-%d %H:%M}"
    )
    return f"{incident.start:%Y-%m-%d %H:%M} to {end} UTC"


def checked_text(incidents: Incidents, min_days: int) -> str:
    """What was tested, and who could not be."""
    unusual = incidents.unusual
    judged = int(unusual.judged.sum())
    if not unusual.hours_tested:
        span = f"the calls of {plural(len(unusual.judged), 'customer')} span fewer than {plural(min_days, 'day')}"
        if not unusual.tested:
            return f"Nothing can be called unusual: {span}."
        cost_tested = plural(unusual.cost_hours_tested, "customer-hour")
        return f"Too many calls cannot be told: {span}. Only the cost per call was tested, in {cost_tested}."
    text = (
        f"In {plural(incidents.use.whole_days, 'day')} of the log {plural(unusual.hours_tested, 'customer-hour')} of "
        f"{plural(judged, 'customer')} were tested on calls and {unusual.cost_hours_tested:,} on cost per call."
    )
    short = len(unusual.judged) - judged
    return f"{text} {plural(short, 'customer')} called over too few days to be judged on calls." if short else text


def incidents_text(incidents: Incidents, spend: Decimal) -> str:
    """What the last 24 hours brought, then the whole period; without a full stop.

    Args:
        incidents: At least one.
        spend: Of the period, US dollars.
    """
    share = f" ({percent(100 * incidents.extra / spend)} of spend)" if spend else ""
    recent, found = incidents.recent_by_customer(), incidents.by_customer()
    lately, number = sum(len(group) for _, group in recent), len(incidents.found)
    if not lately:
        earlier = "One earlier incident" if number == 1 else f"{number:,} earlier incidents"
        return f"No incident in {incidents.lately}. {earlier}{_cost_text(found, share)}"
    text = f"In {incidents.lately}, {'one incident' if lately == 1 else f'{lately:,} incidents'}"
    if lately == number:
        return f"{text}{_cost_text(recent, share)}"
    return (
        f"{text}{_cost_text(recent)}; in the whole period, {number:,} incidents cost {dollars(incidents.extra)}{share}"
    )


def _cost_text(groups: Sequence[tuple[str, Group]], share: str = "") -> str:
    """What incidents cost, with its share of all spend in words, and whose they were, to continue their number."""
    extra = sum((extra_of(group) for _, group in groups), Decimal(0))
    customer, group = groups[0]
    cost = f" cost {dollars(extra)} more than expected{share}"
    if len(groups) > 1:
        return f"{cost}, most of all {customer} with {dollars(extra_of(group))}"
    if len(group) > 1:
        return f", all of {customer},{cost}"
    return f", of {customer} {span_text(group[0][0])},{cost}"


def incident_section(incidents: Incidents, spend: Decimal, min_days: int) -> Section:
    """What went wrong, when, and who it was; or what was checked."""
    checked = checked_text(incidents, min_days)
    if not incidents.unusual.tested:
        return Section(id="incidents", title="Incidents", text=checked)
    # Where nobody's calls can be judged, nothing is expected that a line could show.
    timeline = (_timeline(incidents),) if incidents.unusual.hours_tested else ()
    if not incidents.found:
        nothing = "Nothing unusual." if incidents.unusual.hours_tested else "No call was unusually dear."
        return Section(id="incidents", title="Incidents", text=f"{nothing} {checked}", blocks=timeline)
    extra = incidents.extra
    share = f" ({percent(100 * extra / spend)} of spend)" if spend else ""
    return Section(
        id="incidents",
        title="Incidents",
        text=(
            f"{plural(len(incidents.found), 'incident')} of "
            f"{plural(len(incidents.by_customer()), 'customer')} cost {dollars(extra)} more than expected{share}. "
            f"{checked}"
        ),
        blocks=(
            _daily(incidents),
            *timeline,
            _close_up(incidents),
            _table(incidents),
            _customers(incidents),
        ),
    )


def _daily(incidents: Incidents) -> Chart:
    use = incidents.use
    rows = np.flatnonzero(incidents.member >= 0)
    usual = incidents.unusual.expectation.mean(use.customer[rows], use.hour[rows])
    usual *= usual_cost_per_call(use, incidents.member >= 0)[use.customer[rows]]
    over = np.bincount(use.hour[rows] // 24, np.maximum(use.dollars[rows] - usual, 0), use.hours // 24 + 1)
    days = [use.date_of(day) for day in _days(incidents)]
    above = [usd(float(over[day])) for day in _days(incidents)]
    worst = max(range(len(days)), key=lambda i: (above[i], -i))
    return Chart(
        id="cost-per-day",
        kind="bar",
        title="How much of each day's cost came from incidents?",
        takeaway=f"The dearest day for incidents was {days[worst]}: {dollars(above[worst])} more than expected.",
        description="Stacked bars, one a day: cost as usual, and above it what incidents cost more than expected.",
        x=Axis(label="Day (UTC)", unit="date"),
        y=Axis(label="Cost", unit="usd"),
        categories=tuple(str(day) for day in days),
        series=(
            Series(
                name="As usual",
                values=tuple(use.cost_by_day.get(d, Decimal(0)) - a for d, a in zip(days, above, strict=True)),
            ),
            Series(name="Above expected, in incidents", values=tuple(above)),
        ),
        stacked=True,
    )


def _timeline(incidents: Incidents) -> Chart:
    """The last seven days by the hour: what all customers cost, and what was to be expected of them."""
    use, unusual = incidents.use, incidents.unusual
    first = max(use.hours - TIMELINE_HOURS, (incidents.calls.period.start - use.start).days * 24, 0)
    rows = use.hour >= first
    cost = np.bincount(use.hour[rows] - first, use.dollars[rows], use.hours - first)
    per_hour = unusual.expectation.level * usual_cost_per_call(use, incidents.member >= 0)
    steps = np.zeros(use.hours + 1)
    np.add.at(steps, use.first_day[unusual.judged] * 24, per_hour[unusual.judged])
    np.add.at(steps, use.span_end[unusual.judged], -per_hour[unusual.judged])
    expected = np.maximum(np.cumsum(steps)[first:-1], 0) * unusual.expectation.profile[first:]
    young = rows & ~unusual.judged[use.customer]
    expected += np.bincount(use.hour[young] - first, use.dollars[young], use.hours - first)
    peak = int(np.argmax(cost - expected))
    return Chart(
        id="last-days-by-hour",
        kind="line",
        title="What did the last days cost by the hour, against the expected?",
        takeaway=(
            f"Furthest above the expected at {use.at(first + peak):%Y-%m-%d %H:%M}: "
            f"{dollars(float(cost[peak]))} against {dollars(float(expected[peak]))}."
        ),
        description=(
            "Cost of all customers in each hour of up to seven days, with the cost expected from each customer's "
            "level, weekday and hour of day as a dashed line. Single dear calls move it without being incidents."
        ),
        x=Axis(label="Hour (UTC)", unit="time"),
        y=Axis(label="Cost", unit="usd"),
        categories=tuple(f"{use.at(first + h):%Y-%m-%d %H:00}" for h in range(use.hours - first)),
        series=(
            Series(name="Cost", values=tuple(round(float(v), 9) for v in cost)),
            Series(name="Expected", values=tuple(round(float(v), 9) for v in expected), role="reference"),
        ),
    )


def _close_up(incidents: Incidents) -> Chart:
    use = incidents.use
    worst = max(incidents.found, key=lambda i: (i.extra, i.start, i.customer))
    first, end = max(worst.first - AROUND_HOURS, 0), min(worst.last + 1 + AROUND_HOURS, use.hours)
    rows = (use.customer == worst.position) & (use.hour >= first) & (use.hour < end)
    seen = np.bincount(use.hour[rows] - first, use.calls[rows], end - first)
    hours = np.arange(first, end)
    expected = incidents.unusual.expectation.mean(np.full(len(hours), worst.position), hours)
    return Chart(
        id="dearest-incident",
        kind="line",
        title=f"What happened around the dearest incident, of {worst.customer}?",
        takeaway=(
            f"{plural(worst.calls, 'call')} from {span_text(worst)}, {worst.expected_calls:,.1f} were expected: "
            f"{dollars(worst.extra)} more than expected."
        ),
        description="Calls of this customer in each hour from a day before the incident to a day after it.",
        x=Axis(label="Hour (UTC)", unit="time"),
        y=Axis(label="Calls", unit="count"),
        categories=tuple(f"{use.at(h):%Y-%m-%d %H:00}" for h in hours),
        series=(
            Series(name="Calls", values=tuple(int(v) for v in seen)),
            Series(name="Expected", values=tuple(round(float(v), 2) for v in expected), role="reference"),
        ),
    )


def _table(incidents: Incidents) -> Table:
    pairs = sorted(
        zip(incidents.found, incidents.drivers, strict=True),
        key=lambda p: (-p[0].start.timestamp(), -p[0].extra, p[0].customer),
    )
    return Table.of(
        "incidents",
        "Every incident, the latest first",
        (
            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
            Column(name="start", label="Start (UTC)", unit="time", role="dimension", dimension="timestamp"),
            Column(name="end", label="End (UTC)", unit="time"),
            Column(name="unusual", label="Unusual"),
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="expected_calls", label="Expected calls", unit="count", role="measure"),
            Column(name="cost", label="Cost", unit="usd", role="measure"),
            Column(name="expected_cost", label="Expected cost", unit="usd", role="measure"),
            Column(name="extra", label="Above expected", unit="usd", role="measure"),
            Column(name="explained_by", label="Explained by"),
        ),
        [
            (
                i.customer,
                i.start,
                i.end,
                i.what,
                i.calls,
                round(i.expected_calls, 2),
                i.cost,
                i.expected_cost,
                i.extra,
                d.text,
            )
            for i, d in pairs
        ],
        total=True,
        note="Cost is exact; the expected is an estimate, and so is what lies above it.",
    )


def _customers(incidents: Incidents) -> Table:
    return Table.of(
        "incidents-by-customer",
        "Customers by what their incidents cost",
        (
            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
            Column(name="incidents", label="Incidents", unit="count", role="measure"),
            Column(name="hours", label="Unusual hours", unit="count", role="measure"),
            Column(name="calls", label="Calls in them", unit="count", role="measure"),
            Column(name="cost", label="Cost of them", unit="usd", role="measure"),
            Column(name="extra", label="Above expected", unit="usd", role="measure"),
            Column(name="latest", label="Latest (UTC)", unit="time"),
        ),
        [
            (
                customer,
                len(group),
                sum(i.flagged for i, _ in group),
                sum(i.calls for i, _ in group),
                sum((i.cost for i, _ in group), Decimal(0)),
                extra_of(group),
                max(i.start for i, _ in group),
            )
            for customer, group in incidents.by_customer()
        ],
        total=True,
    )


def _days(incidents: Incidents) -> range:
    """The days of the period from the first one that was loaded up to now, counted from the start of the use."""
    calls, use = incidents.calls, incidents.use
    return range(max((calls.period.start - use.start).days, 0), (calls.now - use.start).days + 1)


def incidents_per_day(incidents: Incidents) -> tuple[float, ...]:
    """How many began on each day of the period up to now."""
    days = _days(incidents)
    begun = np.bincount([i.first // 24 for i in incidents.found], minlength=days.stop)
    return tuple(float(n) for n in begun[days.start :])
