"""Fixtures for tests of plugins; pytest finds them where finops-core is installed.

Nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from finops_core.ledger.calls import Calls
    from finops_core.testing.running import FinishedRun


@pytest.fixture
def tiny_log() -> Calls:
    """Six calls written by hand, which cost 10 dollars; see :data:`finops_core.testing.logs.TINY`."""
    from finops_core.testing.logs import tiny

    return tiny()


@pytest.fixture(scope="session")
def planted_log() -> Calls:
    """Four weeks of twelve customers, with the bursts and churns that ``calls.events`` tells.

    See :class:`finops_core.testing.logs.PlantedSimulator`.
    """
    from finops_core.testing.logs import planted

    return planted()


@pytest.fixture
def finops_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FinishedRun]:
    """Run patterns into a log of its own, as the command does; see :func:`finops_core.testing.running.run_in`."""
    from functools import partial

    from finops_core.testing.running import run_in

    return partial(run_in, tmp_path_factory)
