"""Who pays what: direct cost, the split of shared cost, and what nobody can be charged for.

Every call is exactly one of three: shared (it matches ``[shared_cost]``), direct (it names an organisation),
or unallocated. Statements, the unallocated and the unsplit add up to the total to the last digit.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa

from finops_core import Calls, Settings, split

_NAMES = ("organization_id", "product_id", "feature_id")


@dataclass(frozen=True)
class SharedMatch:
    """``[shared_cost] match`` as SQL.

    Attributes:
        condition: True for a shared call, false for every other; never null.
        values: What its ``$name`` parameters stand for.
    """

    condition: str
    values: dict[str, list[str]]

    @classmethod
    def of(cls, settings: Settings) -> SharedMatch:
        """The condition that the settings describe; without any column nothing is shared."""
        match = settings.shared_cost.match
        names = {column: f"shared_{i}" for i, column in enumerate(match)}
        parts = [f"coalesce(array_contains(${name}, {column}), false)" for column, name in names.items()]
        return cls(
            f"({' AND '.join(parts)})" if parts else "false",
            {name: list(match[column]) for column, name in names.items()},
        )


@dataclass(frozen=True)
class Line:
    """Calls of one organisation, product and feature; ``None`` where the calls do not say."""

    organization: str | None
    product: str | None
    feature: str | None
    shared: bool
    calls: int
    cost: Decimal


@dataclass(frozen=True)
class Statement:
    """What one organisation pays."""

    organization: str
    calls: int
    direct: Decimal
    shared: Decimal
    lines: tuple[Line, ...]
    """Its direct calls by product and feature, the dearest first."""

    @property
    def total(self) -> Decimal:
        """Direct and shared cost."""
        return self.direct + self.shared


@dataclass(frozen=True)
class Allocation:
    """The whole cost of a period, allocated as far as it can be.

    Attributes:
        lines: Every call, by organisation, product, feature and whether it is shared.
        statements: One for each organisation with direct calls, the dearest first.
        unallocated: Cost of calls that name no organisation and are not shared.
        unallocated_calls: How many these are.
        shared: Cost of shared calls.
        shared_calls: How many these are.
        unsplit: Shared cost that nobody is there to carry.
    """

    lines: tuple[Line, ...]
    statements: tuple[Statement, ...]
    unallocated: Decimal
    unallocated_calls: int
    shared: Decimal
    shared_calls: int
    unsplit: Decimal

    @cached_property
    def total(self) -> Decimal:
        """The cost of all calls."""
        return cost_of(self.lines)

    @cached_property
    def allocated(self) -> Decimal:
        """What organisations pay."""
        return sum((s.total for s in self.statements), Decimal(0))

    @property
    def rest(self) -> Decimal:
        """What nobody can be charged for."""
        return self.unallocated + self.unsplit


def allocations(calls: Calls, match: SharedMatch) -> tuple[Allocation, Allocation | None, Allocation | None]:
    """Allocate the period and both spans of the comparison, in one pass over the log.

    Args:
        calls: With calls in the period, and the rule of the split in their settings.
        match: Which calls are shared.

    Returns:
        The allocation of the period, of the later and of the earlier span; the latter two are ``None`` without a
        comparison.
    """
    rule = calls.settings.shared_cost.rule
    whole, *compared = (allocate(lines, rule) for lines in _lines(calls, match))
    current, previous = compared or (None, None)
    return whole, current, previous


def allocated_by_day(calls: Calls, match: SharedMatch, whole: Allocation) -> list[Decimal]:
    """What organisations pay for each day of the period; nothing where nobody is there to pay.

    Args:
        calls: With calls in the period.
        match: Which calls are shared.
        whole: The allocation of the period.
    """
    if not whole.statements:
        return []
    if not whole.unallocated_calls:
        return list(calls.daily_cost.values())
    rows = calls.rows(
        "SELECT CAST(timestamp AS DATE) AS day, sum(cost_usd) AS cost FROM calls "
        f"WHERE organization_id IS NOT NULL OR {match.condition} GROUP BY 1",
        **match.values,
    )
    cost = {row["day"]: row["cost"] for row in rows}
    return [cost.get(day, Decimal(0)) for day in calls.daily_cost]


def _lines(calls: Calls, match: SharedMatch) -> list[list[Line]]:
    """The lines of each of ``calls.reported``."""
    spans = range(len(calls.reported))
    if not match.values:  # nothing is shared, and what was used is read for others too
        return [_made(calls.usage(*_NAMES, span=i), itertools.repeat(False)) for i in spans]
    every = calls.sql(
        f"SELECT {', '.join(_NAMES)}, {match.condition} AS shared, {calls.membership}, "
        "count(*) AS calls, sum(cost_usd) AS cost FROM history WHERE timestamp >= $start GROUP BY ALL",
        start=calls.reported_from,
        **match.values,
    )
    found = []
    for i in spans:
        rows = every.filter(every[f"in_{i}"]).group_by([*_NAMES, "shared"])
        sums = rows.aggregate([("calls", "sum"), ("cost", "sum")])
        named = sums.rename_columns({"calls_sum": "calls", "cost_sum": "cost"})
        found.append(_made(named, named["shared"].to_pylist()))
    return found


def _made(rows: pa.Table, shared: Iterable[bool]) -> list[Line]:
    names, sums = ([rows[c].to_pylist() for c in columns] for columns in (_NAMES, ("calls", "cost")))
    return list(map(Line, *names, shared, *sums))


def allocate(lines: Iterable[Line], rule: str) -> Allocation:
    """Split shared cost over the organisations with direct calls.

    Args:
        lines: Every call, in any order.
        rule: ``even``, ``by_cost`` (direct cost) or ``by_calls`` (direct calls).
    """
    lines = tuple(sorted(lines, key=_order))
    direct = group(lines, lambda x: None if x.shared else x.organization)
    organizations = sorted(direct)
    shared = [x for x in lines if x.shared]
    unallocated = [x for x in lines if not x.shared and x.organization is None]
    weights: dict[str, Callable[[list[Line]], Decimal | int]] = {
        "even": lambda _: 1,
        "by_cost": cost_of,
        "by_calls": calls_of,
    }
    parts: list[Decimal] = []
    if organizations:
        parts = split(cost_of(shared), [weights[rule](direct[name]) for name in organizations])
    statements = [
        Statement(name, calls_of(direct[name]), cost_of(direct[name]), part, tuple(direct[name]))
        for name, part in zip(organizations, parts, strict=True)
    ]
    return Allocation(
        lines=lines,
        statements=tuple(sorted(statements, key=lambda s: (-s.total, s.organization))),
        unallocated=cost_of(unallocated),
        unallocated_calls=calls_of(unallocated),
        shared=cost_of(shared),
        shared_calls=calls_of(shared),
        unsplit=Decimal(0) if organizations else cost_of(shared),
    )


def _order(line: Line) -> tuple[Any, ...]:
    names = (line.organization, line.product, line.feature)
    return -line.cost, *((name is not None, name or "") for name in names), line.shared


def group(lines: Iterable[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    """Lines by a key; those whose key is ``None`` are left out."""
    groups: dict[Any, list[Line]] = defaultdict(list)
    for line in lines:
        k = key(line)
        if k is not None:
            groups[k].append(line)
    return groups


def cost_of(lines: Iterable[Line]) -> Decimal:
    """Their cost, exact."""
    return sum((x.cost for x in lines), Decimal(0))


def calls_of(lines: Iterable[Line]) -> int:
    """Their calls."""
    return sum(x.calls for x in lines)


@dataclass(frozen=True)
class Untagged:
    """A customer with calls that name no organisation.

    Attributes:
        customer: Name.
        calls: Such calls.
        cost: Their cost.
        organization: The one organisation that all other calls of the customer name; ``None`` if there is none
            or more than one.
    """

    customer: str
    calls: int
    cost: Decimal
    organization: str | None


def untagged(calls: Calls, match: SharedMatch) -> list[Untagged]:
    """Customers behind the unallocated cost, the dearest first."""
    rows = calls.rows(
        "SELECT customer_id, count(*) FILTER (WHERE untagged) AS calls, "
        "sum(cost_usd) FILTER (WHERE untagged) AS cost, min(organization_id) AS least, max(organization_id) AS most "
        f"FROM (SELECT *, organization_id IS NULL AND NOT {match.condition} AS untagged FROM calls) AS marked "
        "GROUP BY customer_id HAVING count(*) FILTER (WHERE untagged) > 0",
        **match.values,
    )
    found = [
        Untagged(r["customer_id"], r["calls"], r["cost"], r["least"] if r["least"] == r["most"] else None) for r in rows
    ]
    return sorted(found, key=lambda u: (-u.cost, -u.calls, u.customer))
