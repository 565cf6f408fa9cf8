"""How models did on tasks in the log: what speaks for moving a task to another model, and what against it.

A call log says how often a call failed and how long it took; it does not say how good an answer was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Self

from finops_core import Calls, usd
from finops_plugin_domains.served import Served, percentiles, served

Model = tuple[str, str]
"""Provider and model."""
Use = tuple[str | None, str, str]
"""Task, provider and model."""


@dataclass(frozen=True)
class Record:
    """How a model did on a task in the log.

    Attributes:
        calls: How many calls it had.
        failed: How many of them failed.
        latency_ms: Median latency of the successful ones; ``None`` where the log has none.
        cost: What the calls cost by the log, US dollars.
        failed_cost: The part of it that failed calls cost.
        first: The day of its first call.
    """

    calls: int
    failed: int
    latency_ms: float | None
    cost: Decimal
    failed_cost: Decimal
    first: date

    @classmethod
    def of(cls, calls: Sequence[Served]) -> Self:
        """Put together what the log says of the calls."""
        failed = [some for some in calls if not some.succeeded]
        median = percentiles((some for some in calls if some.succeeded), (0.5,))
        return cls(
            sum(some.calls for some in calls),
            sum(some.calls for some in failed),
            *(median or (None,)),
            usd(sum(some.cost for some in calls)),
            usd(sum(some.cost for some in failed)),
            min(some.first for some in calls).date(),
        )

    @property
    def failed_percent(self) -> float:
        """The share of calls that failed."""
        return 100 * self.failed / self.calls


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

    def refusal(self, now: Record, other: Record) -> str | None:
        """Why the task should not be moved to the other model; ``None`` if nothing speaks against it."""
        if other.calls < self.calls:
            return f"{other.calls:,} calls of the task are too few to judge by"
        if other.failed_percent > now.failed_percent + self.failed_points:
            return f"fails more often: {other.failed_percent:.1f} % against {now.failed_percent:.1f} %"
        if now.latency_ms is not None and other.latency_ms is None:
            return "its latency is not in the log"
        if (
            now.latency_ms is not None
            and other.latency_ms is not None
            and other.latency_ms > now.latency_ms * (1 + self.latency_percent / 100)
        ):
            return f"slower: median {other.latency_ms / 1000:.1f} s against {now.latency_ms / 1000:.1f} s"
        return None


@dataclass(frozen=True)
class ModelUse:
    """A model in the log: its calls, their cost in US dollars, the day of the first one."""

    calls: int
    cost: Decimal
    first: date


@dataclass(frozen=True)
class Failures:
    """Failed calls of one status on one model: how many, how many of them billed, and their cost in US dollars."""

    status: str
    provider: str
    model: str
    calls: int
    billed: int
    cost: Decimal


@dataclass(frozen=True)
class Evidence:
    """What the calls of a period say about every model on every task.

    Attributes:
        records: How each model did on each task.
        failures: The failed calls by status and model, the dearest first.
        has_sessions: Whether any call names its session.
    """

    records: Mapping[Use, Record]
    failures: Sequence[Failures]
    has_sessions: bool

    @classmethod
    def read(cls, calls: Calls) -> Evidence:
        """What the calls of the period say."""
        uses: dict[Use, list[Served]] = {}
        failed: dict[tuple[str, str, str], list[Served]] = {}
        for some in served(calls)[0]:
            uses.setdefault((some.task_type, some.provider, some.model), []).append(some)
            if not some.succeeded:
                failed.setdefault((some.status, some.provider, some.model), []).append(some)
        failures = [
            Failures(
                *key,
                sum(some.calls for some in parts),
                sum(some.billed for some in parts),
                usd(sum(some.cost for some in parts)),
            )
            for key, parts in failed.items()
        ]
        return cls(
            {use: Record.of(parts) for use, parts in uses.items()},
            sorted(failures, key=lambda f: (-f.cost, -f.calls, f.status, f.provider, f.model)),
            bool(calls.rows("SELECT 1 AS found FROM calls WHERE session_id IS NOT NULL LIMIT 1")),
        )

    @cached_property
    def cost(self) -> Decimal:
        """What all calls cost, US dollars."""
        return sum((record.cost for record in self.records.values()), Decimal(0))

    @cached_property
    def failed_cost(self) -> Decimal:
        """What failed calls cost, US dollars."""
        return sum((record.failed_cost for record in self.records.values()), Decimal(0))

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
    def models(self) -> dict[Model, ModelUse]:
        """Every model, the one that cost most first."""
        found: dict[Model, ModelUse] = {}
        for (_, *model), record in self.records.items():
            key = (model[0], model[1])
            before = found.get(key, ModelUse(0, Decimal(0), record.first))
            found[key] = ModelUse(
                before.calls + record.calls, before.cost + record.cost, min(before.first, record.first)
            )
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

    def refusals(self, moves: Mapping[Use, Sequence[Model]], demands: Demands) -> dict[tuple[Use, Model], str]:
        """Why tasks should not be moved to some of the models they might move to."""
        return {
            (use, model): why
            for use, models in moves.items()
            for model in models
            if (why := demands.refusal(self.records[use], self.records[(use[0], *model)]))
        }


def step(use: Use, target: Model) -> str:
    """A switch in words: ``chat from gpt-5 to gpt-5-mini (openai)``."""
    task, provider, model = use
    if provider == target[0]:
        return f"{task} from {model} to {target[1]} ({provider})"
    return f"{task} from {model} ({provider}) to {target[1]} ({target[0]})"
