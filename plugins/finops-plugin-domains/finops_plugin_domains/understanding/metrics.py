"""The headline numbers, over the period and over the spans that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Metric
from finops_plugin_domains.understanding.breakdown import NO_CACHING, Groups, records_caching
from finops_plugin_domains.understanding.cost_change import CostChange
from finops_plugin_domains.understanding.days import Days
from finops_plugin_domains.understanding.forecast import Forecast
from finops_plugin_domains.understanding.outlook import forecast_metrics
from finops_plugin_domains.understanding.usage import added


def metrics(
    groups: Groups, days: Days, change: CostChange | None, forecasts: Sequence[Forecast | None]
) -> list[Metric]:
    """What was used, and what is to come.

    Args:
        groups: As :func:`~finops_plugin_domains.understanding.breakdown.break_down` returns them.
        days: What the spans and the forecasts are made of.
        change: Between the spans, if any are compared.
        forecasts: Of now and, with a change, of the end of the later and of the earlier span.
    """
    (total,) = groups[()]
    usages, customers = [total], [len(groups["customer_id",])]
    if change is not None:
        usages += [added(days.of(span)) for span in (change.comparison.current, change.comparison.previous)]
        customers += reversed(change.customers)
    cached = records_caching(total)
    return [
        Metric.over(usages, lambda u: u.cost, id="spend", label="Spend", unit="usd", better="lower", home=1),
        Metric.over(usages, lambda u: u.calls, id="calls", label="Calls", unit="count"),
        Metric.over(customers, lambda n: n, id="customers", label="Active customers", unit="count", better="higher"),
        Metric.over(usages, lambda u: u.tokens, id="tokens", label="Tokens", unit="tokens"),
        Metric.over(
            usages,
            lambda u: u.cost_per_1k_tokens,
            id="cost-per-1k-tokens",
            label="Cost per 1k tokens",
            unit="usd",
            better="lower",
            note="Cost / (input + output tokens) x 1,000.",
        ),
        Metric.over(
            usages,
            lambda u: u.cache_hit_percent if cached else None,
            id="cache-hit-rate",
            label="Cache hit rate",
            unit="percent",
            better="higher",
            note="Input tokens read from a cache / all input tokens." if cached else NO_CACHING,
        ),
        *forecast_metrics(forecasts, days),
    ]
