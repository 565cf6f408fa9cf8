"""What every measure would save in a period, call by call, for each task on a model and each model it may move to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from finops_core import Catalog, Period
from finops_plugin_domains.optimization.billed import Int64s, ModelCalls, Tasks
from finops_plugin_domains.optimization.caching import caching_savings
from finops_plugin_domains.optimization.evidence import Model, Use
from finops_plugin_domains.optimization.repricing import Match, is_near
from finops_plugin_domains.optimization.savings import CAUTIOUS, HOPEFUL, Bins, Outcome, Plan


@dataclass
class Survey:
    """What the measures would save in a period.

    Attributes:
        failed: Logged cost of failed calls over time.
        priced: How many billed calls have a catalogue price, over time.
        near: How many of these are logged near it, over time.
        matches: How log and catalogue agree, by model.
        factors: Logged dollars for a catalogue dollar, by model.
        outcomes: For each task on a model: without a switch (``None``) and for every model it might move to.
        refused: What each model that a task was not given would have saved at the cautious end, nano-dollars.
        logged: Logged cost of each provider over time.
    """

    failed: Bins
    priced: Bins
    near: Bins
    matches: dict[Model, Match] = field(default_factory=dict)
    factors: dict[Model, Fraction] = field(default_factory=dict)
    outcomes: dict[Use, dict[Model | None, Outcome]] = field(default_factory=dict)
    refused: Counter[tuple[Use, Model]] = field(default_factory=Counter)
    logged: dict[str, Bins] = field(default_factory=dict)

    def choices(self) -> dict[Use, Model | None]:
        """The model that saves most at the cautious end for each task on a model; ``None`` to leave it there."""
        chosen: dict[Use, Model | None] = {}
        for use, outcomes in self.outcomes.items():
            saving = {model: o.alone[CAUTIOUS]["switch"] for model, o in outcomes.items() if model is not None}
            best = min(saving, key=lambda model: (-saving[model], model), default=None)
            chosen[use] = best if best is not None and saving[best] > 0 else None
        return chosen


def survey(
    billed: Iterable[tuple[ModelCalls, Tasks]],
    catalog: Catalog,
    period: Period,
    plan: Plan,
    moves: Mapping[Use, Sequence[Model]],
    refused: Collection[tuple[Use, Model]],
) -> Survey:
    """Work out what every measure saves, call by call.

    Args:
        billed: The billed calls of the period; gone through again where savings are to be scaled to the logged prices.
        catalog: Prices.
        period: The days of the calls.
        plan: The terms.
        moves: The models that each task on a model may move to.
        refused: The moves that will not do; what they would have saved is worked out all the same.
    """
    found = _Surveyor(catalog, period, plan, moves, refused, {}).survey(billed)
    factors = {model: match.factor for model, match in found.matches.items()}
    if any(factor != 1 for factor in factors.values()):
        found = _Surveyor(catalog, period, plan, moves, refused, factors).survey(billed)
    found.factors = factors
    return found


@dataclass(frozen=True)
class _Surveyor:
    """Goes through the calls once, with a factor from catalogue to logged dollars for each model."""

    catalog: Catalog
    period: Period
    plan: Plan
    moves: Mapping[Use, Sequence[Model]]
    refused: Collection[tuple[Use, Model]]
    factors: Mapping[Model, Fraction]

    def survey(self, billed: Iterable[tuple[ModelCalls, Tasks]]) -> Survey:
        found = Survey(self._bins(), self._bins(), self._bins())
        for calls, tasks in billed:
            self._model(found, calls, tasks)
        return found

    def _model(self, found: Survey, calls: ModelCalls, tasks: Tasks) -> None:
        logged = found.logged.setdefault(calls.provider, self._bins())
        bins = logged.of(calls.us)
        np.add.at(logged.amounts, bins, calls.logged)
        own = np.zeros(len(bins), dtype=np.int64)
        if self.catalog.knows(calls.provider, calls.model):
            own = calls.cost(self.catalog, calls.provider, calls.model)
            found.matches.setdefault((calls.provider, calls.model), Match()).add(calls.logged, own)
            found.priced.count(bins)
            found.near.count(bins[is_near(calls.logged, own)])
        savings = self._unswitched(calls, tasks, own)
        if "failed" in savings:
            np.add.at(found.failed.amounts, bins, savings["failed"])
        for task, rows in tasks.items():
            alone = {measure: amounts[rows] for measure, amounts in savings.items()}
            self._task(found, (task, calls.provider, calls.model), calls.take(rows), own[rows], bins[rows], alone)

    def _unswitched(self, calls: ModelCalls, tasks: Tasks, own: Int64s) -> dict[str, Int64s]:
        """What each measure but the switch saves alone on each call; a measure that saves nothing is left out."""
        savings: dict[str, Int64s] = {}
        if self.catalog.knows(calls.provider, calls.model):
            caching = caching_savings(calls, self.catalog, own, self.plan.prefix_tokens)
            savings["cache"] = self._in_logged(calls, caching)
        for task, rows in tasks.items():
            if self.plan.waits(task, calls.provider):
                batch = savings.setdefault("batch", np.zeros_like(own))
                batch[rows] = np.rint(calls.logged[rows] * (self.plan.batch_percent[calls.provider] / 100))
        if not calls.succeeded.all():
            savings["failed"] = np.where(calls.succeeded, 0, calls.logged)
        return savings

    def _task(
        self, found: Survey, use: Use, calls: ModelCalls, own: Int64s, bins: Int64s, savings: dict[str, Int64s]
    ) -> None:
        outcomes = found.outcomes.setdefault(use, {})
        certain = {measure: savings[measure] for measure in savings if measure == "batch"}
        now = int(self._in_logged(calls, own).sum())

        def add(option: Model | None, cautious: dict[str, Int64s], hopeful: dict[str, Int64s]) -> Outcome:
            outcome = outcomes.setdefault(option, Outcome((self._bins(), self._bins())))
            outcome.now += now
            outcome.add(CAUTIOUS, cautious | certain, bins)
            outcome.add(HOPEFUL, hopeful | savings, bins)
            return outcome

        def saving(model: Model, output_percent: int | tuple[int, ...]) -> Int64s:
            return self._in_logged(calls, own - calls.cost(self.catalog, *model, output_percent))

        add(None, {}, {})
        least, most = self.plan.output_percent
        for model in self.moves.get(use, ()) if self.catalog.knows(calls.provider, calls.model) else ():
            if not self.catalog.knows(*model):
                continue
            if (use, model) in self.refused:
                found.refused[use, model] += int(saving(model, most).sum())
            else:
                cautious, hopeful, same = saving(model, (most, least, 0))
                outcome = add(model, {"switch": cautious}, {"switch": hopeful})
                outcome.same += int(same.sum())

    def _bins(self) -> Bins:
        return Bins(self.period, self.plan.bins_per_day)

    def _in_logged(self, calls: ModelCalls, catalogue: Int64s) -> Int64s:
        """Catalogue nano-dollars of calls in logged ones."""
        factor = self.factors.get((calls.provider, calls.model), 1)
        return catalogue if factor == 1 else np.rint(catalogue * float(factor)).astype(np.int64)
