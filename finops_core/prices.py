"""What a model's tokens cost: over time, by the size of the input, and for many calls at once.

A price per million tokens in dollars is kept as a whole number of femto-dollars (1e-15) per token, so that
the cost of a million calls is integer arithmetic, rounded once per call, half-even, to the nano-dollar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from finops_core.errors import UsageError
from finops_core.settings import ModelSettings

Int64s = npt.NDArray[np.int64]

FEMTO_PER_NANO = 1_000_000
KNOWN_MODELS = 4096
"""How many models are kept once they have been looked up."""
US_PER_DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rate:
    """A price per token in femto-dollars.

    Attributes:
        base: The price up to the first threshold.
        tiers: ``(start, price)`` ascending: a call with more than ``start`` input tokens pays ``price``
            for all its tokens of this class.
    """

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def usd_per_million(self) -> Decimal:
        """The base price in dollars per million tokens."""
        return Decimal(self.base) / Decimal(10**9)


@dataclass(frozen=True)
class Price:
    """What a model's tokens cost at some moment."""

    input: Rate
    """Input that is neither read from nor written to a cache."""
    cache_read: Rate
    cache_write: Rate
    output: Rate


class UnknownPriceError(UsageError):
    """A model without a price: its calls cannot be priced, and are never taken as free."""

    def __init__(self, provider: str, model: str) -> None:
        super().__init__(
            f"no price is known for model {model!r} of provider {provider!r}",
            hint=f"Set input and output (dollars per million tokens) under [catalog.models.{provider}.{model!r}] "
            "in finops.toml, or correct the names.",
        )


class Schedule:
    """A model's prices over time: constant between date changes and, for a few models, times of day."""

    def __init__(self, *, fixed: Price | None = None, info: Any = None) -> None:
        from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

        self._fixed = fixed
        self._info = info
        self._known: dict[int, Price] = {}
        dates: set[date] = set()
        times: set[time] = set()
        if info is not None and isinstance(info.prices, list):
            for conditional in info.prices:
                constraint = conditional.constraint
                if isinstance(constraint, StartDateConstraint):
                    dates.add(constraint.start_date)
                elif isinstance(constraint, TimeOfDateConstraint):
                    times |= {_utc(constraint.start_time), _utc(constraint.end_time)}
        self.dates = tuple(sorted(dates))
        self.times = tuple(sorted(times))
        self._date_us = np.array([(d - EPOCH.date()).days * US_PER_DAY for d in self.dates], dtype=np.int64)
        self._time_us = np.array([_time_us(t) for t in self.times], dtype=np.int64)

    def keys(self, timestamp_us: Int64s) -> Int64s:
        """Which stretch of constant price each moment lies in."""
        if not self.dates and not self.times:
            return np.zeros(len(timestamp_us), dtype=np.int64)
        by_date = np.searchsorted(self._date_us, timestamp_us, side="right")
        by_time = np.searchsorted(self._time_us, timestamp_us % US_PER_DAY, side="right")
        keys: Int64s = by_date * (len(self._time_us) + 1) + by_time
        return keys

    def price(self, key: int) -> Price:
        """The price of a stretch, read at its first moment."""
        if self._fixed is not None:
            return self._fixed
        if key not in self._known:
            by_date, by_time = divmod(key, len(self._time_us) + 1)
            if self.dates:
                day = self.dates[by_date - 1] if by_date else self.dates[0] - timedelta(days=1)
            else:
                day = EPOCH.date()
            moment = self.times[by_time - 1] if by_time else time()
            self._known[key] = _library_price(self._info.get_prices(datetime.combine(day, moment, tzinfo=UTC)))
        return self._known[key]


@lru_cache(KNOWN_MODELS)
def known_prices(provider: str, model: str) -> Any:
    """What the library knows of a model; to look it up takes half a millisecond."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        info = get_snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        raise UnknownPriceError(provider, model) from None
    first = info.prices if not isinstance(info.prices, list) else (info.prices[0].prices if info.prices else None)
    if first is None or first.input_mtok is None or first.output_mtok is None:
        raise UnknownPriceError(provider, model)
    return info


def _library_price(prices: Any) -> Price:
    plain = _rate(prices.input_mtok)
    return Price(
        input=plain,
        # genai-prices bills a class of tokens without a price of its own as plain input.
        cache_read=plain if prices.cache_read_mtok is None else _rate(prices.cache_read_mtok),
        cache_write=plain if prices.cache_write_mtok is None else _rate(prices.cache_write_mtok),
        output=_rate(prices.output_mtok),
    )


def override_price(settings: ModelSettings) -> Price:
    """The price that ``finops.toml`` gives a model."""
    plain = _rate(settings.input)
    return Price(
        input=plain,
        cache_read=plain if settings.cache_read is None else _rate(settings.cache_read),
        cache_write=plain if settings.cache_write is None else _rate(settings.cache_write),
        output=_rate(settings.output),
    )


def _rate(price: Any) -> Rate:
    if isinstance(price, Decimal):
        return Rate(_femto(price))
    return Rate(_femto(price.base), tuple((tier.start, _femto(tier.price)) for tier in price.tiers))


def _femto(usd_per_million: Decimal) -> int:
    return int((usd_per_million * 10**9).to_integral_value())


def cost_nanos_at(price: Price, whole: Int64s, output: Int64s, cache_read: Int64s, cache_write: Int64s) -> Int64s:
    """What calls with so many tokens cost at a price, nano-dollars; ``whole`` is all input."""
    parts = (
        (price.input, whole - cache_read - cache_write),
        (price.cache_read, cache_read),
        (price.cache_write, cache_write),
        (price.output, output),
    )
    return _round_to_nanos([(_per_token(rate, whole), tokens) for rate, tokens in parts])


def _per_token(rate: Rate, input_tokens: Int64s) -> Int64s | int:
    """The price per token of each call; a call over a threshold pays the tier's price for all its tokens."""
    if not rate.tiers or largest(input_tokens) <= rate.tiers[0][0]:
        return rate.base
    prices = np.array([rate.base, *(price for _, price in rate.tiers)], dtype=np.int64)
    starts = np.array([start for start, _ in rate.tiers], dtype=np.int64)
    tiered: Int64s = prices[np.searchsorted(starts, input_tokens, side="left")]
    return tiered


def _round_to_nanos(parts: list[tuple[Int64s | int, Int64s]]) -> Int64s:
    """Sum of price x tokens, femto-dollars to nano-dollars, half to even."""
    bound = sum(largest(price) * largest(tokens) for price, tokens in parts)
    if bound < 9e18:
        total: Any = sum(price * tokens for price, tokens in parts)
    else:  # astronomic token counts: exact Python integers
        total = sum(np.asarray(price, dtype=object) * tokens.astype(object) for price, tokens in parts)
    total += FEMTO_PER_NANO // 2
    quotient = total // FEMTO_PER_NANO  # halves are rounded up,
    half = quotient * FEMTO_PER_NANO == total
    rounded: Int64s = (quotient - (half & quotient)).astype(np.int64, copy=False)  # and down again from an odd number
    return rounded


def largest(numbers: Int64s | int) -> float:
    """The largest of some numbers, 0 without any."""
    if isinstance(numbers, int):
        return float(numbers)
    return float(numbers.max()) if numbers.size else 0.0


def _utc(moment: time) -> time:
    """A time of day in UTC without its zone; one without a zone is UTC."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(EPOCH.date(), moment).astimezone(UTC).time()


def _time_us(moment: time) -> int:
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
