"""Which features earn their cost: cost, use, attributed revenue, margin, growth, and what to do with each."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import Field, PositiveInt

from finops_core import Analyzer, Calls, Metric, Report, dollars, hookimpl, percent, plural, some_of
from finops_plugin_revenue.features import sections
from finops_plugin_revenue.features.economics import Economics
from finops_plugin_revenue.features.findings import findings
from finops_plugin_revenue.features.use import Features, SplitBy
from finops_plugin_revenue.features.verdicts import Rule
from finops_plugin_revenue.revenue import Revenue, read_subscriptions

Span = tuple[Revenue, Features]


class FeaturesAnalyzer(Analyzer):
    """Weighs what each feature costs against the revenue that its use stands for."""

    report_name: ClassVar[str] = "feature_economics"
    title: ClassVar[str] = "Feature economics"
    capability: ClassVar[str] = "KPIs & Benchmarking"
    audience: ClassVar[str] = "Product managers"
    question: ClassVar[str] = "Which features earn their cost?"

    split_by: SplitBy = "calls"
    """What a customer's revenue is split over its features by: calls or tokens, never cost."""
    fix_below_percent: float = Field(default=20, lt=100)
    """A feature with a margin below this needs fixing."""
    invest_from_percent: float = Field(default=50, lt=100)
    """A growing feature with a margin from here on is worth investing in."""
    growth_percent: float = Field(default=10, ge=0)
    """By how much calls must grow beyond the growth of all calls to count as growth."""
    adoption_percent: float = Field(default=10, ge=0, le=100)
    """A feature used by fewer of the active customers is niche."""
    leak_percent: float = Field(default=25, gt=0)
    """A cost per call that rises by this much is a leak."""
    compared_calls: PositiveInt = 30
    """Growth and leaks are judged only with so many calls of the feature in both spans, shrinking with so many in the
    earlier one."""

    def read_ahead(self, calls: Calls) -> None:
        """Who had which tier; what was used is read for others too."""
        read_subscriptions(calls)

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Add up each feature's use, split each customer's revenue over it, and judge."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        rule = Rule(
            self.fix_below_percent,
            self.invest_from_percent,
            self.growth_percent,
            self.adoption_percent,
            self.leak_percent,
            self.compared_calls,
        )
        economics = Economics.read(calls, rule, self.split_by)
        return self.report(
            answer=_answer(economics),
            metrics=_metrics(economics),
            findings=findings(economics),
            sections=(
                sections.verdicts(economics),
                sections.economics(economics),
                sections.growth(economics),
                sections.attribution(economics),
            ),
            method=(
                "Revenue is what customers' tiers cost, as in the report customer_profitability; that of customers who "
                "paid without a call in the period belongs to no feature.",
                "A customer's revenue of the period is split over the features it used in proportion to "
                f"{self.split_by}, by largest remainder at nine digits, so that features add up to the revenue "
                "exactly.",
                "Margin is that revenue less the cost of the same customers' calls; calls of customers without a known "
                "revenue are in a feature's cost, not in its margin.",
                "Adoption is the share of customers with a call in the period who used the feature.",
                str(economics.rule),
            ),
            assumptions=(
                "Revenue is what the customers' tiers cost for the days of the period; that a feature's use stands for "
                "a part of it is an allocation rule, not a measurement of what the feature is worth to them.",
            ),
            comparison=calls.comparison_text,
            headline="earning",
        )


def _answer(e: Economics) -> str:
    named = e.named
    cost = sum((use.cost for use in e.features.values()), Decimal(0))
    if not named:
        return f"Nothing can be said about features: none of the calls, {dollars(cost)} together, names one."
    dearest = f"{named[0].name} costs most ({dollars(named[0].cost)} of {dollars(cost)})"
    judged = [use for use in named if use.margin is not None]
    if e.uncosted:
        calls = some_of(e.calls_made, e.calls_made, "call")
        return f"Whether a feature earns its cost cannot be known: by the log, {calls} of the period cost nothing."
    if not judged:
        return f"{dearest}; whether a feature earns its cost cannot be known, as no customer has a known revenue."
    bad = e.judged("fix", "retire")
    if not bad:
        thin = min(judged, key=lambda use: (101 if use.margin_percent is None else use.margin_percent, use.name))
        margin = "no revenue" if thin.margin_percent is None else f"a margin of {percent(thin.margin_percent)}"
        if len(named) == 1:
            return f"{thin.name}, the only feature, has {margin} ({e.rule.fix_below:g} % is wanted)."
        return (
            f"{plural(len(judged), 'feature has', 'features have')} at least the {e.rule.fix_below:g} % margin wanted; "
            f"the thinnest is {thin.name} with {margin}; {dearest}."
        )
    worst = min(bad, key=lambda use: (use.margin or 0, use.name))
    why = e.verdicts[worst.name].why
    if len(named) == 1:
        return f"{worst.name}, the only feature, needs work, with {why}."
    if len(bad) == 1:
        return f"1 of {plural(len(judged), 'feature')} needs work: {worst.name}, with {why}; {dearest}."
    return f"{len(bad)} of {len(judged)} features need work, {worst.name} first, with {why}; {dearest}."


def _metrics(e: Economics) -> tuple[Metric, ...]:
    def revenue(span: Span) -> Decimal | None:
        paid, _ = span
        return paid.total if paid.known else None

    def margin(span: Span) -> Decimal | None:
        paid, features = span
        if not paid.known or (features and not cost(span)):
            return None
        return paid.total - sum(use.known_cost for use in features.values())

    def cost(span: Span) -> Decimal | None:
        _, features = span
        return sum((use.cost for use in features.values()), Decimal(0)) if features else None

    def per_call(span: Span) -> Decimal | None:
        _, features = span
        spent = cost(span)
        return None if spent is None else spent / sum(use.calls for use in features.values())

    def unnamed(span: Span) -> float | None:
        _, features = span
        spent = cost(span)
        return float(100 * (features[None].cost if None in features else 0) / spent) if spent else None

    judged = [use for use in e.named if use.margin is not None]
    return (
        Metric(
            id="earning",
            label="Features that earn their cost",
            value=len(judged) - len(e.judged("fix", "retire")) if any(map(e.rule.enough, judged)) else None,
            current=e.earning_in(e.current),
            previous=e.earning_in(e.previous),
            unit="count",
            better="higher",
            note=f"Of {plural(len(judged), 'feature')} with known revenue, those not to be fixed or retired; in the "
            "compared spans those with the margin wanted.",
        ),
        Metric.over(e.spans, cost, id="cost", label="Cost", unit="usd", better="lower"),
        Metric.over(
            e.spans,
            revenue,
            id="revenue",
            label="Revenue",
            unit="usd",
            better="higher",
            note=f"Of customers with known revenue; that of customers with a call is split by {e.split_by}.",
        ),
        Metric.over(
            e.spans,
            margin,
            id="margin",
            label="Margin",
            unit="usd",
            better="higher",
            note="Revenue less the cost of the same customers; unknown where no call has a cost.",
        ),
        Metric.over(e.spans, per_call, id="cost-per-call", label="Cost per call", unit="usd", better="lower"),
        Metric.over(
            e.spans,
            unnamed,
            id="without-feature",
            label="Cost without a feature",
            unit="percent",
            better="lower",
            note="The share of cost whose calls name no feature.",
        ),
    )
