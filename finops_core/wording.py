"""Numbers in sentences: dollars, shares and counts as people write them.

Values of metrics, charts and tables stay numbers with a unit; only prose goes through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal


def dollars(amount: Decimal | float) -> str:
    """An amount in a sentence: ``$1,234``, ``-$56.70``, ``$0.0042``.

    From 1,000 dollars on without cents; below ten cents with up to two significant digits.
    """
    value = abs(_decimal(amount))
    sign = "-" if amount < 0 else ""
    if value == 0:
        return "$0"
    if value >= 1000:
        return f"{sign}${_rounded(value, 0):,}"
    if value >= Decimal("0.1"):
        return f"{sign}${_rounded(value, 2):,}"
    digits = f"{_rounded(value, 1 - value.adjusted()):f}".rstrip("0")
    return f"{sign}${digits:0<4}"


def signed_dollars(amount: Decimal | float) -> str:
    """A change in a sentence: ``+$12.00``, ``-$3.40``, ``$0``."""
    return f"+{dollars(amount)}" if amount > 0 else dollars(amount)


def percent(value: Decimal | float, digits: int = 1) -> str:
    """A percentage in a sentence: ``12.3 %``; ``value`` is already times 100."""
    return f"{_rounded(_decimal(value), digits):,} %"


def count(n: int) -> str:
    """A whole number with thousands separated: ``420,000``."""
    return f"{n:,}"


def plural(n: int, noun: str, many: str | None = None) -> str:
    """A count with its noun: ``1 call``, ``2 calls``, ``0 calls``; ``many`` where an s is not enough."""
    return f"{count(n)} {noun if n == 1 else many or noun + 's'}"


def some_of(part: int, whole: int, noun: str) -> str:
    """How many, as a subject: ``no call``, ``the only call``, ``1 of 3 calls``, ``both calls``, ``all 3 calls``."""
    if not part:
        return f"no {noun}"
    if whole == 1:
        return f"the only {noun}"
    if part < whole:
        return f"{count(part)} of {plural(whole, noun)}"
    return f"both {noun}s" if whole == 2 else f"all {plural(whole, noun)}"


def are(part: int) -> str:
    """The verb that follows such a subject."""
    return "are" if part > 1 else "is"


def begin(sentence: str) -> str:
    """The same with a capital letter in front."""
    return sentence[:1].upper() + sentence[1:]


def listing(names: Sequence[str], most: int | None = None) -> str:
    """Names as a phrase: ``a``, ``a and b``, ``a, b and c``; beyond ``most`` of them ``a, b and 18 more``."""
    if most is not None and len(names) > most:
        names = [*names[:most], f"{count(len(names) - most)} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _decimal(value: Decimal | float) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def _rounded(value: Decimal, digits: int) -> Decimal:
    # Away from zero at a half, as people round; adding 0 turns -0.0 into 0.0.
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP) + 0
