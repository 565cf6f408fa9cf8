"""Which customers lose money, worked out by hand, on planted truth, and by laws."""

import random
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from finops_plugin_revenue.accounts import read_accounts
from finops_plugin_revenue.profitability.analyzer import ProfitabilityAnalyzer
from finops_plugin_revenue.profitability.margins import band, concentration, whale_curve
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import Calls, PeriodChoice, Report, Settings, Table
from finops_core.testing import calls_from, check_analyzer

Row = dict[str, object]

# June has 30 days, so that a day of pro brings $3.30, of enterprise $9.9666.., of starter $0.9666..
FIRST, LAST = "2026-06-01", "2026-06-30"


def call(customer: str, day: str = FIRST, cost: object = 0, tier: str | None = "pro", **more: object) -> Row:
    return {"customer_id": customer, "timestamp": day, "cost_usd": cost, "subscription_tier": tier, **more}


def analyze(calls: Calls, **parameters: object) -> Report:
    return ProfitabilityAnalyzer.model_validate(parameters).analyze(calls)


def metric(report: Report, name: str) -> object:
    return next(m.value for m in report.metrics if m.id == name)


def table(report: Report, name: str) -> Table:
    return next(b for s in report.sections for b in s.blocks if b.id == name and isinstance(b, Table))


def by_hand() -> list[Row]:
    """Four customers over June: pro $99, starter $29, enterprise $299 a month.

    ========  ==========  =======  =====  ======  ========  ===================
    customer  tier        revenue   cost  margin  margin %  band
    ========  ==========  =======  =====  ======  ========  ===================
    whale     enterprise      299    598    -299      -100  below 0
    thin      pro              99     90       9         9  0 to 20
    half      starter          29   14.5    14.5        50  20 to 50
    rich      pro              99      1      98      98.9  above 50
    all                       526  703.5  -177.5
    ========  ==========  =======  =====  ======  ========  ===================
    """
    return [
        call("whale", FIRST, 299, "enterprise"),
        call("whale", LAST, 299, "enterprise"),
        call("thin", FIRST, 90),
        call("half", FIRST, "14.5", "starter"),
        call("rich", FIRST, 1),
    ]


def test_margins_are_revenue_of_the_charged_days_less_logged_cost() -> None:
    report = analyze(calls_from(by_hand()))
    assert metric(report, "revenue") == Decimal(526)
    assert metric(report, "margin") == Decimal("-177.5")
    assert metric(report, "margin_percent") == pytest.approx(-177.5 / 526 * 100)
    assert metric(report, "unprofitable") == 1
    assert metric(report, "lost") == Decimal(299)
    # Four customers for one month each: 703.5 / 4
    assert metric(report, "cost_per_customer") == Decimal("175.875")
    assert [(row[0], row[6]) for row in table(report, "customers").rows] == [
        ("whale", Decimal(-299)),
        ("thin", Decimal(9)),
        ("half", Decimal("14.5")),
        ("rich", Decimal(98)),
    ]


def test_customers_fall_into_their_margin_bands() -> None:
    report = analyze(calls_from(by_hand()))
    assert [(row[0], row[1]) for row in table(report, "bands").rows] == [
        ("> 50 %", 1),
        ("20 to 50 %", 1),
        ("0 to 20 %", 1),
        ("< 0 %", 1),
    ]


@pytest.mark.parametrize(
    ("cost", "expected"),
    [(0, "> 50 %"), ("49.49", "> 50 %"), ("49.5", "20 to 50 %"), ("79.2", "20 to 50 %"), ("79.21", "0 to 20 %"),
     (99, "0 to 20 %"), ("99.000000001", "< 0 %")],
)  # fmt: skip
def test_the_edges_of_the_bands_are_exact(cost: object, expected: str) -> None:
    # Of $99: 50 % is left at a cost of 49.50, 20 % at 79.20, nothing at 99
    accounts, _, _ = read_accounts(calls_from([call("c", FIRST, cost), call("c", LAST)]))
    assert band(accounts.known[0]) == expected


