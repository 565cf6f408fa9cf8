"""Cost against speed: which models no other beats, and which are slow at the same work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from finops_plugin_domains.service import MODEL, TASK_MODEL, Names, Service, Services


@dataclass(frozen=True)
class Beaten:
    """A model that another one beats on both cost and speed at a task.

    Attributes:
        task: The task.
        loser: The model's calls of the task.
        winner: The other model's calls of the task.
    """

    task: str | None
    loser: Service
    winner: Service


def comparable(services: Sequence[Service], min_calls: int) -> list[Service]:
    """Those with enough timed calls, and tokens to put a price on."""
    return [s for s in services if s.timed >= max(1, min_calls) and s.cost_per_1k_tokens is not None]


def unbeaten(services: Sequence[Service]) -> set[Names]:
    """The Pareto frontier of cost per 1k tokens and median latency.

    A group is beaten if another is no worse in both and better in one.
    """
    points = {s.names: (s.cost_per_1k_tokens or Decimal(0), s.p50 or 0.0) for s in services}
    return {
        name
        for name, (cost, latency) in points.items()
        if not any(c <= cost and ms <= latency and (c, ms) != (cost, latency) for c, ms in points.values())
    }


def has_rivals(services: Services, min_calls: int) -> bool:
    """Whether at least two models can be compared at some task."""
    tasks = [s.names[0] for s in comparable(services[TASK_MODEL], min_calls)]
    return len(set(tasks)) < len(tasks)


def beaten(services: Services, min_calls: int, margin_percent: float) -> list[Beaten]:
    """Every model that another beats at the same task by the margin on both.

    Of the models that beat it the dearest is named, the nearest in price: the log does not say how good answers are,
    and the smaller step is the safer one.

    Args:
        services: Service by :data:`TASK_MODEL`.
        min_calls: Timed calls of the task that both need.
        margin_percent: By how much both cost per 1k tokens and median latency have to be lower.
    """
    factor = 1 - margin_percent / 100
    found = []
    models = comparable(services[TASK_MODEL], min_calls)
    for loser in models:
        winners = [
            s
            for s in models
            if s.names[0] == loser.names[0]
            and (s.cost_per_1k_tokens or 0) <= Decimal(repr(factor)) * (loser.cost_per_1k_tokens or 0)
            and (s.p50 or 0) <= factor * (loser.p50 or 0)
            and s is not loser
        ]
        if winners:
            best = max(winners, key=lambda s: (s.cost_per_1k_tokens, -(s.p50 or 0), str(s.names)))
            found.append(Beaten(loser.names[0], loser, best))
    return found


def slowness(services: Services, min_calls: int) -> list[tuple[Service, float]]:
    """How many times as long each model takes as the others do at the same tasks, the slowest first.

    For a task it is the model's median latency over the mean of the other models' medians, weighted by their calls;
    for the model the mean over its tasks, weighted by its calls. A model that is given the long tasks is not slow for
    that, and one that shares no task with another is left out.
    """
    by_task: dict[str | None, list[Service]] = {}
    for s in services[TASK_MODEL]:
        if s.timed:
            by_task.setdefault(s.names[0], []).append(s)
    found = []
    for model in comparable(services[MODEL], min_calls):
        factors = []
        for members in by_task.values():
            own = [s for s in members if s.names[1:] == model.names]
            others = sorted((s.timed, s.p50 or 0.0) for s in members if s.names[1:] != model.names)
            typical = sum(n * p50 for n, p50 in others) / max(1, sum(n for n, _ in others))
            if own and typical:
                factors.append((own[0].timed, (own[0].p50 or 0.0) / typical))
        if factors:
            factors.sort()
            found.append((model, sum(n * f for n, f in factors) / sum(n for n, _ in factors)))
    return sorted(found, key=lambda pair: (-pair[1], str(pair[0].names)))
