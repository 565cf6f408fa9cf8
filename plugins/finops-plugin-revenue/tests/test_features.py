"""Feature economics on small logs worked out by hand, on planted truth, and its laws."""

import random
from decimal import Decimal

import pytest
from finops_plugin_revenue.features.analyzer import FeaturesAnalyzer
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import PeriodChoice, Settings
from finops_core.testing import calls_from

# April has 30 days: at $30 a month a customer pays $1 for a day, at $90 it pays $3.
TIERS = Settings(tiers={"one": Decimal(30), "three": Decimal(90)})


def call(feature, customer="c1", cost="0.1", n=1, day=1, **columns):
    row = {
        "feature_id": feature,
        "customer_id": customer,
        "cost_usd": Decimal(cost),
        "timestamp": f"2026-04-{day:02}T12:00",
        "subscription_tier": "one",
        "input_tokens": 60,
        "output_tokens": 40,
    }
    return [{**row, **columns}] * n


def analyze(rows, choice=None, **parameters):
    parameters.setdefault("compared_calls", 1)
    return FeaturesAnalyzer(**parameters).analyze(calls_from(rows, settings=TIERS, choice=choice))


def metric(report, name):
    return next(m for m in report.metrics if m.id == name)


def table(report, name):
    return next(b for s in report.sections for b in s.blocks if b.id == name)


def rows_of(report, name, *columns):
    found = table(report, name)
    at = [[c.name for c in found.columns].index(column) for column in columns]
    return {row[0]: tuple(row[i] for i in at) for row in found.rows}


def verdict_of(report, feature):
    return rows_of(report, "verdicts-table", "verdict", "why")[feature]


def test_a_customers_revenue_is_split_over_its_features_by_calls():
    # c1 pays $1 and made 1 + 3 calls: 0.25 and 0.75. c2 pays $3 and used search alone.
    # chat: margin 0.25 - 0.1 = 0.15; search: 3.75 - (3 x 0.1 + 2 x 0.5) = 2.45.
    rows = [
        *call("chat"),
        *call("search", n=3),
        *call("search", "c2", cost="0.5", n=2, subscription_tier="three"),
    ]
    report = analyze(rows)
    assert rows_of(report, "economics-table", "calls", "customers", "adoption", "cost", "revenue", "margin") == {
        "search": (5, 2, 100, Decimal("1.3"), Decimal("3.75"), Decimal("2.45")),
        "chat": (1, 1, 50, Decimal("0.1"), Decimal("0.25"), Decimal("0.15")),
    }
    assert rows_of(report, "economics-table", "cost-per-customer", "cost-per-call")["search"] == (
        Decimal("0.65"),
        Decimal("0.26"),
    )
    assert metric(report, "revenue").value == 4
    assert metric(report, "margin").value == Decimal("2.6")


def test_revenue_can_be_split_by_tokens_and_both_splits_are_shown():
    # 100 tokens on chat, 300 on one call of search: $0.25 and $0.75 by tokens, half each by calls.
    rows = [*call("chat"), *call("search", input_tokens=300, output_tokens=0)]
    by_tokens = analyze(rows, split_by="tokens")
    assert rows_of(by_tokens, "economics-table", "revenue") == {
        "search": (Decimal("0.75"),),
        "chat": (Decimal("0.25"),),
    }
    assert rows_of(by_tokens, "splits", "revenue", "revenue-other")["chat"] == (Decimal("0.25"), Decimal("0.5"))
    assert rows_of(analyze(rows), "splits", "revenue", "revenue-other")["chat"] == (Decimal("0.5"), Decimal("0.25"))


def test_a_leaking_feature_is_named_with_its_loss():
    # Ten days bring $10. 9 of 10 calls are chat: $9 of revenue. leak: $1 of revenue, $20 of cost: 19 in ten days, 57 a
    # month.
    report = analyze([*call("chat", cost="0.01", n=9), *call("leak", cost=20, day=10)])
    assert verdict_of(report, "leak") == ("fix", "a margin of -1,900.0 %, where 20 % is wanted")
    assert verdict_of(report, "chat")[0] == "keep"
    finding = report.findings[0]
    assert finding.who == "leak"
    assert finding.usd_per_month == 57
    assert finding.title == "leak loses $57.00 a month: $60.00 of cost against $3.00 of attributed revenue."
    assert finding.severity == "critical"
    assert report.answer == (
        "1 of 2 features needs work: leak, with a margin of -1,900.0 %, where 20 % is wanted; leak costs most ($20.00 "
        "of $20.09)."
    )
    assert metric(report, "earning").value == 1


