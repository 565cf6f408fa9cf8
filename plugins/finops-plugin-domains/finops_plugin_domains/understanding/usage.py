"""Sums over calls: how many, what they cost, how many tokens of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from finops_core import TOKEN_COLUMNS


@dataclass(frozen=True)
class Usage:
    """Sums over the calls of a group.

    Attributes:
        names: The group, one name for each column of its dimension; ``None`` is a call without one.
        calls: How many.
        cost: Dollars.
        input_tokens: All input, cached or not.
        output_tokens: All output.
        cache_read_tokens: The part of the input that came from a cache.
        cache_write_tokens: The part of the input that was written to one.
        reasoning_tokens: The part of the output spent on reasoning.
    """

    names: tuple[str | None, ...]
    calls: int
    cost: Decimal
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    @property
    def cost_per_1k_tokens(self) -> Decimal | None:
        """Dollars for a thousand tokens; ``None`` without tokens."""
        return self.cost * 1000 / self.tokens if self.tokens else None

    @property
    def cache_hit_percent(self) -> float | None:
        """Share of input tokens read from a cache; ``None`` without input."""
        return self.cache_read_tokens / self.input_tokens * 100 if self.input_tokens else None


SUMS = f"count(*) AS calls, sum(cost_usd) AS cost, {', '.join(f'sum({name}) AS {name}' for name in TOKEN_COLUMNS)}"
"""The aggregates of a :class:`Usage` in SQL."""


def usage(row: Mapping[str, Any], names: tuple[str | None, ...] = ()) -> Usage:
    """One row of :data:`SUMS` over at least one call."""
    return Usage(names, row["calls"], row["cost"], *(int(row[name]) for name in TOKEN_COLUMNS))


def added(usages: Iterable[Usage], names: tuple[str | None, ...] = ()) -> Usage:
    """Several usages as one; none at all are a usage of zero."""
    every = list(usages)
    return Usage(
        names,
        sum(u.calls for u in every),
        sum((u.cost for u in every), Decimal(0)),
        *(sum(getattr(u, name) for u in every) for name in TOKEN_COLUMNS),
    )


def grouped(usages: Iterable[Usage], columns: int) -> list[Usage]:
    """Usages added up by their first ``columns`` names, the dearest first (ties by calls, then by name)."""
    groups: dict[tuple[str | None, ...], list[Usage]] = {}
    for u in usages:
        groups.setdefault(u.names[:columns], []).append(u)
    return ranked(added(members, names) for names, members in groups.items())


def ranked(usages: Iterable[Usage]) -> list[Usage]:
    """The dearest first, ties by calls, then by name."""
    return sorted(usages, key=lambda u: (-u.cost, -u.calls, *((n is None, n or "") for n in u.names)))
