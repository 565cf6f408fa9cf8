"""Committed capacity: dollars an hour paid whether used or not, for a discount on what they cover.

The terms are those of savings plans and of provisioned capacity billed in dollars: a commitment of C dollars an
hour covers usage worth C / (1 - discount) at the usual price; what an hour uses beyond it is paid at the usual price.
It pays once more than (1 - discount) of the covered usage takes place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from finops_plugin_domains.optimization.repricing import dollars_of


class CommitmentTerms(BaseModel):
    """What a provider offers for a commitment."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    discount_percent: Decimal = Field(gt=0, lt=100)
    """The discount on what is covered."""
    usd_per_hour: Decimal | None = Field(default=None, gt=0)
    """What is paid each hour; without it, the commitment that would have saved most is looked for."""


@dataclass(frozen=True)
class Commitment:
    """What a commitment would have done to the hours of a period.

    Attributes:
        usd_per_hour: What is paid each hour.
        covers: Usage an hour that this covers, dollars at the usual price.
        on_demand: What the hours cost without it.
        committed: What they cost with it.
        used_percent: How much of the covered usage took place.
        break_even_percent: How much of it has to take place for the commitment to pay.
    """

    usd_per_hour: Decimal
    covers: Decimal
    on_demand: Decimal
    committed: Decimal
    used_percent: float
    break_even_percent: float

    @property
    def saving(self) -> Decimal:
        """Dollars saved; negative if the commitment costs more than it saves."""
        return self.on_demand - self.committed


def commit(hours: Sequence[int], terms: CommitmentTerms) -> Commitment | None:
    """Price the hours of a period under a commitment.

    Without an amount in the terms, the best one covers the usage that is exceeded in (1 - discount) of
    the hours: one dollar more of cover costs (1 - discount) in every hour and saves a dollar in those.

    Args:
        hours: Usage of each hour at the usual price, nano-dollars, none negative.
        terms: The discount, and perhaps the amount.

    Returns:
        The commitment; ``None`` if no amount of it would save anything and none is given.
    """
    paid = 1 - Fraction(terms.discount_percent) / 100
    if terms.usd_per_hour is None:
        covers = Fraction(sorted(hours)[int((1 - paid) * len(hours))])
        if not covers:
            return None
    else:
        covers = Fraction(terms.usd_per_hour) * 10**9 / paid
    used = sum((min(covers, Fraction(hour)) for hour in hours), Fraction(0))
    on_demand = sum(hours)
    committed = on_demand - used + covers * paid * len(hours)
    return Commitment(
        usd_per_hour=dollars_of(round(covers * paid)),
        covers=dollars_of(round(covers)),
        on_demand=dollars_of(on_demand),
        committed=dollars_of(-(-committed.numerator // committed.denominator)),
        used_percent=float(100 * used / (covers * len(hours))),
        break_even_percent=float(100 * paid),
    )
