"""The billed calls of a log, model by model, as arrays. A failed call that cost nothing was not billed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Catalog
from finops_plugin_domains.service import TASK_MODEL, quality_of

Int64s = npt.NDArray[np.int64]

BATCH_CALLS = 5_000_000
"""About how many calls are held in memory at a time; 4 million of them take about 0.8 GB."""


@dataclass(frozen=True)
class ModelCalls:
    """Billed calls of one model, column by column, each of shape (calls,).

    Attributes:
        provider: As in the log.
        model: As in the log.
        us: Microseconds since 1970, UTC.
        input: All input tokens, like the cache parts below at least 0.
        output: Output tokens.
        cache_read: Part of the input.
        cache_write: Part of the input.
        logged: What the log says the call cost, nano-dollars.
        succeeded: False for a failed call that was billed.
        session: A number for each session of a customer on a task, a hash; 0 where there is none, or the call has too
            few input tokens.
    """

    provider: str
    model: str
    us: Int64s
    input: Int64s
    output: Int64s
    cache_read: Int64s
    cache_write: Int64s
    logged: Int64s
    succeeded: npt.NDArray[np.bool_]
    session: Int64s

    def cost(self, catalog: Catalog, provider: str, model: str, output_percent: int | tuple[int, ...] = 0) -> Int64s:
        """What each call costs on a model at the call's date, nano-dollars.

        Args:
            catalog: The prices.
            provider: Of the model.
            model: The model to price the calls on.
            output_percent: How much longer (or, negative, shorter) its answers are, in percent of the
                tokens logged; rounded to whole tokens, a half up. Several changes are priced at once.

        Returns:
            Shape (calls,); with several changes (changes, calls).

        Raises:
            UnknownPriceError: The model has no price.
        """
        output = self.output
        if output_percent != 0:
            output = (output * (100 + np.array(output_percent)[..., np.newaxis]) + 50) // 100
        return catalog.cost_nanos(provider, model, self.us, self.input, output, self.cache_read, self.cache_write)

    def take(self, rows: npt.NDArray[np.intp] | slice) -> ModelCalls:
        """Some of the calls."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})


_COLUMNS = ("us", "input", "output", "cache_read", "cache_write", "logged", "succeeded", "session")

Tasks = Mapping[str | None, slice]
"""Where the calls of each task stand among those of a model."""

_USE = "hash(provider, model, task_type)"


class _Batch(NamedTuple):
    """Calls in the order of their uses, and where those of each use end."""

    columns: dict[str, npt.NDArray[Any]]
    ends: list[int]


class BilledCalls:
    """The billed calls of a view, grouped by model; a log of any length in bounded memory.

    Args:
        calls: The log.
        view: ``calls`` or ``previous``.
        prefix_tokens: Calls with fewer input tokens are not given their session.
        batch_calls: About how many calls to hold at a time.
    """

    def __init__(
        self, calls: Calls, view: str = "calls", *, prefix_tokens: int = 0, batch_calls: int = BATCH_CALLS
    ) -> None:
        self._calls = calls
        self._view = view
        self._prefix_tokens = prefix_tokens
        total = calls.total if view == "calls" else calls.rows(f"SELECT count(*) AS n FROM {view}")[0]["n"]
        self._batches = -(-total // batch_calls)

    def __iter__(self) -> Iterator[tuple[ModelCalls, Tasks]]:
        """Every billed call once, task by task; the calls of a session are in the same batch."""
        for number in range(self._batches):
            yield from self._models(self._only if self._batches == 1 else self._read(number))

    def _models(self, batch: _Batch) -> Iterator[tuple[ModelCalls, Tasks]]:
        spans = zip(self._uses.values(), pairwise([0, *batch.ends]), strict=True)
        for (provider, model), group in groupby(spans, key=lambda span: span[0][:2]):
            uses = list(group)
            (_, (start, _)), (_, (_, end)) = uses[0], uses[-1]
            tasks = {task: slice(first - start, last - start) for (*_, task), (first, last) in uses if first < last}
            if tasks:
                columns = {name: column[start:end] for name, column in batch.columns.items()}
                yield ModelCalls(provider, model, **columns), tasks

    @cached_property
    def _uses(self) -> dict[int, tuple[str, str, str | None]]:
        """Provider, model and task by their hash, in order."""
        tasks, providers, models = zip(*self._names(), strict=True)
        rows = self._calls.rows(
            f"SELECT {_USE} AS use, provider, model, task_type FROM (SELECT unnest($providers) AS provider, "
            "unnest($models) AS model, unnest($tasks) AS task_type) AS names",
            providers=list(providers),
            models=list(models),
            tasks=list(tasks),
        )
        uses = {row["use"]: (row["provider"], row["model"], row["task_type"]) for row in rows}
        return dict(sorted(uses.items(), key=lambda item: (*item[1][:2], str(item[1][2]))))

    def _names(self) -> Iterable[tuple[str | None, ...]]:
        """Every task, provider and model of the view; those of the period are read for other reports too."""
        if self._view == "calls":
            return [service.names for service in quality_of(self._calls).services[TASK_MODEL]]
        rows = self._calls.rows(f"SELECT DISTINCT task_type, provider, model FROM {self._view}")
        return [(row["task_type"], row["provider"], row["model"]) for row in rows]

    @cached_property
    def _only(self) -> _Batch:
        return self._read(0)

    def _read(self, number: int) -> _Batch:
        # As a parameter the divisor would be signed, and the remainder computed in 128 bits.
        thing = "CASE WHEN session_id IS NULL THEN hash(timestamp) ELSE hash(session_id) END"
        part = f"AND abs({thing}) % {self._batches} = {number}" if self._batches > 1 else ""
        # A hash stands for the three texts: fetching and comparing those takes longer than everything else.
        table = self._calls.sql(
            f"""
            SELECT {_USE} AS use, timestamp AS us, input_tokens AS input, output_tokens AS output,
                cache_read_tokens AS cache_read, cache_write_tokens AS cache_write, cost_usd AS logged,
                status = 'success' AS succeeded,
                CASE WHEN input_tokens >= $prefix_tokens AND session_id IS NOT NULL
                     THEN hash(customer_id, session_id, task_type) END AS session
            FROM {self._view}
            WHERE (status = 'success' OR cost_usd > 0) {part}
            """,
            prefix_tokens=self._prefix_tokens,
        )
        use = pc.index_in(table["use"], value_set=pa.array(self._uses, pa.uint64())).to_numpy()
        small = use.astype(np.min_scalar_type(len(self._uses)))  # sorts fast
        order = np.argsort(small, kind="stable")
        ends = np.cumsum(np.bincount(use, minlength=len(self._uses))).tolist()
        # Arrow takes rows into memory that it has at hand, numpy into new pages: those cost more than the copying.
        rows = pa.array(order)
        return _Batch({name: _numbers(table[name].combine_chunks().take(rows)) for name in _COLUMNS}, ends)


def _numbers(values: pa.Array) -> npt.NDArray[Any]:
    """A column of calls as numbers: microseconds, nano-dollars, and the bits of each hash; 0 where null."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us")).view(pa.int64())
    elif pa.types.is_decimal(values.type):
        values = values.cast(pa.decimal64(18, 9)).view(pa.int64())  # such a decimal is a whole number of them
    elif pa.types.is_unsigned_integer(values.type):
        values = values.fill_null(0).view(pa.int64())
    numbers: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers
