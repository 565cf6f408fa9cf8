"""Who pays: statements, shared cost, what cannot be allocated."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlglot
from finops_plugin_domains.alignment.analyzer import AlignmentAnalyzer
from finops_plugin_domains.alignment.statements import Line, allocate
from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer
from hypothesis import given
from hypothesis import strategies as st

from finops_core import Calls, PeriodChoice, Settings
from finops_core.testing import calls_from, check_analyzer


def shared(rule="by_cost", **match):
    return Settings.model_validate({"shared_cost": {"match": match, "rule": rule}})


# org_a: 2 calls for $6; org_b: 6 calls for $3; shared: 1 call for $10; nobody's: 1 call for $1. In all $20.
ROWS = [
    *({"organization_id": "org_a", "product_id": "p", "feature_id": f"f{i}", "cost_usd": 3} for i in range(2)),
    *({"organization_id": "org_b", "product_id": "q", "feature_id": "f0", "cost_usd": "0.5"} for _ in range(6)),
    {"organization_id": "org_a", "product_id": "platform", "feature_id": "gateway", "cost_usd": 10},
    {"product_id": "p", "cost_usd": 1},
]


def analyze(rows, **options):
    return AlignmentAnalyzer().analyze(calls_from(rows, **options))


def block(report, name):
    return next(b for s in report.sections for b in s.blocks if b.id == name)


def table(report, name):
    found = block(report, name)
    return [dict(zip((c.name for c in found.columns), row, strict=True)) for row in found.rows]


def section(report, name):
    return next(s for s in report.sections if s.id == name)


def metric(report, name):
    return next(m for m in report.metrics if m.id == name)


@pytest.mark.parametrize(("unnamed", "expected"), [("org_b", (4, 0, 5)), (None, (3, 0, 5))])
def test_the_curve_is_what_organisations_pay_for_each_day(unnamed, expected):
    days = (("2026-01-05", "org_a", 3), ("2026-01-05", unnamed, 1), ("2026-01-07", "org_a", 5))
    rows = [{"timestamp": f"{day}T08:00", "organization_id": name, "cost_usd": cost} for day, name, cost in days]
    assert analyze(rows).sparkline == expected


@pytest.mark.parametrize(
    ("rule", "of_a", "of_b"),
    [
        ("by_cost", "6.666666667", "3.333333333"),  # 10 x 6 / 9 and 10 x 3 / 9
        ("by_calls", "2.5", "7.5"),  # 10 x 2 / 8 and 10 x 6 / 8
        ("even", "5", "5"),
    ],
)
def test_shared_cost_is_split_by_the_rule(rule, of_a, of_b):
    report = analyze(ROWS, settings=shared(rule, product_id=["platform"]))
    statements = {r["organization"]: r for r in table(report, "statements")}
    assert statements["org_a"]["direct"] == Decimal(6)
    assert statements["org_a"]["shared"] == Decimal(of_a)
    assert statements["org_b"]["shared"] == Decimal(of_b)
    assert statements["org_b"]["total"] == 3 + Decimal(of_b)
    assert statements["(no organisation)"]["total"] == Decimal(1)
    assert sum(r["total"] for r in statements.values()) == Decimal(20)


def test_without_a_rule_every_call_is_charged_to_its_organisation():
    report = analyze(ROWS)
    assert {r["organization"]: r["total"] for r in table(report, "statements")} == {
        "org_a": 16, "org_b": 3, "(no organisation)": 1,
    }  # fmt: skip
    assert report.answer == (
        "2 organisations pay $19.00, most of all org_a with $16.00 (80.0 %); $1.00 (5.0 % of cost, 1 call) names no "
        "organisation."
    )
    assert metric(report, "allocation_rate").value == 95
    assert "finops.toml" in section(report, "shared").text


def test_the_detail_of_each_statement_adds_up_to_it():
    report = analyze(ROWS, settings=shared(product_id=["platform"]))
    for statement in table(report, "statements"):
        lines = [r for r in table(report, "detail") if r["organization"] == statement["organization"]]
        assert sum(r["cost"] for r in lines) == statement["total"]
        assert sum(r["calls"] for r in lines) == statement["calls"]
    assert block(report, "detail").total[-1] == Decimal(20)


def test_showback_by_product_and_feature_counts_every_call_where_it_was_made():
    report = analyze(ROWS, settings=shared(product_id=["platform"]))
    assert [(r["product"], r["cost"], r["calls"]) for r in table(report, "products")] == [
        ("platform", 10, 1),
        ("p", 7, 3),
        ("q", 3, 6),
    ]
    assert {r["feature"]: r["cost"] for r in table(report, "features")} == {
        "gateway": 10, "f0": 6, "f1": 3, "(none)": 1,
    }  # fmt: skip


def test_a_bar_of_several_organisations_is_nobodys_when_pages_filter():
    chart = block(AlignmentAnalyzer(bars=1).analyze(calls_from(ROWS)), "cost-by-organization")
    assert chart.categories == ("org_a", "1 more")
    assert chart.breakdowns[0].by == ("organization_id",)
    assert chart.breakdowns[0].rows == ((0, "org_a", 16), (1, None, 3))  # org_b has no bar of its own


amounts = st.integers(0, 10**13).map(lambda nanos: Decimal(nanos).scaleb(-9))
lines = st.builds(
    Line,
    organization=st.sampled_from([None, "a", "b", "c"]),
    product=st.sampled_from([None, "p", "q"]),
    feature=st.sampled_from([None, "f"]),
    shared=st.booleans(),
    calls=st.integers(1, 1000),
    cost=amounts,
)


def key(line):
    return line.organization, line.product, line.feature, line.shared


@given(st.lists(lines, max_size=20, unique_by=key), st.sampled_from(["even", "by_cost", "by_calls"]))
def test_statements_and_what_nobody_pays_add_up_to_the_last_digit(given_lines, rule):
    allocation = allocate(given_lines, rule)
    assert allocation.allocated + allocation.unallocated + allocation.unsplit == sum(
        (x.cost for x in given_lines), Decimal(0)
    )
    assert allocation == allocate(list(reversed(given_lines)), rule)


def test_the_allocation_does_not_depend_on_the_order_of_the_calls():
    settings = shared("by_calls", product_id=["platform"])
    one, other = analyze(ROWS, settings=settings), analyze(ROWS[::-1], settings=settings)
    assert one == other


def test_a_shared_call_matches_every_column_that_is_named():
    settings = shared(product_id=["platform", "p"], feature_id=["gateway", "f0"])
    # gateway on platform ($10) and f0 on p ($3) are shared; f1 on p, f0 on q and a call without feature are not.
    assert metric(analyze(ROWS, settings=settings), "shared").value == Decimal(13)


def test_shared_cost_without_anybody_to_carry_it_is_said_and_still_adds_up():
    rows = [{"product_id": "platform", "cost_usd": 4}, {"cost_usd": 1}]
    report = analyze(rows, settings=shared(product_id=["platform"]))
    assert [(r["organization"], r["total"]) for r in table(report, "statements")] == [
        ("(no organisation)", 1),
        ("(shared, nobody to split it over)", 4),
    ]
    assert "unsplit" in {f.id for f in report.findings}
    assert metric(report, "allocation_rate").value == 0


def test_without_any_organisation_the_answer_says_that_nobody_can_be_charged():
    report = analyze([{"cost_usd": 2}])
    assert report.answer == (
        "Nobody can be charged: no call has an organisation to charge, so that the $2.00 of 1 call stays with nobody."
    )


def test_one_statement_of_one_call_is_told_in_the_singular():
    report = analyze([{"organization_id": "only", "cost_usd": 2}])
    assert section(report, "statements").text == "1 statement over $2.00 comes to the $2.00 of the only call."


def test_a_day_against_the_day_before_is_not_called_1_days():
    days = [
        {"organization_id": "o", "cost_usd": cost, "timestamp": f"2026-01-0{d}T12:00"} for d, cost in ((5, 2), (6, 4))
    ]
    report = analyze(days, choice=PeriodChoice(tail="1d"))
    (finding,) = report.findings
    assert finding.title == "o pays $2.00 more (+100 %) for the last day: $4.00 after $2.00 for the day before."


def test_unallocated_calls_are_placed_where_the_customers_other_calls_belong():
    rows = [
        {"customer_id": "one", "organization_id": "org_a", "cost_usd": 1},
        {"customer_id": "one", "cost_usd": 5},
        {"customer_id": "two", "organization_id": "org_a", "cost_usd": 1},
        {"customer_id": "two", "organization_id": "org_b", "cost_usd": 1},
        {"customer_id": "two", "cost_usd": 2},
    ]
    report = analyze(rows)
    assert [(r["customer"], r["cost"], r["organization"]) for r in table(report, "unallocated")] == [
        ("one", 5, "org_a"),
        ("two", 2, None),
    ]
    finding = next(f for f in report.findings if f.id == "unallocated")
    # One day of calls: 7 x 30 dollars in 30 such days.
    assert (finding.who, finding.usd_per_month) == ("one", Decimal(210))
    assert "$5.00 of it is from 1 customer whose other calls all name one organisation" in finding.action


def test_without_any_organisation_no_other_calls_are_spoken_of():
    report = analyze([{"customer_id": "copilot", "cost_usd": 2}] * 3)
    (finding,) = report.findings
    assert finding.title == (
        "Nobody can be charged for the $6.00 of 3 calls: no call of the log names an organisation."
    )
    # Nothing is missing from a statement, and what to do is not worth a sum: the log just does not know organisations.
    assert finding.usd_per_month is None
    assert finding.action.startswith("Fill organization_id")
    assert section(report, "unallocated").text.endswith("No call of the period names an organisation.")


def test_an_organisation_named_before_the_period_leaves_an_amount_at_stake():
    # The calls of one day lost their organisation: $2, 30 times of it in 30 days.
    rows = [
        {"organization_id": "org_a", "cost_usd": 1, "timestamp": "2026-01-05T12:00"},
        {"cost_usd": 2, "timestamp": "2026-01-06T12:00"},
    ]
    finding = next(f for f in analyze(rows, choice=PeriodChoice(tail="1d")).findings if f.id == "unallocated")
    assert finding.usd_per_month == 60


def test_other_calls_that_name_several_organisations_place_nothing():
    rows = [{"customer_id": "two", "organization_id": o, "cost_usd": 1} for o in ("org_a", "org_b", None)]
    assert section(analyze(rows), "unallocated").text.endswith(
        "No other calls of a customer tell where they belong: none name an organisation, or they name several."
    )


def test_a_split_by_direct_costs_that_are_all_zero_is_told_as_even():
    rows = [{**r, "cost_usd": 0} if r.get("product_id") != "platform" else r for r in ROWS]
    report = analyze(rows, settings=shared("by_cost", product_id=["platform"]))
    # $10 over two organisations.
    assert [r["shared"] for r in table(report, "statements")][:2] == [5, 5]
    assert "split evenly, as no direct call cost anything over 2 organisations" in section(report, "shared").text
    assert "split evenly, as no direct call cost anything" in report.answer
    assert not any("by direct cost" in line for line in report.method)


def days(organization, costs):
    """One call a day of an organisation, from January 5 on."""
    return [
        {"timestamp": datetime(2026, 1, 5, 12) + timedelta(days=d), "organization_id": organization, "cost_usd": cost}
        for d, cost in enumerate(costs)
    ]


def test_an_organisation_that_paid_before_and_is_gone_stays_in_the_earlier_total():
    rows = days("gone", [1] * 7) + days("stays", [2] * 14)
    report = analyze(rows, choice=PeriodChoice(tail="7d"))
    statements = {r["organization"]: (r["total"], r["current"], r["previous"]) for r in table(report, "statements")}
    assert statements == {"stays": (14, 14, 14), "gone": (0, 0, 7)}
    assert "gone" in {f.who for f in report.findings}


def test_doubled_cost_doubles_every_statement():
    settings = shared("even", product_id=["platform"])
    once = analyze(ROWS, settings=settings)
    twice = analyze([{**r, "cost_usd": 2 * Decimal(r["cost_usd"])} for r in ROWS], settings=settings)
    for a, b in zip(table(once, "statements"), table(twice, "statements"), strict=True):
        assert 2 * a["total"] == b["total"]
        assert a["share"] == b["share"]


def test_budgets_stand_beside_the_statements():
    settings = Settings.model_validate({"budgets": {"organization": {"org_a": {"usd_per_month": 10}}}})
    (row,) = table(analyze(ROWS, settings=settings), "budgets")
    # January 5: 5 of 31 days of $10 are $1.612903226; $16 are spent.
    assert (row["spent"], row["to_date"]) == (16, Decimal("1.612903226"))
    assert row["variance"] == 16 - Decimal("1.612903226")
    assert row["state"] == "overspent since 2026-01-05"


def test_costless_calls_make_statements_without_shares():
    report = analyze([{"organization_id": "org_a"}])
    assert metric(report, "allocation_rate").value is None
    assert report.answer == "org_a pays all of the $0 that can be allocated; every dollar is allocated."


def test_the_contract_of_analyzers_is_kept():
    settings = shared("by_calls", product_id=["product_a"])
    assert check_analyzer(AlignmentAnalyzer).headline == "allocated"
    assert AlignmentAnalyzer().analyze(calls_from([], settings=settings)).state == "empty"


@pytest.mark.parametrize("analyzer", [AlignmentAnalyzer, RealtimeAnalyzer])
def test_queries_are_in_what_spark_understands(analyzer, monkeypatch):
    queries = []
    run = Calls.sql

    def record(self, query, **values):
        queries.append(query)
        return run(self, query, **values)

    monkeypatch.setattr(Calls, "sql", record)
    settings = Settings.model_validate(
        {
            "shared_cost": {"match": {"product_id": ["platform"]}},
            "budgets": {"organization": {"org_a": {"usd_per_month": 10}}, "total": {"all": {"usd_per_month": 10}}},
        }
    )
    analyzer().analyze(calls_from(ROWS + days("org_a", [1] * 28), settings=settings))
    assert len(queries) > 4
    for query in queries:
        sqlglot.parse_one(query, read="spark")
