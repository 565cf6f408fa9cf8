"""Models and prices: genai-prices at the call's date, with the overrides of ``finops.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.errors import FinopsError, UsageError
from finops_core.prices import (
    EPOCH,
    Price,
    Schedule,
    UnknownPriceError,
    cost_nanos_at,
    known_prices,
    largest,
    override_price,
)
from finops_core.settings import CatalogSettings

Int64s = npt.NDArray[np.int64]

UNBILLED_STATUS = frozenset({"rate_limit", "server_error"})
"""Failed calls that providers do not charge; a call that timed out is charged for its input."""


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


class Catalog:
    """Prices of models at any moment.

    Args:
        settings: The ``[catalog]`` section of ``finops.toml``.
    """

    def __init__(self, settings: CatalogSettings | None = None) -> None:
        self.settings = settings or CatalogSettings()
        self._schedules: dict[tuple[str, str], Schedule] = {}

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
                return cost_nanos_at(schedule.price(int(present[0])), *tokens)
            for key in present:
                rows = keys == key
                out[..., rows] = cost_nanos_at(schedule.price(int(key)), *(of[..., rows] for of in tokens))
        except OverflowError as e:
            raise UncountableCostError(provider, model, max(map(largest, tokens))) from e
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

    def _schedule(self, provider: str, model: str) -> Schedule:
        key = (provider, model)
        if key not in self._schedules:
            override = self.settings.models.get(provider, {}).get(model)
            if override is not None and override.input is not None and override.output is not None:
                self._schedules[key] = Schedule(fixed=override_price(override))
            else:
                self._schedules[key] = Schedule(info=known_prices(provider, model))
        return self._schedules[key]


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
