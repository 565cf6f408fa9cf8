"""Calls from a few hand-written rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from finops_core.call import BY_NAME, SCHEMA
from finops_core.ledger.calls import Calls
from finops_core.money import usd


def calls_from(rows: Iterable[Mapping[str, Any]], **options: Any) -> Calls:
    """Calls from a few hand-written rows.

    Args:
        rows: Column values by name. What a row leaves out is filled in: a call to gpt-5 of openai by
            customer ``c1`` on 2026-01-05, without tokens or cost; optional columns take their defaults.
        options: As for :class:`finops_core.Calls`: ``settings``, ``choice``, ``events`` and so on.

    Raises:
        ValueError: A row names a column that a call does not have.
    """
    filled = []
    for i, row in enumerate(rows):
        unknown = sorted(set(row) - set(BY_NAME))
        if unknown:
            raise ValueError(f"row {i}: a call has no column {unknown[0]!r}")
        full: dict[str, Any] = {column: BY_NAME[column].default for column in BY_NAME}
        full.update(
            timestamp=datetime(2026, 1, 5, 12),
            call_id=f"call_{i}",
            provider="openai",
            model="gpt-5",
            input_tokens=0,
            output_tokens=0,
            cost_usd=0,
            customer_id="c1",
        )
        full.update(row)
        full["cost_usd"] = usd(full["cost_usd"])
        if isinstance(full["timestamp"], str):
            full["timestamp"] = datetime.fromisoformat(full["timestamp"])
        filled.append(full)
    return Calls.from_arrow(pa.Table.from_pylist(filled, schema=SCHEMA), **options)
