"""Laws of the optimization report, over many logs."""

import random
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer
from finops_plugin_domains.optimization.billed import BilledCalls
from finops_plugin_domains.optimization.caching import earlier_maximum
from finops_plugin_domains.optimization.commitment import CommitmentTerms, commit
from finops_plugin_domains.optimization.savings import count_once
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import Settings
from finops_core.testing import calls_from

PRICES = Settings.model_validate(
    {
        "catalog": {
            "models": {
                "p": {
                    "a": {"input": "12.5", "output": 31, "cache_read": "1.25", "cache_write": 15},
                    "b": {"input": 3, "output": "14.7", "cache_read": "0.3", "cache_write": "3.75"},
                    "c": {"input": "0.15", "output": 40},
                }
            }
        }
    }
)

calls = st.builds(
    lambda model, task, session, hour, tokens, out, read, status, factor: {
        "provider": "p",
        "model": model,
        "task_type": task,
        "session_id": session,
        "timestamp": f"2026-01-{5 + hour // 24:02}T{hour % 24:02}:00",
        "input_tokens": tokens,
        "output_tokens": 0 if status != "success" else out,
        "cache_read_tokens": int(tokens * read),
        "status": status,
        "cost_usd": Decimal(tokens * factor) / 10**5,
        "latency_ms": 900 + out,
    },
    model=st.sampled_from("abcx"),
    task=st.sampled_from(["chat", "qa", None]),
    session=st.sampled_from(["s", "t", None]),
    hour=st.integers(0, 60),
    tokens=st.integers(0, 9000),
    out=st.integers(0, 2000),
    read=st.sampled_from([0, 0.3, 1]),
    status=st.sampled_from(["success", "success", "success", "timeout"]),
    factor=st.integers(0, 3),
)
logs = st.lists(calls, min_size=1, max_size=25)

EVERYTHING = {
    "minimum_calls": 1,
    "failed_points": 100,
    "latency_percent": 1000,
    "prefix_tokens": 0,
    "batch_discount_percent": {"p": 50},
    "batch_tasks": ["qa"],
    "commitments": {"p": {"discount_percent": 40}},
    "what_if": {"*": "p/b", "qa": "p/c"},
}


def report_of(rows):
    return OptimizationAnalyzer(**EVERYTHING).analyze(calls_from(rows, settings=PRICES))


def us_of(row):
    return int((datetime.fromisoformat(row["timestamp"]) - datetime(1970, 1, 1)).total_seconds()) * 10**6


def total_of_measures(report):
    found = [b for s in report.sections for b in s.blocks if b.id == "measures-table"]
    return found[0].total[1:] if found else (0, 0, 0, 0)


@settings(max_examples=20, deadline=None)
@given(logs)
def test_counted_once_never_exceeds_the_sum_and_the_hopeful_end_never_the_cautious(rows):
    alone_low, alone_high, low, high = total_of_measures(report_of(rows))
    assert low <= alone_low
    assert high <= alone_high
    assert low <= high


@settings(max_examples=12, deadline=None)
@given(logs, st.randoms(use_true_random=False))
def test_shuffling_the_log_changes_nothing(rows, rng: random.Random):
    named = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    shuffled = rng.sample(named, len(named))
    assert report_of(named) == report_of(shuffled)


@settings(max_examples=12, deadline=None)
@given(logs)
def test_doubled_costs_double_logged_figures_and_leave_catalogue_prices(rows):
    # Costs here are far off the catalogue, so that savings are scaled to them before and after.
    rows = [{**row, "cost_usd": row["cost_usd"] * 7} for row in rows]
    once, twice = report_of(rows), report_of([{**row, "cost_usd": row["cost_usd"] * 2} for row in rows])

    def prices(report):
        table = next(b for s in report.sections for b in s.blocks if b.id == "prices-table")
        return {row[:2]: row[2:] for row in table.rows}

    for model, (n, logged, catalogue, near, factor) in prices(once).items():
        n2, logged2, catalogue2, _, factor2 = prices(twice)[model]
        assert (n2, logged2, catalogue2) == (n, 2 * logged, catalogue)
        if near == 0:
            assert factor2 == 2 * factor
    failed = [next(m.value for m in r.metrics if m.id == "failed-cost") for r in (once, twice)]
    assert failed[1] == 2 * failed[0]


@settings(max_examples=12, deadline=None)
@given(logs, st.integers(1, 6))
def test_reading_in_batches_sees_every_billed_call_once_and_sessions_whole(rows, batch_calls):
    log = calls_from(rows, settings=PRICES)

    def key(calls, task):
        return (task or "", calls.provider, calls.model)

    def content(billed):
        return sorted(
            (*key(calls, task), us, tokens, logged / 10**9)
            for calls, tasks in billed
            for task, span in tasks.items()
            for us, tokens, logged in zip(calls.us[span], calls.input[span], calls.logged[span], strict=True)
        )

    expected = sorted(
        (row["task_type"] or "", row["provider"], row["model"], us_of(row), row["input_tokens"], float(row["cost_usd"]))
        for row in rows
        if row["status"] == "success" or row["cost_usd"] > 0
    )
    parts = BilledCalls(log, batch_calls=batch_calls)
    assert content(parts) == content(BilledCalls(log)) == expected
    batches: dict[int, set[int]] = {}
    for number in range(parts._batches):
        for session in set(parts._read(number).columns["session"].tolist()) - {0}:
            batches.setdefault(session, set()).add(number)
    assert all(len(numbers) == 1 for numbers in batches.values())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2**53)), max_size=40))
def test_the_earlier_maximum_is_that_of_a_plain_search(rows):
    rows = sorted(rows, key=lambda row: row[:2])
    key, us, values = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    expected = [max((v for k, t, v in rows if k == key and t < moment), default=0) for key, moment, _ in rows]
    assert earlier_maximum(key, us, values).tolist() == expected


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_a_call_saves_its_largest_amount_or_the_loss_of_its_switch(rows):
    savings = {name: np.array([row[i] for row in rows]) for i, name in enumerate(("switch", "cache", "batch"))}
    once, winner = count_once(savings)
    assert once.tolist() == [row[0] if row[0] < 0 else max(row) for row in rows]
    assert [rows[i][w] for i, w in enumerate(winner)] == once.tolist()
    assert once.sum() <= sum(amounts.sum() for amounts in savings.values())


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 99))
def test_the_best_commitment_beats_every_other_one(hours, discount):
    nanos = [hour * 10**9 for hour in hours]
    best = commit(nanos, CommitmentTerms(discount_percent=discount))
    saving = best.saving if best else Decimal(0)
    paid = 1 - Fraction(discount, 100)
    for covers in range(51):
        other = sum(min(hour, covers) for hour in hours) - covers * paid * len(hours)
        assert saving + Decimal("0.000000002") >= Decimal(other.numerator) / Decimal(other.denominator)
