"""The contracts between the core and its plugins, and nothing else.

The long story of each hook, with examples, is in ``plugins/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pluggy

from finops_core.plugin_base import PROJECT

if TYPE_CHECKING:
    import pyarrow as pa

    from finops_core.ledger.calls import Calls
    from finops_core.report import Report
    from finops_core.simulation import Run
    from finops_core.site import Site

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def generate_calls(run: Run) -> Iterator[pa.RecordBatch]:  # type: ignore[empty-body]
    """Make the calls of a pattern.

    Called once for each chosen plugin of the group ``finops.patterns``.

    Args:
        run: The period, the random streams, the catalogue, and where planted events are told.

    Returns:
        Record batches in :data:`finops_core.call.SCHEMA`, in time order over all batches, inside the period.
    """


@hookspec
def analyze(calls: Calls) -> Report:  # type: ignore[empty-body]
    """Answer one question about the calls of a period.

    Called once for each chosen plugin of the group ``finops.analyzers``.

    Args:
        calls: The accepted calls, through SQL, with settings, catalogue and conservation counts.

    Returns:
        One report; on no calls at all one whose state is ``empty``.
    """


@hookspec
def publish(reports: Sequence[Report], site: Site) -> None:
    """Write reports for people.

    Called once for each plugin of the group ``finops.publishers`` after all analyzers ran.

    Args:
        reports: Sorted by name; the state of each says whether it is ready, empty or failed.
        site: Where to write, and what all reports have in common.
    """
