"""The period and both compared spans, read in one pass over the log."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Calls, Period


def reported_spans(calls: Calls) -> list[Period]:
    """The period, then the later and the earlier span of the comparison if there is one; they may overlap.

    Args:
        calls: Of a log with at least one call.
    """
    if calls.comparison is None:
        return [calls.period]
    return [calls.period, calls.comparison.current, calls.comparison.previous]


def membership(spans: Sequence[Period]) -> str:
    """SQL columns ``in_0``, ``in_1`` ...: whether a call lies in each of the spans."""
    return ", ".join(
        f"timestamp >= TIMESTAMP '{span.start}' AND timestamp < TIMESTAMP '{span.end}' AS in_{i}"
        for i, span in enumerate(spans)
    )
