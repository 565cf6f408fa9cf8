"""The optimization report on small logs worked out by hand, and on planted truth."""

from decimal import Decimal

import pytest
from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer
from pydantic import ValidationError

from finops_core import PeriodChoice, Settings
from finops_core.testing import calls_from

# Dollars per million tokens. A call of 1,000 in and 500 out costs 0.010 + 0.010 = 0.020 on dear,
# 0.001 + 0.001 = 0.002 on cheap.
SETTINGS = Settings.model_validate(
    {
        "catalog": {
            "models": {
                "acme": {
                    "dear": {"input": 10, "output": 20, "cache_read": 5, "cache_write": 12},
                    "twin": {"input": 10, "output": 20},
                    "cheap": {"input": 1, "output": 2},
                },
                "other": {"free": {"input": 0, "output": 0}},
            }
        }
    }
)
DEAR, CHEAP = Decimal("0.02"), Decimal("0.002")


def call(model="dear", cost=DEAR, n=1, **columns):
    row = {
        "provider": "acme",
        "model": model,
        "task_type": "chat",
        "input_tokens": 1000,
        "output_tokens": 500,
        "cost_usd": cost,
        "latency_ms": 1000,
    }
    return [{**row, **columns}] * n


def analyze(rows, choice=None, settings=SETTINGS, **parameters):
    parameters.setdefault("minimum_calls", 4)
    return OptimizationAnalyzer(**parameters).analyze(calls_from(rows, settings=settings, choice=choice))


def metric(report, name):
    return next(m for m in report.metrics if m.id == name).value


def table(report, name):
    return next((b for s in report.sections for b in s.blocks if b.id == name), None)


def text(report, name):
    return next(s.text for s in report.sections if s.id == name)


def measure(report, label):
    rows = table(report, "measures-table").rows if table(report, "measures-table") else [(label, 0, 0, 0, 0)]
    return next(row for row in rows if row[0].startswith(label))


OVERPRICED = [*call(n=4), *call("cheap", CHEAP, n=4)]


def test_a_switch_is_priced_at_both_ends_of_the_assumed_answer_length():
    # On cheap with 600 output tokens a call costs 0.001 + 0.0012 = 0.0022, with 400 it costs 0.0018.
    # 4 calls save 4 x (0.02 - 0.0022) = 0.0712 to 4 x (0.02 - 0.0018) = 0.0728 of 0.088, in one day: x 30 a month.
    report = analyze(OVERPRICED)
    assert metric(report, "savings") == Decimal("2.136")
    assert metric(report, "savings-hopeful") == Decimal("2.184")
    assert metric(report, "coin") == pytest.approx(100 * (1 - 0.0712 / 0.088))
    (row,) = table(report, "switches-table").rows
    assert row == ("chat", "acme", "dear", "cheap", *map(Decimal, ("0.08", "0.0712", "0.072", "0.0728")))
    (record,) = table(report, "switches-records").rows
    assert record == ("chat", "acme", "dear", "cheap", 4, 4, 0, 0, 1000, 1000)


def test_the_overpriced_model_is_named_with_its_dollars_and_the_evidence():
    finding = analyze(OVERPRICED).findings[0]
    assert finding.title == (
        "Moving chat from dear to cheap (acme) would save $2.14 to $2.18 a month, if its answers are good enough."
    )
    assert finding.usd_per_month == Decimal("2.136")
    assert "cheap had 4 calls of this task" in finding.why_sure
    assert finding.section == "switches"


def test_the_answer_gives_the_range_and_the_condition():
    assert analyze(OVERPRICED).answer == (
        "Between $2.14 and $2.18 a month, extrapolated from 1 day, could be saved, 80.9 % to 82.7 % of spend, if the "
        "cheaper models answer well enough; the largest step is chat from dear to cheap (acme), $2.14 to $2.18 a month."
    )


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([*call(n=4), *call("cheap", CHEAP, n=3)], "3 calls of the task are too few to judge by"),
        (
            [*call(n=4), *call("cheap", CHEAP, n=3), *call("cheap", 0, status="rate_limit")],
            "fails more often: 25.0 % against 0.0 %",
        ),
        ([*call(n=4), *call("cheap", CHEAP, n=4, latency_ms=1101)], "slower: median 1.1 s against 1.0 s"),
        ([*call(n=4), *call("cheap", CHEAP, n=4, latency_ms=None)], "its latency is not in the log"),
    ],
)
def test_a_cheaper_model_without_the_evidence_is_turned_down_with_the_reason(rows, why):
    report = analyze(rows)
    assert not metric(report, "savings")
    assert table(report, "switches-table") is None
    (row,) = table(report, "refused").rows
    assert row[-1] == why
    assert row[4] == Decimal("0.0712")


