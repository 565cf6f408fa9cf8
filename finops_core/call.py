"""One AI call: every column's name, type, unit, default and meaning.

This table is the single description of a call. The CSV header, the Arrow schema
of what patterns yield and analyzers read, and the documentation derive from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["time", "text", "count", "money"]

MAX_COUNT = 2**53
"""The largest whole number a count column takes: beyond it a double is no longer exact."""

MONEY = pa.decimal128(18, 9)
"""US dollars with nine fractional digits (nano-dollars)."""

ARROW_TYPES: dict[Kind, pa.DataType] = {
    "time": pa.timestamp("us"),
    "text": pa.string(),
    "count": pa.int64(),
    "money": MONEY,
}


@dataclass(frozen=True)
class Column:
    """A column of the call log.

    Attributes:
        name: The name in the CSV header and in SQL.
        kind: How the text of a cell is read.
        meaning: What the value says, with its unit.
        required: Whether an empty cell quarantines the row.
        default: What an empty or absent cell stands for; ``None`` is unknown.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    default: int | str | None = None


COLUMNS: tuple[Column, ...] = (
    Column("timestamp", "time", "when the call was made, UTC, to the microsecond", required=True),
    Column("call_id", "text", "unique in the log", required=True),
    Column("provider", "text", "who served the call, such as openai", required=True),
    Column("model", "text", "the model that answered", required=True),
    Column("input_tokens", "count", "all input tokens, cached or not", required=True),
    Column("output_tokens", "count", "all output tokens, reasoning included", required=True),
    Column("cost_usd", "money", "what the call cost, US dollars", required=True),
    Column("latency_ms", "count", "from request to last token, milliseconds"),
    Column("customer_id", "text", "who caused the call", required=True),
    Column("subscription_tier", "text", "what the customer pays for, such as pro"),
    Column("organization_id", "text", "who is charged; none means unallocated"),
    Column("product_id", "text", "the product in which the call was made"),
    Column("feature_id", "text", "the feature in which the call was made"),
    Column("task_type", "text", "what the model was asked to do, such as chat"),
    Column("environment", "text", "such as production or staging"),
    Column("request_id", "text", "the user request the call belongs to"),
    Column("trace_id", "text", "the trace the call belongs to"),
    Column("session_id", "text", "the user session the call belongs to"),
    Column("user_agent", "text", "the client that made the call"),
    Column("cache_read_tokens", "count", "input tokens read from the provider's cache", default=0),
    Column("cache_write_tokens", "count", "input tokens written to the provider's cache", default=0),
    Column("reasoning_tokens", "count", "output tokens spent on reasoning", default=0),
    Column("region", "text", "where the call was served"),
    Column("status", "text", "success, or the class of the error", default="success"),
    Column("source", "text", "the plugin or importer that wrote the row"),
    Column("tags", "text", "a JSON object of further labels"),
)
"""Every column of a call, in the order of the log's header."""

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
REQUIRED: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.required)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}

SCHEMA = pa.schema(
    [
        pa.field(column.name, ARROW_TYPES[column.kind], nullable=not column.required and column.default is None)
        for column in COLUMNS
    ]
)
"""The Arrow schema of calls. A text column may also come dictionary-encoded."""

EVENT_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("us"), nullable=False),
        pa.field("end", pa.timestamp("us")),
        pa.field("factor", pa.float64(), nullable=False),
    ]
)
"""What a pattern planted: ``kind`` such as burst or churn, from ``start`` to ``end`` (none: for good)."""

SIMULATED_ID_PREFIX = "sim_"

SIMULATED_SQL = (
    "(coalesce(source, '') <> '' AND starts_with(customer_id, source || '-') "
    f"AND starts_with(call_id, '{SIMULATED_ID_PREFIX}'))"
)
"""A SQL condition, true for rows that a pattern made; every other row is somebody's data."""
