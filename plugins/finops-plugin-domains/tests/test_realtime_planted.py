"""The detectors against what the shipped patterns plant; skipped where these are not installed."""

from datetime import date

import pyarrow as pa
import pytest
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer

from finops_core import SCHEMA, Calls, Run

BurstTrafficSimulator = pytest.importorskip("finops_plugin_burst").BurstTrafficSimulator
GradualDeclineSimulator = pytest.importorskip("finops_plugin_decline").GradualDeclineSimulator
BaseSimulator = pytest.importorskip("finops_plugin_base").BaseSimulator


def report_on(*simulators):
    calls, events = [], []
    for source, simulator in simulators:
        run = Run(source=source, start=date(2026, 1, 5), days=30, seed=simulator.seed, workers=1)
        calls += [pa.Table.from_batches([batch]).cast(SCHEMA) for batch in simulator.generate_calls(run)]
        events.append(run.events())
    return RealtimeAnalyzer().analyze(Calls.from_arrow(pa.concat_tables(calls), events=pa.concat_tables(events)))


def scores(report):
    (table,) = next(s for s in report.sections if s.id == "score").blocks
    names = [c.name for c in table.columns]
    return {row[0]: dict(zip(names, row, strict=True)) for row in table.rows}


SEEDS = [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))]


@pytest.mark.parametrize("more", SEEDS)
def test_bursts_and_churn_are_found_and_little_else(more):
    report = report_on(
        ("base", BaseSimulator(num_customers=40, seed=42 + more)),
        ("burst", BurstTrafficSimulator(seed=200 + more)),
        ("decline", GradualDeclineSimulator(seed=300 + more)),
    )
    for score in scores(report).values():
        assert score["precision"] >= 95
        assert score["recall"] >= 95
    assert scores(report)["Incidents"]["delay"] == 1


def test_on_a_pure_base_run_there_are_no_more_than_two_incidents():
    report = report_on(("base", BaseSimulator()))
    assert next(m for m in report.metrics if m.id == "anomalies").value <= 2