def test_the_whale_that_loses_money_is_named_with_its_dollars_and_where_it_breaks_even() -> None:
    # 80 calls at $5 = $400 on enterprise's $299: a loss of $101 a month. It breaks even at 299 / 5 = 59.8, so 59 calls.
    whale = [call("whale", f"2026-06-{day:02}", 5, "enterprise") for day in range(1, 21) for _ in range(4)]
    others = [call(f"small-{i}", f"2026-06-{day:02}", 1) for i in range(9) for day in range(1, 31)]
    report = analyze(calls_from([*whale, *others]))
    worst = report.findings[0]
    assert (worst.who, worst.usd_per_month, worst.section) == ("whale", Decimal(101), "losing")
    assert "59 calls" in worst.action
    assert "No tier's price covers its cost" in worst.action
    # $20 a day on 20 of 30 days against $9.97: more than half of the days
    assert worst.confidence == "high"
    assert "20 of 30 charged days" in worst.why_sure
    assert worst.who in report.answer
    # nine customers x (99 - 30) = 621, less 101
    assert metric(report, "margin") == Decimal(520)
    row = table(report, "break_even").rows[0]
    assert (row[0], row[3], row[4]) == ("whale", 80, 59)


def test_a_loss_says_which_tier_would_cover_it() -> None:
    # $120 of cost on pro ($99): enterprise ($299) is the cheapest tier above it
    report = analyze(calls_from([call("big", FIRST, 120), call("big", LAST)]))
    assert report.findings[0].action.startswith("Move it to enterprise")


def test_a_loss_of_a_single_day_is_less_sure_than_one_of_every_day() -> None:
    once = [call("c", FIRST, 120), call("c", LAST)]
    daily = [call("c", f"2026-06-{day:02}", 4) for day in range(1, 31)]
    short = [call("c", FIRST, 120)]
    confidence = [analyze(calls_from(rows)).findings[0].confidence for rows in (once, daily, short)]
    assert confidence == ["medium", "high", "low"]


def test_losses_beyond_the_named_ones_are_one_finding_with_their_sum() -> None:
    # Losses of $1, $2, $3 and $4: the two largest have findings of their own, $1 + $2 remain
    rows = [call(f"c{loss}", FIRST, 99 + loss) for loss in (1, 2, 3, 4)]
    report = analyze(calls_from([*rows, call("c1", LAST)]), named_customers=2)
    losses = [f for f in report.findings if f.section == "losing"]
    assert [f.who for f in losses] == ["c4", "c3", "c2 and c1"]
    assert losses[2].usd_per_month == Decimal(3)


def test_a_month_of_findings_is_thirty_days_of_the_period() -> None:
    # Ten days of June: revenue 33, cost 43, a loss of 10 in ten days, 30 in thirty
    rows = [call("c", "2026-06-01", 43), call("c", "2026-06-10")]
    assert analyze(calls_from(rows)).findings[0].usd_per_month == Decimal(30)


def test_a_month_of_a_customer_that_came_within_the_period_is_thirty_of_its_own_days() -> None:
    # late: 21 to 30 June, revenue 10 x 3.30 = 33, cost 43: a loss of 10 in ten days, 30 in thirty. early: the whole
    # June, revenue 99, cost 114: a loss of 15. In the period early loses more, a month late does.
    rows = [call("early", FIRST, 114), call("late", "2026-06-21", 43), call("early", LAST)]
    report = analyze(calls_from(rows))
    assert [(f.who, f.usd_per_month) for f in report.findings] == [("late", Decimal(30)), ("early", Decimal(15))]
    assert report.findings[0].title == (
        "late (pro) costs $30.00 a month more than it pays: $43.00 of cost on $33.00 of revenue in 10 days."
    )
    assert report.answer.startswith("2 of 2 customers cost $25.00 more than they paid, early alone $15.00; ")
    # Together a month: 30 + 15
    (together,) = analyze(calls_from(rows), named_customers=0).findings
    assert (together.usd_per_month, together.who) == (Decimal(45), "late and early")


