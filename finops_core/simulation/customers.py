"""Who calls: the archetypes, their rates, tiers and organisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from finops_core.simulation.run import Run

BLOCK = 256
"""Customers that are simulated together, on random streams of their own."""

CUSTOMERS_PER_ORGANIZATION = 10
PRODUCTS = ("product_a", "product_b", "product_c")
MAIN_PRODUCT_SHARE = 0.7
REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1")
USER_AGENTS = ("finops-sdk-python/2.4", "finops-sdk-node/3.1", "finops-web/5.0", "finops-batch/1.2")


@dataclass(frozen=True)
class Archetype:
    """A kind of customer: its share, its calls a day (uniform), and the shares of the tiers it pays for."""

    name: str
    share: float
    calls_per_day: tuple[float, float]
    tiers: tuple[tuple[str, float], ...]


ARCHETYPES = (
    Archetype("light", 0.7, (5, 20), (("starter", 0.7), ("pro", 0.3))),
    Archetype("power", 0.2, (50, 150), (("pro", 0.6), ("enterprise", 0.4))),
    Archetype("heavy", 0.1, (200, 500), (("enterprise", 0.7), ("pro", 0.3))),
)
TIERS = ("starter", "pro", "enterprise")


class Population:
    """All customers of a run: arrays of shape (customers,).

    Attributes:
        ids: ``{source}-{seed}-{index:05d}``, unique over patterns and seeds.
        archetype: Index into :data:`ARCHETYPES`; the shares are exact, their order is drawn.
        calls_per_day: The normal rate.
        tier: Index into :data:`TIERS`; shares exact within the archetype.
        product: Index into :data:`PRODUCTS` of the main product.
        region: Index into :data:`REGIONS`.
        user_agent: Index into :data:`USER_AGENTS`.
    """

    def __init__(self, run: Run, count: int) -> None:
        self.run = run
        self.count = count
        self.ids = [f"{run.source}-{run.seed}-{index:05d}" for index in range(count)]
        self.archetype = run.rng("archetype").permutation(exact_shares(count, [a.share for a in ARCHETYPES]))
        self.calls_per_day = self._by_block(self._rates)
        self.tier = self._tiers()
        self.product = self._by_block(lambda c: c.rng("product").integers(0, len(PRODUCTS), len(c)))
        self.region = self._by_block(lambda c: c.rng("region").integers(0, len(REGIONS), len(c)))
        self.user_agent = self._by_block(lambda c: c.rng("user_agent").integers(0, len(USER_AGENTS), len(c)))

    @property
    def organizations(self) -> list[str]:
        """Names of the organisations, ten customers to each."""
        count = -(-self.count // CUSTOMERS_PER_ORGANIZATION)
        return [f"org-{self.run.source}-{self.run.seed}-{index:04d}" for index in range(count)]

    def blocks(self) -> list[Customers]:
        """The customers in blocks of at most 256."""
        return [Customers(self, first) for first in range(0, self.count, BLOCK)]

    def _by_block(self, draw: Callable[[Customers], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([draw(block) for block in self.blocks()])

    def _rates(self, block: Customers) -> npt.NDArray[np.float64]:
        low, high = np.array([a.calls_per_day for a in ARCHETYPES])[self.archetype[block.rows]].T
        rates: npt.NDArray[np.float64] = block.rng("rate").uniform(low, high)
        return rates

    def _tiers(self) -> npt.NDArray[np.int64]:
        tier = np.empty(self.count, dtype=np.int64)
        for index, archetype in enumerate(ARCHETYPES):
            rows = np.flatnonzero(self.archetype == index)
            names, shares = zip(*archetype.tiers, strict=True)
            codes = np.array([TIERS.index(name) for name in names])[exact_shares(len(rows), shares)]
            tier[rows] = self.run.rng("tier", index).permutation(codes)
        return tier


class Customers:
    """A block of at most 256 customers: what a pattern's ``factor`` gets.

    Attributes:
        ids: Their names, shape (customers,).
    """

    def __init__(self, population: Population, first: int, member: str = "") -> None:
        self._population = population
        self._first = first
        self._member = member
        self.rows = slice(first, min(first + BLOCK, population.count))
        self.ids = population.ids[self.rows]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def calls_per_day(self) -> npt.NDArray[np.float64]:
        """The normal rate of each customer, shape (customers,)."""
        rates: npt.NDArray[np.float64] = self._population.calls_per_day[self.rows]
        return rates

    def rng(self, what: str) -> np.random.Generator:
        """The block's own stream for one thing drawn, from its beginning at every call."""
        stream = f"{self._member}/{what}" if self._member else what
        return self._population.run.rng(stream, self._first // BLOCK)

    def member(self, name: str) -> Customers:
        """The same customers with streams of their own, for a pattern that is part of another one."""
        return Customers(self._population, self._first, f"{self._member}/{name}" if self._member else name)


def exact_shares(count: int, shares: Sequence[float]) -> npt.NDArray[np.int64]:
    """``count`` group numbers in exactly these shares, by largest remainder, ties to the rarer group.

    Returns:
        Group indexes in ascending order, shape (count,).
    """
    wanted = [count * share for share in shares]
    # A share such as 0.7 is not a binary fraction: 0.7 x 10 must not lose a customer to the last bit.
    counts = [int(w + 1e-9) for w in wanted]
    order = sorted(range(len(shares)), key=lambda i: (-round(wanted[i] - counts[i], 9), shares[i]))
    for i in order[: count - sum(counts)]:
        counts[i] += 1
    return np.repeat(np.arange(len(shares)), counts)
