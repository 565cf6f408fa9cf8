"""How models did on tasks in the log: what speaks for moving a task to another model, and what against it.

A call log says how often a call failed and how long it took; it does not say how good an answer was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from finops_core import Calls, usd

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
    """

    calls: int
    failed: int
    latency_ms: float | None

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
class Coverage:
    """What the calls of a period say about themselves.

    Attributes:
        calls: How many there are.
        with_task: How many name their task.
        with_session: How many name their session.
        cost: What they cost, US dollars.
    """

    calls: int
    with_task: int
    with_session: int
    cost: Decimal

    @classmethod
    def of(cls, calls: Calls) -> Coverage:
        """Of the calls of the period."""
        row = calls.rows(
            "SELECT count(*) AS calls, count(task_type) AS with_task, count(session_id) AS with_session, "
            "sum(cost_usd) AS cost FROM calls"
        )[0]
        return cls(row["calls"], row["with_task"], row["with_session"], usd(row["cost"]))


def records(calls: Calls) -> dict[Use, Record]:
    """How every model did on every task of the period."""
    return {
        (row["task_type"], row["provider"], row["model"]): Record(row["calls"], row["failed"], row["latency"])
        for row in calls.rows(
            """
            SELECT task_type, provider, model, count(*) AS calls, count(*) FILTER (WHERE status <> 'success') AS failed,
                percentile_cont(0.5) WITHIN GROUP (
                    ORDER BY CASE WHEN status = 'success' THEN latency_ms END
                ) AS latency
            FROM calls GROUP BY task_type, provider, model
            """
        )
    }


def candidates(known: Mapping[Use, Record], across_providers: bool) -> dict[Use, list[Model]]:
    """The other models that the log uses for the same task, of the same provider unless asked for more."""
    return {
        use: sorted(
            (provider, model)
            for task, provider, model in known
            if task == use[0] is not None and (provider, model) != use[1:] and (across_providers or provider == use[1])
        )
        for use in known
    }


def step(use: Use, target: Model) -> str:
    """A switch in words: ``chat from gpt-5 to gpt-5-mini (openai)``."""
    task, provider, model = use
    if provider == target[0]:
        return f"{task} from {model} to {target[1]} ({provider})"
    return f"{task} from {model} ({provider}) to {target[1]} ({target[0]})"