def test_a_loss_of_less_than_a_week_is_told_for_its_days_and_is_no_amount_a_month() -> None:
    # 28 to 30 June: revenue 9.90, cost 29.90, a loss of 20 in three days, most of which may be one burst
    rows = [call("here", FIRST), call("new", "2026-06-28", "29.9"), call("new", LAST)]
    (finding,) = analyze(calls_from(rows)).findings
    assert finding.title == "new (pro) cost $20.00 more than it paid: $29.90 of cost on $9.90 of revenue in 3 days."
    assert (finding.who, finding.usd_per_month) == ("new", None)
    assert (finding.confidence, finding.severity) == ("low", "info")
    assert finding.why_sure.endswith("Less than a week does not show whether it lasts.")
    assert finding.action.startswith("See whether it lasts. If it does: move it to enterprise")
    # A loss of a month comes before it, and with it is told for the period: 109 - 99 + 20
    rows.append(call("here", FIRST, 109))
    assert [f.who for f in analyze(calls_from(rows)).findings] == ["here", "new"]
    (together,) = analyze(calls_from(rows), named_customers=0).findings
    assert together.title == "2 more customers cost $30.00 more than they pay in 30 days."
    assert (together.usd_per_month, together.confidence) == (Decimal(10), "low")
    assert "1 of 2 customers paid for less than a week" in together.why_sure


def test_a_week_of_charged_days_is_an_amount_a_month() -> None:
    # 24 to 30 June: revenue 23.10, cost 30.10, 7 in seven days; from the 25th on they are six, and no week
    amounts = []
    for first in ("2026-06-24", "2026-06-25"):
        rows = [call("here", FIRST), call("new", first, "30.1"), call("new", LAST)]
        amounts += [f.usd_per_month for f in analyze(calls_from(rows)).findings]
    assert amounts == [Decimal(30), None]


def test_without_any_logged_cost_no_margin_is_told() -> None:
    report = analyze(calls_from([call("a", FIRST), call("a", LAST), call("b", LAST)]))
    # 99 for June, 3.30 for its last day
    assert report.answer == (
        "No margin can be judged: by the log, all 3 calls of the period cost nothing; customers paid $102.30 in 30 "
        "days."
    )
    (finding,) = report.findings
    assert (finding.title, finding.who) == ("No cost is logged: margins cannot be judged.", "both customers")
    unknown = ("margin", "margin_percent", "cost_per_customer", "unprofitable", "lost")
    assert [metric(report, name) for name in unknown] == [None] * 5
    assert (metric(report, "revenue"), report.sparkline) == (Decimal("102.3"), ())
    assert [s.id for s in report.sections] == ["losing", "unknown"]


def test_an_unknown_revenue_of_less_than_a_week_is_no_amount_a_month() -> None:
    rows = [call("foreign", FIRST, 7, None), call("foreign", "2026-06-06", 0, None)]
    six, seven = (analyze(calls_from(r)).findings[0] for r in (rows, [*rows, call("foreign", "2026-06-07", 0, None)]))
    # 7 in seven days
    assert (six.usd_per_month, six.severity) == (None, "info")
    assert (seven.usd_per_month, seven.severity) == (Decimal(30), "warning")


def test_a_loss_that_a_new_tier_has_ended_asks_for_nothing() -> None:
    # 26 days of starter and 4 of pro: 29 x 26 / 30 + 99 x 4 / 30 = 38.33 for 42 of cost; pro alone brings 99
    rows = [call("up", FIRST, 40, "starter"), call("up", "2026-06-27", 2, "pro"), call("up", LAST, 0, "pro")]
    (finding,) = analyze(calls_from(rows)).findings
    assert finding.title == (
        "up cost more than it paid: $42.00 of cost on $38.33 of revenue in 30 days; its new tier, pro, covers its cost."
    )
    assert (finding.usd_per_month, finding.severity) == (None, "info")
    assert finding.action == "Nothing to do while its use stays as it is."


