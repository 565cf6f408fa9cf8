"""What a call looks like: task, product, feature, tokens, cache, status, latency.

Everything that is drawn from a distribution is drawn through a quantile table: 16 random bits choose one of
65,536 equally likely values. That is as fast as random bits, and the same on every processor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from finops_core.catalog import MarketModel

Table = npt.NDArray[np.int32]

LEVELS = 65_536


@dataclass(frozen=True)
class Task:
    """A task type: its share of sessions, the central 90 % of its tokens, and its features with their shares."""

    name: str
    share: float
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    features: tuple[tuple[str, float], tuple[str, float]]


TASKS = (
    Task("chat", 0.30, (50, 500), (100, 800), (("support_chat", 0.6), ("team_assistant", 0.4))),
    Task("summarization", 0.15, (1000, 5000), (100, 500), (("meeting_notes", 0.6), ("document_digest", 0.4))),
    Task("code_generation", 0.15, (100, 800), (200, 1500), (("code_completion", 0.7), ("test_writer", 0.3))),
    Task("translation", 0.10, (100, 1000), (100, 1000), (("ticket_translation", 0.5), ("site_localization", 0.5))),
    Task("analysis", 0.12, (100, 1000), (100, 1000), (("report_builder", 0.6), ("data_insights", 0.4))),
    Task("qa", 0.18, (100, 1000), (100, 1000), (("knowledge_search", 0.7), ("policy_answers", 0.3))),
)
FEATURES = tuple(name for task in TASKS for name, _ in task.features)

ENVIRONMENTS = (("production", 0.90), ("staging", 0.07), ("development", 0.03))

STATUSES = (("success", 0.988), ("timeout", 0.004), ("rate_limit", 0.005), ("server_error", 0.003))
SUCCESS, TIMEOUT, RATE_LIMIT, SERVER_ERROR = range(4)
TIMEOUT_MS = 60_000
RATE_LIMIT_MS = 80

CACHE_HIT_SHARE = 0.6
"""How often a later call of a session finds the session's prefix in the provider's cache."""
PREFIX_PER_MILLE = (300, 800)
"""The part of a later call's input that repeats the session's prefix, uniform over sessions."""
REASONING_PER_MILLE = (300, 700)
"""The part of a reasoning model's output that is reasoning, uniform over calls."""
LATENCY_SIGMA = 0.35
SESSION_CALLS = (2, 12)
"""The most calls a session has, uniform, drawn for each customer and hour."""


@cache
def choice_table(shares: tuple[float, ...]) -> npt.NDArray[np.uint8]:
    """Which of several things 16 random bits choose; each share is met to 1/65,536."""
    edges = np.rint(np.cumsum(shares) / sum(shares) * LEVELS).astype(np.int64)
    return np.repeat(np.arange(len(shares), dtype=np.uint8), np.diff(edges, prepend=0))


@cache
def token_tables() -> tuple[Table, Table]:
    """Input and output tokens of every task type at every level, flat: index task x 65,536 + level."""
    return (
        np.concatenate([_lognormal(*task.input_tokens) for task in TASKS]),
        np.concatenate([_lognormal(*task.output_tokens) for task in TASKS]),
    )


@cache
def noise_table() -> Table:
    """Lognormal noise around 1, in thousandths."""
    noise: Table = np.maximum(np.rint(1000 * np.exp(LATENCY_SIGMA * _normal_quantiles())), 1).astype(np.int32)
    return noise


@cache
def feature_table() -> npt.NDArray[np.uint8]:
    """Index into :data:`FEATURES` of every task type at every level, flat like the tokens."""
    tables = [2 * i + choice_table(tuple(s for _, s in task.features)) for i, task in enumerate(TASKS)]
    return np.concatenate(tables).astype(np.uint8)


def speed_tables(market: tuple[MarketModel, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First-token milliseconds and microseconds per output token of every model, shape (models,)."""
    first = np.array([round(m.first_token_ms) for m in market], dtype=np.int64)
    return first, np.array([round(1e6 / m.tokens_per_second) for m in market], dtype=np.int64)


def _lognormal(low: int, high: int) -> Table:
    """A lognormal with 5 % below ``low`` and 5 % above ``high``, rounded, at least one token."""
    mu = math.log(low * high) / 2
    sigma = math.log(high / low) / (2 * NormalDist().inv_cdf(0.95))
    tokens: Table = np.maximum(np.rint(np.exp(mu + sigma * _normal_quantiles())), 1).astype(np.int32)
    return tokens


@cache
def _normal_quantiles() -> npt.NDArray[np.float64]:
    quantile = NormalDist().inv_cdf
    return np.array([quantile((level + 0.5) / LEVELS) for level in range(LEVELS)])
