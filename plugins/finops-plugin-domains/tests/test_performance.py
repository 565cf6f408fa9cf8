"""The performance report: by hand, on planted truth, and under its laws."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from finops_plugin_domains.performance.analyzer import PerformanceAnalyzer
from finops_plugin_domains.performance.frontier import comparable, slowness, unbeaten
from finops_plugin_domains.service import MODEL, duration, quality_of

from finops_core import Calls, Finding, Report, Settings, Table
from finops_core.testing import calls_from, check_analyzer

START = datetime(2026, 1, 5)
PROMISED = Settings.model_validate({"sla": {"latency_ms": 1000, "target_percent": 90}})


def analyze(rows: list[dict] | Calls, **parameters) -> Report:
    calls = rows if isinstance(rows, Calls) else calls_from(rows, settings=PROMISED)
    return PerformanceAnalyzer(**parameters).analyze(calls)


def table(report: Report, name: str) -> Table:
    (found,) = (b for s in report.sections for b in s.blocks if b.id == name)
    return found


def value(report: Report, name: str):
    return next(m.value for m in report.metrics if m.id == name)


def cells(of: Table, *names: str) -> list[tuple]:
    places = [[c.name for c in of.columns].index(name) for name in names]
    return [tuple(row[i] for i in places) for row in of.rows]


def finding(report: Report, name: str) -> Finding:
    return next(f for f in report.findings if f.id == name)


def model(name: str, latencies: list[int | None], *, cost: object = "0.01", **more) -> list[dict]:
    """A call a minute to a model, with 100 tokens in and 100 out."""
    return [
        {
            "timestamp": START + timedelta(minutes=i),
            "call_id": f"{name}-{more.get('task_type', 'chat')}-{i}",
            "model": name,
            "task_type": "chat",
            "latency_ms": latency,
            "input_tokens": 100,
            "output_tokens": 100,
            "cost_usd": cost,
            **more,
        }
        for i, latency in enumerate(latencies)
    ]


def failed(name: str, n: int, *, cost: object = 0, status: str = "timeout") -> list[dict]:
    rows = model(name, [60_000] * n, cost=cost, status=status)
    return [{**row, "call_id": f"{status}-{row['call_id']}"} for row in rows]


def test_it_keeps_the_contract_of_analyzers() -> None:
    report = check_analyzer(PerformanceAnalyzer)
    assert [s.id for s in report.sections] == ["speed", "frontier", "errors", "sla", "when"]


def test_a_small_log_by_hand() -> None:
    # Latencies 100, 200, 300, 400 and one unknown; a timeout of 60 s that cost 3 cents; a free server error.
    rows = [
        *model("m", [100, 200, 300, 400, None]),
        *failed("m", 1, cost="0.03"),
        *failed("m", 1, status="server_error"),
    ]
    report = analyze(rows)
    # percentile_cont over four values: p50 lies halfway between the 2nd and the 3rd.
    assert value(report, "p50-latency") == 250
    assert value(report, "tokens-per-second") == 400  # 4 x 100 tokens in 1,000 ms
    assert value(report, "error-rate") == pytest.approx(200 / 7)
    assert value(report, "failed-cost") == Decimal("0.03")
    assert value(report, "sla-compliance") == pytest.approx(4 / 6 * 100)  # the unknown one is not judged
    assert cells(table(report, "service-by-model"), "calls", "p50", "cost_usd", "failed", "failed_cost") == [
        (7, 250.0, Decimal("0.08"), 2, Decimal("0.03"))
    ]
    assert cells(table(report, "failed-calls"), "status", "calls", "cost_usd") == [
        ("timeout", 1, Decimal("0.03")),
        ("server_error", 1, Decimal(0)),
    ]
    assert cells(table(report, "sla-by-models"), "judged", "missed", "missed_cost") == [(6, 2, Decimal("0.03"))]
    assert finding(report, "failed-cost").usd_per_month == Decimal("0.9")  # 3 cents in a single day
    assert any("1 successful call is unknown" in note for note in report.assumptions)


def test_latencies_that_are_all_unknown_stay_unknown() -> None:
    report = analyze(model("m", [None] * 50))
    assert value(report, "p50-latency") is None
    assert value(report, "sla-compliance") is None
    assert "no successful call has a known latency" in report.answer
    assert report.findings[0].title.startswith("Too little to judge: no successful call with a known latency")
    heatmap = next(b for s in report.sections for b in s.blocks if b.id == "hours-of-the-week")
    assert heatmap.y.unit == "count"
    assert heatmap.series[0].values[0] == 50  # 5 January 2026 is a Monday; all calls lie in its first hour


def test_failed_calls_without_a_success_have_no_latency() -> None:
    report = analyze(failed("m", 3))
    assert value(report, "p95-latency") is None
    assert value(report, "sla-compliance") == 0


def test_a_slow_model_is_named_and_one_with_longer_tasks_is_not() -> None:
    rows = [
        *model("quick", [500] * 150),
        *model("snail", [2000] * 150),
        # Only these two write code, which takes long whoever does it.
        *model("writer", [9000] * 150, task_type="code"),
        *model("quick", [9000] * 150, task_type="code"),
    ]
    report = analyze(rows)
    slow = [f for f in report.findings if f.id.startswith("slow-")]
    assert [f.who for f in slow] == ["openai / snail"]
    assert "4.0 times as long" in slow[0].title
    # 150 calls of a cent are the model's whole cost, of which no part is lost to waiting.
    assert slow[0].usd_per_month is None
    assert "The model cost $1.50 in the period" in slow[0].why_sure


def test_slowness_weighs_tasks_by_calls() -> None:
    rows = [
        *model("a", [200] * 30),
        *model("b", [100] * 10),
        *model("a", [100] * 10, task_type="qa"),
        *model("b", [100] * 10, task_type="qa"),
    ]
    services = quality_of(calls_from(rows)).services
    # a: 200/100 on 30 calls and 100/100 on 10: (30 x 2 + 10 x 1) / 40 = 1.75. b: 0.5 and 1, ten each: 0.75.
    assert [(s.names[1], f) for s, f in slowness(services, 1)] == [("a", 1.75), ("b", 0.75)]


def test_the_frontier_is_what_no_other_model_beats() -> None:
    rows = [
        *model("cheap", [900] * 2, cost="0.001"),
        *model("fast", [100] * 2, cost="0.02"),
        *model("middle", [500] * 2, cost="0.01"),
        *model("dear", [500] * 2, cost="0.011"),
        *model("late", [901] * 2, cost="0.001"),
        *model("tokenless", [1] * 2, cost=0, input_tokens=0, output_tokens=0),
    ]
    services = quality_of(calls_from(rows)).services
    assert {names[1] for names in unbeaten(comparable(services[MODEL], 1))} == {"cheap", "fast", "middle"}


def test_a_beaten_model_is_told_by_the_nearest_in_price_and_claims_no_saving() -> None:
    rows = [
        *model("dear", [1000] * 100, cost="0.10"),
        *model("near", [800] * 100, cost="0.08"),
        *model("far", [500] * 100, cost="0.01"),
    ]
    report = analyze(rows)
    assert cells(table(report, "beaten-models"), "model", "winner") == [
        ("dear", "openai / near"),
        ("near", "openai / far"),
    ]
    beaten = finding(report, "beaten-1")
    assert (beaten.who, beaten.usd_per_month, beaten.confidence) == ("openai / dear", None, "low")
    assert "where it costs $10.00 in the period; " in beaten.title  # and not 30 times that a month
    # Optimization may well name another model for the same task; the page says why.
    assert "Of the models that are both faster and cheaper there, openai / near is the nearest in price." in (
        beaten.why_sure
    )


def test_a_model_is_not_beaten_by_less_than_the_margin() -> None:
    rows = [*model("a", [1000] * 100, cost="0.10"), *model("b", [950] * 100, cost="0.05")]
    assert not [f for f in analyze(rows).findings if f.id.startswith("beaten")]
    assert [f.who for f in analyze(rows, margin_percent=5).findings if f.id.startswith("beaten")] == ["openai / a"]


def test_a_model_that_fails_more_often_than_chance_is_named() -> None:
    rows = [
        *model("good", [100] * 990),
        *failed("good", 10),
        *model("bad", [100] * 450),
        *failed("bad", 50, cost="0.001"),
    ]
    report = analyze(rows)
    assert [f.who for f in report.findings if f.id.startswith("failing")] == ["openai / bad"]
    # 50 of 500 against 10 of 1,000.
    assert (
        "10.0 % of the calls to openai / bad fail, against 1.0 % of all other calls"
        in finding(report, "failing-1").title
    )
    # 50 times $0.001 are $0.05 in a day, and $0.05 of $14.45 is too little for a finding of its own.
    assert finding(report, "failing-1").usd_per_month == Decimal("1.5")
    assert "they cost $0.05 in the period" in finding(report, "failing-1").why_sure


def test_what_failed_calls_cost_is_at_stake_once() -> None:
    # The 50 failed calls of a cent are $0.50 of $15.00, 3.3 %: they are all of the cost of failed calls.
    rows = [*model("good", [100] * 1000), *model("bad", [100] * 450), *failed("bad", 50, cost="0.01")]
    report = analyze(rows)
    assert finding(report, "failed-cost").usd_per_month == Decimal(15)
    assert finding(report, "failing-1").usd_per_month is None


def test_a_promised_service_level_that_is_missed_is_a_warning_without_dollars() -> None:
    # Limit 1,000 ms, target 90 %: 80 of 100 calls are in time. The 20 late ones cost 20 cents, of which
    # answers in time would have saved nothing.
    report = analyze(model("m", [1000] * 80 + [1001] * 20))
    missed = finding(report, "sla-missed")
    assert (missed.usd_per_month, missed.severity, missed.confidence) == (None, "warning", "high")
    assert missed.why_sure == (
        "20 of 100 calls failed or took longer. What missed it cost $0.20 in the period; what late or missing answers "
        "cost your users is not in the log."
    )
    assert "80.0 % of calls kept the service level" in missed.title


def test_only_a_model_with_enough_calls_is_called_the_fastest() -> None:
    # Of 19 calls nobody knows how fast a model is; the table has them all the same.
    rows = [*model("quick", [100] * 19), *model("usual", [500] * 100), *model("late", [900] * 100)]
    report = analyze(rows)
    assert "openai / usual is fastest" in report.answer
    speed = report.sections[0]
    assert speed.text.endswith(
        " Of the 2 models with 100 calls or more, openai / usual answers fastest (median 500 ms), openai / late "
        "slowest (900 ms)."
    )
    assert ("quick", 100.0) in cells(table(report, "service-by-model"), "model", "p50")
    assert (
        analyze(rows, min_calls=19)
        .sections[0]
        .text.endswith(" openai / quick answers fastest (median 100 ms), openai / late slowest (900 ms).")
    )


def test_few_calls_have_a_median_and_no_one_in_twenty() -> None:
    report = analyze(model("m", [100] * 19))
    assert report.answer.startswith("The median of 19 successful calls is 100 ms; ")
    rows = model("m", [100] * 10 + [200] * 10)
    assert analyze(rows[:19]).sections[0].text == "Over 19 successful calls, p50 is 100 ms."
    # The 95th percentile of 20 lies 0.95 x 19 = 18.05 steps above the first.
    assert analyze(rows).answer.startswith("Half of the calls take 150 ms or more, and one in twenty 200 ms or more; ")


def test_where_all_latencies_read_the_same_they_are_told_once() -> None:
    same = model("m", [1000, 1010] * 10)
    report = analyze(same)
    assert report.answer.startswith("All of the calls take 1.0 s; ")
    assert report.sections[0].text == "All 20 successful calls with a known latency took 1.0 s."
    # A failed call is no part of that.
    assert analyze([*same, *failed("m", 1)]).answer.startswith(
        "All of the calls that succeeded with a known latency take 1.0 s; "
    )
    # One quick call among 20: the 50th and the 95th percentile read the same, and not all calls take as long.
    assert analyze(model("m", [10] + [1000] * 19)).answer.startswith("Half of the calls take 1.0 s or more; ")


@pytest.mark.parametrize(("calls", "p95", "p99"), [(19, None, None), (20, 100, None), (99, 100, None), (100, 100, 100)])
def test_a_percentile_is_known_from_one_call_beyond_it_on(calls: int, p95: object, p99: object) -> None:
    # One in twenty is a call from 20 on, one in a hundred from 100 on; below, no metric, table or chart shows it.
    report = analyze(model("m", [10] + [100] * (calls - 1)))
    assert (value(report, "p95-latency"), value(report, "p99-latency")) == (p95, p99)
    assert cells(table(report, "service-by-model"), "p50", "p95", "p99") == [(100, p95, p99)]
    assert ("p99" in report.sections[0].text) == (calls >= 100)
    per_day = next(b for s in report.sections for b in s.blocks if b.id == "latency-per-day")
    assert per_day.series[1].values == (p95,)


def test_one_call_is_told_as_one_call() -> None:
    report = analyze(model("m", [7200]))
    assert report.answer == (
        "The only successful call with a known latency took 7.2 s; the only call that can be judged missed the service "
        "level of 1.0 s; no call failed."
    )
    texts = {s.id: s.text for s in report.sections}
    assert texts["speed"] == "The only successful call with a known latency took 7.2 s."
    assert texts["sla"].endswith("no call did (0.0 %, target 90.0 %). The only model is below the target.")
    missed = finding(report, "sla-missed")
    assert missed.title == "The only call that can be judged, to openai / m, missed the service level of 1.0 s."
    assert missed.why_sure.startswith("The only call failed or took longer. ")


def test_of_models_that_are_equally_fast_the_cheapest_is_named() -> None:
    rows = [*model("dear", [1000] * 100, cost="0.10"), *model("near", [1000] * 100, cost="0.02")]
    report = analyze(rows)
    # 2 cents for 200 tokens are 10 cents for 1,000; every call takes one second, none takes more than that.
    assert report.answer.startswith(
        "All of the calls take 1.0 s; openai / near is fastest and cheapest (median 1.0 s, $0.10 for 1k tokens); "
    )
    texts = {s.id: s.text for s in report.sections}
    assert texts["speed"] == "All 200 successful calls with a known latency took 1.0 s."
    assert "p95 is 1.0 s in every hour of the week with 20 timed calls or more." in texts["when"]


def test_a_default_service_level_is_nobodys_promise() -> None:
    missed = finding(analyze(calls_from(model("m", [9000] * 100))), "sla-missed")
    assert (missed.usd_per_month, missed.severity) == (None, "info")
    assert "No [sla] is set" in missed.why_sure


def test_the_answer_speaks_of_a_service_level_only_where_one_is_promised() -> None:
    rows = model("m", [2000] * 100)
    assert "0.0 % of calls kept the service level of 1.0 s (target 90.0 %)" in analyze(rows).answer
    report = analyze(calls_from(rows))
    assert report.answer == "All of the calls take 2.0 s; no call failed."
    kept = next(m for m in report.metrics if m.id == "sla-compliance")
    assert kept.note.endswith("target 95 % (defaults that nobody promised).")


def test_nothing_unusual_says_what_was_checked() -> None:
    (only,) = analyze([*model("m", [100] * 200), *model("n", [100] * 200)]).findings
    assert (only.severity, only.confidence) == ("good", "high")
    assert "Checked on 400 calls" in only.why_sure


@pytest.mark.parametrize(
    "other", [[], model("n", [100] * 99), model("n", [100] * 100, task_type="qa")], ids=["none", "few", "other-task"]
)
def test_no_model_is_called_quick_where_none_can_be_compared(other: list[dict]) -> None:
    # A second model is missing, has 99 calls of the 100 that it takes, or does another task.
    (only,) = analyze([*model("m", [100] * 200), *other]).findings
    assert (only.id, only.severity, only.confidence) == ("nothing-unusual", "info", "low")
    assert only.title == (
        "Nothing unusual, but no model can be compared with another: no two have 100 calls of the same task."
    )


def failures_told(*rows: list[dict]) -> str:
    report = analyze([row for part in rows for row in part])
    return next(b.takeaway for s in report.sections for b in s.blocks if b.id == "error-rate-by-model")


def test_the_model_that_fails_most_often_is_named_only_beyond_chance() -> None:
    good, few = [*model("good", [100] * 990), *failed("good", 10)], [*model("x", [100] * 9), *failed("x", 1)]
    # 10 and 12 of 1,000 differ by 0.2 points; a standard deviation of the difference is sqrt(0.011 x 0.989 x 2 / 1000)
    # = 0.47 points. 100 of 1,000 lie 9.0 points above the 1.0 %, of which one standard deviation is 1.02.
    assert failures_told(good, model("near", [100] * 988), failed("near", 12)) == (
        "No model's share of failed calls (1.0 % to 1.2 %) lies more than 4 standard deviations above that of the "
        "others."
    )
    assert failures_told(good, model("bad", [100] * 900), failed("bad", 100)) == (
        "openai / bad fails most often: 10.0 % of its calls, against 1.0 % of all others."
    )
    assert failures_told(good, few) == (
        "No two models have 100 calls, so none can be said to fail more often than another."
    )


def test_spans_are_compared() -> None:
    rows = [
        {**row, "timestamp": row["timestamp"] + timedelta(days=day), "call_id": f"{day}-{i}"}
        for day in range(28)
        for i, row in enumerate(model("m", [100 if day < 14 else 300] * 20))
    ]
    report = analyze(rows)
    p50 = next(m for m in report.metrics if m.id == "p50-latency")
    assert (p50.value, p50.current, p50.previous) == (200, 300, 100)
    assert report.sparkline == (100.0,) * 14 + (300.0,) * 14


def test_percentiles_lie_between_the_calls_around_them() -> None:
    # Of 1 to 900 the median is halfway between the 450th and the 451st; p95 is 0.95 x 899 = 854.05 steps above the
    # first, p99 890.01. The fastest took 1 ms and the slowest 900.
    (service,) = quality_of(calls_from(model("m", list(range(900, 0, -1))))).services[MODEL]
    assert service.latency == pytest.approx((450.5, 855.05, 891.01, 1, 900))


def test_an_hour_of_the_week_with_few_calls_has_no_percentile() -> None:
    rows = [
        {**row, "timestamp": START + timedelta(days=6, hours=23, seconds=i)}
        for i, row in enumerate(model("m", [100] * 20))
    ] + model("n", [100] * 19)
    report = analyze(rows)
    heatmap = next(b for s in report.sections for b in s.blocks if b.id == "hours-of-the-week")
    known = {
        (series.name, hour)
        for series in heatmap.series
        for hour, v in zip(heatmap.categories, series.values, strict=True)
        if v is not None
    }
    assert known == {("Sunday", "23:00")}


@pytest.mark.parametrize(("ms", "text"), [(0, "0 ms"), (999.4, "999 ms"), (1500, "1.5 s"), (61_000, "61.0 s")])
def test_latencies_in_sentences(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.fixture(scope="module")
def busy() -> pa.Table:
    """Two thousand random calls of 40 days, some failed, some of unknown latency."""
    rng = np.random.Generator(np.random.PCG64(4))
    rows = [
        {
            "timestamp": START + timedelta(seconds=int(rng.integers(40 * 86400))),
            "call_id": str(i),
            "model": f"m{rng.integers(4)}",
            "task_type": [None, "chat", "qa"][rng.integers(3)],
            "status": "success" if rng.random() < 0.9 else "timeout",
            "latency_ms": None if rng.random() < 0.1 else int(rng.integers(10_000)),
            "input_tokens": int(rng.integers(5000)),
            "output_tokens": int(rng.integers(500)),
            "cost_usd": Decimal(int(rng.integers(10**8))).scaleb(-9),
        }
        for i in range(2000)
    ]
    return calls_from(rows).sql("SELECT * FROM calls")


def test_the_order_of_rows_changes_nothing_to_the_last_digit(busy: pa.Table) -> None:
    shuffled = busy.take(np.random.Generator(np.random.PCG64(1)).permutation(busy.num_rows))
    assert analyze(Calls.from_arrow(busy)) == analyze(Calls.from_arrow(shuffled))


def test_doubled_costs_double_dollars_and_leave_speed_alone(busy: pa.Table) -> None:
    i = busy.schema.get_field_index("cost_usd")
    costs = pa.array([2 * c.as_py() for c in busy["cost_usd"]], busy.schema.field(i).type)
    once = analyze(Calls.from_arrow(busy))
    twice = analyze(Calls.from_arrow(busy.set_column(i, busy.schema.field(i), costs)))
    for metric, doubled in zip(once.metrics, twice.metrics, strict=True):
        factor = 2 if metric.unit == "usd" else 1
        for field in ("value", "current", "previous"):
            assert getattr(doubled, field) == factor * getattr(metric, field)
    for name in ("service-by-model", "service-by-task", "failed-calls"):
        before, after = table(once, name), table(twice, name)
        assert [row[0] for row in cells(after, "cost_usd")] == [2 * row[0] for row in cells(before, "cost_usd")]


def test_failed_and_succeeded_calls_add_up_along_every_dimension(busy: pa.Table) -> None:
    quality = quality_of(Calls.from_arrow(busy))
    services, failures = quality.services, quality.failures
    (total,) = services[()]
    for group in services.values():
        for field in ("calls", "cost", "failed", "failed_cost", "judged", "missed", "missed_cost"):
            assert sum(getattr(s, field) for s in group) == getattr(total, field)
    assert sum(f.calls for f in failures) == total.failed
    assert sum(f.cost for f in failures) == total.failed_cost