def test_a_thin_margin_is_short_by_what_the_wanted_one_would_leave():
    # Ten days: $10 of revenue, 9 of cost: margin 1; wanted 20 %: 2. Short by 1 in ten days, 3 a month.
    report = analyze([*call("chat", cost="4.5"), *call("chat", cost="4.5", day=10)])
    assert report.answer == "chat, the only feature, needs work, with a margin of 10.0 %, where 20 % is wanted."
    (finding,) = report.findings
    assert finding.title == ("chat falls short of the margin wanted by $3.00 a month: it has 10.0 % instead of 20 %.")
    assert finding.usd_per_month == 3


def test_what_less_than_a_week_shows_is_told_for_its_days_and_is_no_amount_a_month():
    # Two days of $1. By calls leak has 1 of 10 of it, 0.2, and costs 4; a call without a feature costs 0.5.
    rows = [*call("chat", cost="0.01", n=8), *call("leak", cost=4, day=2), *call(None, cost="0.5")]
    loss, unnamed = analyze(rows).findings
    assert loss.title == "leak loses $3.80 in 2 days: $4.00 of cost against $0.20 of attributed revenue."
    assert (loss.usd_per_month, loss.confidence, loss.severity) == (None, "low", "info")
    assert loss.why_sure.endswith("Less than a week does not show whether it lasts.")
    assert (unnamed.title, unnamed.usd_per_month) == ("1 call names no feature, for $0.50 in 2 days.", None)
    (thin,) = analyze(call("chat", cost="0.9")).findings
    assert thin.title == "chat falls short of the margin wanted by $0.10 in 1 day: it has 10.0 % instead of 20 %."


def test_without_any_logged_cost_no_margin_is_told():
    # Not even $1 of revenue with nothing taken from it: that no call cost anything is more likely a gap in the log
    report = analyze([*call("chat", cost=0, n=2), *call("search", cost=0)])
    assert report.answer == (
        "Whether a feature earns its cost cannot be known: by the log, all 3 calls of the period cost nothing."
    )
    assert [(f.title, f.who, f.usd_per_month) for f in report.findings] == [
        ("No cost is logged: margins of features cannot be judged.", "chat and search", None)
    ]
    assert verdict_of(report, "chat") == ("unknown", "no call of any feature has a cost")
    assert [metric(report, name).value for name in ("earning", "margin", "revenue")] == [None, None, 1]
    assert rows_of(report, "economics-table", "margin", "margin-percent")["chat"] == (None, None)


COMPARED = PeriodChoice(tail="1d")


def test_a_profitable_feature_that_outgrows_the_others_is_to_invest_in():
    # chat 2 -> 4 calls, search 2 -> 2: all calls 4 -> 6, +50 %; chat +100 %, a third beyond that.
    def grown(days):
        last = 2 * days
        rows = [*call("chat", n=2), *call("search", n=2), *call("chat", n=4, day=last), *call("search", n=2, day=last)]
        return analyze([{**row, "cost_usd": "0.01"} for row in rows], choice=PeriodChoice(tail=f"{days}d"))

    # Revenue of chat rises from 1/2 to 2/3 of $10, its cost from 0.02 to 0.04: 1.646666667 in ten days.
    report = grown(10)
    assert verdict_of(report, "chat") == ("invest", "a margin of 99.4 %, and calls up 100.0 % (all calls: 50.0 %)")
    assert verdict_of(report, "search")[0] == "keep"
    finding = next(f for f in report.findings if f.who == "chat")
    assert finding.usd_per_month == Decimal("4.940000001")
    assert finding.title.endswith(", and its margin is $4.94 a month above that of the span before.")
    assert (finding.confidence, finding.severity) == ("medium", "good")
    # A day against the day before is no proof of growth: 2/3 - 1/2 of $1, less 0.02
    short = next(f for f in grown(1).findings if f.who == "chat")
    assert (short.usd_per_month, short.confidence) == (None, "low")
    assert short.title.endswith(", and its margin is $0.15 in 1 day above that of the span before.")


def test_growth_of_everything_is_nobodys_growth():
    rows = [*call("chat", cost="0.01"), *call("chat", cost="0.01", n=5, day=2)]
    assert verdict_of(analyze(rows, choice=COMPARED), "chat")[0] == "keep"


def test_growth_from_few_calls_is_not_growth():
    rows = [*call("a", n=2), *call("b", n=9), *call("a", n=4, day=2), *call("b", n=9, day=2)]
    rows = [{**row, "cost_usd": "0.001"} for row in rows]
    assert verdict_of(analyze(rows, choice=COMPARED), "a")[0] == "invest"
    assert verdict_of(analyze(rows, choice=COMPARED, compared_calls=3), "a")[0] == "keep"


