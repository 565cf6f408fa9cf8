"""Models and prices: genai-prices at the call's date, with the overrides of ``finops.toml``.

A price per million tokens in dollars is kept as a whole number of femto-dollars (1e-15) per token, so that
the cost of a million calls is integer arithmetic, rounded once per call, half-even, to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.errors import FinopsError, UsageError
from finops_core.settings import CatalogSettings, ModelSettings

Int64s = npt.NDArray[np.int64]

FEMTO_PER_NANO = 1_000_000
KNOWN_MODELS = 4096
"""How many models are kept once they have been looked up."""
US_PER_DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNBILLED_STATUS = frozenset({"rate_limit", "server_error"})
"""Failed calls that providers do not charge; a call that timed out is charged for its input."""


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


@dataclass(frozen=True)
class MarketModel:
    """A model that simulated traffic draws.

    Attributes:
        provider: As in the log's ``provider``.
        model: As in the log's ``model``.
        weight: Its share of all calls; the weights of a market add up to 1.
        tokens_per_second: Median output speed.
        first_token_ms: Median time to the first token.
        reasoning: Whether part of the output is spent on reasoning.
    """

    provider: str
    model: str
    weight: float
    tokens_per_second: float
    first_token_ms: float
    reasoning: bool = False


DEFAULT_WEIGHTS: Mapping[str, float] = {
    "openai": 40,
    "anthropic": 25,
    "google": 15,
    "bedrock": 10,
    "azure": 7,
    "mistral": 2,
    "deepseek": 1,
}

# Weights are shares within the provider. Speeds are round figures of the order that providers publish; they
# shape simulated latency only.
DEFAULT_MARKET: tuple[MarketModel, ...] = (
    MarketModel("openai", "gpt-5", 35, 70, 900, reasoning=True),
    MarketModel("openai", "gpt-5-mini", 40, 110, 600, reasoning=True),
    MarketModel("openai", "gpt-4.1", 25, 90, 450),
    MarketModel("anthropic", "claude-sonnet-4-5", 60, 65, 800),
    MarketModel("anthropic", "claude-haiku-4-5", 30, 130, 400),
    MarketModel("anthropic", "claude-opus-4-5", 10, 50, 1100),
    MarketModel("google", "gemini-2.5-pro", 35, 85, 1000, reasoning=True),
    MarketModel("google", "gemini-2.5-flash", 65, 180, 350),
    MarketModel("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", 40, 60, 900),
    MarketModel("bedrock", "amazon.nova-pro-v1:0", 60, 95, 500),
    MarketModel("azure", "gpt-4.1", 60, 85, 500),
    MarketModel("azure", "gpt-4o-mini", 40, 100, 400),
    MarketModel("mistral", "mistral-large-latest", 100, 60, 500),
    MarketModel("deepseek", "deepseek-chat", 100, 45, 900),
)


class UncountableCostError(FinopsError):
    """By the catalogue a call costs more than 64 bits of nano-dollars hold."""

    def __init__(self, provider: str, model: str, tokens: float) -> None:
        super().__init__(
            f"a call to {model} ({provider}) with {tokens:,.0f} tokens costs more by the catalogue than can be counted",
            hint="Correct the token counts of such calls where they come from.",
        )


class UnknownPriceError(UsageError):
    """A model without a price: its calls cannot be priced, and are never taken as free."""

    def __init__(self, provider: str, model: str) -> None:
        super().__init__(
            f"no price is known for model {model!r} of provider {provider!r}",
            hint=f"Set input and output (dollars per million tokens) under [catalog.models.{provider}.{model!r}] "
            "in finops.toml, or correct the names.",
        )


class Catalog:
    """Prices of models at any moment.

    Args:
        settings: The ``[catalog]`` section of ``finops.toml``.
    """

    def __init__(self, settings: CatalogSettings | None = None) -> None:
        self.settings = settings or CatalogSettings()
        self._schedules: dict[tuple[str, str], _Schedule] = {}

    @cached_property
    def market(self) -> tuple[MarketModel, ...]:
        """The models that simulated traffic draws, with weights that add up to 1.

        Raises:
            UsageError: No weight is above zero, or a model of the market has no price.
        """
        weights = {**DEFAULT_WEIGHTS, **self.settings.weights}
        models = {(m.provider, m.model): m for m in DEFAULT_MARKET}
        for provider, overrides in self.settings.models.items():
            for name, s in overrides.items():
                default = models.get((provider, name), MarketModel(provider, name, 0, 80, 600))
                models[provider, name] = MarketModel(
                    provider,
                    name,
                    default.weight if s.weight is None else s.weight,
                    s.tokens_per_second or default.tokens_per_second,
                    s.first_token_ms or default.first_token_ms,
                    default.reasoning,
                )
        totals: dict[str, float] = {}
        for m in models.values():
            totals[m.provider] = totals.get(m.provider, 0) + m.weight
        unserved = sorted(p for p, w in self.settings.weights.items() if w > 0 and not totals.get(p))
        if unserved:
            raise UsageError(
                f"[catalog.weights] gives {unserved[0]!r} a weight, but the catalogue has no model of it to draw",
                hint=f"Add one under [catalog.models.{unserved[0]}.<model>] with a weight.",
            )
        drawn = [
            (m, weights.get(m.provider, 0) * m.weight / totals[m.provider]) for m in models.values() if m.weight > 0
        ]
        whole = sum(w for _, w in drawn)
        if not whole > 0:
            raise UsageError(
                "no model of the catalogue has a weight above zero",
                hint="Give one in [catalog.weights] of finops.toml.",
            )
        market = tuple(
            MarketModel(m.provider, m.model, w / whole, m.tokens_per_second, m.first_token_ms, m.reasoning)
            for m, w in drawn
            if w > 0
        )
        for m in market:
            self._schedule(m.provider, m.model)
        return market

    def knows(self, provider: str, model: str) -> bool:
        """Whether the model has a price."""
        try:
            self._schedule(provider, model)
        except UnknownPriceError:
            return False
        return True

    def price(self, provider: str, model: str, at: datetime) -> Price:
        """The model's price at a moment (UTC if it has no zone).

        Raises:
            UnknownPriceError: The model has no price.
        """
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        us = (moment - EPOCH) // timedelta(microseconds=1)
        schedule = self._schedule(provider, model)
        return schedule.price(int(schedule.keys(np.array([us], dtype=np.int64))[0]))

    def changes(self, provider: str, model: str) -> tuple[date, ...]:
        """The dates on which the model's price changed; before the first of them the earliest known price applies."""
        return self._schedule(provider, model).dates

    def daily_changes(self, provider: str, model: str) -> tuple[time, ...]:
        """The times of day (UTC) at which the model's price changes, ascending; most models have none."""
        return self._schedule(provider, model).times

    def cost_nanos(
        self,
        provider: str,
        model: str,
        timestamp_us: Int64s,
        input_tokens: Int64s,
        output_tokens: Int64s,
        cache_read_tokens: Int64s,
        cache_write_tokens: Int64s,
    ) -> Int64s:
        """What calls to one model cost by the catalogue, in nano-dollars, rounded half-even per call.

        Args:
            provider: As in the log.
            model: As in the log.
            timestamp_us: Microseconds since 1970 UTC, shape (calls,).
            input_tokens: All input; the cache parts are taken out of it. Shape (calls,), like the rest.
            output_tokens: All output; or of shape (answers, calls), several answers to each call.
            cache_read_tokens: Part of the input.
            cache_write_tokens: Part of the input.

        Returns:
            Of the shape of ``output_tokens``.

        Raises:
            UnknownPriceError: The model has no price.
            UncountableCostError: A call costs more than 64 bits of nano-dollars hold.
        """
        schedule = self._schedule(provider, model)
        keys = schedule.keys(timestamp_us)
        tokens = (input_tokens, output_tokens, cache_read_tokens, cache_write_tokens)
        present = np.flatnonzero(np.bincount(keys))
        out = np.zeros(output_tokens.shape, dtype=np.int64)
        try:
            if len(present) == 1:
                return _cost_nanos(schedule.price(int(present[0])), *tokens)
            for key in present:
                rows = keys == key
                out[..., rows] = _cost_nanos(schedule.price(int(key)), *(of[..., rows] for of in tokens))
        except OverflowError as e:
            raise UncountableCostError(provider, model, max(map(_largest, tokens))) from e
        return out

    def costs(self, calls: pa.Table, *, provider: str | None = None, model: str | None = None) -> Int64s:
        """Catalogue cost of every row, in nano-dollars, as if each call had been billed.

        Args:
            calls: Columns ``timestamp, provider, model, input_tokens, output_tokens, cache_read_tokens,
                cache_write_tokens`` (the two names are not needed where they are given).
            provider: Price every call as this provider's; with ``model``.
            model: Price every call as this model.

        Returns:
            Shape (rows,); -1 where the row's model has no price.

        Raises:
            UnknownPriceError: The model given has no price.
        """
        us = calls["timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
        tokens = [
            calls[name].cast(pa.int64()).to_numpy()
            for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        ]
        if provider is not None and model is not None:
            return self.cost_nanos(provider, model, us, *tokens)
        out = np.full(calls.num_rows, -1, dtype=np.int64)
        codes, pairs = _pairs(calls)
        for code, (row_provider, row_model) in enumerate(pairs):
            if self.knows(row_provider, row_model):
                rows = np.flatnonzero(codes == code)
                out[rows] = self.cost_nanos(row_provider, row_model, us[rows], *(t[rows] for t in tokens))
        return out

    def _schedule(self, provider: str, model: str) -> _Schedule:
        key = (provider, model)
        if key not in self._schedules:
            override = self.settings.models.get(provider, {}).get(model)
            if override is not None and override.input is not None and override.output is not None:
                self._schedules[key] = _Schedule(fixed=_override_price(override))
            else:
                self._schedules[key] = _Schedule(info=_find(provider, model))
        return self._schedules[key]


class _Schedule:
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
def _find(provider: str, model: str) -> Any:
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


def _override_price(settings: ModelSettings) -> Price:
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


def _cost_nanos(price: Price, whole: Int64s, output: Int64s, cache_read: Int64s, cache_write: Int64s) -> Int64s:
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
    if not rate.tiers or _largest(input_tokens) <= rate.tiers[0][0]:
        return rate.base
    prices = np.array([rate.base, *(price for _, price in rate.tiers)], dtype=np.int64)
    starts = np.array([start for start, _ in rate.tiers], dtype=np.int64)
    tiered: Int64s = prices[np.searchsorted(starts, input_tokens, side="left")]
    return tiered


def _round_to_nanos(parts: list[tuple[Int64s | int, Int64s]]) -> Int64s:
    """Sum of price x tokens, femto-dollars to nano-dollars, half to even."""
    bound = sum(_largest(price) * _largest(tokens) for price, tokens in parts)
    if bound < 9e18:
        total: Any = sum(price * tokens for price, tokens in parts)
    else:  # astronomic token counts: exact Python integers
        total = sum(np.asarray(price, dtype=object) * tokens.astype(object) for price, tokens in parts)
    total += FEMTO_PER_NANO // 2
    quotient = total // FEMTO_PER_NANO  # halves are rounded up,
    half = quotient * FEMTO_PER_NANO == total
    rounded: Int64s = (quotient - (half & quotient)).astype(np.int64, copy=False)  # and down again from an odd number
    return rounded


def _largest(numbers: Int64s | int) -> float:
    if isinstance(numbers, int):
        return float(numbers)
    return float(numbers.max()) if numbers.size else 0.0


def _pairs(calls: pa.Table) -> tuple[npt.NDArray[np.int64], list[tuple[str, str]]]:
    """A code for each row's (provider, model), and what each code stands for."""
    columns = []
    for name in ("provider", "model"):
        column = calls[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        if not pa.types.is_dictionary(column.type):
            column = pc.dictionary_encode(column)
        columns.append(column)
    providers, models = columns
    width = max(1, len(models.dictionary))
    mixed = providers.indices.cast(pa.int64()).to_numpy() * width + models.indices.cast(pa.int64()).to_numpy()
    present, codes = np.unique(mixed, return_inverse=True)
    return codes, [
        (providers.dictionary[int(k // width)].as_py(), models.dictionary[int(k % width)].as_py()) for k in present
    ]


def _utc(moment: time) -> time:
    """A time of day in UTC without its zone; one without a zone is UTC."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(EPOCH.date(), moment).astimezone(UTC).time()


def _time_us(moment: time) -> int:
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