def test_a_thin_margin_is_told_of_one_customer_by_name_and_of_several_by_their_number() -> None:
    # 90 of 99: 9.1 % are left, and 9 / 90 = 10 % more cost takes them
    thin = [call("a", FIRST, 90), call("a", LAST)]
    one, two = (analyze(calls_from(rows)) for rows in (thin, [*thin, call("b", FIRST, 95)]))
    assert (one.findings[0].who, two.findings[0].who) == ("a", "b and a")
    assert one.findings[0].title == (
        "a leaves $9.00 of $99.00 that it paid: 10 % more usage at the same cost per call would make it unprofitable."
    )
    assert two.findings[0].title.startswith("2 customers leave a margin of less than 20 %")
    assert (one.findings[0].confidence, two.findings[0].confidence) == ("high", "high")
    # 3 of the 3.30 that one day brings; with b, who came on the last day of June, a is no surer than it is of both
    day = analyze(calls_from([call("a", FIRST, 3)])).findings[0]
    late = analyze(calls_from([*thin, call("b", LAST, 3)])).findings[0]
    assert (day.confidence, late.confidence) == ("low", "low")
    assert day.why_sure == "A margin under 20 % is gone when cost grows by 25 % (20 / 80); it is that of 1 charged day."


def test_a_silent_customer_of_unknown_revenue_is_listed_with_no_call() -> None:
    rows = [call("quiet", FIRST, 1, None), call("here", "2026-06-29"), call("here", LAST)]
    report = analyze(calls_from(rows, choice=PeriodChoice(tail="2d")))
    assert [(row[0], row[3], row[4]) for row in table(report, "unknown_customers").rows] == [("quiet", 0, Decimal(0))]
    finding = next(f for f in report.findings if f.id == "unknown-revenue")
    assert (finding.who, finding.usd_per_month) == ("quiet", None)


def test_unknown_revenue_is_listed_with_its_cost_and_in_no_margin() -> None:
    rows = [*by_hand(), call("foreign", FIRST, 40, None), call("golden", FIRST, 2, "gold")]
    report = analyze(calls_from(rows))
    assert metric(report, "margin") == Decimal("-177.5")
    assert metric(report, "unknown_cost") == Decimal(42)
    assert [row[:3] for row in table(report, "unknown_customers").rows] == [
        ("foreign", None, "no tier stated in the log"),
        ("golden", "gold", "tier 'gold' has no price"),
    ]
    assert next(f for f in report.findings if f.id == "unknown-revenue").usd_per_month == Decimal(42)
    assert "2 customers of unknown revenue" in report.answer


def test_where_no_tier_is_known_the_report_says_what_to_set() -> None:
    report = analyze(calls_from([call("azure", FIRST, "0.5", None), call("azure", LAST, "0.25", None)]))
    assert report.state == "ready"
    assert metric(report, "margin") is None
    assert metric(report, "unknown_cost") == Decimal("0.75")
    assert [s.id for s in report.sections] == ["unknown"]
    assert "[tiers]" in report.findings[0].action
    assert "$0.75" in report.answer


def test_profit_adds_up_over_customers_to_a_peak_and_ends_at_the_margin() -> None:
    accounts, _, _ = read_accounts(calls_from(by_hand()))
    # 98, + 14.5, + 9, - 299
    assert whale_curve(accounts.known) == [Decimal(98), Decimal("112.5"), Decimal("121.5"), Decimal("-177.5")]
    # 1, 5, 10 and 20 % of four customers are one, 50 % are two: costs 598, + 90; profits 98, + 14.5
    assert [(t.percent, t.customers, t.cost, t.profit) for t in concentration(accounts.known)] == [
        (20, 1, Decimal(598), Decimal(98)),
        (50, 2, Decimal(688), Decimal("112.5")),
        (100, 4, Decimal("703.5"), Decimal("-177.5")),
    ]


