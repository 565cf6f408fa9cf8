"""One run of one pattern: its period, its random streams, its market, and what it planted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from finops_core.call import EVENT_SCHEMA
from finops_core.catalog import Catalog
from finops_core.errors import UsageError

DEFAULT_DAYS = 30


@dataclass(frozen=True)
class Event:
    """Something that a pattern planted in a customer's traffic.

    Attributes:
        customer_id: Whose traffic.
        kind: Such as burst, churn, launch.
        start: When it begins, UTC.
        end: When it ends; ``None``: it does not end within the period.
        factor: How many times its normal hourly rate the customer calls at in the meantime. ``None`` lets the
            framework take the mean of the pattern's factor over that time, and drop the event where it is 0.
    """

    customer_id: str
    kind: str
    start: datetime
    end: datetime | None = None
    factor: float | None = None


@dataclass(frozen=True)
class Run:
    """What a pattern is asked to make.

    Attributes:
        source: The pattern's name; its rows carry it, and its customers' names begin with it.
        start: The first day; ``None`` leaves it to the pattern, then to the whole days before today.
        days: How many days; ``None`` leaves it to the pattern.
        seed: ``None`` leaves it to the pattern.
        scale: Times this many customers.
        workers: Threads that may be used; never changes the result.
        catalog: Models and prices.
        planted: What was planted so far.
    """

    source: str
    start: date | None = None
    days: int | None = None
    seed: int | None = None
    scale: float = 1.0
    workers: int = 1
    catalog: Catalog = field(default_factory=Catalog)
    planted: list[Event] = field(default_factory=list, compare=False)

    def settled(self, *, start: date | None, days: int, seed: int) -> Run:
        """This run with a pattern's own values where nothing else was asked for."""
        length = self.days or days
        first = self.start or start or default_start(length)
        if first.year < 2000 or (first + timedelta(days=length)).year > 2099:
            raise UsageError(
                f"a period of {length} days from {first} leaves the years 2000 to 2099", hint="Choose another --start."
            )
        return replace(self, start=first, days=length, seed=seed if self.seed is None else self.seed)

    @property
    def period(self) -> tuple[date, int]:
        """The first day and how many days, once both are settled."""
        if self.start is None or self.days is None:
            raise ValueError("the run is not settled: use run.settled(start=..., days=..., seed=...) first")
        return self.start, self.days

    def rng(self, what: str, *key: int) -> np.random.Generator:
        """The random stream of one thing drawn.

        Args:
            what: What is drawn from it; each thing has a stream of its own, so that adding one changes no other.
            key: The block of customers or the slice of time.

        Returns:
            A fresh generator at the beginning of the stream: the same for the same seed, pattern and arguments.
        """
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed or 0, spawn_key=(_code(self.source), _code(what), *key)))
        )

    def plant(self, events: Iterable[Event]) -> None:
        """Tell what was planted; it is written beside the log."""
        self.planted.extend(events)

    def events(self) -> pa.Table:
        """What was planted, in :data:`finops_core.call.EVENT_SCHEMA`, by start and customer."""
        rows: list[dict[str, Any]] = [
            {
                "source": self.source,
                "customer_id": e.customer_id,
                "kind": e.kind,
                "start": e.start,
                "end": e.end,
                "factor": e.factor,
            }
            for e in sorted(self.planted, key=lambda e: (e.start, e.customer_id, e.kind))
        ]
        return pa.Table.from_pylist(rows, schema=EVENT_SCHEMA)


def default_start(days: int = DEFAULT_DAYS) -> date:
    """The first of the whole UTC days before today."""
    return datetime.now(UTC).date() - timedelta(days=days)


def _code(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
