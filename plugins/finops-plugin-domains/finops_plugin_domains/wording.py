"""Parts of a whole in sentences, for every report of this package."""

from __future__ import annotations

from finops_core import count, plural


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
