"""What features cost, who uses them, and which part of the revenue their use stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from finops_core import Calls, Period
from finops_plugin_revenue.revenue import Revenue

SplitBy = Literal["calls", "tokens"]


@dataclass(frozen=True)
class CustomerUse:
    """A customer's use of a feature in a span.

    Attributes:
        feature: ``None`` for calls that name no feature.
        customer: As in the log.
        calls: Number of calls.
        tokens: Input and output tokens.
        cost: US dollars, as logged.
    """

    feature: str | None
    customer: str
    calls: int
    tokens: int
    cost: Decimal


@dataclass(frozen=True)
class FeatureUse:
    """A feature in a span.

    Attributes:
        feature: ``None`` for calls that name no feature.
        calls: Number of calls.
        customers: How many customers use it.
        cost: US dollars, as logged.
        known_cost: The part of it that customers of known revenue cause.
        revenue: Their revenue, split over what they use; ``None`` if no user of the feature has known revenue.
    """

    feature: str | None
    calls: int
    customers: int
    cost: Decimal
    known_cost: Decimal
    revenue: Decimal | None

    @property
    def name(self) -> str:
        """The feature in a table or a sentence."""
        return "(no feature)" if self.feature is None else self.feature

    @property
    def cost_per_call(self) -> Decimal:
        """US dollars; a feature in a span has at least one call."""
        return self.cost / self.calls

    @property
    def margin(self) -> Decimal | None:
        """Revenue less the cost of the customers it comes from."""
        return None if self.revenue is None else self.revenue - self.known_cost

    @property
    def margin_percent(self) -> float | None:
        """Margin in percent of revenue; ``None`` without revenue."""
        margin = self.margin
        return float(100 * margin / self.revenue) if self.revenue and margin is not None else None


Features = Mapping[str | None, FeatureUse]


def read_use(calls: Calls, spans: Sequence[Period]) -> list[list[CustomerUse]]:
    """Who used which feature how much, in one pass over the log.

    Args:
        calls: Of a log with calls.
        spans: The period, and the spans to compare; they may overlap.

    Returns:
        A list for each span, sorted by customer and feature, the calls without a feature last.
    """
    flags = ", ".join(
        f"timestamp >= TIMESTAMP '{span.start}' AND timestamp < TIMESTAMP '{span.end}' AS in_{i}"
        for i, span in enumerate(spans)
    )
    found: list[dict[tuple[str, bool, str], CustomerUse]] = [{} for _ in spans]
    for row in calls.rows(
        f"""
        SELECT feature_id, customer_id, {flags}, count(*) AS calls,
            CAST(sum(input_tokens + output_tokens) AS BIGINT) AS tokens, sum(cost_usd) AS cost
        FROM history WHERE timestamp >= $start GROUP BY ALL
        """,
        start=min(span.start for span in spans),
    ):
        feature, customer = row["feature_id"], row["customer_id"]
        key = (customer, feature is None, feature or "")
        for i, uses in enumerate(found):
            if row[f"in_{i}"]:
                before = uses.get(key, CustomerUse(feature, customer, 0, 0, Decimal(0)))
                uses[key] = CustomerUse(
                    feature,
                    customer,
                    before.calls + row["calls"],
                    before.tokens + row["tokens"],
                    before.cost + row["cost"],
                )
    return [[use for _, use in sorted(span.items())] for span in found]


def by_feature(uses: list[CustomerUse], revenue: Revenue, split_by: SplitBy) -> dict[str | None, FeatureUse]:
    """Add up the use of every feature, and split each customer's revenue over the features that it uses.

    Args:
        uses: Of one span, in a fixed order.
        revenue: Of the same span.
        split_by: What a customer's revenue is split by; never cost, or revenue would follow waste.

    Returns:
        The features by name; costs add up to the span's cost, and revenues to that of all customers of known
        revenue with calls in it, to the last digit.
    """
    shares = revenue.split_by_use(
        [use.customer for use in uses], [use.calls if split_by == "calls" else use.tokens for use in uses]
    )
    totals: dict[str | None, FeatureUse] = {}
    for use, share in zip(uses, shares, strict=True):
        feature = totals.get(use.feature, FeatureUse(use.feature, 0, 0, Decimal(0), Decimal(0), None))
        totals[use.feature] = FeatureUse(
            use.feature,
            feature.calls + use.calls,
            feature.customers + 1,
            feature.cost + use.cost,
            feature.known_cost + (0 if share is None else use.cost),
            feature.revenue if share is None else share + (feature.revenue or 0),
        )
    return totals
