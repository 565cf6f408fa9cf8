"""Anomaly management: what is going wrong now, and who is it?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from finops_core import (
    Analyzer,
    Calls,
    Metric,
    Period,
    Report,
    hookimpl,
    plural,
    some_of,
)
from finops_plugin_domains.budget_report import budget_findings, budget_section
from finops_plugin_domains.budgets import LOOK_BACK_DAYS, WEEKDAY_DAYS, BudgetStatus, budget_statuses
from finops_plugin_domains.realtime.anomalies import Incident, find_unusual, merge_incidents
from finops_plugin_domains.realtime.churn import PRIOR_DAYS, Stopped, find_decline, find_stopped, latest_tiers, told_in
from finops_plugin_domains.realtime.churn_report import (
    decline_finding,
    decline_section,
    pause_text,
    revenue_at_risk,
    revenue_text,
    stopped_finding,
    stopped_section,
)
from finops_plugin_domains.realtime.drivers import MIN_RISE, MIN_SIGMAS, drivers
from finops_plugin_domains.realtime.hourly import HourlyUse, hourly_use
from finops_plugin_domains.realtime.incident_findings import incident_findings, nothing_unusual
from finops_plugin_domains.realtime.incident_report import (
    Incidents,
    begun_in,
    incident_section,
    incidents_per_day,
    incidents_text,
)
from finops_plugin_domains.realtime.score_report import score_section
from finops_plugin_domains.realtime.scoring import simulated_customers

LAG = "By the first silent day; who fell silent in the last days shows only later, so that a fall is no good news yet."

METRICS: tuple[tuple[str, str, str, str | None, str], ...] = (
    ("anomalies", "Anomalies", "count", "lower", "Incidents: unusual hours of a customer that belong together."),
    (
        "anomaly_cost",
        "Cost above expected",
        "usd",
        "lower",
        "Cost of incidents less what the expected calls would have cost.",
    ),
    ("anomaly_rate", "Anomaly detection rate", "percent", "lower", "Cost above expected in incidents / spend x 100."),
    ("anomalous_customers", "Customers with incidents", "count", "lower", ""),
    # Who stopped in the last days is not known yet: a fall of these two is no good news.
    ("stopped", "Customers who stopped", "count", None, LAG),
    (
        "revenue_at_risk",
        "Revenue a month at risk",
        "usd",
        None,
        f"Tier prices of those who stopped; unknown ones not counted. {LAG}",
    ),
)
"""Id, label, unit, which direction is good news, and note of each metric."""


StoppedIn = Callable[[Period], list[Stopped] | None]
"""Who stopped in a span; ``None`` where that cannot be told."""


class RealtimeAnalyzer(Analyzer):
    """Finds unusual hours of customers, customers who stop calling, and budgets that run out."""

    report_name: ClassVar[str] = "finops_realtime"
    title: ClassVar[str] = "Real-time anomalies"
    capability: ClassVar[str] = "Anomaly Management"
    audience: ClassVar[str] = "FinOps lead, engineering on call, customer success"
    question: ClassVar[str] = "What is going wrong now, and who is it?"

    false_alarms: PositiveFloat = 0.1
    """Unusual hours expected by chance alone in a whole run; half of it for calls, half for cost per call."""
    min_factor: PositiveFloat = 2.0
    """An hour is unusual only from this many times the expected calls, or the usual cost per call, on."""
    min_days: PositiveInt = 5
    """A customer is judged from this many days between the first and the last call on."""
    min_calls_for_cost: PositiveInt = 30
    """Fewest calls in an hour whose cost per call is judged."""
    merge_gap_hours: NonNegativeInt = 2
    """Quiet hours that may lie inside one incident."""
    baseline_days: PositiveInt = 60
    """How many days before the end of the period tell what is usual; a longer period is used as a whole."""
    churn_false_alarms: PositiveFloat = 0.001
    """Customers expected to be listed as stopped by chance alone in a whole run. Small, because a wrong name costs
    a call to a customer, while two or three more days of silence settle the matter."""
    min_silence_days: PositiveFloat = 3.0
    """Shortest silence that is reported, days."""
    decline_percent: PositiveFloat = 10.0
    """Smallest fall in calls that is reported as a decline, percent; ``false_alarms`` limits these as well."""

    def read_ahead(self, calls: Calls) -> None:
        """What customers did in each hour, and who was simulated."""
        use = hourly_use(calls, self.baseline_days)
        if calls.events.num_rows:
            simulated_customers(calls, use.start)

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Test every customer and hour, and check silence, decline and budgets."""
        if not calls.total:
            return self.empty(calls.empty_text)
        use = hourly_use(calls, self.baseline_days)
        unusual = find_unusual(
            use,
            false_alarms=self.false_alarms,
            min_factor=self.min_factor,
            min_days=self.min_days,
            min_calls_for_cost=self.min_calls_for_cost,
        )
        everywhere, member = merge_incidents(use, unusual, self.merge_gap_hours)
        found = begun_in(everywhere, calls.period)
        incidents = Incidents(calls, use, unusual, member, found, drivers(calls, use, found))
        tiers = latest_tiers(calls)
        silent = find_stopped(
            calls, use, tiers, false_alarms=self.churn_false_alarms, min_silence_days=self.min_silence_days
        )
        stopped_in = partial(told_in, silent, calls.now - timedelta(days=self.min_silence_days))
        stopped = stopped_in(calls.period)
        decline = find_decline(
            calls, use, tiers, silent or (), min_percent=self.decline_percent, false_alarms=self.false_alarms
        )
        budgets = budget_statuses(calls)
        spend = use.spend(calls.period)
        empty_days = use.days_without_calls(calls.period)

        # Without hours tested on calls, no incident means that hardly anything was looked at.
        known = bool(everywhere) or unusual.hours_tested > 0
        findings = incident_findings(incidents, self.false_alarms)
        if not findings:
            findings.append(nothing_unusual(incidents, self.min_days))
        if stopped:
            findings.append(stopped_finding(stopped))
        if decline.customers:
            findings.append(decline_finding(decline))
        findings += budget_findings(calls, budgets)
        answer = [self._incidents_answer(incidents, spend), _stopped_answer(silent, stopped)]
        if any(b.runs_out for b in budgets):
            answer.append(_budgets_answer(budgets))
        sections = [
            incident_section(incidents, spend, self.min_days),
            stopped_section(silent, stopped, len(use.customers), self.min_silence_days),
            decline_section(decline, self.decline_percent),
            budget_section(calls, budgets),
        ]
        score = score_section(calls, use, everywhere, silent or (), self.min_days)
        if score:
            sections.append(score)
        return self.report(
            answer=f"{'; '.join(answer)}.",
            metrics=_metrics(calls, use, everywhere if known else None, stopped_in),
            findings=tuple(findings),
            sections=tuple(sections),
            method=self._method(incidents),
            assumptions=(
                "Times are UTC; now is the last accepted call of the period.",
                "The log is complete up to its last call: a missing export looks like customers who stopped.",
                *([pause_text(empty_days)] if empty_days else []),
                "Revenue at risk is the price of a customer's latest known tier; an unknown one is listed, not priced.",
            ),
            comparison=calls.comparison_text,
            headline="anomalies",
            sparkline=incidents_per_day(incidents) if known else (),
        )

    def _incidents_answer(self, incidents: Incidents, spend: Decimal) -> str:
        unusual = incidents.unusual
        if incidents.found:
            return incidents_text(incidents, spend)
        if unusual.hours_tested:
            return (
                f"Nothing unusual in {plural(unusual.hours_tested, 'customer-hour')} checked for too many calls "
                f"and {unusual.cost_hours_tested:,} for too high a cost per call"
            )
        if unusual.cost_hours_tested:
            return (
                f"Too many calls cannot be told before a customer's calls span {plural(self.min_days, 'day')}; the "
                f"cost per call was checked in {plural(unusual.cost_hours_tested, 'customer-hour')}, and none was "
                "unusual"
            )
        return f"Nothing can be called unusual before a customer's calls span {plural(self.min_days, 'day')}"

    def _method(self, incidents: Incidents) -> tuple[str, ...]:
        tests = incidents.unusual.hours_tested + incidents.unusual.cost_hours_tested
        return (
            "Expected calls of a customer in an hour = the customer's level x weekday x hour of day. Weekday and hour "
            "factors are pooled over customers, each weighing the same; only the days from a customer's first to its "
            "last call count. An hour with more calls than the customer's typical day counts as that day, and hours "
            "found unusual are left out, until none is new.",
            "Calls are tested with a negative binomial tail whose dispersion is the customer's own and at least the "
            "median customer's; the tail is bounded from above by a geometric series, so that it is never too small.",
            f"Cost per call is tested in hours with at least {self.min_calls_for_cost} priced calls, on the mean "
            "logarithm of the cost of a call against the customer's median hour and its spread.",
            f"Both tests together are set to raise {self.false_alarms:g} false alarms in a whole run"
            f"{f', here of {tests:,} tests' if tests else ''}, and only from "
            f"{self.min_factor:g} times the expected on. Dollars rank incidents and do not raise them.",
            f"Unusual hours of a customer with at most {self.merge_gap_hours} quiet hours between them are one "
            "incident. Cost above expected = cost - expected calls x the customer's cost per call outside of "
            f"incidents. What explains it is the value whose share rose by {100 * MIN_RISE:g} points or more, and by "
            f"more than {MIN_SIGMAS:g} standard errors.",
            "A customer stopped if such a silence would come by chance too rarely (beta-binomial: the customer's own "
            "share of days with calls, drawn towards the habit of all customers by "
            f"{PRIOR_DAYS:g} days), with {self.churn_false_alarms:g} false alarms over all customers. A burst is one "
            "day in that share.",
            f"A budget's rest of the month is expected at the mean cost of whole days among the last {LOOK_BACK_DAYS}, "
            f"by weekday from {WEEKDAY_DAYS} of them on.",
        )