def test_a_niche_feature_that_loses_money_and_shrinks_is_to_be_retired():
    # 1 of 3 customers uses it, below the 40 % set; 2 calls became 1; it costs $5 a day against at most $1.
    rows = [
        *call("old", n=2),
        *call("old", cost=5, day=2),
        *(row for c in ("c1", "c2", "c3") for day in (1, 2) for row in call("chat", c, cost="0.01", n=3, day=day)),
    ]
    report = analyze(rows, choice=COMPARED, adoption_percent=40)
    assert verdict_of(report, "old")[0] == "retire"
    finding = next(f for f in report.findings if f.who == "old")
    assert finding.title.startswith("old costs $5.00 in 1 day and should be retired: ")
    assert " among 33.3 % of customers, and 50.0 % fewer calls." in finding.title
    # Without a comparison nothing is retired.
    assert verdict_of(analyze(rows, adoption_percent=40), "old")[0] == "fix"
    # 2 calls in the earlier span are too few to shrink from where 3 are asked for
    assert verdict_of(analyze(rows, choice=COMPARED, adoption_percent=40, compared_calls=3), "old")[0] == "fix"


def test_a_feature_that_is_not_called_any_more_has_shrunk_by_all_of_its_calls():
    # 28 days, of which the last 14 are compared with the 14 before: old was called twice in the latter, and no more
    rows = [*call("old", cost=50, n=2, day=3), *call("chat", "c2", n=3), *call("chat", "c3", n=3, day=28)]
    report = analyze(rows, adoption_percent=40, compared_calls=2)
    assert verdict_of(report, "old")[0] == "retire"
    assert verdict_of(report, "old")[1].endswith(" among 33.3 % of customers, and 100.0 % fewer calls")
    # 2 x 50 in 28 days: 100 x 30 / 28
    assert next(f for f in report.findings if f.who == "old").usd_per_month == Decimal("107.142857143")


def test_a_call_that_gets_dearer_is_a_leak_even_at_a_good_margin():
    # From 0.1 to 0.2 a call: 2 calls cost 0.2 more than before, in ten days that bring $10; 0.60 a month.
    rows = [*call("chat", cost="0.1", n=2), *call("chat", cost="0.2", n=2, day=20)]
    compared = PeriodChoice(tail="10d")
    report = analyze(rows, choice=compared)
    assert verdict_of(report, "chat") == ("fix", "a margin of 96.0 %, but a cost per call that rose by 100.0 %")
    (finding,) = report.findings
    assert finding.title == "chat leaks $0.60 a month: a call costs $0.20 instead of $0.10."
    assert finding.usd_per_month == Decimal("0.6")
    assert verdict_of(analyze(rows, choice=compared, compared_calls=3), "chat")[0] == "keep"


def test_a_verdict_that_depends_on_the_split_has_low_confidence():
    # By calls chat earns 0.5 of 0.6 cost; by tokens 0.9.
    rows = [*call("chat", cost="0.6", input_tokens=860), *call("search", cost="0.01")]
    report = analyze(rows)
    assert rows_of(report, "verdicts-table", "robust") == {"chat": ("no",), "search": ("yes",)}
    assert report.findings[0].confidence == "low"


def test_calls_without_a_feature_are_a_line_of_their_own_and_a_finding():
    # A quarter of the $10 that ten days bring; 0.1 in ten days is 0.3 a month
    report = analyze([*call("chat", n=3), *call(None, day=10)])
    assert rows_of(report, "economics-table", "calls", "revenue")["(no feature)"] == (1, Decimal("2.5"))
    assert metric(report, "without-feature").value == 25
    assert any(f.id == "without-feature" and f.usd_per_month == Decimal("0.3") for f in report.findings)


def test_what_earns_and_what_has_no_name_is_also_told_of_the_compared_spans():
    # $1 a day. The day before, chat earned all of it at a cost of 0.1. Now two of four calls are chat, which earns
    # $0.50 and costs $2; one is search, which earns $0.25 at a cost of 0.1; one, of 0.4 in 2.5, names no feature.
    rows = [*call("chat"), *call("chat", cost=1, n=2, day=2), *call("search", day=2), *call(None, cost="0.4", day=2)]
    report = analyze(rows, choice=COMPARED)
    earning, unnamed = metric(report, "earning"), metric(report, "without-feature")
    assert (earning.value, earning.current, earning.previous) == (1, 1, 1)
    assert (unnamed.value, unnamed.current, unnamed.previous) == (16, 16, 0)