@pytest.mark.parametrize(
    "elsewhere",
    [
        call("cheap", CHEAP, n=4, task_type="qa"),
        call("free", 0, n=4, provider="other"),
        call("cheap", CHEAP, n=4, task_type=None),
    ],
)
def test_only_models_used_for_the_same_task_by_the_same_provider_are_candidates(elsewhere):
    report = analyze([*call(n=4), *elsewhere])
    assert not metric(report, "savings")
    assert table(report, "switches-table") is None
    assert table(report, "refused") is None


def test_another_provider_is_a_candidate_when_asked_for():
    report = analyze([*call(n=4), *call("free", 0, n=4, provider="other")], across_providers=True)
    assert metric(report, "savings") == Decimal("0.08") * 30
    assert "from dear (acme) to free (other)" in report.findings[0].title
    assert report.findings[0].confidence == "low"


def test_repeated_input_in_a_session_is_priced_as_read_from_the_cache_less_its_writing():
    # Second call: 2,000 of its 3,000 tokens can repeat, 500 were read: 1,500 at 5 instead of 10 save 0.0075;
    # writing those 1,500 once costs 2 more per million: 0.003. The third call read all its 2,500 already.
    prompt = {"session_id": "s", "output_tokens": 0}
    rows = [
        *call(cost="0.02", input_tokens=2000, timestamp="2026-01-05T10:00", **prompt),
        *call(cost="0.0275", input_tokens=3000, cache_read_tokens=500, timestamp="2026-01-05T10:05", **prompt),
        *call(cost="0.0125", input_tokens=2500, cache_read_tokens=2500, timestamp="2026-01-05T10:09", **prompt),
    ]
    report = analyze(rows)
    assert measure(report, "Caching")[1:] == (0, Decimal("0.0045"), 0, Decimal("0.0045"))
    assert "upper bound" in text(report, "caching")
    assert any(f.id == "caching" and f.usd_per_month == Decimal("0.135") for f in report.findings)


@pytest.mark.parametrize(
    ("second", "bound"),
    [
        ({}, "0.006"),  # 2,000 tokens repeat: 0.01 saved, less 0.004 for writing them
        ({"session_id": "s2"}, 0),
        ({"session_id": None}, 0),
        ({"customer_id": "c2"}, 0),
        ({"task_type": "qa"}, 0),
        ({"timestamp": "2026-01-05T10:00"}, 0),
        ({"input_tokens": 1023}, 0),
        ({"status": "timeout"}, 0),
    ],
)
def test_no_repetition_is_assumed_outside_a_session_or_for_short_or_failed_calls(second, bound):
    first = {"session_id": "s1", "timestamp": "2026-01-05T10:00", "input_tokens": 2000, "cost": "0.03"}
    rows = [*call(**first), *call(**{**first, "timestamp": "2026-01-05T11:00", **second})]
    assert measure(analyze(rows), "Caching")[2] == Decimal(bound)


def test_a_model_whose_cache_reads_cost_as_much_as_input_saves_nothing_by_caching():
    rows = [
        *call("cheap", "0.002", session_id="s", input_tokens=2000, output_tokens=0, timestamp="2026-01-05T10:00"),
        *call("cheap", "0.002", session_id="s", input_tokens=2000, output_tokens=0, timestamp="2026-01-05T11:00"),
    ]
    assert measure(analyze(rows), "Caching")[2] == 0


def test_failed_calls_that_were_billed_are_counted_at_the_hopeful_end_only():
    rows = [*call(n=3), *call(cost="0.01", status="timeout", output_tokens=0), *call(cost=0, status="rate_limit")]
    report = analyze(rows)
    assert measure(report, "Failed")[1:] == (0, Decimal("0.01"), 0, Decimal("0.01"))
    assert text(report, "failed").startswith("2 calls failed; 1 of them was billed, for $0.01.")
    assert metric(report, "failed-cost") == Decimal("0.01")


