"""Decimal money: nine fractional digits, and splits that add up to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

NANO = Decimal("0.000000001")
"""The smallest amount of money: one nano-dollar."""
NANOS_PER_USD = 1_000_000_000

# Sums of millions of DECIMAL(18,9) reach 38 digits; the default context of 28 would round them silently.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


def usd(value: Decimal | int | float | str) -> Decimal:
    """A value as dollars with nine fractional digits, rounded half-even.

    Raises:
        ValueError: The value is not a finite number.
    """
    if isinstance(value, Decimal):
        if value.same_quantum(NANO):  # as nearly all are
            return value
        number = value
    else:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"not a finite amount of money: {value}")
    return number.quantize(NANO, context=EXACT)


def split(total: Decimal, weights: Sequence[Decimal | int | float]) -> list[Decimal]:
    """Share out an amount in proportion to weights, by largest remainder at nine digits.

    The shares add up to ``total`` exactly; the nano-dollars that rounding leaves over go
    to the largest remainders, ties to the earlier share. Weights that are all zero share
    out evenly.

    Args:
        total: Dollars; may be negative.
        weights: One for each share, none negative.

    Returns:
        One amount for each weight, in the same order.

    Raises:
        ValueError: There are no weights, or one of them is negative.
    """
    units = _whole_numbers(weights)
    if not units or any(u < 0 for u in units):
        raise ValueError("a split needs weights, none of them negative")
    if not any(units):
        units = [1] * len(units)
    # Integer arithmetic from here on: a share of a share must not lose a digit.
    nanos = int(EXACT.multiply(usd(total), Decimal(NANOS_PER_USD)))
    sign, nanos = (-1, -nanos) if nanos < 0 else (1, nanos)
    whole = sum(units)
    shares = [divmod(nanos * unit, whole) for unit in units]
    floors = [share for share, _ in shares]
    order = sorted(range(len(units)), key=lambda i: -shares[i][1])  # stable: ties to the earlier share
    for i in order[: nanos - sum(floors)]:
        floors[i] += 1
    return [EXACT.scaleb(Decimal(sign * n), -9) for n in floors]


def _whole_numbers(weights: Sequence[Decimal | int | float]) -> list[int]:
    """Weights in the same proportions as whole numbers."""
    if all(type(w) is int for w in weights):
        return [int(w) for w in weights]
    exact = [Decimal(repr(w)) if isinstance(w, float) else Decimal(w) for w in weights]
    scale = max(0, *(-int(w.as_tuple().exponent) for w in exact))
    return [int(EXACT.scaleb(w, scale).to_integral_value(ROUND_FLOOR)) for w in exact]
