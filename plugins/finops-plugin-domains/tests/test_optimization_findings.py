"""What the optimization report says is worth acting on: each dollar once, and in words."""

from decimal import Decimal

import pytest
from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer
from finops_plugin_domains.optimization.phrases import dollars_between, dollars_ranged

from finops_core import Settings
from finops_core.testing import calls_from

# Dollars per million tokens. A call of 1,000 in and 500 out costs 0.02 on dear and 0.002 on cheap. With answers 20 %
# longer it costs 0.0022 on cheap, 20 % shorter 0.0018: moving it saves 0.0178 to 0.0182.
SETTINGS = Settings.model_validate(
    {"catalog": {"models": {"acme": {"dear": {"input": 10, "output": 20}, "cheap": {"input": 1, "output": 2}}}}}
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


def analyze(rows, **parameters):
    parameters.setdefault("minimum_calls", 4)
    return OptimizationAnalyzer(**parameters).analyze(calls_from(rows, settings=SETTINGS))


def columns(report, name):
    found = next(b for s in report.sections for b in s.blocks if b.id == name)
    return [c.name for c in found.columns]


TWO_TASKS = [
    row
    for task, n in (("chat", 4), ("qa", 8))
    for row in (*call(n=n, task_type=task), *call("cheap", CHEAP, 4, task_type=task))
]


def test_all_switches_together_have_their_dollars_at_stake_and_each_of_them_none():
    # 4 + 8 calls save 12 x 0.0178 = 0.2136 to 12 x 0.0182 = 0.2184 in one day: x 30 a month.
    report = analyze(TWO_TASKS)
    assert [(f.id, f.usd_per_month) for f in report.findings] == [
        ("switches", Decimal("6.408")),
        ("switch-1", None),
        ("switch-2", None),
    ]
    together, first, _ = report.findings
    assert together.title == (
        "2 model switches together would save $6.41 to $6.55 a month, if the answers are good enough."
    )
    assert together.action.startswith("Begin with the largest, qa from dear to cheap (acme)")
    # 8 calls: 0.1424 to 0.1456.
    assert first.title.startswith("Moving qa from dear to cheap (acme) would save $4.27 to $4.37 a month")
    assert all("A month is extrapolated from 1 day" in f.why_sure for f in report.findings)


def test_many_switches_that_are_small_one_by_one_are_a_finding_together():
    # 0.0712 and 0.1424 of 0.256 are 27.8 % and 55.6 %; together they are 83.4 %.
    report = analyze(TWO_TASKS, finding_percent=60)
    assert [f.id for f in report.findings] == ["switches"]


@pytest.mark.parametrize(("other", "severity"), [(Decimal("1.336"), "warning"), (Decimal("1.337"), "info")])
def test_a_saving_is_to_be_acted_on_soon_by_its_share_of_cost(other, severity):
    # The switch saves 0.0712. With 1.336 beside the 0.088 of the calls it concerns, that is 5 % of 1.424.
    report = analyze([*call(n=4), *call("cheap", CHEAP, n=4), *call("secret", other)])
    assert report.findings[0].id == "switch-1"
    assert report.findings[0].severity == severity


@pytest.mark.parametrize(("tried_in_chat", "share", "confidence"), [(10, "50.0 %", "medium"), (9, "0.0 %", "low")])
def test_switches_are_as_sure_as_most_of_their_dollars(monkeypatch, tried_in_chat, share, confidence):
    # Both switches save 4 x 0.0178. With one call demanded, ten are well tried: in chat, never in qa.
    monkeypatch.setattr("finops_core.Calls.month_caveat", "")  # which would make both unsure
    rows = [*call(n=4), *call("cheap", CHEAP, n=tried_in_chat)]
    rows += [*call(n=4, task_type="qa"), *call("cheap", CHEAP, n=9, task_type="qa")]
    found = analyze(rows, minimum_calls=1).findings[0]
    assert (found.id, found.confidence) == ("switches", confidence)
    assert f"{share} of the amount is from switches within a provider to models that had at least 10 calls" in (
        found.why_sure
    )


def test_the_provider_is_told_twice_only_where_it_may_change():
    assert "to-provider" not in columns(analyze(TWO_TASKS), "switches-table")
    assert "to-provider" in columns(analyze(TWO_TASKS, across_providers=True), "switches-table")


def test_that_nothing_is_scaled_is_told_once():
    assert analyze(TWO_TASKS).model_dump_json().count("no saving is scaled") == 1


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("56.7", "60.2", "$56.70 to $60.20"),
        ("914.76", "1018.9", "$915 to $1,019"),
        ("0.5", "1200", "$0.50 to $1,200"),
        ("1.001", "1.004", "$1.00"),
    ],
)
def test_both_ends_of_a_range_have_cents_or_neither(low, high, words):
    assert dollars_ranged(Decimal(low), Decimal(high)) == words
    assert dollars_between(Decimal(low), Decimal(high)) == (
        f"between {words.replace(' to ', ' and ')}" if " to " in words else words
    )