def test_spans_are_compared_with_their_own_revenue_and_cost() -> None:
    # 28 days: 1-14 June cost 10, 15-28 June cost 20; each span brings 14 x 3.30 = 46.20
    rows = [call("c", "2026-06-01", 10), call("c", "2026-06-28", 20)]
    margin = analyze(calls_from(rows)).metrics[0]
    assert (margin.id, margin.home) == ("margin", 2)
    assert (margin.value, margin.previous, margin.current) == (Decimal("62.4"), Decimal("36.2"), Decimal("26.2"))


def test_the_sparkline_adds_up_to_the_margin() -> None:
    report = analyze(calls_from([*by_hand(), call("foreign", FIRST, 40, None)]))
    assert len(report.sparkline) == 30
    assert sum(report.sparkline) == pytest.approx(-177.5, abs=1e-4)
    # 1 June: 299 + 90 + 14.5 + 1 of cost against a thirtieth of 526
    assert report.sparkline[0] == pytest.approx(526 / 30 - 404.5)


def test_who_pays_without_calling_is_charged_and_said_to_be_silent() -> None:
    # One call on 1 June, then silence: 29 of the 30 days come after it, 29 x 3.30 = 95.70
    rows = [call("gone", FIRST), call("here", FIRST), call("here", LAST)]
    report = analyze(calls_from(rows))
    assert metric(report, "revenue") == Decimal(198)
    assert any("1 customer made no call" in line and "$95.70" in line for line in report.assumptions)


def test_a_free_tier_has_no_margin_percent() -> None:
    free = Settings(tiers={"free": Decimal(0)})
    report = analyze(calls_from([call("c", FIRST, 3, "free"), call("c", LAST, 0, "free")], settings=free))
    assert metric(report, "margin") == Decimal(-3)
    assert metric(report, "margin_percent") is None
    assert [row[1] for row in table(report, "bands").rows] == [0, 0, 0, 1]
    # No number of calls breaks even where nothing is paid
    assert report.findings[0].action == "Move it to starter, whose price covers its cost."


def test_no_loss_is_a_finding_too_and_shows_who_is_closest() -> None:
    report = analyze(calls_from([call("dear", FIRST, 30), call("cheap", FIRST, 1), call("cheap", LAST)]))
    assert [f.id for f in report.findings] == ["no-losses"]
    assert [row[0] for row in table(report, "break_even").rows] == ["dear", "cheap"]
    assert report.answer.startswith("No customer loses money: both customers pay")


def test_sentences_about_a_loss_call_it_one() -> None:
    report = analyze(calls_from(by_hand()))
    said = " ".join([s.text + " " + " ".join(b.takeaway for b in s.blocks) for s in report.sections])
    # pro: 198 - 91; enterprise: 299 - 598; 98 + 9 + 14.5 = 121.5 of profit; whale's 598 of 703.5 of cost
    assert "pro leaves the largest margin, $107.00; enterprise loses $299.00." in said
    assert "The 3 profitable customers bring $121.50, of which the other one takes $299.00 away." in said
    assert "1 of 4 customers leaves a margin of more than 50 %." in said
    assert "Of 4 customers, the costliest causes 85.0 % of the cost." in said


def test_an_empty_log_and_an_empty_period_give_a_sentence() -> None:
    assert analyze(calls_from([])).state == "empty"
    july = analyze(calls_from([call("c")], choice=PeriodChoice(date(2026, 7, 1), date(2026, 7, 31))))
    assert july.state == "empty"
    assert july.answer.startswith("No calls in the period (2026-07-01 to 2026-07-31); the log covers ")


def test_one_call_is_enough_for_a_report() -> None:
    report = analyze(calls_from([call("only", FIRST, 1)]))
    # One of 30 days of pro: 3.30 - 1
    assert metric(report, "margin") == Decimal("2.3")
    assert report.answer.startswith("The one customer, only, pays at least what it costs")
    said = " ".join([s.text + " " + " ".join(b.takeaway for b in s.blocks) for s in report.sections])
    assert "this one is closest to it." in said
    assert "The only customer leaves a margin of more than 50 %." in said
    assert "There is one customer, which causes all of the cost." in said
    assert "The one customer brings all of the profit, $2.30." in said
    assert "pro leaves a margin of $2.30." in said


