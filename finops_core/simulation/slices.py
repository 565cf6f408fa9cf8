"""From counts of calls to calls, one slice of time after the other.

A slice is a run of whole hours of one day, or a part of an hour where an hour has too many calls. Slices depend
on the counts alone, and every slice has random streams of its own, so that any number of threads makes the same
calls in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core.call import NAMES, SIMULATED_ID_PREFIX
from finops_core.catalog import UNBILLED_STATUS
from finops_core.encoding import money_array
from finops_core.errors import PluginError
from finops_core.simulation import traffic
from finops_core.simulation.calendar import Calendar
from finops_core.simulation.customers import (
    CUSTOMERS_PER_ORGANIZATION,
    MAIN_PRODUCT_SHARE,
    PRODUCTS,
    REGIONS,
    TIERS,
    USER_AGENTS,
    Customers,
    Population,
)
from finops_core.simulation.run import Run
from finops_core.wording import plural

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

SLICE_CALLS = 32_768
MAX_CALLS_PER_DAY = 10_000
"""Calls of a customer a day, on average over all customers and days: some 150 times the normal rate.

A pattern that asks for more has a unit wrong, and would fill the disk. The bound is met neither by ``--scale`` nor by
``--days``, and a single customer or hour may be far above it.
"""
HOUR_MS = 3_600_000
HOURS_PER_DAY = 24


class Counts:
    """How many calls each customer makes in each hour.

    Attributes:
        array: Shape (customers, hours).
    """

    def __init__(self, customers: int, hours: int) -> None:
        self._expected = 0.0
        self.array: npt.NDArray[Any] = np.zeros((customers, hours), dtype=np.uint16)

    def draw(self, block: Customers, factor: npt.NDArray[np.float64], minimum_per_day: int) -> None:
        """Draw a block's counts: Poisson around normal rate x factor, then the missing calls of each day.

        Args:
            block: The customers.
            factor: Shape (customers of the block, hours).
            minimum_per_day: Calls on each day on which the factor is not zero all day.

        Raises:
            PluginError: More calls are expected than :data:`MAX_CALLS_PER_DAY` allows.
        """
        with np.errstate(over="ignore"):  # what overflows is refused below
            expected = block.calls_per_day[:, None] / HOURS_PER_DAY * factor
            by_day = expected.reshape(len(block), -1, HOURS_PER_DAY).sum(axis=2)
            self._expected += float(np.where(by_day > 0, np.maximum(by_day, minimum_per_day), 0).sum())
        self._check_expected(block, float(factor.max(initial=0)), minimum_per_day)
        counts = block.rng("counts").poisson(expected)
        if minimum_per_day:
            self._fill_up(block, factor, counts, minimum_per_day)
        if counts.max(initial=0) > np.iinfo(self.array.dtype).max:
            self.array = self.array.astype(np.int64)
        self.array[block.rows] = counts

    def _check_expected(self, block: Customers, largest: float, minimum_per_day: int) -> None:
        customers, hours = self.array.shape
        allowed = MAX_CALLS_PER_DAY * customers * hours // HOURS_PER_DAY
        if self._expected <= allowed:
            return
        days, so_far = hours // HOURS_PER_DAY, block.rows.stop
        whose = plural(customers, "customer") if so_far == customers else f"its first {so_far} customers"
        raise PluginError(
            f"it would make about {self._expected:.3g} calls of {whose} in {plural(days, 'day')}, and may make "
            f"{MAX_CALLS_PER_DAY:,} a customer and day on average, {allowed:,} in all",
            hint=f"Look at the unit of the factor, here up to {largest:g} (1 is a usual hour), and at minimum_per_day, "
            f"here {minimum_per_day}. More customers (num_customers, --scale) make more calls.",
        )

    def _fill_up(self, block: Customers, factor: npt.NDArray[np.float64], counts: Int64s, minimum_per_day: int) -> None:
        """Add calls on days below the minimum, at hours drawn in proportion to the factor."""
        by_day = factor.reshape(len(block), -1, HOURS_PER_DAY)
        missing = minimum_per_day - counts.reshape(by_day.shape).sum(axis=2)
        customer, day = np.nonzero((missing > 0) & (by_day > 0).any(axis=2))
        times = missing[customer, day]
        customer, day = np.repeat(customer, times), np.repeat(day, times)
        cumulative = np.cumsum(by_day[customer, day], axis=1)
        drawn = block.rng("minimum").random(len(customer)) * cumulative[:, -1]
        hour = (cumulative <= drawn[:, None]).sum(axis=1)
        np.add.at(counts, (customer, day * HOURS_PER_DAY + hour), 1)


@dataclass(frozen=True)
class Slice:
    """Hours ``first`` to ``last`` (exclusive), or part ``part`` of ``parts`` equal parts of one hour."""

    index: int
    first: int
    last: int
    part: int = 0
    parts: int = 1


class SliceMaker:
    """Makes the calls of slices; safe to use from several threads."""

    def __init__(self, run: Run, population: Population, calendar: Calendar, counts: Counts) -> None:
        self._run = run
        self._counts = counts.array
        self._start_ms = int(np.datetime64(calendar.start, "ms").astype(np.int64))
        self._population = population
        market = run.catalog.market
        self._market = market
        self._model_table = traffic.choice_table(tuple(m.weight for m in market))
        self._first_token_ms, self._us_per_token = traffic.speed_tables(market)
        self._reasons = np.array([m.reasoning for m in market])
        self._texts = {
            "provider": pa.array([m.provider for m in market]),
            "model": pa.array([m.model for m in market]),
            "customer_id": pa.array(population.ids),
            "organization_id": pa.array(population.organizations),
            "subscription_tier": pa.array(TIERS),
            "product_id": pa.array(PRODUCTS),
            "feature_id": pa.array(traffic.FEATURES),
            "task_type": pa.array([task.name for task in traffic.TASKS]),
            "environment": pa.array([name for name, _ in traffic.ENVIRONMENTS]),
            "user_agent": pa.array(USER_AGENTS),
            "region": pa.array(REGIONS),
            "status": pa.array([name for name, _ in traffic.STATUSES]),
            "source": pa.array([run.source]),
        }
        self._billed = np.array([name not in UNBILLED_STATUS for name, _ in traffic.STATUSES])
        self._id_base = {
            what: run.rng("id", run.period[0].toordinal(), i).integers(0, 2**64, dtype=np.uint64)
            for i, what in enumerate(("call", "request", "trace", "session"))
        }

    def slices(self) -> Iterator[Slice]:
        """All slices in time order, each with about 32,768 calls at most."""
        per_hour = self._counts.sum(axis=0, dtype=np.int64)
        index = first = 0
        for hour in range(len(per_hour)):
            parts = -(-int(per_hour[hour]) // SLICE_CALLS)
            if parts > 1:
                for part in range(parts):
                    yield Slice(index, hour, hour + 1, part, parts)
                    index += 1
                first = hour + 1
                continue
            after = hour + 1
            ends_day = after % HOURS_PER_DAY == 0 or after == len(per_hour)
            if ends_day or per_hour[first : after + 1].sum() > SLICE_CALLS:
                if per_hour[first:after].any():
                    yield Slice(index, first, after)
                    index += 1
                first = after

    def make(self, s: Slice) -> pa.RecordBatch:
        """The calls of a slice, in time order, in the call schema with dictionary-encoded texts."""
        customer, session, position, ms = self._when(s)
        calls = len(ms)
        draw = _Draws(self._run, s.index)

        session_task = traffic.choice_table(tuple(t.share for t in traffic.TASKS))[draw.bits("task", session.count)]
        main = traffic.choice_table((MAIN_PRODUCT_SHARE, (1 - MAIN_PRODUCT_SHARE) / 2, (1 - MAIN_PRODUCT_SHARE) / 2))
        product_shift = main[draw.bits("product", session.count)]
        level = session_task.astype(np.int64) * traffic.LEVELS
        session_feature = traffic.feature_table()[level + draw.bits("feature", session.count)]
        environments = traffic.choice_table(tuple(share for _, share in traffic.ENVIRONMENTS))
        session_environment = environments[draw.bits("environment", session.count)]
        prefix_per_mille = draw.rng("prefix").integers(*traffic.PREFIX_PER_MILLE, session.count, endpoint=True)

        of = session.of_call
        model = self._model_table[draw.bits("model", calls)]
        status = traffic.choice_table(tuple(share for _, share in traffic.STATUSES))[draw.bits("status", calls)]
        input_table, output_table = traffic.token_tables()
        task_level = level[of]
        input_tokens = input_table[task_level + draw.bits("input_tokens", calls)].astype(np.int64)
        answered = status == traffic.SUCCESS
        output_tokens = output_table[task_level + draw.bits("output_tokens", calls)] * answered.astype(np.int64)
        reasoning = draw.rng("reasoning").integers(*traffic.REASONING_PER_MILLE, calls, endpoint=True)
        reasoning_tokens = np.where(self._reasons[model], output_tokens * reasoning // 1000, 0)
        hit = traffic.choice_table((1 - traffic.CACHE_HIT_SHARE, traffic.CACHE_HIT_SHARE))[draw.bits("cache", calls)]
        prefix = input_tokens * prefix_per_mille[of] // 1000
        cache_read = np.where((position > 0) & (hit == 1) & answered, prefix, 0)
        cache_write = np.where((position == 0) & answered, prefix, 0)

        return self._batch(
            timestamp=pa.array(ms * 1000).cast(pa.timestamp("us")),
            call_id=_ids(SIMULATED_ID_PREFIX, self._id_base["call"], s.index, np.arange(calls)),
            provider=self._text("provider", model),
            model=self._text("model", model),
            input_tokens=pa.array(input_tokens),
            output_tokens=pa.array(output_tokens),
            cost_usd=money_array(self._cost(ms, model, status, input_tokens, output_tokens, cache_read, cache_write)),
            latency_ms=pa.array(self._latency(draw, model, status, output_tokens)),
            customer_id=self._text("customer_id", customer),
            subscription_tier=self._text("subscription_tier", self._population.tier[customer]),
            organization_id=self._text("organization_id", customer // CUSTOMERS_PER_ORGANIZATION),
            product_id=self._text(
                "product_id", (self._population.product[customer] + product_shift[of]) % len(PRODUCTS)
            ),
            feature_id=self._text("feature_id", session_feature[of]),
            task_type=self._text("task_type", session_task[of]),
            environment=self._text("environment", session_environment[of]),
            request_id=_ids("req_", self._id_base["request"], s.index, session.request),
            trace_id=_ids("trc_", self._id_base["trace"], s.index, session.request),
            session_id=_ids("ses_", self._id_base["session"], s.index, of),
            user_agent=self._text("user_agent", self._population.user_agent[customer]),
            cache_read_tokens=pa.array(cache_read),
            cache_write_tokens=pa.array(cache_write),
            reasoning_tokens=pa.array(reasoning_tokens),
            region=self._text("region", self._population.region[customer]),
            status=self._text("status", status),
            source=self._text("source", np.zeros(calls, dtype=np.int8)),
            tags=pa.nulls(calls, pa.string()),
        )

    def _when(self, s: Slice) -> tuple[Int64s, _Sessions, Int64s, Int64s]:
        """Who calls when: customer, session, position in the session and milliseconds, in time order."""
        counts = self._counts[:, s.first : s.last]
        if s.parts > 1:
            counts = self._run.rng("parts", s.first).multinomial(counts[:, 0], [1 / s.parts] * s.parts)[:, [s.part]]
        cell_customer, cell_hour = np.nonzero(counts)
        cell_calls = counts[cell_customer, cell_hour].astype(np.int64)
        cells, calls = len(cell_calls), int(cell_calls.sum())
        span = HOUR_MS // s.parts

        # Times sorted within each cell: one sort of (cell, time) in one integer.
        cell = np.repeat(np.arange(cells), cell_calls)
        moment = self._run.rng("time", s.index).integers(0, span, calls)
        moment = np.sort(cell * span + moment) - cell * span
        place = np.arange(calls) - np.repeat(np.cumsum(cell_calls) - cell_calls, cell_calls)

        limit = self._run.rng("session", s.index).integers(*traffic.SESSION_CALLS, cells, endpoint=True)[cell]
        position = place % limit
        session = np.cumsum(position == 0) - 1
        request = np.arange(calls) - position % 2  # a user's request makes up to two calls

        ms = self._start_ms + (s.first + cell_hour[cell]) * HOUR_MS + s.part * span + moment
        order = np.argsort(ms, kind="stable")
        sessions = _Sessions(int(session[-1]) + 1, session[order], request[order])
        return cell_customer[cell][order], sessions, position[order], ms[order]

    def _cost(
        self,
        ms: Int64s,
        model: npt.NDArray[np.uint8],
        status: npt.NDArray[np.uint8],
        input_tokens: Int64s,
        output_tokens: Int64s,
        cache_read: Int64s,
        cache_write: Int64s,
    ) -> Int64s:
        cost = np.zeros(len(ms), dtype=np.int64)
        for code, m in enumerate(self._market):
            rows = np.flatnonzero(model == code)
            cost[rows] = self._run.catalog.cost_nanos(
                m.provider,
                m.model,
                ms[rows] * 1000,
                input_tokens[rows],
                output_tokens[rows],
                cache_read[rows],
                cache_write[rows],
            )
        billed: Int64s = cost * self._billed[status]
        return billed

    def _latency(
        self, draw: _Draws, model: npt.NDArray[np.uint8], status: npt.NDArray[np.uint8], output_tokens: Int64s
    ) -> Int64s:
        """Time to first token + output tokens / speed, each with lognormal noise; milliseconds."""
        noise = traffic.noise_table()
        first = self._first_token_ms[model] * noise[draw.bits("first_token", len(model))] // 1000
        rest = output_tokens * self._us_per_token[model] // 1000 * noise[draw.bits("speed", len(model))] // 1000
        latency = first + rest
        latency[status == traffic.TIMEOUT] = traffic.TIMEOUT_MS
        limited = status == traffic.RATE_LIMIT
        latency[limited] = traffic.RATE_LIMIT_MS * latency[limited] // self._first_token_ms[model[limited]]
        return latency

    def _text(self, column: str, codes: npt.NDArray[Any]) -> pa.DictionaryArray:
        narrow = codes.astype(np.int32 if len(self._texts[column]) > 127 else np.int8)
        return pa.DictionaryArray.from_arrays(pa.array(narrow), self._texts[column], safe=False)

    def _batch(self, **columns: pa.Array) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([columns[name] for name in NAMES], names=list(NAMES))


@dataclass(frozen=True)
class _Sessions:
    """The sessions of a slice: how many, and of each call its session and the number of its user request."""

    count: int
    of_call: Int64s
    request: Int64s


class _Draws:
    """The random streams of a slice."""

    def __init__(self, run: Run, index: int) -> None:
        self._run = run
        self._index = index

    def rng(self, what: str) -> np.random.Generator:
        return self._run.rng(what, self._index)

    def bits(self, what: str, count: int) -> npt.NDArray[np.uint16]:
        return self.rng(what).integers(0, traffic.LEVELS, count, dtype=np.uint16)


def _ids(prefix: str, base: np.uint64, index: int, number: Int64s) -> pa.StringArray:
    """Unique names: prefix and 16 hex digits of a bijection of (slice, number in the slice)."""
    key = base + ((np.uint64(index) << np.uint64(32)) | number.astype(np.uint64))
    digits = _HEX[_mixed(key).byteswap().view(np.uint8)].view(np.uint8).reshape(len(number), 16)
    text = np.empty((len(number), len(prefix) + 16), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    text[:, len(prefix) :] = digits
    offsets = np.arange(0, text.size + 1, text.shape[1], dtype=np.int32)
    return pa.StringArray.from_buffers(len(number), pa.py_buffer(offsets), pa.py_buffer(text))


def _mixed(key: UInt64s) -> UInt64s:
    """splitmix64's finalizer, a bijection of 64-bit numbers (Steele, Lea, Flood: Fast splittable PRNGs, 2014)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint16)
