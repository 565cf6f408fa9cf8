"""Phrases that several parts of the optimization report say alike."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from finops_core import Period, count, dollars, listing, plural

NAMED = 3
"""As many models, or factors, are named in a sentence; more are counted."""

WHOLE = 1000
"""From so many dollars on, amounts in sentences are without cents."""


def length(output_percent: int) -> str:
    """An assumption about the length of answers: ``answers 20 % longer than logged``."""
    if output_percent == 0:
        return "answers as long as logged"
    return f"answers {abs(output_percent)} % {_comparative(output_percent)} than logged"


def lengths(least: int, most: int) -> str:
    """A range of such assumptions: ``answers 20 % shorter to 20 % longer than logged``."""
    if least == most:
        return length(least)
    if least < 0 < most:
        return f"answers {-least} % shorter to {most} % longer than logged"
    nearer, farther = sorted((least, most), key=abs)
    much = f"{abs(nearer)} % to {abs(farther)} %" if nearer else f"up to {abs(farther)} %"
    return f"answers {much} {_comparative(farther)} than logged"


def _comparative(output_percent: int) -> str:
    return "longer" if output_percent > 0 else "shorter"


def ranged(low: str, high: str) -> str:
    """Two ends of a range: ``$1.00 to $2.00``; one of them where both read alike."""
    return low if low == high else f"{low} to {high}"


def dollars_ranged(low: Decimal, high: Decimal) -> str:
    """Two ends of a range of dollars: ``$56.70 to $60.20``, ``$915 to $1,019``."""
    return ranged(*_ends(low, high))


def dollars_between(low: Decimal, high: Decimal) -> str:
    """Two ends of a range of dollars: ``between $56.70 and $60.20``; one of them where both read alike."""
    first, last = _ends(low, high)
    return first if first == last else f"between {first} and {last}"


def _ends(low: Decimal, high: Decimal) -> tuple[str, str]:
    """Both amounts; where the larger one is told in whole dollars, so is the smaller one."""
    whole = 1 <= low < WHOLE <= high
    return f"${low.quantize(Decimal(1), ROUND_HALF_UP):,}" if whole else dollars(low), dollars(high)


def spent(period: Period) -> str:
    """When money was spent: ``from 2026-01-05 to 2026-02-03``, ``on 2026-01-05``."""
    return f"on {period}" if period.days == 1 else f"from {period}"


def times(factor: Fraction) -> str:
    """Logged dollars for a catalogue dollar, with two to four decimals: ``2.00``, ``0.9875``."""
    whole, _, decimals = f"{Decimal(round(factor * 10_000)).scaleb(-4):,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def scaled_by(factors: Mapping[tuple[str, str], Fraction]) -> str:
    """Which models are scaled to the log's costs: ``gpt-5 (openai) by 2.00``; empty if none is.

    Args:
        factors: Logged dollars for a catalogue dollar, by provider and model.
    """
    alike: dict[str, list[str]] = {}
    for (provider, model), factor in sorted(factors.items(), key=lambda item: (item[1], item[0])):
        if factor != 1:
            alike.setdefault(times(factor), []).append(f"{model} ({provider})")
    n = sum(map(len, alike.values()))
    if not n:
        return ""
    if len(alike) > NAMED:
        first, *_, last = alike
        return f"{count(n)} of {plural(len(factors), 'model')} by {first} to {last}"
    if len(alike) == 1 and n == len(factors) > NAMED:
        return f"all {plural(n, 'model')} by {next(iter(alike))}"
    groups = [
        (listing(names) if len(names) <= NAMED else plural(len(names), "model"), by) for by, names in alike.items()
    ]
    return listing([f"{which} by {by}" for which, by in groups])
