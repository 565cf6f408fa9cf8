"""The optimization report on small logs worked out by hand, and on planted truth."""

from decimal import Decimal

import pytest
from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer
from finops_plugin_domains.optimization.repricing import what_if
from pydantic import ValidationError

from finops_core import PeriodChoice, Settings, UnknownPriceError
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
    assert metric(report, "savings-at-most") == Decimal("2.184")
    assert metric(report, "coin") == pytest.approx(100 * (1 - 0.0712 / 0.088))
    (row,) = table(report, "switches-table").rows
    assert row[:7] == ("chat", "acme", "dear", "acme", "cheap", 4, Decimal("0.08"))
    assert row[7:10] == (Decimal("0.0712"), Decimal("0.072"), Decimal("0.0728"))


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
        "Between $2.14 and $2.18 a month could be saved, 80.9 % to 82.7 % of spend, if the cheaper models answer well "
        "enough; the largest step is chat from dear to cheap (acme), $2.14 a month or more."
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
    assert metric(report, "savings") == 0
    assert table(report, "switches-table") is None
    (row,) = table(report, "refused").rows
    assert row[-1] == why
    assert row[5] == Decimal("0.0712")


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
    assert row == ("acme", 50, Decimal("0.01"), 100, 50, Decimal("0.48"), Decimal("0.24"), Decimal("0.24"))
    # The batch saves 0.24 first; then $0.005 an hour covers the rest, and 0.12 more is saved, not 0.24.
    report = analyze(rows, commitments=terms, batch_discount_percent={"acme": 50}, batch_tasks=["chat"])
    assert measure(report, "Committed")[1:] == (Decimal("0.24"), Decimal("0.24"), Decimal("0.12"), Decimal("0.12"))
    assert metric(report, "savings") == Decimal("0.36") * 30


def test_a_commitment_that_is_too_large_is_shown_as_a_loss_and_not_counted():
    # $1 an hour for a day costs $24 and covers the 0.02 of usage.
    report = analyze(call(), commitments={"acme": {"discount_percent": 50, "usd_per_hour": 1}})
    assert table(report, "commitment-table").rows[0][-1] == Decimal("-23.98")
    assert "costs $23.98 more" in text(report, "commitment")
    assert metric(report, "savings") == 0


def test_costs_logged_off_the_catalogue_scale_the_savings_and_the_report_says_so():
    # Logged at half the catalogue: of the catalogue's 0.0712, half is a saving in what is really paid.
    report = analyze([*call(n=4, cost=DEAR / 2), *call("cheap", CHEAP / 2, n=4)])
    assert metric(report, "near-catalogue") == 0
    assert metric(report, "savings") == Decimal("1.068")
    assert "dear (acme) by 0.5000" in text(report, "prices")
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
    assert compared["savings-at-most"][0] == 2 * compared["savings-at-most"][1] > compared["savings"][0]
    assert compared["coin"][1] == pytest.approx(100 * (1 - 0.0712 / (4 * 0.02 + 4 * float(CHEAP))))
    assert compared["near-catalogue"] == (100, 100)


def test_models_without_a_price_are_listed_and_left_out():
    report = analyze([*OVERPRICED, *call("secret", 1, n=4)])
    assert metric(report, "savings") == Decimal("2.136")
    assert "secret (acme, $4.00)" in text(report, "prices")
    assert any(f.id == "unpriced" and "secret" in f.title for f in report.findings)


def test_without_any_price_the_report_says_that_nothing_can_be_said():
    report = analyze(call("secret", 1, n=2))
    assert report.answer == (
        "Nothing can be said about savings on the $2.00 spent in 1 day: no model of the log has a catalogue price."
    )
    assert [metric(report, m) for m in ("near-catalogue", "savings", "savings-at-most", "coin")] == [None] * 4


def test_nothing_to_save_is_a_finding_that_says_what_was_checked():
    report = analyze([*call("cheap", CHEAP, session_id="s"), *call(n=3, session_id="s")])
    assert report.answer == "No saving was found on the $0.062 spent in 1 day."
    assert report.findings[0].id == "nothing"
    assert "4 calls with a catalogue price were checked" in report.findings[0].title
    assert (report.findings[0].severity, report.findings[0].confidence) == ("good", "high")
    assert metric(report, "coin") == 100


def test_one_model_alone_is_no_proof_that_nothing_can_be_saved():
    report = analyze(call(session_id="s"))
    assert report.answer == (
        "No saving was found on the $0.02 spent in 1 day: no task ran on two models, so there is no other model to "
        "judge."
    )
    assert (report.findings[0].severity, report.findings[0].confidence) == ("info", "low")
    assert "what_if" in report.findings[0].action


