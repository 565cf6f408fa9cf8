"""Budgets of the calendar month of "now": spent, expected at its end, and the day on which they run out."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from finops_core import BUDGET_COLUMNS, Calls, usd

LOOK_BACK_DAYS = 28
"""Whole days before today from which the rest of the month is expected."""
WEEKDAY_DAYS = 14
"""From this many days on, each weekday has its own mean."""
WORDS = {"organization": "organisation"}
"""Dimensions of ``finops.toml`` that prose spells differently."""
MAIN_TOTAL = "all"
"""The name under which the guide sets the total budget; a total of another name is called by it."""


@dataclass(frozen=True)
class BudgetStatus:
    """Where a budget stands.

    Attributes:
        dimension: ``total``, ``organization``, ``product``, ``feature`` or ``customer``.
        name: The name in ``finops.toml``.
        budget: US dollars for the calendar month.
        spent: US dollars in the month up to now, exact.
        to_date: The part of the budget for the month's days up to and with today.
        expected: US dollars expected by the end of the month; ``None`` without a whole day to go by.
        runs_out: The day on which spending passes the budget; past if it did already, ``None`` if not this month.
        since: The first day looked at: that of the look-back or of the month, but not before the log begins.
        known: Whether any call since then carries the name.
        days: Whole days that the expectation rests on.
        unlogged_days: Days of the month before the log begins; what they cost is unknown.
    """

    dimension: str
    name: str
    budget: Decimal
    spent: Decimal
    to_date: Decimal
    expected: Decimal | None
    runs_out: date | None
    since: date
    known: bool
    days: int
    unlogged_days: int

    @property
    def end(self) -> Decimal:
        """US dollars by the end of the month as far as they are known: what is expected, or else what is spent."""
        return self.spent if self.expected is None else self.expected

    @property
    def over(self) -> bool:
        """Whether it is used up already."""
        return self.spent > self.budget

    @property
    def kind(self) -> str:
        """The dimension in words."""
        return WORDS.get(self.dimension, self.dimension)

    @property
    def label(self) -> str:
        """How a sentence calls it."""
        if self.dimension != "total":
            return f"the budget of {self.kind} {self.name}"
        return "the total budget" if self.name == MAIN_TOTAL else f'the total budget "{self.name}"'


def budget_statuses(calls: Calls) -> list[BudgetStatus]:
    """Every budget of ``finops.toml``, those with the largest excess over the budget first.

    Args:
        calls: With at least one call in the period.
    """
    today, begins = calls.now.date(), calls.log_period.first
    since = max(min(today.replace(day=1), today - timedelta(days=LOOK_BACK_DAYS)), begins)
    unlogged = max((begins - today.replace(day=1)).days, 0)
    statuses = []
    for dimension, budgets in calls.settings.budgets.items():
        costs = _daily_costs(calls, BUDGET_COLUMNS[dimension], list(budgets), since)
        statuses += [
            _status(calls.now, since, unlogged, dimension, name, budget.usd_per_month, costs[name])
            for name, budget in budgets.items()
        ]
    return sorted(statuses, key=lambda s: (s.budget - s.end, s.dimension, s.name))


def _daily_costs(calls: Calls, column: str | None, names: list[str], since: date) -> dict[str, dict[date, Decimal]]:
    """Cost by name and day; a budget of the total covers every call, whatever its name."""
    start = datetime.combine(since, datetime.min.time())
    costs: dict[str, dict[date, Decimal]] = defaultdict(dict)
    if column is None:
        rows = calls.rows(
            "SELECT date_trunc('day', timestamp) AS day, sum(cost_usd) AS cost FROM history "
            "WHERE timestamp >= $start GROUP BY ALL",
            start=start,
        )
        return {name: {_day(r["day"]): r["cost"] for r in rows} for name in names}
    for r in calls.rows(
        f"SELECT {column} AS name, date_trunc('day', timestamp) AS day, sum(cost_usd) AS cost FROM history "
        f"WHERE timestamp >= $start AND array_contains($names, {column}) GROUP BY ALL",
        start=start,
        names=names,
    ):
        costs[r["name"]][_day(r["day"])] = r["cost"]
    return costs


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _status(
    now: datetime,
    since: date,
    unlogged_days: int,
    dimension: str,
    name: str,
    budget: Decimal,
    costs: dict[date, Decimal],
) -> BudgetStatus:
    today = now.date()
    length = monthrange(today.year, today.month)[1]
    month = [today.replace(day=d) for d in range(1, length + 1)]
    spent = {d: costs.get(d, Decimal(0)) for d in month if d <= today}
    first = max(min(costs, default=today), since, today - timedelta(days=LOOK_BACK_DAYS))
    history = [first + timedelta(days=i) for i in range((today - first).days)]
    ahead: dict[date, Decimal] = {}
    if history:
        rest_of_today = Decimal(24 * 60 - now.hour * 60 - now.minute) / (24 * 60)
        ahead = {d: _usual(costs, history, d) * (rest_of_today if d == today else 1) for d in month if d >= today}
    known = {d: spent.get(d, Decimal(0)) + ahead.get(d, Decimal(0)) for d in month}
    total, runs_out = Decimal(0), None
    for day in month:
        total += known[day]
        if total > budget and runs_out is None:
            runs_out = day
    return BudgetStatus(
        dimension=dimension,
        name=name,
        budget=budget,
        spent=sum(spent.values(), Decimal(0)),
        to_date=usd(budget * today.day / length),
        expected=usd(total) if history or today.day == length else None,
        runs_out=runs_out,
        since=since,
        known=bool(costs),
        days=len(history),
        unlogged_days=unlogged_days,
    )


def _usual(costs: dict[date, Decimal], history: list[date], day: date) -> Decimal:
    """The mean cost of a whole day: of the same weekday, once there are two weeks to look back on."""
    like = [d for d in history if len(history) < WEEKDAY_DAYS or d.weekday() == day.weekday()]
    return sum((costs.get(d, Decimal(0)) for d in like), Decimal(0)) / len(like)
