"""What the optimization report says where the log does not let anybody look for savings."""

from decimal import Decimal

from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer

from finops_core import Settings
from finops_core.testing import calls_from

# Dollars per million tokens. A call of 1,000 in and 500 out costs 0.010 + 0.010 = 0.020 on dear,
# 0.001 + 0.001 = 0.002 on cheap.
SETTINGS = Settings.model_validate(
    {
        "catalog": {
            "models": {
                "acme": {"dear": {"input": 10, "output": 20}, "cheap": {"input": 1, "output": 2}},
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


def analyze(rows):
    return OptimizationAnalyzer(minimum_calls=4).analyze(calls_from(rows, settings=SETTINGS))


def metric(report, name):
    return next(m for m in report.metrics if m.id == name).value


def text(report, name):
    return next(s.text for s in report.sections if s.id == name)


def test_without_any_price_the_report_says_that_nothing_can_be_said():
    report = analyze(call("secret", 1, n=2))
    assert report.answer == (
        "Nothing can be said about savings on the $2.00 spent in 1 day: no model of the log has a catalogue price."
    )
    assert [metric(report, m) for m in ("near-catalogue", "savings", "savings-hopeful", "coin")] == [None] * 4


def test_nothing_to_save_is_a_finding_that_says_what_was_checked():
    # The cheap model had enough calls to be judged, and is too slow.
    report = analyze([*call("cheap", CHEAP, n=4, session_id="s", latency_ms=9000), *call(n=3, session_id="s")])
    assert report.answer == "No saving was found on the $0.068 spent in 1 day."
    assert report.findings[0].id == "nothing"
    assert "7 calls with a catalogue price were checked" in report.findings[0].title
    assert (report.findings[0].severity, report.findings[0].confidence) == ("good", "high")
    assert metric(report, "coin") == 100


def test_without_any_price_failed_calls_make_no_index_and_the_action_is_to_set_prices():
    # A timeout that cost $0.24 could be saved, but of the other $4 nobody can say anything.
    rows = [*call("secret", 1, n=4, session_id="s"), *call("secret", "0.24", status="timeout", session_id="s")]
    report = analyze(rows)
    assert report.answer.startswith("Nothing can be said about savings on the $4.24 spent in 1 day")
    assert [metric(report, m) for m in ("savings", "savings-hopeful", "coin")] == [None] * 3
    assert metric(report, "failed-cost") == Decimal("0.24")
    assert [f.id for f in report.findings] == ["failed", "unpriced"]
    assert (report.findings[1].severity, report.findings[1].section) == ("warning", "prices")
    assert report.findings[1].action.startswith("Set their input and output prices")
    assert "is not known: no model of the log has a catalogue price" in text(report, "together")
    assert text(report, "caching") == "Caching cannot be judged: no model of the log has a catalogue price."


def test_calls_that_are_too_few_to_judge_by_leave_the_savings_unknown():
    report = analyze([*call(n=3, session_id="s"), *call("cheap", CHEAP, n=3, session_id="s")])
    why = "no other model had the 4 calls of the same task that it takes to judge it"
    assert report.answer == f"No saving was found on the $0.066 spent in 1 day: {why}."
    assert [metric(report, m) for m in ("savings", "savings-hopeful", "coin")] == [None] * 3
    assert next(m for m in report.metrics if m.id == "savings").note == f"Unknown: {why}."


def test_models_of_other_providers_are_named_as_what_could_be_judged():
    report = analyze([*call(n=4, session_id="s"), *call("free", 0, n=4, provider="other")])
    assert "no task ran on two models of the same provider" in report.answer
    assert "across_providers" in report.answer


def test_a_log_without_any_cost_says_so_instead_of_a_saving_of_zero():
    report = analyze([*call(n=4, cost=0), *call("cheap", 0, n=4)])
    assert report.answer == (
        "Nothing can be said about savings on the $0 spent in 1 day: by the log no call cost anything."
    )
    assert [f.title for f in report.findings] == ["Calls to cheap and dear of acme are logged without any cost."]
    assert "No billed call is logged with a cost" in text(report, "prices")


def test_without_sessions_no_upper_bound_is_claimed_for_caching():
    report = analyze([*call(n=4), *call("cheap", CHEAP, n=4)])
    assert text(report, "caching") == "No call names its session, so repeated prefixes cannot be seen."


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
    assert [metric(report, m) for m in ("savings", "savings-hopeful", "coin")] == [None] * 3


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