def test_without_terms_batches_and_commitments_say_what_to_set():
    report = analyze(OVERPRICED)
    assert "batch_discount_percent" in text(report, "batch")
    assert "discount_percent" in text(report, "commitment")
    assert not any(row[0] in ("Batches", "Committed capacity") for row in table(report, "measures-table").rows)


def test_a_batch_discount_applies_to_the_logged_cost_of_tasks_that_can_wait():
    # 4 calls of $0.02 at half price: $0.04; waiting may cost 0.04 / 4 calls x 1,000 = $10 for a thousand calls.
    report = analyze([*call(n=4), *call(task_type="qa")], batch_discount_percent={"acme": 50}, batch_tasks=["chat"])
    assert measure(report, "Batches")[1:] == (Decimal("0.04"),) * 4
    assert "less than $10.00 for a thousand calls" in text(report, "batch")


def test_a_task_that_no_call_has_is_not_said_to_wait():
    report = analyze(call(n=4), batch_discount_percent={"acme": 50}, batch_tasks=["chat", "chta"])
    assert "4 calls of chat could have waited" in text(report, "batch")
    assert text(report, "batch").endswith("No such call is of chta (batch_tasks).")
    (batch,) = [f for f in report.findings if f.id == "batch"]
    assert (batch.title, batch.who) == ("Sending chat in batches would save $1.20 a month.", "chat")


def test_a_call_counts_once_with_its_largest_saving():
    # Each dear call saves 0.0178 by the switch or 0.01 in a batch: the switch counts. Cheap ones save 0.001 in a batch.
    report = analyze(OVERPRICED, batch_discount_percent={"acme": 50}, batch_tasks=["chat"])
    assert measure(report, "Model switches")[3] == Decimal("0.0712")
    assert measure(report, "Batches")[1] == Decimal("0.044")
    assert measure(report, "Batches")[3] == Decimal("0.004")
    assert metric(report, "savings") == Decimal("0.0752") * 30


def test_a_commitment_is_priced_hour_by_hour_on_what_other_savings_leave():
    # 24 hours, $0.02 used in each. At 50 % off, $0.01 an hour covers all of it: 0.48 becomes 0.24.
    rows = [row for hour in range(24) for row in call(timestamp=f"2026-01-05T{hour:02}:30")]
    terms = {"acme": {"discount_percent": 50}}
    report = analyze(rows, commitments=terms)
    (row,) = table(report, "commitment-table").rows
    assert row == ("acme", 50, Decimal("0.01"), 100, 50, Decimal("0.48"), *[Decimal("0.24")] * 3)
    # The batch saves 0.24 first; then $0.005 an hour covers the rest, and 0.12 more is saved, not 0.24.
    report = analyze(rows, commitments=terms, batch_discount_percent={"acme": 50}, batch_tasks=["chat"])
    assert measure(report, "Committed")[1:] == (Decimal("0.24"), Decimal("0.24"), Decimal("0.12"), Decimal("0.12"))
    assert table(report, "commitment-table").rows[0][-2:] == (Decimal("0.24"), Decimal("0.12"))
    assert metric(report, "savings") == Decimal("0.36") * 30


def test_a_commitment_that_is_too_large_is_a_warning_and_not_counted():
    # $1 an hour for a day costs $24 and covers the 0.088 of usage; 30 such days lose 30 x 23.912.
    report = analyze(OVERPRICED, commitments={"acme": {"discount_percent": 50, "usd_per_hour": 1}})
    assert table(report, "commitment-table").rows[0][-2] == Decimal("-23.912")
    assert "costs $23.91 more" in text(report, "commitment")
    assert text(report, "commitment").endswith("only commitments that pay after the others count.")
    assert metric(report, "savings") == Decimal("2.136")
    assert measure(report, "Committed")[1:] == (0, 0, 0, 0)
    assert text(report, "together").endswith("The commitment to acme would not pay, and is left out.")
    (finding,) = [f for f in report.findings if f.id == "commitment-1"]
    assert (finding.usd_per_month, finding.severity) == (Decimal("717.36"), "warning")
    assert finding.title == (
        "Committing $1.00 an hour to acme would cost $717.36 a month more than it saves, on the period's usage."
    )