def _stopped_answer(silent: list[Stopped] | None, stopped: list[Stopped] | None) -> str:
    if silent is None:
        return "too few days are known to tell who stopped using the service"
    if stopped is None:
        return "the period is too short to tell who stopped using the service"
    if stopped:
        return f"{plural(len(stopped), 'customer')} stopped using the service ({revenue_text(stopped)})"
    return "nobody stopped using the service"


def _budgets_answer(budgets: list[BudgetStatus]) -> str:
    trouble = sum(b.runs_out is not None for b in budgets)
    return f"{some_of(trouble, len(budgets), 'budget')} will not last the month"


def _metrics(
    calls: Calls, use: HourlyUse, everywhere: list[Incident] | None, stopped_in: StoppedIn
) -> tuple[Metric, ...]:
    comparison = calls.comparison
    spans = [calls.period, *([comparison.current, comparison.previous] if comparison else [])]
    numbers = [_numbers(span, use, everywhere, stopped_in) for span in spans]
    return tuple(
        Metric.over(
            numbers,
            itemgetter(name),
            id=name,
            label=label,
            unit=unit,
            better=better,
            note=note,
            home=4 if name == "anomalies" else 0,
        )
        for name, label, unit, better, note in METRICS
    )


def _numbers(span: Period, use: HourlyUse, everywhere: list[Incident] | None, stopped_in: StoppedIn) -> dict[str, Any]:
    """The values of :data:`METRICS` over a span; what could not be tested is unknown (``None``), not none."""
    numbers: dict[str, Any] = dict.fromkeys(name for name, *_ in METRICS)
    stopped = stopped_in(span)
    if stopped is not None:
        numbers |= {"stopped": len(stopped), "revenue_at_risk": revenue_at_risk(stopped)}
    if everywhere is None:
        return numbers
    spend = use.spend(span)
    incidents = begun_in(everywhere, span)
    extra = sum((i.extra for i in incidents), Decimal(0))
    return numbers | {
        "anomalies": len(incidents),
        "anomaly_cost": extra,
        "anomaly_rate": 100 * extra / spend if spend else None,
        "anomalous_customers": len({i.customer for i in incidents}),
    }
