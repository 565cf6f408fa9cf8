"""What could be saved on calls, measure by measure, and together without counting a call twice.

A measure is one of :data:`MEASURES`. What each saves alone is worked out call by call in whole nano-dollars.
Together, a call that several measures would make cheaper counts once, with the largest of its savings; a call
that the switch of its task makes dearer counts that loss in full. So what is counted never exceeds the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from finops_core import Catalog, Period
from finops_plugin_domains.optimization.evidence import Model, Use
from finops_plugin_domains.optimization.repricing import Int64s, Match, ModelCalls, dollars_of

MEASURES = ("switch", "cache", "batch", "failed")
CAUTIOUS, HOPEFUL = 0, 1
ENDS = (CAUTIOUS, HOPEFUL)


@dataclass(frozen=True)
class Plan:
    """The terms under which savings are worked out.

    Attributes:
        output_percent: The assumed change of output tokens after a switch, from and to, in percent.
        prefix_tokens: The least repeated prefix that providers cache.
        batch_percent: The discount for batches of each provider that has one.
        batch_tasks: The tasks that can wait.
        bins_per_day: In how many equal parts a day's savings are kept.
    """

    output_percent: tuple[int, int]
    prefix_tokens: int
    batch_percent: Mapping[str, float]
    batch_tasks: frozenset[str]
    bins_per_day: int = 1

    def waits(self, task: str | None, provider: str) -> bool:
        """Whether a task's calls to a provider can go in batches."""
        return task in self.batch_tasks and provider in self.batch_percent


