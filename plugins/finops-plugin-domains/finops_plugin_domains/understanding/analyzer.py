"""What is spent, on what, why it moved, and what comes next."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from typing import ClassVar

from pydantic import Field, PositiveInt

from finops_core import (
    Analyzer,
    Calls,
    Finding,
    Period,
    Report,
    Section,
    dollars,
    hookimpl,
    listing,
    percent,
    plural,
)
from finops_plugin_domains.understanding.breakdown import (
    Groups,
    break_down,
    label,
    spend_section,
    tokens_section,
)
from finops_plugin_domains.understanding.change_findings import change_findings
from finops_plugin_domains.understanding.cost_change import CostChange, cost_change
from finops_plugin_domains.understanding.daily import daily_section, long_pauses, pause_findings, pause_text
from finops_plugin_domains.understanding.days import Days, days_of
from finops_plugin_domains.understanding.forecast import Forecast, forecast
from finops_plugin_domains.understanding.metrics import metrics
from finops_plugin_domains.understanding.movement import because, change_section, compared, span_words
from finops_plugin_domains.understanding.outlook import (
    HORIZONS,
    forecast_findings,
    forecast_section,
    next_days,
    no_forecast,
    odds,
)


class UnderstandingAnalyzer(Analyzer):
    """Totals, breakdowns, the exact split of what moved cost, and a forecast that was tested."""

    report_name: ClassVar[str] = "finops_understanding"
    title: ClassVar[str] = "Understanding"
    capability: ClassVar[str] = "Reporting & Analytics; Forecasting"
    audience: ClassVar[str] = "FinOps leads, finance, engineering leads"
    question: ClassVar[str] = "What do we spend, on what, and what next?"

    material_percent: float = Field(default=5, gt=0, le=100)
    """A change is a finding from this percentage of the earlier span's cost on."""
    concentration_percent: float = Field(default=20, gt=0, le=100)
    """A customer is a finding from this percentage of all cost on, unless the others cost about as much."""
    concentration_factor: float = Field(default=2, ge=1)
    """How many times the mean of the other customers that customer must cost."""
    interval_percent: float = Field(default=80, ge=50, le=99)
    """How often a forecast's interval should hold what comes, in percent."""
    history_days: PositiveInt = 90
    """The forecast is fitted on at most this many days before the last call."""
    trend_damping: float = Field(default=0.95, ge=0, lt=1)
    """What is left of a trend's daily step one day further out: 0.95 lets a trend run on for 19 days in all."""

    def read_ahead(self, calls: Calls) -> None:
        """What was used on which day, and what moved."""
        cost_change(calls, days_of(calls, self.history_days).model_names)

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Report on the spend of the period."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        days = days_of(calls, self.history_days)
        groups = break_down(days, calls.period)
        expected = self._forecast(days)
        daily, totals = days.models_by_day(calls.period), days.of(calls.period)
        dates = [str(calls.period.first + timedelta(days=i)) for i in range(calls.period.days)]
        change = cost_change(calls, days.model_names)
        forecasts = [expected]
        if change is not None:
            forecasts += [expected, self._forecast(days, change.comparison.previous.last)]
        moved = [] if change is None else change_findings(change, calls, days, self.material_percent)
        at_stake = any(finding.usd_per_month is not None for finding in moved)
        own_amount = not at_stake and not long_pauses(days, calls.period)
        findings = [
            *([] if groups[()][0].cost else [_no_costs()]),
            *moved,
            *self._concentration(groups, calls.period),
            *forecast_findings(days, expected, self.interval_percent, own_amount=own_amount),
            *pause_findings(days, calls.period),
        ]
        return self.report(
            answer=self._answer(calls, groups, days, change, expected),
            metrics=metrics(groups, days, change, forecasts),
            findings=findings or [self._quiet(groups, calls)],
            sections=(
                daily_section(dates, daily, totals, pause_text(days, calls.period)),
                spend_section(groups),
                tokens_section(groups, dates, daily, totals),
                Section(id="change", title="Why did cost move?", text=calls.comparison_text)
                if change is None
                else change_section(change),
                forecast_section(days, expected, self.interval_percent),
            ),
            method=_METHOD,
            assumptions=_assumptions(days, calls.period, self.interval_percent),
            comparison=calls.comparison_text,
            headline="spend",
            sparkline=tuple(float(u.cost) for u in totals),
        )

    def _forecast(self, days: Days, until: date | None = None) -> Forecast | None:
        """What is to come after the last day, or what would have been forecast on an earlier one."""
        costs = days.costs(until)
        if len(costs) < 2 or not costs.any():
            return None
        return forecast(
            costs,
            HORIZONS,
            interval_percent=self.interval_percent,
            damping=self.trend_damping,
            skip=days.unfinished if until is None else 0,
        )

    def _answer(
        self, calls: Calls, groups: Groups, days: Days, change: CostChange | None, expected: Forecast | None
    ) -> str:
        (total,) = groups[()]
        dearest = groups["provider", "model"][0]
        what = f"{plural(total.calls, 'call')}{_duration(calls, days)}"
        parts = [
            f"{dollars(total.cost)} was spent on {what}, "
            f"{'all' if dearest.cost == total.cost else percent(dearest.cost / total.cost * 100)} of it on "
            f"{label(dearest.names)}"
            if total.cost
            else f"By the log, {what} cost nothing"
        ]
        if change is not None and (change.total.current or change.total.previous):
            parts.append(_change(change, calls))
        if expected is not None:
            parts.append(next_days(expected, self.interval_percent))
        elif total.cost:
            parts.append(no_forecast(days))
        return f"{'; '.join(parts)}."

    def _concentration(self, groups: Groups, period: Period) -> list[Finding]:
        (total,) = groups[()]
        customers = groups["customer_id",]
        others = len(customers) - 1
        if not others or not total.cost:
            return []
        least, factor = (Decimal(repr(n)) for n in (self.concentration_percent, self.concentration_factor))
        return [
            Finding(
                id=f"concentration-{i}",
                title=f"Customer {label(u.names)} causes {percent(u.cost / total.cost * 100)} of all cost, "
                f"{dollars(u.cost)} in {plural(period.days, 'day')}, with {percent(u.calls / total.calls * 100)} of "
                "all calls.",
                who=label(u.names),
                # No dollars at stake: what a customer costs is no loss, only as much as hangs on it.
                confidence="high",
                why_sure=f"Logged cost of {plural(u.calls, 'call')}; {_others(total.cost - u.cost, others)}.",
                action=f"Check what {label(u.names)} pays against this, and give it a budget so that a change is seen.",
                section="spend",
            )
            for i, u in enumerate(customers, 1)
            if u.cost * 100 >= least * total.cost and u.cost * others >= factor * (total.cost - u.cost)
        ]

    def _quiet(self, groups: Groups, calls: Calls) -> Finding:
        several = len(groups["customer_id",]) > 1
        checked = []
        if several:
            checked.append(
                f"no customer causes {self.concentration_percent:g} % of the cost and at least "
                f"{self.concentration_factor:g} times what the others cost on average"
            )
        if calls.comparison is not None:
            checked.append(
                f"spend did not move by {self.material_percent:g} %, neither in all nor for a customer or a feature on "
                f"a model ({calls.comparison})"
            )
        if not checked:
            return Finding(
                id="nothing-unusual",
                title="Too little to judge: there is a single customer, and no earlier span to compare with.",
                confidence="low",
                why_sure=calls.comparison_text,
                action="Look again when the log is longer.",
                section="spend",
            )
        return Finding(
            id="nothing-unusual",
            title=f"Nothing unusual: {listing(checked)}.",
            confidence="low" if calls.comparison is None else "high",
            why_sure=calls.comparison_text if calls.comparison is None else "Every one of them was checked.",
            action="Nothing to do.",
            section="spend",
            severity="good",
        )


