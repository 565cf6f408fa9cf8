"""What analyzers read: the accepted calls of a period, through SQL."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial, wraps
from threading import RLock, get_ident
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.call import EVENT_SCHEMA, NAMES, SCHEMA
from finops_core.catalog import Catalog
from finops_core.ledger.periods import COMPARED_DAYS, Comparison, Period, PeriodChoice
from finops_core.settings import Settings
from finops_core.wording import plural

T = TypeVar("T")
P = ParamSpec("P")

USAGE_COLUMNS = ("customer_id", "organization_id", "product_id", "feature_id", "task_type")
"""The columns that say for whom and for what a call was made."""

TOKEN_COLUMNS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
"""The columns that count tokens."""


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


GIVEN = "given_calls"
"""What SQL calls the rows of calls in memory."""


class _Once(Generic[T]):
    """A thing that is read by the first who asks, while the others wait."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._values: list[T] = []

    def get(self, read: Callable[[], T]) -> T:
        with self._lock:
            if not self._values:
                self._values.append(read())
            return self._values[0]


def read_once(read: Callable[Concatenate[Calls, P], T]) -> Callable[Concatenate[Calls, P], T]:
    """Keep what a function reads from calls for as long as the calls themselves: several reports ask for the same.

    On several threads too, each thing is read by the first who asks, and the others wait for it. What ``read``
    returns must not be changed, and must not hold the calls; arguments beside the calls must be hashable.
    """
    kept: WeakKeyDictionary[Calls, dict[Any, _Once[T]]] = WeakKeyDictionary()
    signature = inspect.signature(read)

    @wraps(read)
    def reading(calls: Calls, /, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(calls, *args, **kwargs)
        bound.apply_defaults()
        question = (bound.args[1:], tuple(bound.kwargs.items()))
        return kept.setdefault(calls, {}).setdefault(question, _Once()).get(lambda: read(calls, *args, **kwargs))

    return reading


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
        source: str | pa.Table,
        *,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        counts: LogCounts | None = None,
        events: pa.Table | None = None,
        choice: PeriodChoice | None = None,
        extent: tuple[datetime, datetime] | None = None,
    ) -> None:
        """Look at the rows of ``source``: a relation in SQL, such as ``read_parquet(...)``, or a table in memory.

        With ``counts`` and ``extent`` (the times of the first and the last call), nothing is read in advance.
        """
        self._choice = choice or PeriodChoice()
        self._given = {"settings": settings, "catalog": catalog, "choice": choice, "extent": extent}
        self._source = source
        self._connections: dict[int, duckdb.DuckDBPyConnection] = {}
        self._views: dict[str, str] = {}
        self.settings = settings or Settings()
        self.catalog = catalog or Catalog(self.settings.catalog)
        self.events = EVENT_SCHEMA.empty_table() if events is None else events
        if extent is None or counts is None:
            ((first, last, rows),) = (
                self._open().sql(f"SELECT min(timestamp), max(timestamp), count(*) FROM {self._relation}").fetchall()
            )
            self.counts = counts or LogCounts(lines=rows + 1, header=1, accepted=rows)
        else:
            (first, last), self.counts = extent, counts
        self.log_period = None if first is None else Period(first.date(), last.date())
        self.period = None if self.log_period is None else self._choice.of(self.log_period)
        self.comparison = Comparison.of(self.period, self.log_period) if self.period and self.log_period else None
        self._views = {
            "calls": _within(self.period),
            "current": _within(self.comparison.current if self.comparison else None),
            "previous": _within(self.comparison.previous if self.comparison else None),
            "history": f"timestamp < TIMESTAMP '{self.period.end}'" if self.period else "false",
        }
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
        return cls(pa.table(columns, schema=SCHEMA), **options)

    @property
    @read_once
    def total(self) -> int:
        """How many calls the period has."""
        return int(self.sql("SELECT count(*) AS n FROM calls")["n"][0].as_py())

    @property
    def reported(self) -> tuple[Period, ...]:
        """The period, then the later and the earlier span of the comparison if there is one; they may overlap.

        Nothing for a log without calls.
        """
        if self.period is None:
            return ()
        return (self.period, *((self.comparison.current, self.comparison.previous) if self.comparison else ()))

    @property
    def membership(self) -> str:
        """SQL columns ``in_0``, ``in_1`` ...: whether a call lies in each of :attr:`reported`.

        With them one pass over `history` from the first of these days on serves all of them.
        """
        return ", ".join(f"{_within(span)} AS in_{i}" for i, span in enumerate(self.reported))

    @property
    def reported_from(self) -> datetime:
        """The first moment of :attr:`reported`."""
        return min((span.start for span in self.reported), default=datetime.min)

    @read_once
    def usage(self, *columns: str, span: int = 0) -> pa.Table:
        """What was used by whom for what, read once for all who ask: calls, cost and tokens of each group.

        Args:
            columns: What to group by, some of :data:`USAGE_COLUMNS`; without any, everything is one group.
            span: Which of :attr:`reported`.

        Returns:
            The columns asked for, ``calls``, ``cost`` (US dollars, exact) and each of :data:`TOKEN_COLUMNS`; a row for
            each group with calls in the span, in no particular order.

        Raises:
            IndexError: There is no such span.
            KeyError: A column is none of :data:`USAGE_COLUMNS`.
        """
        if not 0 <= span < len(self.reported):
            raise IndexError(f"no span {span}: {len(self.reported)} are reported")
        if unknown := [name for name in columns if name not in USAGE_COLUMNS]:
            raise KeyError(f"usage is not kept by {', '.join(unknown)}; it is by {', '.join(USAGE_COLUMNS)}")
        sums = [(name, "sum") for name in ("calls", "cost", *TOKEN_COLUMNS)]
        rows = self._usage.filter(self._usage[f"in_{span}"])
        groups = rows.group_by(list(columns), use_threads=False).aggregate(sums)
        names = {name: groups[name].cast(pa.string()) for name in columns}
        return pa.table(names | {name: groups[f"{name}_sum"] for name, _ in sums})

    @property
    @read_once
    def _usage(self) -> pa.Table:
        tokens = ", ".join(f"sum({name}) AS {name}" for name in TOKEN_COLUMNS)
        table = self.sql(
            f"SELECT {', '.join(USAGE_COLUMNS)}, {self.membership}, count(*) AS calls, sum(cost_usd) AS cost, {tokens} "
            "FROM history WHERE timestamp >= $start GROUP BY ALL",
            start=self.reported_from,
        ).combine_chunks()
        names = {name: table[name].dictionary_encode() for name in USAGE_COLUMNS}  # which group and filter faster
        counts = {name: whole_numbers(table[name]) for name in TOKEN_COLUMNS}
        return pa.table({name: table[name] for name in table.column_names} | names | counts)

    @property
    @read_once
    def customer_days(self) -> pa.Table:
        """What customers did on each day of the period and of both compared spans.

        Columns ``customer_id, day, calls, tokens, cost`` (tokens in and out, US dollars), in the order of the first
        two; a day without calls has no row.
        """
        days = self.sql(
            "SELECT customer_id, CAST(timestamp AS DATE) AS day, count(*) AS calls, "
            "sum(input_tokens + output_tokens) AS tokens, sum(cost_usd) AS cost "
            "FROM history WHERE timestamp >= $start GROUP BY customer_id, CAST(timestamp AS DATE) "
            # Ordered, so that sums in floating point do not depend on the order of the log.
            "ORDER BY customer_id, day",
            start=self.reported_from,
        )
        return days.set_column(3, "tokens", whole_numbers(days["tokens"]))

    @property
    @read_once
    def daily_cost(self) -> dict[date, Decimal]:
        """US dollars of every day of the period, in order; 0 on a day without calls, empty without a period."""
        if self.period is None:
            return {}
        sums = self.customer_days.group_by("day").aggregate([("cost", "sum")])
        cost = dict(zip(sums["day"].to_pylist(), sums["cost_sum"].to_pylist(), strict=True))
        days = (self.period.first + timedelta(days=n) for n in range(self.period.days))
        return {day: cost.get(day, Decimal(0)) for day in days}

    @property
    @read_once
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
        return partial(type(self), **options), (self._source,)

    def sql(self, query: str, **values: Any) -> pa.Table:
        """Run a query and fetch all of its rows.

        Args:
            query: One SELECT over the views.
            values: What ``$name`` in the query stands for.

        Returns:
            An Arrow table. Sums of ``cost_usd`` are exact decimals.
        """
        try:
            return self._connection.sql(query, params=values or None).to_arrow_table()
        except RuntimeError as e:
            if str(e) == "Query interrupted":  # what DuckDB makes of Ctrl-C; it is not for plugins to survive
                raise KeyboardInterrupt from None
            raise

    def interrupt(self, thread: int | None) -> None:
        """Let what a thread is reading fail, if it reads anything; ``thread`` is its ``ident``."""
        connection = self._connections.get(thread or 0)
        if connection is not None:
            connection.interrupt()

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

    @property
    @read_once
    def month_caveat(self) -> str:
        """What an amount a month rests on, in one sentence, where the calls cover less than a week; else empty."""
        if self.period is None or self.period.shows_level or not self.total:
            return ""
        if self.total == 1:
            return "A month is extrapolated from a single call."
        (row,) = self.rows("SELECT min(timestamp) AS first, max(timestamp) AS last FROM calls")
        hours = max(1, round((row["last"] - row["first"]) / timedelta(hours=1)))
        partly = f", whose calls cover {plural(hours, 'hour')} only" if hours <= 12 * self.period.days else ""
        return f"A month is extrapolated from {plural(self.period.days, 'day')}{partly}."

    @property
    def empty_text(self) -> str:
        """What to say of a period without calls, in one sentence."""
        if self.period is not None:
            covered = "" if self.period == self.log_period else f"; the log covers {self.log_period}"
            return f"No calls in the period ({self.period}){covered}."
        if self.counts.quarantined:
            lines = plural(self.counts.quarantined, "line")
            return f"No calls: nothing in the log could be read as one ({lines} quarantined; finops check says why)."
        return "No calls yet."

    @property
    def comparison_text(self) -> str:
        """Whether the period is shorter than asked for, and what metrics are compared with or why not; sentences."""
        return " ".join(filter(None, (self._cut_text, self._compared_text)))

    @property
    def _cut_text(self) -> str:
        if self.log_period is None or (asked := self._choice.asked(self.log_period)) == self.period:
            return ""
        return f"The period asked for, {asked}, reaches beyond the log, which covers {self.period} of it."

    @property
    def _compared_text(self) -> str:
        if self.comparison is not None:
            return f"Changes compare {self.comparison}."
        if self.period is None or self.log_period is None:
            return "There are no calls to compare."
        if self.period == self.log_period:
            return (
                f"Nothing is compared: the log covers {plural(self.period.days, 'day')}, and to compare its last "
                f"{COMPARED_DAYS} days with the {COMPARED_DAYS} before takes {2 * COMPARED_DAYS}."
            )
        before = "day" if self.period.days == 1 else f"{self.period.days} days"
        began = self.log_period.first
        it = "it" if self.period.first == began else self.period.first
        return f"Nothing is compared: the log begins on {began} and does not hold the {before} before {it}."

    @property
    def _relation(self) -> str:
        return self._source if isinstance(self._source, str) else GIVEN

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """This thread's: a connection serves one thread at a time."""
        return self._connections.get(get_ident()) or self._connections.setdefault(get_ident(), self._open())

    def _open(self) -> duckdb.DuckDBPyConnection:
        """A new connection to this process's database in memory, which sees the views."""
        connection = _database().cursor()
        connection.execute("SET TimeZone = 'UTC'")
        if not isinstance(self._source, str):
            connection.register(GIVEN, self._source)
        for name, condition in self._views.items():
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {name} AS "
                f"SELECT {', '.join(NAMES)} FROM {self._relation} WHERE {condition}"
            )
        return connection


def _within(span: Period | None) -> str:
    """Which calls lie in a span, in SQL; none without one."""
    return f"timestamp >= TIMESTAMP '{span.start}' AND timestamp < TIMESTAMP '{span.end}'" if span else "false"


def whole_numbers(counts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers that SQL returns as decimals as 64-bit integers; as they are where all together need more."""
    fit = (pc.sum(counts).as_py() or 0) < 2**63
    return counts.cast(pa.int64()) if fit else counts


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()  # which takes 10 ms
