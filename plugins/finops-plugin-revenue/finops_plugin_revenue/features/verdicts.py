"""Invest, keep, fix or retire: one rule for every feature, with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finops_core import percent
from finops_plugin_revenue.features.use import FeatureUse

Judgement = Literal["invest", "keep", "fix", "retire", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What to do with a feature, and why.

    Attributes:
        judgement: What to do.
        why: The reason in words.
        leaks: Whether it is to be fixed for its cost per call alone, at a margin that would do.
    """

    judgement: Judgement
    why: str
    leaks: bool = False


@dataclass(frozen=True)
class Rule:
    """The thresholds of the verdicts, in percent.

    Attributes:
        fix_below: A margin below this is too low.
        invest_from: A margin from here on is worth growing.
        growth: Calls growing by this much more than all calls together are growth.
        adoption: Fewer active customers than this make a feature niche.
        leak: Cost per call rising by this much between the two spans is a leak.
        compared_calls: Growth and leaks need so many calls of the feature in both spans, shrinking in the earlier.
    """

    fix_below: float
    invest_from: float
    growth: float
    adoption: float
    leak: float
    compared_calls: int

    def __str__(self) -> str:
        return (
            f"Retire: margin below {self.fix_below:g} %, used by fewer than {self.adoption:g} % of the active "
            f"customers, and calls shrinking. Fix: otherwise a margin below {self.fix_below:g} %, or a cost per call "
            f"that rose by {self.leak:g} % or more. Invest: a margin of {self.invest_from:g} % or more, and calls that "
            f"grew by {self.growth:g} % or more beyond the growth of all calls. Keep: everything else. Growth and cost "
            f"per call compare the two spans, with at least {self.compared_calls} calls of the feature in both; calls "
            f"shrink from at least {self.compared_calls} in the earlier one. Without a comparison nothing is retired "
            "or invested in."
        )

    def enough(self, span: FeatureUse | None) -> bool:
        """Whether a feature has enough calls in a span to be compared."""
        return span is not None and span.calls >= self.compared_calls

    def too_low(self, use: FeatureUse) -> bool:
        """Whether the margin of a feature, in a span where it is known, is below the one wanted."""
        margin = use.margin_percent
        return (use.margin or 0) < 0 if margin is None else margin < self.fix_below

    def verdict(
        self,
        use: FeatureUse,
        adoption: float,
        current: FeatureUse | None,
        previous: FeatureUse | None,
        all_calls: float | None,
    ) -> Verdict:
        """What to do with a feature.

        Args:
            use: Over the whole period.
            adoption: Its customers in percent of the active ones.
            current: In the later span; ``None`` if unused there, or nothing is compared.
            previous: In the earlier span.
            all_calls: Growth of all calls, in percent; ``None`` where nothing is compared.
        """
        if use.revenue is None:
            return Verdict("unknown", "none of its customers has a known revenue")
        if use.margin is None:
            return Verdict("unknown", "no call of any feature has a cost")
        growth = growth_percent(current, previous)
        margin = use.margin_percent
        margin_text = "no revenue" if margin is None else f"a margin of {percent(margin)}"
        if self.too_low(use):
            if self.enough(previous) and growth is not None and growth < 0 and adoption < self.adoption:
                return Verdict(
                    "retire",
                    f"{margin_text} among {percent(adoption)} of customers, and {percent(-growth)} fewer calls",
                )
            wanted = "" if margin is None else f", where {self.fix_below:g} % is wanted"
            return Verdict("fix", f"{margin_text}{wanted}")
        if current is None or previous is None or not (self.enough(current) and self.enough(previous)):
            return Verdict("keep", margin_text)
        if previous.cost:
            rise = float(100 * (current.cost_per_call / previous.cost_per_call - 1))
            if rise >= self.leak:
                return Verdict("fix", f"{margin_text}, but a cost per call that rose by {percent(rise)}", leaks=True)
        if margin is not None and margin >= self.invest_from and growth is not None and all_calls is not None:
            beyond = 100 * ((100 + growth) / (100 + all_calls) - 1)
            if growth > 0 and beyond >= self.growth:
                return Verdict(
                    "invest", f"{margin_text}, and calls up {percent(growth)} (all calls: {percent(all_calls)})"
                )
        return Verdict("keep", margin_text)


def growth_percent(current: FeatureUse | None, previous: FeatureUse | None) -> float | None:
    """Growth of calls from the earlier span to the later one; ``None`` without calls in the earlier one."""
    if previous is None:
        return None
    return 100 * ((0 if current is None else current.calls) / previous.calls - 1)
