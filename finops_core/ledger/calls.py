"""What analyzers read: the accepted calls of a period, through SQL."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, cached_property, partial, wraps
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import duckdb
import pyarrow as pa

from finops_core.call import EVENT_SCHEMA, NAMES, SCHEMA
from finops_core.catalog import Catalog
from finops_core.errors import UsageError
from finops_core.money import EXACT, usd
from finops_core.settings import Settings
from finops_core.wording import plural

T = TypeVar("T")

COMPARED_DAYS = 14
"""Without a period before, this many last days are compared with as many before them."""

LEVEL_DAYS = 7
"""Calls that cover less than this many days show no whole week, so that a month of them is an extrapolation."""


@dataclass(frozen=True)
class Period:
    """Whole UTC days, the last one included.

    Attributes:
        first: The first day.
        last: The last day.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise UsageError(
                f"a period cannot end ({self.last}) before it begins ({self.first})", hint="Swap --from and --to."
            )

    @property
    def days(self) -> int:
        """How many days it covers."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """00:00 of the first day."""
        return datetime.combine(self.first, time())

    @property
    def end(self) -> datetime:
        """00:00 of the day after the last one: calls are in the period if ``start <= timestamp < end``."""
        return datetime.combine(self.last + timedelta(days=1), time())

    def per_month(self, amount: Decimal) -> Decimal:
        """An amount of this period as the amount of 30 such days, rounded to nine digits."""
        return usd(EXACT.divide(amount * 30, Decimal(self.days)))

    def before(self) -> Period:
        """The equally long period right before."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))

    def __str__(self) -> str:
        return f"{self.first} to {self.last}" if self.days > 1 else f"{self.first}"


@dataclass(frozen=True)
class PeriodChoice:
    """What ``--from --to --last`` asked for; empty is the whole log."""

    first: date | None = None
    last: date | None = None
    tail: str | None = None
    """``28d`` (the last 28 days) or ``month`` (the calendar month of the last call so far)."""

    def __post_init__(self) -> None:
        if self.tail is not None:
            if self.first is not None or self.last is not None:
                raise UsageError("--last cannot be combined with --from or --to", hint="Use one or the other.")
            if not re.fullmatch(r"[1-9]\d{0,4}d|month", self.tail):
                raise UsageError(
                    f"--last {self.tail!r} is not a period", hint="Use a number of days such as 28d, or month."
                )

    def of(self, log: Period) -> Period:
        """The chosen period in a log that covers ``log``."""
        if self.tail == "month":
            return Period(log.last.replace(day=1), log.last)
        if self.tail is not None:
            return Period(log.last - timedelta(days=int(self.tail[:-1]) - 1), log.last)
        return Period(
            self.first or min(log.first, self.last or log.first), self.last or max(log.last, self.first or log.last)
        )


@dataclass(frozen=True)
class Comparison:
    """Two spans of equal length, the later one against the earlier one."""

    current: Period
    previous: Period

    def __str__(self) -> str:
        return f"{self.current} against {self.previous}"


