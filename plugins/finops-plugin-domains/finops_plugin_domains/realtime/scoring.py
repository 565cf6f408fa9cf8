"""How well the detectors do, where the log says what was planted in it.

Planted events are read here and nowhere else: they score, they never detect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from finops_core import SIMULATED_SQL, Calls
from finops_plugin_domains.realtime.anomalies import Incident
from finops_plugin_domains.realtime.churn import Stopped

UNDECIDED_DAYS = 3
"""A churn planted within this many last days counts neither way: nobody can tell it from a pause."""


@dataclass(frozen=True)
class Score:
    """Found against planted.

    Attributes:
        planted: Events that should be found.
        found: Of them, those that were.
        reported: What the detector reported about simulated customers.
        right: Of it, what was planted.
        median_delay_hours: From the start of an event until the hour in which it shows is over.
        missed: Customer and start of each event that was not found.
    """

    planted: int
    found: int
    reported: int
    right: int
    median_delay_hours: float | None
    missed: tuple[tuple[str, datetime], ...]

    @property
    def precision(self) -> float | None:
        """Percent of the reported that was planted."""
        return 100 * self.right / self.reported if self.reported else None

    @property
    def recall(self) -> float | None:
        """Percent of the planted that was found."""
        return 100 * self.found / self.planted if self.planted else None


def score_bursts(calls: Calls, simulated: Set[str], incidents: Sequence[Incident]) -> Score | None:
    """Incidents against planted bursts of the same customer that they overlap; ``None`` if none was planted."""
    planted = _events(calls, "burst")
    if not planted:
        return None
    of_customer: dict[str, list[Incident]] = defaultdict(list)
    for incident in incidents:
        of_customer[incident.customer].append(incident)
    events_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in planted:
        events_of[event["customer_id"]].append(event)

    def overlap(incident: Incident, event: dict[str, Any]) -> bool:
        return incident.start < (event["end"] or datetime.max) and event["start"] < incident.end

    delays, missed = [], []
    for event in planted:
        hits = [i for i in of_customer[event["customer_id"]] if overlap(i, event)]
        if hits:
            shown = max(min(i.start for i in hits), event["start"]) + timedelta(hours=1)
            delays.append((shown - event["start"]) / timedelta(hours=1))
        else:
            missed.append((event["customer_id"], event["start"]))
    reported = [i for i in incidents if i.customer in simulated]
    right = sum(any(overlap(i, e) for e in events_of[i.customer]) for i in reported)
    return Score(len(planted), len(delays), len(reported), right, median(delays) if delays else None, tuple(missed))


def score_churn(calls: Calls, simulated: Set[str], stopped: Sequence[Stopped]) -> Score | None:
    """Stopped customers against planted churns; ``None`` if none was planted before the last three days."""
    planted = _events(calls, "churn")
    today = datetime.combine(calls.now.date(), datetime.min.time())
    undecided_from = today - timedelta(days=UNDECIDED_DAYS - 1)
    undecided = {e["customer_id"] for e in planted if e["start"] >= undecided_from}
    due = [e for e in planted if e["customer_id"] not in undecided]
    if not due:
        return None
    names, left = {s.customer for s in stopped}, {e["customer_id"] for e in due}
    reported = [s for s in stopped if s.customer in simulated and s.customer not in undecided]
    missed = tuple((e["customer_id"], e["start"]) for e in due if e["customer_id"] not in names)
    return Score(
        len(due), len(due) - len(missed), len(reported), sum(s.customer in left for s in reported), None, missed
    )


def _events(calls: Calls, kind: str) -> list[dict[str, Any]]:
    """Planted events of a kind that begin in the period, in order."""
    return sorted(
        (
            e
            for e in calls.events.to_pylist()
            if e["kind"] == kind and calls.period.start <= e["start"] < calls.period.end
        ),
        key=lambda e: (e["start"], e["customer_id"]),
    )


def simulated_customers(calls: Calls) -> set[str]:
    """Customers that a pattern made: nobody knows what the others planted."""
    rows = calls.rows(f"SELECT DISTINCT customer_id FROM calls WHERE {SIMULATED_SQL}")
    return {r["customer_id"] for r in rows}