def test_what_the_log_does_not_say_is_said_instead_of_all_clear():
    report = analyze(call(task_type=None))
    assert report.answer == (
        "No saving was found on the $0.02 spent in 1 day: no call names its task, so no other model can be judged by "
        "this log; no call names its session, so repeated prefixes cannot be seen."
    )
    assert (report.findings[0].severity, report.findings[0].confidence) == ("info", "low")
    assert report.findings[0].title == "Nothing worth acting on can be seen in 1 call with a catalogue price."
    # Where nobody could look, zero dollars and a perfect index would be claims.
    assert [metric(report, m) for m in ("savings", "savings-at-most", "coin")] == [None] * 3


def test_no_calls_make_an_empty_report():
    assert analyze([]).state == "empty"


def test_free_calls_divide_by_nothing():
    report = analyze(call("free", 0, n=2, provider="other"))
    assert metric(report, "coin") is None
    assert metric(report, "savings") is None


def test_calls_without_a_task_stay_where_they_are_and_are_counted():
    report = analyze([*call(n=4, task_type=None), *call("cheap", CHEAP, n=4, task_type=None)])
    assert metric(report, "savings") is None
    assert "8 calls without a task type cannot be judged" in text(report, "switches")


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


def test_what_if_prices_every_call_of_a_task_at_cache_prices_and_states_its_range():
    rows = [
        *call(input_tokens=1000, cache_read_tokens=600, cache_write_tokens=200, output_tokens=100, cost="0.0094"),
        *call("cheap", CHEAP, task_type="qa"),
        *call("secret", 1),
    ]
    calls = calls_from(rows, settings=SETTINGS)
    # cheap has no cache prices: 1,000 x 1 + output x 2 with 80, 100, 120 tokens. Now: 200 x 10 + 600 x 5 + 200 x 12
    # + 100 x 20 = 9,400 millionths.
    answer = what_if(calls, task="chat", provider="acme", model="cheap")
    assert (answer.low, answer.same, answer.high) == (Decimal("0.00116"), Decimal("0.0012"), Decimal("0.00124"))
    assert answer.now == Decimal("0.0094")
    assert answer.saving == (Decimal("0.00816"), Decimal("0.00824"))
    assert (answer.calls, answer.unpriced_calls, answer.unpriced_cost) == (1, 1, Decimal(1))
    # All calls cost 0.0094 + 0.002 + 1 by the log.
    assert answer.period_range == (Decimal("1.00316"), Decimal("1.00324"))
    # The other way round: on dear 1,000 x 10 + 500 x 20 millionths, now 0.002.
    back = what_if(calls, task="qa", provider="acme", model="dear", output_percent=(0, 0))
    assert back.saving == (Decimal("-0.018"), Decimal("-0.018"))


def test_what_if_refuses_a_model_without_a_price_and_a_range_the_wrong_way_round():
    calls = calls_from(call(), settings=SETTINGS)
    with pytest.raises(UnknownPriceError):
        what_if(calls, provider="acme", model="secret")
    with pytest.raises(ValueError, match="range"):
        what_if(calls, provider="acme", model="cheap", output_percent=(20, -20))
    assert what_if(calls_from([], settings=SETTINGS), provider="acme", model="cheap").calls == 0


def test_a_what_if_setting_is_answered_in_its_section():
    report = analyze(OVERPRICED, what_if={"chat": "acme/cheap", "qa": "acme/cheap", "summary": "acme/secret"})
    # 8 calls on cheap cost 8 x 0.0018 = 0.0144 to 8 x 0.0022 = 0.0176 instead of 0.088.
    (row,) = table(report, "what-if-table").rows
    assert row[4:8] == (Decimal("0.088"), Decimal("0.0144"), Decimal("0.016"), Decimal("0.0176"))
    assert "qa: no billed call" in text(report, "what-if")
    assert "no price is known for model 'secret'" in text(report, "what-if")


@pytest.mark.parametrize(
    "parameters",
    [
        {"output_percent": (20, -20)},
        {"output_percent": (-101, 0)},
        {"batch_discount_percent": {"acme": 100}},
        {"commitments": {"acme": {"discount_percent": 0}}},
        {"what_if": {"chat": "cheap"}},
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters):
    with pytest.raises(ValidationError):
        OptimizationAnalyzer(**parameters)
