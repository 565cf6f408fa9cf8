"""Which days are analyzed, and which are compared with which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from finops_core.errors import UsageError
from finops_core.money import EXACT, usd

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

    @property
    def shows_level(self) -> bool:
        """Whether it has a whole week, so that what it holds may be taken for a level."""
        return self.days >= LEVEL_DAYS

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

    def asked(self, log: Period) -> Period:
        """The days that were asked for, of a log that covers ``log``; some of them may lie outside of it."""
        if self.tail == "month":
            return Period(log.last.replace(day=1), log.last)
        if self.tail is not None:
            return Period(log.last - timedelta(days=int(self.tail[:-1]) - 1), log.last)
        return Period(
            self.first or min(log.first, self.last or log.first), self.last or max(log.last, self.first or log.last)
        )

    def of(self, log: Period) -> Period:
        """The chosen period in a log that covers ``log``.

        Days that the log does not cover are left out: nobody knows what was spent on them. A period that lies
        outside of the log altogether stays as it is, without calls.
        """
        asked = self.asked(log)
        first, last = max(asked.first, log.first), min(asked.last, log.last)
        return Period(first, last) if first <= last else asked


@dataclass(frozen=True)
class Comparison:
    """Two spans of equal length, the later one against the earlier one."""

    current: Period
    previous: Period

    @classmethod
    def of(cls, period: Period, log: Period) -> Comparison | None:
        """What a period of a log that covers ``log`` is compared with.

        The period with the equally long one before it, where the log holds that; else the last
        :data:`COMPARED_DAYS` days of the period with as many before them; else nothing.
        """
        if period.before().first >= log.first:
            return cls(period, period.before())
        if period.days < COMPARED_DAYS:
            return None
        last = Period(period.last - timedelta(days=COMPARED_DAYS - 1), period.last)
        return cls(last, last.before()) if last.before().first >= log.first else None

    def __str__(self) -> str:
        return f"{self.current} against {self.previous}"
