"""How good the detectors are, as a section; only where a simulation planted something."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Calls, Column, Section, Table, begin, listing, plural, some_of
from finops_plugin_domains.realtime.anomalies import Incident
from finops_plugin_domains.realtime.churn import Stopped
from finops_plugin_domains.realtime.hourly import HourlyUse
from finops_plugin_domains.realtime.scoring import Score, score_bursts, score_churn, simulated_customers

MOST_MISSED = 20
"""Events named in the sentence about what was missed."""


def score_section(
    calls: Calls, use: HourlyUse, incidents: Sequence[Incident], stopped: Sequence[Stopped], min_days: int
) -> Section | None:
    """What was found of the planted events; ``None`` if none was planted in the period.

    Args:
        calls: The period.
        use: Calls by customer and hour.
        incidents: Of the whole use.
        stopped: Of the whole use.
        min_days: Days that a customer's calls must span before their number is judged.
    """
    if not calls.events.num_rows:
        return None
    simulated = simulated_customers(calls, use.start)
    bursts = score_bursts(calls, use, simulated, incidents, min_days)
    churn = score_churn(calls, simulated, stopped)
    sentences = ["The simulated part of the log says what was planted in it; detection never reads that."]
    if bursts:
        sentences.append(_found_text(bursts, "burst", "incident"))
    if bursts and bursts.median_delay_hours is not None:
        sentences.append(
            f"The median delay is at least {bursts.median_delay_hours:g} h: an incident shows when its first unusual "
            f"hour is over, and not before its customer's calls span {plural(min_days, 'day')}. What is usual was "
            "learnt from the whole log, later days included; that live detection knows less is not counted."
        )
    if churn:
        sentences.append(_found_text(churn, "churn", "stop"))
    scores = {name: score for name, score in (("Incidents", bursts), ("Stopped customers", churn)) if score}
    if not scores:
        return None
    return Section(
        id="score",
        title="How good are the detectors?",
        text=" ".join([*sentences, _missed_text(list(scores.values()))]),
        blocks=(_table(scores),),
    )


def _found_text(score: Score, planted: str, reported: str) -> str:
    found = f"{some_of(score.found, score.planted, f'planted {planted}')} {_were(score.found)} found"
    right = (
        f"{some_of(score.right, score.reported, f'reported {reported}')} {_were(score.right)} planted"
        if score.reported
        else f"no {reported} was reported"
    )
    return f"{begin(found)}; {right}."


def _were(part: int) -> str:
    return "were" if part > 1 else "was"


def _missed_text(scores: Sequence[Score]) -> str:
    missed = [f"{customer} at {start:%Y-%m-%d %H:%M}" for s in scores for customer, start in s.missed]
    if not missed:
        return "Nothing was missed."
    return f"Missed: {listing(missed, most=MOST_MISSED)}."


def _table(scores: dict[str, Score]) -> Table:
    return Table.of(
        "score",
        "Found against planted",
        (
            Column(name="detector", label="Detector"),
            Column(name="planted", label="Planted", unit="count"),
            Column(name="found", label="Planted and found", unit="count"),
            Column(name="recall", label="Recall", unit="percent"),
            Column(name="reported", label="Reported", unit="count"),
            Column(name="right", label="Reported and planted", unit="count"),
            Column(name="precision", label="Precision", unit="percent"),
            Column(name="delay", label="Median delay, at least", unit="hours"),
        ),
        [
            (name, s.planted, s.found, s.recall, s.reported, s.right, s.precision, s.median_delay_hours)
            for name, s in scores.items()
        ],
        note="Only simulated customers count. A churn planted in the last three days counts neither way.",
    )