def _others(cost: Decimal, customers: int) -> str:
    if customers == 1:
        return f"the only other customer cost {dollars(cost)}"
    return f"the other {plural(customers, 'customer')} cost {dollars(cost / customers)} each on average"


def _no_costs() -> Finding:
    return Finding(
        id="no-costs",
        title="Costs are not logged: no call has any, so that spend cannot be judged.",
        who="all calls",
        confidence="high",
        why_sure="The costs of all calls of the period were added up.",
        action="Write cost_usd with every call, or let finops import price a file that has no costs.",
        section="spend",
        severity="warning",
    )


def _assumptions(days: Days, period: Period, interval_percent: float) -> tuple[str, ...]:
    notes = [
        "A call without a feature, organisation, product or task is shown as a group of its own, without a name.",
        "The forecast carries on what calls cost; it knows nothing of contracts, new customers or coming prices.",
        f"Forecast intervals are meant to hold in {odds(interval_percent)}, and suppose that days vary independently "
        "around their expectation.",
    ]
    if pauses := pause_text(days, period):
        notes.append(pauses)
    if days.unfinished:
        notes.append(
            f"{days.date(len(days.usage) - 1)} was not over at the last call: it counts in all totals, and not in the "
            "forecast, which starts on the day after."
        )
    if days.begins_late:
        notes.append(f"{days.first} began before the first call of the log: the forecast leaves it out.")
    return tuple(notes)


_METHOD = (
    "Cost is what the log says, added up as decimals; every table adds up to the total to the last digit.",
    "Why cost moved: for every customer, model and feature, calls x tokens per call by class (uncached input, cache "
    "read, cache write, output) x catalogue price per token at the calls' dates x logged over catalogue cost. Volume, "
    "intensity and price are the changes of the first three, each with the other factors at the mean of both spans; "
    "mix is what is left. What appears or disappears as a whole is volume. Of a group's volume, the change of its "
    "calls x its mean cost of a call (every factor at the mean of both spans) comes from their number; the rest comes "
    "from calls that went to dearer or cheaper models, features or customers.",
    "Forecast: the mean, the same weekday of the last week, and a weekday pattern plus a fading (damped) trend by "
    "least squares compete on held-back weeks; the one with the smallest mean absolute error of a day is used. The "
    "error of the last week is that of the method which was best before it. The interval follows from how days vary "
    "around the fit, or from how far held-back weeks were missed if that is more, and from the uncertainty of the fit. "
    "To count how often the interval holds, earlier weeks are forecast with the method, the fit and the interval that "
    "were known before each of them.",
    "Cost per 1k tokens = cost / (input + output tokens) x 1,000. Cache hit rate = input tokens read from a cache / "
    "all input tokens.",
)


def _duration(calls: Calls, days: Days) -> str:
    """How long the calls took to come in; a day of which they cover half or less is told in hours."""
    if calls.total == 1 or calls.period is None:
        return ""
    hours = max(1, ceil(days.last_day_covers / timedelta(hours=1)))
    if calls.period.days == 1 and hours <= 12:
        return f" within {plural(hours, 'hour')} of {calls.period}"
    return f" in {plural(calls.period.days, 'day')}"


def _change(change: CostChange, calls: Calls) -> str:
    moved, (later, earlier) = change.total, span_words(calls, change.comparison)
    # Within a longer period its last days are compared.
    now = "that is" if change.comparison.current == calls.period else f"{dollars(moved.current)} of it {later},"
    text = f"{now} {compared(moved, earlier)}"
    return f"{text}, {because(moved)}" if moved.change else text
