"""Which models fail more often than chance explains."""

from __future__ import annotations

from finops_core import percent
from finops_plugin_domains.service import MODEL, Service, Services
from finops_plugin_domains.understanding.breakdown import label

ERROR_SIGMA = 4.0
"""A model fails more often than the others only beyond this many standard deviations of their difference."""


def failing(services: Services, min_calls: int) -> list[Service]:
    """Models whose share of failed calls is above that of all others, beyond chance; the highest share first.

    The difference of the two shares is held against its standard deviation under a common share (two proportions).

    Args:
        services: Service by :data:`MODEL`, and of all calls.
        min_calls: Fewest calls of the model, and of all others together.
    """
    (total,) = services[()]
    found = [s for s in services[MODEL] if _fails_more(s, total, min_calls)]
    return sorted(found, key=lambda s: (-s.error_percent, str(s.names)))


def others_percent(service: Service, total: Service) -> float:
    """Failed calls of all other models / their calls, percent."""
    return (total.failed - service.failed) / (total.calls - service.calls) * 100


def _fails_more(s: Service, total: Service, min_calls: int) -> bool:
    rest = total.calls - s.calls
    if s.calls < min_calls or rest < min_calls or not s.failed:
        return False
    pooled = total.failed / total.calls
    spread = (pooled * (1 - pooled) * (1 / s.calls + 1 / rest)) ** 0.5
    difference = (s.error_percent - others_percent(s, total)) / 100
    return spread > 0 and difference > ERROR_SIGMA * spread


def failing_text(services: Services, min_calls: int) -> str:
    """Which model fails most often, or that the models do not differ beyond chance, as a sentence."""
    (total,) = services[()]
    worse = failing(services, min_calls)
    if worse:
        return (
            f"{label(worse[0].names)} fails most often: {percent(worse[0].error_percent)} of its calls, against "
            f"{percent(others_percent(worse[0], total))} of all others."
        )
    shares = [s.error_percent for s in services[MODEL] if s.calls >= min_calls]
    if len(shares) < 2:
        return f"No two models have {min_calls:,} calls, so none can be said to fail more often than another."
    low, high = percent(min(shares)), percent(max(shares))
    between = low if low == high else f"{low} to {high}"
    return (
        f"No model's share of failed calls ({between}) lies more than {ERROR_SIGMA:g} standard deviations above that "
        "of the others."
    )