def test_without_any_feature_the_report_says_that_nothing_can_be_said():
    report = analyze(call(None, n=2))
    assert report.answer == "Nothing can be said about features: none of the calls, $0.20 together, names one."
    # One finding tells it, and no dollars a month are at stake for what is all of the cost
    assert [(f.id, f.who, f.usd_per_month) for f in report.findings] == [("nothing", "calls without a feature", None)]
    assert metric(report, "earning").value is None


def test_customers_without_known_revenue_cost_but_do_not_earn():
    rows = [*call("chat"), *call("chat", "c2", cost=5, subscription_tier="secret"), *call("qa", "c2")]
    report = analyze(rows)
    assert rows_of(report, "economics-table", "cost", "known-cost", "revenue", "margin") == {
        "chat": (Decimal("5.1"), Decimal("0.1"), Decimal(1), Decimal("0.9")),
        "qa": (Decimal("0.1"), None, None, None),
    }
    assert verdict_of(report, "qa")[0] == "unknown"
    assert table(report, "unknown-revenue-table").rows == (
        ("c2", "secret", "tier 'secret' has no price", Decimal("5.1")),
    )
    # Its dollars are told by the report customer_profitability, once
    finding = next(f for f in report.findings if f.id == "unknown-revenue")
    assert finding.title == "c2 is left out of the margins of features for want of a known revenue."
    assert (finding.who, finding.usd_per_month) == ("c2", None)


def test_the_chart_of_cost_and_revenue_tells_the_cost_that_it_shows():
    # secret costs most, but only a customer of unknown revenue uses it
    rows = [*call("chat"), *call("secret", "c2", cost=5, subscription_tier=None)]
    report = analyze(rows)
    chart = table(report, "cost-revenue")
    assert chart.categories == ("chat",)
    assert chart.takeaway == "For customers with known revenue, chat costs $0.10."
    # Of two, one costs most
    two = analyze([*call("chat"), *call("search", cost="0.2")])
    assert table(two, "cost-revenue").takeaway == "search costs most, $0.20."


def test_a_feature_to_fix_that_has_no_revenue_is_counted_where_it_cannot_be_drawn():
    # c1 pays nothing for trial, which costs 0.1; c2 and c3 use chat, c3 search too, so that adoption differs
    tiers = Settings(tiers={"one": Decimal(30), "free": Decimal(0)})
    rows = [*call("trial", subscription_tier="free"), *call("chat", "c2"), *call("chat", "c3"), *call("search", "c3")]
    report = FeaturesAnalyzer().analyze(calls_from(rows, settings=tiers))
    assert verdict_of(report, "trial") == ("fix", "no revenue")
    assert table(report, "adoption-margin").takeaway == (
        "1 feature is to be fixed or retired. Not drawn, for want of revenue: trial."
    )


def test_adoption_is_drawn_only_where_it_tells_features_apart():
    # Two of two customers use chat; both use search: 100 % each. Without c2's search it is 50 %.
    both = [row for c in ("c1", "c2") for feature in ("chat", "search") for row in call(feature, c)]
    same, apart = analyze(both), analyze(both[:-1])
    section = next(s for s in same.sections if s.id == "verdicts")
    assert section.text.startswith(
        "Each feature with a known margin is used by 100 % of active customers, so that adoption tells none apart."
    )
    assert [b.id for b in section.blocks] == ["verdicts-table"]
    assert [(p.label, p.x) for p in table(apart, "adoption-margin").points] == [("chat", 100), ("search", 50)]


def test_without_any_known_revenue_nothing_is_judged():
    report = analyze(call("chat", subscription_tier=None))
    assert report.answer == (
        "chat costs most ($0.10 of $0.10); whether a feature earns its cost cannot be known, as no customer has a "
        "known revenue."
    )
    assert metric(report, "margin").value is None


def test_a_customer_who_paid_without_a_call_is_a_line_so_that_revenue_adds_up():
    rows = [*call("chat", "gone"), *call("chat", day=2)]
    report = analyze(rows, choice=COMPARED)
    assert rows_of(report, "economics-table", "revenue", "cost") == {
        "chat": (Decimal(1), Decimal("0.1")),
        "(paid, no call)": (Decimal(1), Decimal(0)),
    }
    # Revenue and margin are those of the report customer_profitability, in the compared spans too: gone paid $1 on
    # both days, c1 on the second; each span has one call of 0.1
    revenue, margin = metric(report, "revenue"), metric(report, "margin")
    assert (revenue.value, revenue.current, revenue.previous) == (2, 2, 1)
    assert (margin.value, margin.current, margin.previous) == (Decimal("1.9"), Decimal("1.9"), Decimal("0.9"))