@dataclass
class Bins:
    """Nano-dollars over the equal stretches of a period; money of a call is at the stretch of its start."""

    period: Period
    per_day: int = 1
    nanos: Int64s = field(init=False)

    def __post_init__(self) -> None:
        self.nanos = np.zeros(self.period.days * self.per_day, dtype=np.int64)

    def of(self, us: Int64s) -> Int64s:
        """The stretch that each moment lies in."""
        start = int((self.period.start - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
        bins: Int64s = (us - start) // (86_400_000_000 // self.per_day)
        return bins

    def days(self) -> list[int]:
        """Nano-dollars of each day."""
        return [int(n) for n in self.nanos.reshape(self.period.days, self.per_day).sum(axis=1)]


@dataclass
class Outcome:
    """What a group of calls would save, under one choice of model for it.

    Attributes:
        alone: For each end of the range, nano-dollars of each measure as if it were the only one.
        counted: The same with every call counted once.
        over_time: What is counted, for each end, in stretches of the period.
        now: Catalogue cost of the calls on their present model, in logged dollars (nano).
    """

    over_time: tuple[Bins, Bins]
    alone: tuple[dict[str, int], dict[str, int]] = field(
        default_factory=lambda: (dict.fromkeys(MEASURES, 0), dict.fromkeys(MEASURES, 0))
    )
    counted: tuple[dict[str, int], dict[str, int]] = field(
        default_factory=lambda: (dict.fromkeys(MEASURES, 0), dict.fromkeys(MEASURES, 0))
    )
    now: int = 0
    same: int = 0
    """What the switch saves with as many output tokens as logged, nano-dollars."""

    def saving(self, end: int) -> Decimal:
        """What the switch alone saves at an end of the range, dollars."""
        return dollars_of(self.alone[end]["switch"])

    def add(self, end: int, savings: Mapping[str, Int64s], bins: Int64s) -> None:
        """Add calls whose measures save so much each, at one end of the range; a measure left out saves nothing."""
        if not savings:
            return
        once, winner = count_once(savings)
        for i, (measure, amounts) in enumerate(savings.items()):
            self.alone[end][measure] += int(amounts.sum())
            self.counted[end][measure] += int((once * (winner == i)).sum())
        np.add.at(self.over_time[end].nanos, bins, once)


def count_once(savings: Mapping[str, Int64s]) -> tuple[Int64s, npt.NDArray[np.intp]]:
    """What each call saves if several measures are taken and no dollar is counted twice.

    Args:
        savings: What each measure saves alone, shape (calls,). Only ``switch`` may be negative: it is decided for
            all calls of a task together, and its loss on a call cannot be declined.

    Returns:
        The saving of each call, and the position of the measure that it comes from, shape (calls,).
    """
    first, *others = savings.values()
    once, winner = first, np.zeros(len(first), dtype=np.intp)
    for i, amounts in enumerate(others, 1):
        larger = amounts > once
        once, winner = np.where(larger, amounts, once), np.where(larger, i, winner)
    if "switch" in savings:
        lost = savings["switch"] < 0
        once, winner = np.where(lost, savings["switch"], once), np.where(lost, list(savings).index("switch"), winner)
    return once, winner


def earlier_maximum(key: Int64s, us: Int64s, values: Int64s) -> Int64s:
    """The largest value at an earlier moment under the same key, 0 where there is none. All of shape (calls,)."""
    if not len(key):
        return values.copy()
    order = np.lexsort((us, key))
    key, us = key[order], us[order]
    new_key = np.r_[True, key[1:] != key[:-1]]
    # A running maximum that starts anew with each key: the key's number leads, the value's rank follows.
    distinct, rank = np.unique(values[order], return_inverse=True)
    run = np.cumsum(new_key) * len(distinct)
    running = distinct[np.maximum.accumulate(run + rank) - run]
    rows = np.arange(len(key))
    first_of_key = np.maximum.accumulate(np.where(new_key, rows, 0))
    # Calls at the same microsecond are not earlier than each other.
    first_at_moment = np.maximum.accumulate(np.where(new_key | np.r_[True, us[1:] != us[:-1]], rows, 0))
    earlier = np.where(first_at_moment > first_of_key, running[first_at_moment - 1], 0)
    out = np.empty_like(earlier)
    out[order] = earlier
    return out


def caching_savings(group: ModelCalls, catalog: Catalog, own: Int64s, prefix_tokens: int) -> Int64s:
    """The most that caching could save on each call, nano-dollars, shape (calls,).

    The prefix of a call is taken to repeat as far as the longest earlier input of the same session, task and
    model reaches. What of it was not read from the cache is priced as read from it, less what writing each part of
    the prefix once costs above plain input.

    Args:
        group: The calls.
        catalog: Prices.
        own: The calls' catalogue cost.
        prefix_tokens: The least prefix that is cached.
    """
    out = np.zeros(len(own), dtype=np.int64)
    rows = np.flatnonzero((group.session >= 0) & group.succeeded & (group.input >= max(1, prefix_tokens)))
    rows = rows[np.argsort(group.session[rows], kind="stable")]
    same_session = np.diff(group.session[rows]) == 0
    several = np.zeros(len(rows), dtype=np.bool_)
    several[1:] |= same_session
    several[:-1] |= same_session
    rows = rows[several]  # nothing repeats in a session of one call
    calls = group.take(rows)
    prefix = np.minimum(calls.input, earlier_maximum(calls.session, calls.us, calls.input))
    prefix[prefix < prefix_tokens] = 0
    plain = calls.input - calls.cache_read - calls.cache_write
    repeated = np.clip(prefix - calls.cache_read, 0, plain)
    written = np.clip(prefix - earlier_maximum(calls.session, calls.us, prefix), 0, repeated)
    hits = np.flatnonzero(repeated)
    calls, repeated, written, own = calls.take(hits), repeated[hits], written[hits], own[rows[hits]]

    def cost(cache_read: Int64s, cache_write: Int64s) -> Int64s:
        return catalog.cost_nanos(
            group.provider, group.model, calls.us, calls.input, calls.output, cache_read, cache_write
        )

    read = own - cost(calls.cache_read + repeated, calls.cache_write)
    writing = cost(calls.cache_read, calls.cache_write + written) - own
    out[rows[hits]] = np.maximum(read - np.maximum(writing, 0), 0)
    return out


@dataclass
class Survey:
    """What the measures would save in a period.

    Attributes:
        failed: Logged cost of failed calls over time.
        matches: How log and catalogue agree, by model.
        factors: Logged dollars for a catalogue dollar, by provider.
        outcomes: For each task on a model: without a switch (``None``) and for every model it might move to.
        refused: Why a task was not given a model, for those that would have been cheaper at the cautious end.
        refused_savings: What that would have saved at the cautious end, nano-dollars.
        logged: Logged cost of each provider over time.
    """

    failed: Bins
    matches: dict[Model, Match] = field(default_factory=dict)
    factors: dict[str, Fraction] = field(default_factory=dict)
    outcomes: dict[Use, dict[Model | None, Outcome]] = field(default_factory=dict)
    refused: dict[tuple[Use, Model], str] = field(default_factory=dict)
    refused_savings: dict[tuple[Use, Model], int] = field(default_factory=dict)
    logged: dict[str, Bins] = field(default_factory=dict)

    def choices(self) -> dict[Use, Model | None]:
        """The model that saves most at the cautious end for each task on a model; ``None`` to leave it there."""
        chosen: dict[Use, Model | None] = {}
        for use, outcomes in self.outcomes.items():
            saving = {model: o.alone[CAUTIOUS]["switch"] for model, o in outcomes.items() if model is not None}
            best = min(saving, key=lambda model: (-saving[model], model), default=None)
            chosen[use] = best if best is not None and saving[best] > 0 else None
        return chosen

    def match_of(self, provider: str) -> Match:
        """How log and catalogue agree on the calls of a provider."""
        whole = Match()
        for (of, _), match in self.matches.items():
            if of == provider:
                whole.merge(match)
        return whole


def survey(
    billed: Iterable[ModelCalls],
    catalog: Catalog,
    period: Period,
    plan: Plan,
    moves: Mapping[Use, Sequence[Model]],
    refusals: Mapping[tuple[Use, Model], str],
) -> Survey:
    """Work out what every measure saves, call by call.

    Args:
        billed: The billed calls of the period; gone through again where savings are to be scaled to the logged prices.
        catalog: Prices.
        period: The days of the calls.
        plan: The terms.
        moves: The models that each task on a model may move to.
        refusals: Why one of them will not do.
    """
    found = _survey(billed, {}, catalog, period, plan, moves, refusals)
    factors = {provider: found.match_of(provider).factor for provider, _ in found.matches}
    if any(factor != 1 for factor in factors.values()):
        found = _survey(billed, factors, catalog, period, plan, moves, refusals)
    found.factors = factors
    return found


def _survey(
    billed: Iterable[ModelCalls],
    factors: Mapping[str, Fraction],
    catalog: Catalog,
    period: Period,
    plan: Plan,
    moves: Mapping[Use, Sequence[Model]],
    refusals: Mapping[tuple[Use, Model], str],
) -> Survey:
    found = Survey(Bins(period))
    for group in billed:
        factor = factors.get(group.provider, Fraction(1))
        _survey_group(found, group, factor, catalog, period, plan, moves, refusals)
    return found


def _survey_group(
    found: Survey,
    group: ModelCalls,
    factor: Fraction,
    catalog: Catalog,
    period: Period,
    plan: Plan,
    moves: Mapping[Use, Sequence[Model]],
    refusals: Mapping[tuple[Use, Model], str],
) -> None:
    use = (group.task, group.provider, group.model)
    logged = found.logged.setdefault(group.provider, Bins(period, plan.bins_per_day))
    bins = logged.of(group.us)
    np.add.at(logged.nanos, bins, group.logged)
    priced = catalog.knows(group.provider, group.model)
    own = np.zeros(len(group.us), dtype=np.int64)
    unswitched: dict[str, Int64s] = {}
    if priced:
        own = group.cost(catalog, group.provider, group.model)
        found.matches.setdefault((group.provider, group.model), Match()).add(group.logged, own)
        unswitched["cache"] = _in_logged(caching_savings(group, catalog, own, plan.prefix_tokens), factor)
    batch: dict[str, Int64s] = {}
    if plan.waits(group.task, group.provider):
        batch["batch"] = np.rint(group.logged * (plan.batch_percent[group.provider] / 100)).astype(np.int64)
    unswitched |= batch
    if not group.succeeded.all():
        unswitched["failed"] = np.where(group.succeeded, 0, group.logged)
        np.add.at(found.failed.nanos, found.failed.of(group.us), unswitched["failed"])
    least, most = plan.output_percent

    def saving(model: Model, output_percent: int | tuple[int, ...]) -> Int64s:
        return _in_logged(own - group.cost(catalog, *model, output_percent), factor)

    outcomes = found.outcomes.setdefault(use, {})
    options: list[Model | None] = [None]
    for model in moves.get(use, ()) if priced else ():
        if not catalog.knows(*model):
            continue
        why = refusals.get((use, model))
        if why is None:
            options.append(model)
        else:
            found.refused[use, model] = why
            amount = int(saving(model, most).sum())
            found.refused_savings[use, model] = found.refused_savings.get((use, model), 0) + amount
    now = int(_in_logged(own, factor).sum())
    for option in options:
        outcome = outcomes.setdefault(
            option, Outcome((Bins(period, plan.bins_per_day), Bins(period, plan.bins_per_day)))
        )
        outcome.now += now
        if option is None:
            outcome.add(CAUTIOUS, batch, bins)
            outcome.add(HOPEFUL, unswitched, bins)
        else:
            cautious, hopeful, same = saving(option, (most, least, 0))
            outcome.same += int(same.sum())
            outcome.add(CAUTIOUS, {"switch": cautious, **batch}, bins)
            outcome.add(HOPEFUL, {"switch": hopeful, **unswitched}, bins)


def _in_logged(catalogue: Int64s, factor: Fraction) -> Int64s:
    """Catalogue nano-dollars of calls in logged ones."""
    return catalogue if factor == 1 else np.rint(catalogue * float(factor)).astype(np.int64)
