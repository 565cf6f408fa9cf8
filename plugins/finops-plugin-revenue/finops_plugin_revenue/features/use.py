"""What features cost, who uses them, and which part of the revenue their use stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pyarrow as pa

from finops_core import Calls
from finops_plugin_revenue.revenue import Revenue

SplitBy = Literal["calls", "tokens"]


@dataclass(frozen=True)
class SpanUse:
    """Customers' use of features in a span: lists with an entry for each customer and feature.

    Attributes:
        customers: As in the log, sorted.
        features: Sorted for each customer; ``None``, the last, for calls that name no feature.
        calls: Number of calls.
        tokens: Input and output tokens.
        costs: US dollars, as logged.
    """

    customers: list[str]
    features: list[str | None]
    calls: list[int]
    tokens: list[int]
    costs: list[Decimal]


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
        costed: Whether any call of the span has a cost.
    """

    feature: str | None
    calls: int
    customers: int
    cost: Decimal
    known_cost: Decimal
    revenue: Decimal | None
    costed: bool

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
        """Revenue less the cost of the customers it comes from; ``None`` where either is not known."""
        return None if self.revenue is None or not self.costed else self.revenue - self.known_cost

    @property
    def margin_percent(self) -> float | None:
        """Margin in percent of revenue; ``None`` without revenue."""
        margin = self.margin
        return float(100 * margin / self.revenue) if self.revenue and margin is not None else None


Features = Mapping[str | None, FeatureUse]


def read_use(calls: Calls) -> list[SpanUse]:
    """Who used which feature how much, in each of ``calls.reported``."""
    return [_span_use(calls.usage("customer_id", "feature_id", span=i)) for i in range(len(calls.reported))]


def _span_use(rows: pa.Table) -> SpanUse:
    ordered = rows.sort_by([("customer_id", "ascending"), ("feature_id", "ascending")])
    names = ("customer_id", "feature_id", "calls", "input_tokens", "output_tokens", "cost")
    customers, features, calls, tokens_in, tokens_out, costs = (ordered[name].to_pylist() for name in names)
    tokens = [int(n) + int(m) for n, m in zip(tokens_in, tokens_out, strict=True)]
    return SpanUse(customers, features, calls, tokens, costs)


def by_feature(use: SpanUse, revenue: Revenue, split_by: SplitBy) -> dict[str | None, FeatureUse]:
    """Add up the use of every feature, and split each customer's revenue over the features that it uses.

    Args:
        use: In one span.
        revenue: Of the same span.
        split_by: What a customer's revenue is split by; never cost, or revenue would follow waste.

    Returns:
        The features by name; costs add up to the span's cost, and revenues to that of all customers of known
        revenue with calls in it, to the last digit.
    """
    shares = revenue.split_by_use(use.customers, use.calls if split_by == "calls" else use.tokens)
    rows_of: dict[str | None, list[int]] = defaultdict(list)
    for row, feature in enumerate(use.features):
        rows_of[feature].append(row)
    totals, costed = {}, any(use.costs)
    for feature, rows in rows_of.items():
        known = [(share, use.costs[row]) for row in rows if (share := shares[row]) is not None]
        totals[feature] = FeatureUse(
            feature,
            calls=sum(use.calls[row] for row in rows),
            customers=len(rows),
            cost=sum((use.costs[row] for row in rows), Decimal(0)),
            known_cost=sum((cost for _, cost in known), Decimal(0)),
            revenue=sum((share for share, _ in known), Decimal(0)) if known else None,
            costed=costed,
        )
    return totals