def test_no_calls_make_an_empty_report_and_one_call_a_full_one():
    assert analyze([]).state == "empty"
    report = analyze(call("chat"))
    assert report.answer == "chat, the only feature, has a margin of 90.0 % (20 % is wanted)."
    assert report.findings[0].id == "nothing"
    few = analyze(call("chat"), compared_calls=30).findings[0]
    assert (few.title, few.confidence, few.severity) == ("1 call is too few to judge a feature by.", "low", "info")


def test_nothing_to_decide_says_what_was_checked_of_how_many_features():
    # chat has 3 calls in both spans, rare one in the later: with 3 asked for, only chat is judged for growth
    rows = [*call("chat", cost="0.01", n=3), *call("chat", cost="0.01", n=3, day=2), *call("rare", cost="0.01", day=2)]
    finding = analyze(rows, choice=COMPARED, compared_calls=3).findings[0]
    assert finding.title == (
        "Nothing needs a decision: 2 features with known revenue were checked for margin and adoption, 1 also for "
        "growth and cost per call."
    )
    assert (finding.who, finding.confidence) == ("chat and rare", "medium")
    assert finding.why_sure == "Growth and cost per call take 3 calls in both spans (compared_calls)."


def test_free_calls_and_free_tiers_divide_by_nothing():
    free = Settings(tiers={"one": Decimal(0)})
    rows = [*call("chat", cost=0, n=2), *call("search", cost=1)]
    report = FeaturesAnalyzer().analyze(calls_from(rows, settings=free))
    assert rows_of(report, "economics-table", "margin", "margin-percent") == {"chat": (0, None), "search": (-1, None)}
    without_cost = FeaturesAnalyzer().analyze(calls_from(rows[:2], settings=free))
    assert metric(without_cost, "without-feature").value is None


def test_hostile_names_stay_names():
    name = "<b onload='x'>$y {0} %s"
    assert rows_of(analyze(call(name, name)), "economics-table", "calls") == {name: (1,)}


@pytest.mark.parametrize("parameters", [{"split_by": "cost"}, {"adoption_percent": 101}, {"compared_calls": 0}])
def test_parameters_that_make_no_sense_are_refused(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        FeaturesAnalyzer(**parameters)


logs = st.lists(
    st.builds(
        lambda feature, customer, tier, day, cost, tokens: call(
            feature, customer, cost=Decimal(cost).scaleb(-9), day=day, subscription_tier=tier, input_tokens=tokens
        )[0],
        feature=st.sampled_from(["a", "b", None]),
        customer=st.sampled_from(["c1", "c2", "c3"]),
        tier=st.sampled_from(["one", "three", "secret", None]),
        day=st.integers(1, 30),
        cost=st.integers(1, 10**9),  # in a log without any cost no margin is told
        tokens=st.integers(0, 999),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(logs, st.sampled_from(["calls", "tokens"]))
def test_features_add_up_to_the_log_and_to_the_known_revenue(rows, split_by):
    report = analyze(rows, split_by=split_by)
    found = table(report, "economics-table")
    total = dict(zip((c.name for c in found.columns), found.total, strict=True))
    assert total["calls"] == len(rows)
    assert total["cost"] == sum(row["cost_usd"] for row in rows)
    known = metric(report, "revenue").value or 0
    assert (total["revenue"] or 0) == known
    assert (total["margin"] or 0) == known - (total["known-cost"] or 0) == (metric(report, "margin").value or 0)


@settings(max_examples=15, deadline=None)
@given(logs, st.randoms(use_true_random=False))
def test_shuffling_the_log_changes_nothing(rows, rng: random.Random):
    named = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    # The latest of several tiers counts; at the same moment that is the last by name, whatever the order.
    assert analyze(named) == analyze(rng.sample(named, len(named)))


@settings(max_examples=15, deadline=None)
@given(logs)
def test_doubled_costs_double_costs_and_leave_revenue(rows):
    once, twice = analyze(rows), analyze([{**row, "cost_usd": 2 * row["cost_usd"]} for row in rows])
    before = rows_of(once, "economics-table", "cost", "revenue", "calls")
    after = rows_of(twice, "economics-table", "cost", "revenue", "calls")
    assert after == {name: (2 * cost, revenue, n) for name, (cost, revenue, n) in before.items()}
