"""The savings of a period put together: the chosen switches, every call counted once, commitments on what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np

from finops_core import Period, usd
from finops_plugin_domains.optimization.commitment import Commitment, CommitmentTerms, commit
from finops_plugin_domains.optimization.evidence import Model, Use
from finops_plugin_domains.optimization.repricing import dollars_of
from finops_plugin_domains.optimization.savings import CAUTIOUS, ENDS, MEASURES, Bins, Outcome
from finops_plugin_domains.optimization.survey import Survey


@dataclass(frozen=True)
class Potential:
    """What a period could have saved under one choice of models.

    Every amount is in dollars of the whole period unless a span of it is given. ``end`` is one of
    :data:`finops_plugin_domains.optimization.savings.ENDS`: the cautious or the hopeful end of the range.

    Attributes:
        period: The days.
        survey: What each measure saves.
        choices: The model that each task on a model moves to; ``None`` leaves it.
        terms: What providers offer for a commitment.
        unjudged: Why no switch of model could be judged, as a clause; empty if one could.
    """

    period: Period
    survey: Survey
    choices: Mapping[Use, Model | None]
    terms: Mapping[str, CommitmentTerms]
    unjudged: str = ""

    @cached_property
    def chosen(self) -> dict[Use, Outcome]:
        """The outcome of every task on a model under its choice."""
        return {use: outcomes[self.choices.get(use)] for use, outcomes in self.survey.outcomes.items()}

    def alone(self, end: int, measure: str) -> Decimal:
        """What one measure saves as if it were the only one."""
        return dollars_of(sum(outcome.alone[end][measure] for outcome in self.chosen.values()))

    def counted(self, end: int, measure: str) -> Decimal:
        """What one measure adds when every call is counted once."""
        return dollars_of(sum(outcome.counted[end][measure] for outcome in self.chosen.values()))

    def commitment(self, provider: str, end: int | None = None, span: Period | None = None) -> Commitment | None:
        """A provider's commitment: on what is left after the other measures at an end, or (``None``) on everything."""
        logged = self.survey.logged.get(provider)
        if logged is None:
            return None
        span = span or self.period
        hours = logged.within(span)
        if end is not None:
            saved = [o.over_time[end].within(span) for use, o in self.chosen.items() if use[1] == provider]
            # A call that is logged below the catalogue may save more than it cost; an hour cannot cost less than 0.
            hours = np.maximum(hours - sum(saved), 0)
        return commit(hours.tolist(), self.terms[provider])

    def committed(self, end: int | None, span: Period | None = None) -> Decimal:
        """What all commitments that pay save together."""
        found = [self.commitment(provider, end, span) for provider in self.terms]
        return sum((max(c.saving, Decimal(0)) for c in found if c is not None), Decimal(0))

    def total(self, end: int, span: Period | None = None) -> Decimal:
        """What everything saves together, no dollar twice."""
        return dollars_of(self._over_time[end].total(span or self.period)) + self.committed(end, span)

    @cached_property
    def _over_time(self) -> tuple[Bins, ...]:
        """What all tasks save together at each end, commitments left out, day by day."""
        ends = tuple(Bins(self.period) for _ in ENDS)
        for outcome in self.chosen.values():
            for end in ENDS:
                ends[end].amounts += outcome.over_time[end].days()
        return ends

    def sum_alone(self, end: int) -> Decimal:
        """What everything would save if nothing overlapped."""
        return sum((self.alone(end, measure) for measure in MEASURES), Decimal(0)) + self.committed(None)

    @property
    def incomparable(self) -> str:
        """Why no call can be compared with the catalogue, as a clause; empty if one can."""
        if not self.cost(self.period):
            return "by the log no call cost anything"
        return "" if self.survey.matches else "no model of the log has a catalogue price"

    def unknown(self, end: int) -> str:
        """Why the savings at an end cannot be told, as a clause; empty if they can.

        That nothing was found is no saving of zero where the log did not let anybody look.
        """
        if self.total(CAUTIOUS) > 0:
            return ""
        return self.incomparable or ("" if self.total(end) > 0 else self.unjudged)

    def per_day(self, end: int) -> list[Decimal]:
        """What each day would have saved, commitments left out."""
        return [dollars_of(int(nanos)) for nanos in self._over_time[end].days()]

    def monthly(self, end: int, span: Period | None = None) -> Decimal:
        """The total of a span as that of 30 days."""
        return usd((span or self.period).per_month(self.total(end, span)))

    def cost(self, span: Period) -> Decimal:
        """What all calls of a span cost by the log."""
        return dollars_of(sum(logged.total(span) for logged in self.survey.logged.values()))

    def failed_cost(self, span: Period) -> Decimal:
        """What failed calls of a span cost by the log."""
        return dollars_of(self.survey.failed.total(span))

    def coin(self, end: int, span: Period) -> float | None:
        """COIN = (1 - savings / cost) x 100; ``None`` without cost."""
        cost = self.cost(span)
        return float(100 * (1 - self.total(end, span) / cost)) if cost else None

    def near_percent(self, span: Period) -> float | None:
        """The share of billed calls with a catalogue price that are logged near it; ``None`` without any."""
        priced = self.survey.priced.total(span)
        return 100 * self.survey.near.total(span) / priced if priced else None

    @cached_property
    def switches(self) -> list[tuple[Use, Model, Outcome]]:
        """The chosen switches, the largest cautious saving first."""
        moved = [(use, model, self.chosen[use]) for use, model in self.choices.items() if model is not None]
        return sorted(moved, key=lambda m: (-m[2].alone[ENDS[0]]["switch"], str(m[0])))