@dataclass(frozen=True)
class LogCounts:
    """The conservation counts of a call log, in physical lines; see the law in :meth:`add_up`."""

    lines: int = 0
    header: int = 0
    repeated_headers: int = 0
    accepted: int = 0
    quarantined: int = 0
    blank: int = 0
    pending: int = 0
    naive_timestamps: int = 0
    rounded_costs: int = 0
    unknown_columns: tuple[str, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How many lines were quarantined under each code."""

    def add_up(self) -> bool:
        """Whether lines = header + repeated headers + accepted + quarantined + blank + pending."""
        return self.lines == (
            self.header + self.repeated_headers + self.accepted + self.quarantined + self.blank + self.pending
        )

    def __add__(self, other: LogCounts) -> LogCounts:
        """The counts of two parts of a log together."""
        reasons = Counter(self.reasons)
        reasons.update(other.reasons)
        return LogCounts(
            **{name: getattr(self, name) + getattr(other, name) for name in _NUMBERS},
            unknown_columns=tuple(dict.fromkeys(self.unknown_columns + other.unknown_columns)),
            reasons=dict(reasons),
        )


_NUMBERS = tuple(f.name for f in fields(LogCounts) if f.name not in ("unknown_columns", "reasons"))


IN_PARQUET = "read_parquet("
"""What the source of calls in files begins with."""


class Calls:
    """The accepted calls of a log, for analyzers.

    SQL sees four views with the columns of :data:`finops_core.call.COLUMNS` (times are UTC without a zone):

    ===========  =======================================================================================
    view         rows
    ===========  =======================================================================================
    `calls`      the calls of the period
    `current`    the later span of the comparison; no rows without one
    `previous`   the earlier span of the comparison; no rows without one
    `history`    every accepted call up to the end of the period
    ===========  =======================================================================================

    Write SQL in what DuckDB and Spark 4 share. Sums and counts come from SQL, ratios are made in Python.

    Attributes:
        settings: ``finops.toml``.
        catalog: Models and prices.
        counts: The conservation counts of the log.
        period: The days analyzed; ``None`` without any call in the log.
        log_period: The days that the whole log covers; ``None`` without any call.
        now: The last accepted call of the period (never the clock); ``None`` without calls in it.
        comparison: The two spans that metrics compare; ``None`` if the log is too short for one.
        events: What patterns planted (:data:`finops_core.call.EVENT_SCHEMA`), for scoring only.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        *,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        counts: LogCounts | None = None,
        events: pa.Table | None = None,
        choice: PeriodChoice | None = None,
        extent: tuple[datetime, datetime] | None = None,
    ) -> None:
        """Look at the rows of ``source``, a relation that ``connection`` can select from.

        With ``counts`` and ``extent`` (the times of the first and the last call), nothing is read in advance.
        """
        self._given = {"settings": settings, "catalog": catalog, "choice": choice, "extent": extent}
        self._source = source
        self.settings = settings or Settings()
        self.catalog = catalog or Catalog(self.settings.catalog)
        self.events = EVENT_SCHEMA.empty_table() if events is None else events
        self._connection = connection
        connection.execute("SET TimeZone = 'UTC'")
        if extent is None or counts is None:
            ((first, last, rows),) = connection.sql(
                f"SELECT min(timestamp), max(timestamp), count(*) FROM {source}"
            ).fetchall()
            self.counts = counts or LogCounts(lines=rows + 1, header=1, accepted=rows)
        else:
            (first, last), self.counts = extent, counts
        self.log_period = None if first is None else Period(first.date(), last.date())
        self.period = None if self.log_period is None else (choice or PeriodChoice()).of(self.log_period)
        self.comparison = self._compare()
        columns = ", ".join(NAMES)
        for view, span in (
            ("calls", self.period),
            ("current", self.comparison and self.comparison.current),
            ("previous", self.comparison and self.comparison.previous),
        ):
            self._view(
                view,
                columns,
                source,
                f"timestamp >= TIMESTAMP '{span.start}' AND timestamp < TIMESTAMP '{span.end}'" if span else "false",
            )
        self._view("history", columns, source, f"timestamp < TIMESTAMP '{self.period.end}'" if self.period else "false")
        self.now: datetime | None = last
        if self.period and not self.period.start <= last < self.period.end:
            self.now = self.sql("SELECT max(timestamp) AS now FROM calls")["now"][0].as_py()

    @classmethod
    def from_arrow(cls, table: pa.Table, **options: Any) -> Self:
        """Calls that are already in memory, for tests and notebooks.

        Args:
            table: Columns of the call schema; absent optional ones take their defaults.
            options: As for the constructor.
        """
        from finops_core.call import COLUMNS

        columns = []
        for column, arrow_field in zip(COLUMNS, SCHEMA, strict=True):
            if column.name in table.column_names:
                values = table[column.name].cast(arrow_field.type)
                columns.append(values if column.default is None else values.fill_null(column.default))
            else:
                columns.append(pa.repeat(pa.scalar(column.default, arrow_field.type), table.num_rows))
        connection = connect()
        connection.register("given_calls", pa.table(columns, schema=SCHEMA))
        return cls(connection, "given_calls", **options)

    @cached_property
    def total(self) -> int:
        """How many calls the period has."""
        return int(self.sql("SELECT count(*) AS n FROM calls")["n"][0].as_py())

    @cached_property
    def customer_days(self) -> pa.Table:
        """What customers did on each day of the period and of both compared spans.

        Columns ``customer_id, day, calls, tokens, cost`` (tokens in and out, US dollars), in the order of the first
        two; a day without calls has no row.
        """
        spans = [self.period, *((self.comparison.current, self.comparison.previous) if self.comparison else ())]
        return self.sql(
            "SELECT customer_id, CAST(timestamp AS DATE) AS day, count(*) AS calls, "
            "CAST(sum(input_tokens + output_tokens) AS BIGINT) AS tokens, sum(cost_usd) AS cost "
            "FROM history WHERE timestamp >= $start GROUP BY customer_id, CAST(timestamp AS DATE) "
            # Ordered, so that sums in floating point do not depend on the order of the log.
            "ORDER BY customer_id, day",
            start=min((span.start for span in spans if span), default=datetime.min),
        )

    @cached_property
    def daily_cost(self) -> dict[date, Decimal]:
        """US dollars of every day of the period, in order; 0 on a day without calls, empty without a period."""
        if self.period is None:
            return {}
        sums = self.customer_days.group_by("day").aggregate([("cost", "sum")])
        cost = dict(zip(sums["day"].to_pylist(), sums["cost_sum"].to_pylist(), strict=True))
        days = (self.period.first + timedelta(days=n) for n in range(self.period.days))
        return {day: cost.get(day, Decimal(0)) for day in days}

    @cached_property
    def stated_tiers(self) -> list[dict[str, Any]]:
        """The subscription tiers that customers' calls state, up to the end of the period.

        Each ``customer_id`` and ``tier`` (``None`` for calls that state none), with the moments of the ``first`` and
        the ``last`` such call.
        """
        return self.rows(
            "SELECT customer_id, subscription_tier AS tier, min(timestamp) AS first, max(timestamp) AS last "
            "FROM history GROUP BY customer_id, subscription_tier"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, calls in Parquet files are opened again where they arrive; those in memory travel along."""
        options = {**self._given, "counts": self.counts, "events": self.events}
        if self._source.startswith(IN_PARQUET):
            return partial(_opened, **options), (self._source,)
        rows = self._connection.sql(f"SELECT {', '.join(NAMES)} FROM {self._source}").to_arrow_table()
        return partial(type(self).from_arrow, **options), (rows,)

    def sql(self, query: str, **values: Any) -> pa.Table:
        """Run a query and fetch all of its rows.

        Args:
            query: One SELECT over the views.
            values: What ``$name`` in the query stands for.

        Returns:
            An Arrow table. Sums of ``cost_usd`` are exact decimals.
        """
        return self._connection.sql(query, params=values or None).to_arrow_table()

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Run a query whose result is small, and return its rows as dictionaries."""
        rows: list[dict[str, Any]] = self.sql(query, **values).to_pylist()
        return rows

    def spans(self, select: str, **values: Any) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
        """The same aggregates over the period and over both spans of the comparison.

        Args:
            select: The aggregates, such as ``sum(cost_usd) AS cost, count(*) AS calls``.
            values: What ``$name`` stands for.

        Returns:
            A row each for ``calls``, ``current`` and ``previous``; the latter two are ``None`` without a comparison.
        """
        whole = self.rows(f"SELECT {select} FROM calls", **values)[0]
        if self.comparison is None:
            return whole, None, None
        current = self.rows(f"SELECT {select} FROM current", **values)[0]
        return whole, current, self.rows(f"SELECT {select} FROM previous", **values)[0]

    @cached_property
    def month_caveat(self) -> str:
        """What an amount a month rests on, in one sentence, where the calls cover less than a week; else empty."""
        if self.period is None or self.period.days >= LEVEL_DAYS or not self.total:
            return ""
        (row,) = self.rows("SELECT min(timestamp) AS first, max(timestamp) AS last FROM calls")
        hours = max(1, round((row["last"] - row["first"]) / timedelta(hours=1)))
        partly = f", whose calls cover {plural(hours, 'hour')} only" if hours <= 12 * self.period.days else ""
        return f"A month is extrapolated from {plural(self.period.days, 'day')}{partly}."

    @property
    def empty_text(self) -> str:
        """What to say of a period without calls, in one sentence."""
        return "No calls yet." if self.period is None else f"No calls in the period ({self.period})."

    @property
    def comparison_text(self) -> str:
        """What metrics are compared with, or why they are not, in one sentence."""
        if self.comparison is not None:
            return f"Changes compare {self.comparison}."
        if self.period is None:
            return "There are no calls to compare."
        before = "day" if self.period.days == 1 else f"{self.period.days} days"
        return (
            f"Nothing is compared: the log holds neither the {before} before {self.period.first} "
            f"nor {2 * COMPARED_DAYS} days within the period."
        )

    def _view(self, name: str, columns: str, source: str, condition: str) -> None:
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {columns} FROM {source} WHERE {condition}"
        )

    def _compare(self) -> Comparison | None:
        if self.period is None or self.log_period is None:
            return None
        before = self.period.before()
        if before.first >= self.log_period.first:
            return Comparison(self.period, before)
        last = Period(self.period.last - timedelta(days=COMPARED_DAYS - 1), self.period.last)
        if last.before().first >= self.period.first:
            return Comparison(last, last.before())
        return None


def connect() -> duckdb.DuckDBPyConnection:
    """A new connection, with views of its own, to this process's database in memory."""
    return _database().cursor()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()  # which takes 10 ms


def read_once(read: Callable[[Calls], T]) -> Callable[[Calls], T]:
    """Keep what a function reads from calls for as long as the calls themselves: several reports ask for the same.

    What ``read`` returns must not be changed, and must not hold the calls.
    """
    kept: WeakKeyDictionary[Calls, T] = WeakKeyDictionary()

    @wraps(read)
    def reading(calls: Calls) -> T:
        if calls not in kept:
            kept[calls] = read(calls)
        return kept[calls]

    return reading


def _opened(source: str, **options: Any) -> Calls:
    return Calls(connect(), source, **options)
