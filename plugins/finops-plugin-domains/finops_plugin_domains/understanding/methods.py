"""Three simple ways to forecast daily cost.

Every method is linear in the past: with ``n`` whole days ``y``, a horizon of ``h`` days is ``W @ y`` with a weight
matrix ``W`` of shape (h, n). That gives the variance of any sum of forecast days without simulation:
``sigma^2 * (h + |sum of W's rows|^2)``, day-to-day noise plus what the fit itself does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A way to forecast.

    Attributes:
        name: In words.
        further_out: What it does far ahead, as the rest of a sentence that begins with "the forecast".
        fit: Days seen, shape (n,), and a horizon h to the weight matrix, shape (h, n), and the standard deviation of a
            day around what the method expects.
        parameters: How many numbers it estimates.
        needs: The days it has to see before it is tried.
    """

    name: str
    further_out: str
    fit: Callable[[Floats, int], tuple[Floats, float]]
    parameters: int
    needs: int


def methods(damping: float) -> tuple[Method, ...]:
    """The methods that compete, the simplest first, which wins a tie.

    Args:
        damping: What is left of the trend's daily step one day further out; see :func:`_trend`.
    """
    return (
        Method("the mean of all days", "carries the mean on", _mean, 1, 1),
        Method("the same weekday of the last week", "repeats the last week", _naive, 7, 14),
        Method(
            "a weekday pattern plus a fading trend",
            "lets the trend fade and stays at the level it has reached by then",
            lambda y, h: _trend(y, h, damping),
            8,
            14,
        ),
    )


def _mean(y: Floats, h: int) -> tuple[Floats, float]:
    n = len(y)
    return np.full((h, n), 1 / n), float(np.sqrt(np.sum((y - y.mean()) ** 2) / max(1, n - 1)))


def _naive(y: Floats, h: int) -> tuple[Floats, float]:
    weights = np.zeros((h, len(y)))
    steps = np.arange(h)
    weights[steps, len(y) - 7 + steps % 7] = 1
    # The difference of two days a week apart has twice the variance of one.
    return weights, float(np.sqrt(np.mean((y[7:] - y[:-7]) ** 2) / 2))


def _trend(y: Floats, h: int, damping: float) -> tuple[Floats, float]:
    """Least squares on weekdays and a straight line; beyond the last day each step of the line shrinks by ``damping``.

    The damped trend is that of Gardner & McKenzie (1985): over h days a slope b adds b (d + d^2 + ... + d^h).
    """
    n = len(y)
    past = _design(np.arange(n), np.arange(float(n)))
    line = n - 1 + np.cumsum(damping ** np.arange(1.0, h + 1))
    fitted = np.linalg.pinv(past)
    rest = y - past @ (fitted @ y)
    weights: Floats = _design(np.arange(n, n + h), line) @ fitted
    return weights, float(np.sqrt(np.sum(rest**2) / max(1, n - past.shape[1])))


def _design(days: npt.NDArray[np.int64], trend: Floats) -> Floats:
    """One column for each weekday and one for the trend; shape (days, 8)."""
    return np.column_stack([days[:, None] % 7 == np.arange(7), trend]).astype(np.float64)


def variance_factor(weights: Floats) -> float:
    """The variance of the error of a sum of days, over that of a day around what the method expects.

    Args:
        weights: Those of the days forecast, shape (days, days seen).
    """
    return len(weights) + float(np.sum(weights.sum(axis=0) ** 2))