def test_a_commitment_that_pays_only_before_the_other_savings_is_a_warning_too():
    # 24 hours of $0.02. At 50 % off $0.008 an hour covers 0.016: it costs 0.192 and saves 0.384. In batches at a fifth
    # of the price 0.004 an hour are left: then it costs 0.192 and saves 24 x 0.004 = 0.096, a loss of 0.096 a day.
    rows = [row for hour in range(24) for row in call(timestamp=f"2026-01-05T{hour:02}:30")]
    terms = {"acme": {"discount_percent": 50, "usd_per_hour": "0.008"}}
    report = analyze(rows, commitments=terms, batch_discount_percent={"acme": 80}, batch_tasks=["chat"])
    assert table(report, "commitment-table").rows[0][-2:] == (Decimal("0.192"), Decimal("-0.096"))
    (finding,) = [f for f in report.findings if f.id == "commitment-1"]
    assert finding.usd_per_month == Decimal("2.88")
    assert finding.title.endswith("$2.88 a month more than it saves, once the other savings are made.")
    assert metric(report, "savings") == 24 * Decimal("0.016") * 30  # the batch alone


def test_a_commitment_to_a_provider_that_is_not_in_the_log_names_the_nearest_one():
    report = analyze(call(), commitments={"amce": {"discount_percent": 50, "usd_per_hour": 1}})
    assert text(report, "commitment") == "amce is not in the log. Did you mean 'acme'?"


def test_costs_logged_off_the_catalogue_scale_the_savings_and_the_report_says_so():
    # Logged at half the catalogue: of the catalogue's 0.0712, half is a saving in what is really paid.
    report = analyze([*call(n=4, cost=DEAR / 2), *call("cheap", CHEAP / 2, n=4)])
    assert metric(report, "near-catalogue") == 0
    assert metric(report, "savings") == Decimal("1.068")
    assert "cheap (acme) and dear (acme) by 0.50" in text(report, "prices")
    assert any(f.id == "mismatch-1" and "0.50 times" in f.title for f in report.findings)


def test_a_few_costs_off_the_catalogue_do_not_scale():
    # 20 calls, one of them logged at twice its price: 95 % are near enough.
    report = analyze([*call(n=19), *call(cost=2 * DEAR), *call("cheap", CHEAP, n=5)])
    assert metric(report, "near-catalogue") == 96
    assert table(report, "prices-table").rows[0][-1] == 1


def test_a_model_logged_off_the_catalogue_scales_no_other_models_savings():
    # Two dear models with the same list price; the calls to one are logged at three times of it. What a call saves on
    # the cheap one, 0.0178, counts thrice for that model alone: 4 x 0.0178 + 3 x 4 x 0.0178, times 30 days.
    rows = [*call(n=4), *call("twin", 3 * DEAR, n=4), *call("cheap", CHEAP, n=4)]
    report = analyze(rows)
    assert {row[1]: row[-1] for row in table(report, "prices-table").rows} == {"twin": 3, "dear": 1, "cheap": 1}
    assert metric(report, "savings") == Decimal("8.544")
    assert [f.title for f in report.findings if f.id.startswith("mismatch")] == [
        "Calls to twin of acme are logged at 3.00 times the catalogue's prices."
    ]


def test_every_metric_is_told_of_the_compared_spans_too():
    # The day before, 4 calls of 0.02 on the dear model; now 8 of them. Moving one saves 0.0178 (20 % longer answers) or
    # 0.0182 (20 % shorter).
    rows = [*call(n=4), *call("cheap", CHEAP, n=4)]
    rows += [{**row, "timestamp": "2026-01-06T12:00"} for row in [*rows, *call(n=4)]]
    report = analyze(rows, choice=PeriodChoice(tail="1d"))
    compared = {m.id: (m.current, m.previous) for m in report.metrics}
    assert compared["savings"] == (compared["savings"][1] * 2, Decimal("2.136"))
    assert compared["savings-hopeful"][0] == 2 * compared["savings-hopeful"][1] > compared["savings"][0]
    assert compared["coin"][1] == pytest.approx(100 * (1 - 0.0712 / (4 * 0.02 + 4 * float(CHEAP))))
    assert compared["near-catalogue"] == (100, 100)


def test_models_without_a_price_are_listed_and_left_out():
    report = analyze([*OVERPRICED, *call("secret", 1, n=4)])
    assert metric(report, "savings") == Decimal("2.136")
    assert "secret (acme, $4.00)" in text(report, "prices")
    assert any(f.id == "unpriced" and "secret" in f.title for f in report.findings)


