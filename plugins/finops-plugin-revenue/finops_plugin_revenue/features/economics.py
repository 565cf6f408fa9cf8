"""The features of a log put together: use, attributed revenue, growth and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from finops_core import Calls
from finops_plugin_revenue.features.use import Features, FeatureUse, SplitBy, by_feature, read_use
from finops_plugin_revenue.features.verdicts import Rule, Verdict, growth_percent
from finops_plugin_revenue.revenue import Revenue, read_subscriptions


@dataclass(frozen=True)
class Economics:
    """The features of a log, ready to be told about.

    Attributes:
        calls: The log and its period.
        rule: How features are judged.
        split_by: What revenue is split by.
        active: How many customers made a call in the period.
        revenue: Of the period.
        current_revenue: Of the later span of the comparison; ``None`` without one.
        previous_revenue: Of the earlier one.
        features: Over the period, the dearest first; calls without a feature last.
        unknown_cost: Cost of each customer with calls but without known revenue, the dearest first.
        other_split: The same with revenue split by the other measure of use.
        current: In the later span of the comparison; nothing without one.
        previous: In the earlier one.
    """

    calls: Calls
    rule: Rule
    split_by: SplitBy
    active: int
    revenue: Revenue
    current_revenue: Revenue | None
    previous_revenue: Revenue | None
    features: Features
    unknown_cost: Mapping[str, Decimal]
    other_split: Features
    current: Features
    previous: Features

    @property
    def calls_made(self) -> int:
        """Of all features, and of none."""
        return sum(use.calls for use in self.features.values())

    @property
    def uncosted(self) -> bool:
        """Whether no call of the period has a cost, so that no margin can be known."""
        return not any(use.costed for use in self.features.values())

    @property
    def spans(self) -> list[tuple[Revenue, Features] | None]:
        """Revenue and features of the period and of both spans of the comparison."""
        compared = ((self.current_revenue, self.current), (self.previous_revenue, self.previous))
        return [(self.revenue, self.features), *(None if paid is None else (paid, used) for paid, used in compared)]

    @property
    def named(self) -> list[FeatureUse]:
        """The features that have a name."""
        return [use for use in self.features.values() if use.feature is not None]

    def adoption(self, use: FeatureUse) -> float:
        """The feature's customers in percent of the active ones."""
        return 100 * use.customers / self.active

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What to do with each named feature."""
        return {use.feature: self._judge(use) for use in self.named if use.feature is not None}

    def robust(self, use: FeatureUse) -> bool:
        """Whether the verdict stays the same when revenue is split by the other measure of use."""
        other = self.other_split[use.feature]
        return self._judge(use).judgement == self._judge(other).judgement

    @property
    def other_measure(self) -> SplitBy:
        """What revenue might as well be split by."""
        return "tokens" if self.split_by == "calls" else "calls"

    def growth(self, feature: str | None) -> float | None:
        """Growth of a feature's calls, in percent."""
        return growth_percent(self.current.get(feature), self.previous.get(feature))

    def judged(self, *judgements: str) -> list[FeatureUse]:
        """The named features with one of these verdicts."""
        return [use for use in self.named if self.verdicts[use.name].judgement in judgements]

    def earning_in(self, span: Features) -> int | None:
        """How many named features had the margin wanted in a compared span; ``None`` where nobody can know."""
        judged = [use for use in span.values() if use.feature is not None and use.margin is not None]
        return len([use for use in judged if not self.rule.too_low(use)]) if judged else None

    def compared(self, use: FeatureUse) -> bool:
        """Whether a feature has enough calls in both spans to judge its growth and its cost per call."""
        return self.rule.enough(self.current.get(use.feature)) and self.rule.enough(self.previous.get(use.feature))

    @cached_property
    def unused_revenue(self) -> Decimal:
        """Revenue of customers who made no call in the period."""
        return self.revenue.total - sum((use.revenue or 0 for use in self.features.values()), Decimal(0))

    def _judge(self, use: FeatureUse) -> Verdict:
        current, previous = (sum(use.calls for use in span.values()) for span in (self.current, self.previous))
        return self.rule.verdict(
            use,
            self.adoption(use),
            self.current.get(use.feature),
            self.previous.get(use.feature),
            100 * (current / previous - 1) if previous else None,
        )

    @classmethod
    def read(cls, calls: Calls, rule: Rule, split_by: SplitBy) -> Economics:
        """Add up and split a log that has calls in its period."""
        subscriptions = read_subscriptions(calls)
        whole, *compared = (
            (use, subscriptions.over(span)) for use, span in zip(read_use(calls), calls.reported, strict=True)
        )
        use, revenue = whole
        features = by_feature(use, revenue, split_by)
        current, previous = ([by_feature(*span, split_by) for span in compared]) or ({}, {})
        current_revenue, previous_revenue = [paid for _, paid in compared] or (None, None)
        unknown_cost: dict[str, Decimal] = {}
        for customer, cost in zip(use.customers, use.costs, strict=True):
            if customer in revenue.unknown:
                unknown_cost[customer] = unknown_cost.get(customer, Decimal(0)) + cost
        return cls(
            calls=calls,
            rule=rule,
            split_by=split_by,
            active=len(set(use.customers)),
            revenue=revenue,
            current_revenue=current_revenue,
            previous_revenue=previous_revenue,
            features=dict(sorted(features.items(), key=lambda f: (f[0] is None, -f[1].cost, f[0] or ""))),
            unknown_cost=dict(sorted(unknown_cost.items(), key=lambda c: (-c[1], c[0]))),
            other_split=by_feature(use, revenue, "tokens" if split_by == "calls" else "calls"),
            current=current,
            previous=previous,
        )
