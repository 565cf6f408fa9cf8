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

from finops_core import SIMULATED_SQL, Calls, read_once
from finops_plugin_domains.realtime.anomalies import Incident
from finops_plugin_domains.realtime.churn import Stopped, in_span
from finops_plugin_domains.realtime.hourly import HourlyUse
from finops_plugin_domains.realtime.incident_report import begun_in

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
        median_delay_hours: From the start of an event until it can show, see :func:`score_bursts`.
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


def score_bursts(
    calls: Calls, use: HourlyUse, simulated: Set[str], incidents: Sequence[Incident], min_days: int
) -> Score | None:
    """Incidents against planted bursts of the same customer that they overlap; ``None`` if none was planted.

    Incidents are found with the whole log at hand, so when each would have shown is bounded from below: not before its
    first unusual hour was over, and not before its customer's calls spanned the days from which on they are judged.

    Args:
        calls: The period; bursts that begin in it are planted, incidents that begin in it are reported.
        use: Calls by customer and hour.
        simulated: See :func:`simulated_customers`.
        incidents: Everywhere: a burst of the period may belong to an incident that began before it.
        min_days: Days that a customer's calls must span before their number is judged.
    """
    events = _events(calls, "burst")
    planted = [e for e in events if calls.period.start <= e["start"]]
    if not planted:
        return None
    incidents_of: dict[str, list[Incident]] = defaultdict(list)
    for incident in incidents:
        incidents_of[incident.customer].append(incident)
    events_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        events_of[event["customer_id"]].append(event)

    def overlap(incident: Incident, event: dict[str, Any]) -> bool:
        return incident.start < (event["end"] or datetime.max) and event["start"] < incident.end

    def shown(incident: Incident, event: dict[str, Any]) -> datetime:
        over = max(incident.start, event["start"]) + timedelta(hours=1)
        judged = use.at(24 * (use.first_day[incident.position] + min_days - 1))
        return max(over, judged) if incident.by_calls else over

    delays, missed = [], []
    for event in planted:
        hits = [i for i in incidents_of[event["customer_id"]] if overlap(i, event)]
        if hits:
            delays.append((min(shown(i, event) for i in hits) - event["start"]) / timedelta(hours=1))
        else:
            missed.append((event["customer_id"], event["start"]))
    reported = [i for i in begun_in(incidents, calls.period) if i.customer in simulated]
    right = sum(any(overlap(i, e) for e in events_of[i.customer]) for i in reported)
    return Score(len(planted), len(delays), len(reported), right, median(delays) if delays else None, tuple(missed))


def score_churn(calls: Calls, simulated: Set[str], stopped: Sequence[Stopped]) -> Score | None:
    """Stopped customers against planted churns; ``None`` if none was planted before the last three days.

    Args:
        calls: The period; churns that begin in it are planted, silences that begin in it are reported.
        simulated: See :func:`simulated_customers`.
        stopped: Everywhere: who calls rarely may be silent since before the churn.
    """
    events = _events(calls, "churn")
    today = datetime.combine(calls.now.date(), datetime.min.time())
    undecided_from = today - timedelta(days=UNDECIDED_DAYS - 1)
    undecided = {e["customer_id"] for e in events if e["start"] >= undecided_from}
    left = {e["customer_id"] for e in events} - undecided
    due = [e for e in events if e["customer_id"] in left and calls.period.start <= e["start"]]
    if not due:
        return None
    names = {s.customer for s in stopped}
    reported = [s for s in in_span(stopped, calls.period) if s.customer in simulated and s.customer not in undecided]
    missed = tuple((e["customer_id"], e["start"]) for e in due if e["customer_id"] not in names)
    return Score(
        len(due), len(due) - len(missed), len(reported), sum(s.customer in left for s in reported), None, missed
    )


def _events(calls: Calls, kind: str) -> list[dict[str, Any]]:
    """Planted events of a kind that begin before the period ends, in order."""
    return sorted(
        (e for e in calls.events.to_pylist() if e["kind"] == kind and e["start"] < calls.period.end),
        key=lambda e: (e["start"], e["customer_id"]),
    )


@read_once
def simulated_customers(calls: Calls, start: datetime) -> frozenset[str]:
    """Customers with calls since ``start`` that a pattern made: nobody knows what the others planted.

    A customer who fell silent on the first day of the period has no call in it, only before it.
    """
    rows = calls.rows(
        f"SELECT DISTINCT customer_id FROM history WHERE timestamp >= $start AND {SIMULATED_SQL}", start=start
    )
    return frozenset(r["customer_id"] for r in rows)