def test_models_that_are_logged_alike_are_told_together():
    # Every model of both providers at twice its price: 0.04 for the dear and 0.004 for the cheap ones.
    settings = Settings.model_validate(
        {"catalog": {"models": {p: {m: {"input": 10, "output": 20} for m in ("a", "b")} for p in ("p", "q")}}}
    )
    rows = [r for p in ("p", "q") for m in ("a", "b") for r in call(m, 2 * DEAR, provider=p)]
    report = analyze(rows, settings=settings)
    assert [f.title for f in report.findings if f.id.startswith("mismatch")] == [
        "Calls to 4 models of p and q are logged at 2.00 times the catalogue's prices."
    ]
    assert "logged / catalogue: all 4 models by 2.00." in text(report, "prices")


def test_both_ends_of_a_range_that_read_alike_are_told_once():
    report = analyze(OVERPRICED, output_percent=(0, 0))
    # 4 x (0.02 - 0.002) = 0.072 of 0.088, in one day.
    assert report.answer.startswith("$2.16 a month, extrapolated from 1 day, could be saved, 81.8 % of spend, if")
    assert "would save $2.16 a month, if" in report.findings[0].title
    assert "spent on 2026-01-05, $0.072 could have been saved." in text(report, "together")


def test_the_hopeful_end_is_called_so_and_no_maximum():
    found = next(m for m in analyze(OVERPRICED).metrics if m.id == "savings-hopeful")
    assert found.label == "Savings a month, hopeful end"
    assert "No maximum: measures are not stacked on one call." in found.note


def test_prices_by_time_of_day_and_calls_before_the_history_of_a_model_are_told():
    # deepseek-chat has a night price from 16:30 to 00:30 UTC; claude-sonnet-4-6 is first dated 2026-03-13, gpt-4o-mini
    # has one price.
    rows = [
        *call("deepseek-chat", "0.001", provider="deepseek"),
        *call("gpt-4o-mini", "0.001", provider="openai"),
    ]
    asked = analyze(rows, what_if={"chat": "anthropic/claude-sonnet-4-6"})
    assert "The catalogue has a single price for all dates of 1 of the 3 models priced here." in text(asked, "prices")
    assert "The price of deepseek-chat (deepseek) changes at 00:30 and 16:30 UTC each day." in text(asked, "prices")
    assert text(asked, "prices").endswith(
        "Calls before the catalogue's history are priced at the earliest price it has: claude-sonnet-4-6 (anthropic) "
        "before 2026-03-13."
    )
    assert "claude-sonnet-4-6" not in text(analyze(rows), "prices")


def test_savings_are_compared_with_the_same_switch_in_the_days_before():
    # Two days of the period hold 4 dear calls, the two days before it 2: 0.0712 x 30 / 2, and half of it.
    rows = [
        *call(n=2, timestamp="2026-01-05T10:00"),
        *call("cheap", CHEAP, n=4, timestamp="2026-01-07T10:00"),
        *call(n=4, timestamp="2026-01-08T10:00"),
    ]
    report = analyze(rows, choice=PeriodChoice(tail="2d"))
    savings = next(m for m in report.metrics if m.id == "savings")
    assert (savings.value, savings.current, savings.previous) == (
        Decimal("1.068"),
        Decimal("1.068"),
        Decimal("0.534"),
    )
    assert "Days before the period are judged with the switches that are chosen for the period." in report.method


def test_hostile_names_stay_names():
    name = "<script>alert('$x')</script> {0} %s"
    settings = Settings.model_validate(
        {"catalog": {"models": {name: {name: {"input": 10, "output": 20}, "b": {"input": 1, "output": 2}}}}}
    )
    rows = [
        *call(name, provider=name, task_type=name, n=4, session_id=name, customer_id=name),
        *call("b", CHEAP, provider=name, task_type=name, n=4),
    ]
    report = analyze(rows, settings=settings)
    assert name in report.findings[0].title
    assert metric(report, "savings") == Decimal("2.136")


@pytest.mark.parametrize(
    "parameters",
    [
        {"output_percent": (20, -20)},
        {"output_percent": (-101, 0)},
        {"batch_discount_percent": {"acme": 100}},
        {"commitments": {"acme": {"discount_percent": 0}}},
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters):
    with pytest.raises(ValidationError):
        OptimizationAnalyzer(**parameters)
