"""How models did on tasks in the log: what speaks for moving a task to another model, and what against it.

A call log says how often a call failed and how long it took; it does not say how good an answer was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from finops_core import Calls, Catalog, plural
from finops_plugin_domains.service import MODEL, TASK_MODEL, Quality, Service, quality_of

Model = tuple[str, str]
"""Provider and model."""
Use = tuple[str | None, str, str]
"""Task, provider and model."""


@dataclass(frozen=True)
class Demands:
    """What a model must have shown in the log before a task is moved to it.

    Attributes:
        calls: At least so many calls of the task.
        failed_points: At most so many percentage points more failed calls than the present model.
        latency_percent: A median latency at most so many percent above the present model's.
    """

    calls: int
    failed_points: float
    latency_percent: float

    def refusal(self, now: Service, other: Service) -> str | None:
        """Why the task should not be moved to the other model; ``None`` if nothing speaks against it."""
        if other.calls < self.calls:
            return f"{other.calls:,} calls of the task are too few to judge by"
        if other.error_percent > now.error_percent + self.failed_points:
            return f"fails more often: {other.error_percent:.1f} % against {now.error_percent:.1f} %"
        if now.p50 is not None and other.p50 is None:
            return "its latency is not in the log"
        if now.p50 is not None and other.p50 is not None and other.p50 > now.p50 * (1 + self.latency_percent / 100):
            return f"slower: median {other.p50 / 1000:.1f} s against {now.p50 / 1000:.1f} s"
        return None


@dataclass(frozen=True)
class Evidence:
    """What the calls of a period say about every model on every task.

    Attributes:
        quality: How calls were served, and what failed.
        has_sessions: Whether any call names its session.
    """

    quality: Quality
    has_sessions: bool

    @classmethod
    def read(cls, calls: Calls) -> Evidence:
        """What the calls of the period say."""
        sessions = calls.rows("SELECT 1 AS found FROM calls WHERE session_id IS NOT NULL LIMIT 1")
        return cls(quality_of(calls), bool(sessions))

    @cached_property
    def records(self) -> dict[Use, Service]:
        """How each model did on each task."""
        return {_use(service): service for service in self.quality.services[TASK_MODEL]}

    @property
    def total(self) -> Service:
        """How all calls were served."""
        (total,) = self.quality.services[()]
        return total

    @cached_property
    def without_task(self) -> int:
        """How many calls do not name their task."""
        return sum(record.calls for (task, _, _), record in self.records.items() if task is None)

    @cached_property
    def has_tasks(self) -> bool:
        """Whether any call names its task."""
        return any(task is not None for task, _, _ in self.records)

    @cached_property
    def has_alternatives(self) -> bool:
        """Whether any task ran on more than one model."""
        tasks = [task for task, _, _ in self.records if task is not None]
        return len(tasks) > len(set(tasks))

    @cached_property
    def models(self) -> dict[Model, Service]:
        """Every model, the one that cost most first."""
        found = {_model(service): service for service in self.quality.services[MODEL]}
        return dict(sorted(found.items(), key=lambda item: (-item[1].cost, item[0])))

    def candidates(self, across_providers: bool) -> dict[Use, list[Model]]:
        """The other models that the log uses for the same task, of the same provider unless asked for more."""
        return {
            use: sorted(
                (provider, model)
                for task, provider, model in self.records
                if task == use[0] is not None
                and (provider, model) != use[1:]
                and (across_providers or provider == use[1])
            )
            for use in self.records
        }

    def unjudged(
        self, moves: Mapping[Use, Sequence[Model]], demands: Demands, catalog: Catalog, across_providers: bool
    ) -> str:
        """Why this log lets nobody judge any switch of model, as a clause; empty if it does."""
        if not self.has_tasks:
            return "no call names its task, so no other model can be judged by this log"
        if not self.has_alternatives:
            return "no task ran on two models, so there is no other model to judge"
        possible = [(use, model) for use, models in moves.items() for model in models]
        if not possible and not across_providers:
            return (
                "no task ran on two models of the same provider, so there is no other model to judge "
                "(across_providers allows those of others)"
            )
        priced = [(use, model) for use, model in possible if catalog.knows(*use[1:]) and catalog.knows(*model)]
        if not priced:
            return "no task ran on two models with a catalogue price, so there is no other model to judge"
        if all(self.records[(use[0], *model)].calls < demands.calls for use, model in priced):
            return f"no other model had the {plural(demands.calls, 'call')} of the same task that it takes to judge it"
        return ""

    def refusals(self, moves: Mapping[Use, Sequence[Model]], demands: Demands) -> dict[tuple[Use, Model], str]:
        """Why tasks should not be moved to some of the models they might move to."""
        return {
            (use, model): why
            for use, models in moves.items()
            for model in models
            if (why := demands.refusal(self.records[use], self.records[(use[0], *model)]))
        }


def _use(service: Service) -> Use:
    task, provider, model = service.names
    return task, str(provider), str(model)


def _model(service: Service) -> Model:
    provider, model = service.names
    return str(provider), str(model)


def step(use: Use, target: Model) -> str:
    """A switch in words: ``chat from gpt-5 to gpt-5-mini (openai)``."""
    task, provider, model = use
    if provider == target[0]:
        return f"{task} from {model} to {target[1]} ({provider})"
    return f"{task} from {model} ({provider}) to {target[1]} ({target[0]})"
