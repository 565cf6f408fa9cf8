"""What a stranger's package looks like: a pattern and an analyzer, on public names of finops_core alone."""

from decimal import Decimal

import numpy as np
from pydantic import PositiveFloat

from finops_core import AICallSimulator, Analyzer, Calls, Column, Metric, Report, Section, Table, hookimpl


class WeekendSimulator(AICallSimulator):
    """Usage that lives on weekends."""

    num_customers: int = 25
    """How many customers call."""
    seed: int = 400
    """Another seed makes other customers with other calls."""
    weekend_factor: PositiveFloat = 3.0
    """Usage on Saturdays and Sundays, times a weekday's."""

    def factor(self, customers, calendar):
        """Times a customer's normal hourly rate; broadcasts to (customers, hours)."""
        return np.where(calendar.is_weekend, self.weekend_factor, 1.0)


class WeekendShareAnalyzer(Analyzer):
    """How much of the cost weekends make."""

    report_name = "weekend_share"
    title = "Weekends"
    question = "How much do we spend on weekends?"

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        if not calls.total:
            return self.empty()
        days = calls.rows(
            "SELECT CAST(timestamp AS DATE) AS day, sum(cost_usd) AS cost FROM calls GROUP BY ALL ORDER BY day"
        )
        cost = {"Monday to Friday": Decimal(0), "Weekend": Decimal(0)}
        for day in days:
            cost["Weekend" if day["day"].weekday() >= 5 else "Monday to Friday"] += day["cost"]
        total = sum(cost.values())
        share = float(100 * cost["Weekend"] / total) if total else None
        table = Table.of(
            "cost",
            "Cost by part of the week",
            [
                Column(name="part", label="Part", role="dimension"),
                Column(name="cost", label="Cost", unit="usd", role="measure"),
            ],
            cost.items(),
            total=True,
        )
        return self.report(
            answer="Nothing was spent." if share is None else f"Weekends make {share:.0f} % of the cost.",
            metrics=(Metric(id="share", label="Weekend share of cost", value=share, unit="percent"),),
            sections=(Section(id="parts", title="Parts of the week", blocks=(table,)),),
            comparison=calls.comparison_text,
        )