def test_a_loss_of_the_only_customer_is_told_as_such() -> None:
    report = analyze(calls_from([call("only", FIRST, 5)]))
    # 3.30 - 5 on the one day charged.
    assert report.answer.startswith("only cost $1.70 more than it paid, and is the only customer; ")


def test_a_call_without_cost_divides_nothing_by_zero() -> None:
    # What costs something is of unknown revenue
    report = analyze(calls_from([call("only", FIRST, 0), call("foreign", FIRST, 1, None)]))
    assert table(report, "break_even").rows[0][4] is None
    assert report.sections[3].text == "No customer has caused any cost."


def test_the_analyzer_keeps_its_contract() -> None:
    check_analyzer(ProfitabilityAnalyzer)


def test_names_from_the_log_stay_as_they_are() -> None:
    name = "<b>\"'; DROP TABLE calls; --\u2028{x}%s"
    report = analyze(calls_from([call(name, FIRST, 100), call(name, LAST)]))
    assert report.findings[0].who == name
    assert name in report.answer
    assert Report.model_validate_json(report.model_dump_json()) == report


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    return [
        call(
            draw(st.sampled_from(["a", "b", "c", "d"])),
            f"2026-0{draw(st.integers(1, 3))}-{draw(st.integers(1, 28)):02}",
            draw(st.decimals(0, 200, places=9)),
            draw(st.sampled_from(["starter", "pro", "enterprise", "gold", None])),
        )
        for _ in range(draw(st.integers(1, 12)))
    ]


@settings(max_examples=25, deadline=None)
@given(logs())
def test_every_table_of_customers_adds_up_to_the_metrics(rows: list[Row]) -> None:
    report = analyze(calls_from(rows))
    total = sum((Decimal(str(r["cost_usd"])) for r in rows), Decimal(0))
    known = [b for s in report.sections for b in s.blocks if b.id in {"customers", "tiers", "bands"}]
    for one in known:
        assert isinstance(one, Table)
        place = {c.name: i for i, c in enumerate(one.columns)}
        for name in ("revenue", "margin"):
            assert sum(row[place[name]] for row in one.rows) == metric(report, name)
        assert sum(row[place["cost"]] for row in one.rows) + metric(report, "unknown_cost") == total
    if not known:
        assert metric(report, "unknown_cost") == total


@settings(max_examples=15, deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Row], shuffle: random.Random) -> None:
    numbered = [{**row, "call_id": f"id-{i}"} for i, row in enumerate(rows)]
    shuffled = numbered[:]
    shuffle.shuffle(shuffled)
    assert analyze(calls_from(numbered)) == analyze(calls_from(shuffled))


@settings(max_examples=15, deadline=None)
@given(logs())
def test_doubled_cost_doubles_cost_and_leaves_revenue(rows: list[Row]) -> None:
    once = analyze(calls_from(rows))
    twice = analyze(calls_from([{**row, "cost_usd": 2 * Decimal(str(row["cost_usd"]))} for row in rows]))
    assert metric(twice, "revenue") == metric(once, "revenue")
    assert metric(twice, "unknown_cost") == 2 * metric(once, "unknown_cost")
    if metric(once, "margin") is not None:
        before, after = (metric(r, "revenue") - metric(r, "margin") for r in (once, twice))
        assert after == 2 * before


@settings(max_examples=15, deadline=None)
@given(logs())
def test_the_whale_curve_rises_to_its_peak_and_falls_from_there(rows: list[Row]) -> None:
    accounts, _, _ = read_accounts(calls_from(rows))
    curve = whale_curve(accounts.known)
    steps = [b - a for a, b in pairwise([Decimal(0), *curve])]
    assert steps == sorted(steps, reverse=True)
    assert not curve or curve[-1] == accounts.margin
