"""Four pricing models on the same calls, worked out by hand, on planted truth, and by laws."""

import random
from datetime import date
from decimal import Decimal

import pytest
from finops_plugin_revenue.pricing.analyzer import PricingAnalyzer
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import Calls, PeriodChoice, Report, Section, Settings, Table
from finops_core.testing import calls_from, check_analyzer

Row = dict[str, object]


def calls_of(customer: str, n: int, tier: str | None, cost: object = 0, tokens: int = 0) -> list[Row]:
    """``n`` calls in June, the first on the 1st and the last on the 30th, that cost ``cost`` in all."""
    rows: list[Row] = [
        {
            "customer_id": customer,
            "timestamp": "2026-06-01" if i % 2 == 0 else "2026-06-30",
            "subscription_tier": tier,
            "input_tokens": tokens // n,
        }
        for i in range(n)
    ]
    rows[0]["cost_usd"] = cost
    return rows


def by_hand() -> list[Row]:
    """June, whole: three customers, 100 calls, $427 of revenue, $65 of cost.

    ========  ==========  =======  =====  ====  ==========
    customer  tier        revenue  calls  cost  calls per $
    ========  ==========  =======  =====  ====  ==========
    a         starter          29     10     2  0.345
    b         pro              99     60    60  0.607
    c         enterprise      299     30     3  0.101
    ========  ==========  =======  =====  ====  ==========
    """
    return [*calls_of("a", 10, "starter", 2), *calls_of("b", 60, "pro", 60), *calls_of("c", 30, "enterprise", 3)]


def analyze(calls: Calls, **parameters: object) -> Report:
    return PricingAnalyzer.model_validate(parameters).analyze(calls)


def by_calls(rows: list[Row], **parameters: object) -> Report:
    return analyze(calls_from(rows), usage_unit="calls", **parameters)


def metric(report: Report, name: str) -> object:
    return next(m.value for m in report.metrics if m.id == name)


def table(report: Report, name: str) -> Table:
    return next(b for s in report.sections for b in s.blocks if b.id == name and isinstance(b, Table))


def section(report: Report, name: str) -> Section:
    return next(s for s in report.sections if s.id == name)


def model(report: Report, name: str) -> dict[str, object]:
    models = table(report, "models")
    return next(dict(zip((c.name for c in models.columns), row, strict=True)) for row in models.rows if row[0] == name)


def bills(report: Report, column: str) -> dict[object, object]:
    found = table(report, "bills")
    place = [c.name for c in found.columns].index(column)
    return {row[0]: row[place] for row in found.rows}


def test_a_flat_price_that_is_not_set_earns_todays_revenue_to_the_cent() -> None:
    # 427 / 3 months = 142.33; 3 x 142.33 = 426.99. a and b pay over 20 % more.
    report = by_calls(by_hand())
    assert bills(report, "flat") == dict.fromkeys("abc", Decimal("142.33"))
    flat = model(report, "Flat")
    assert (flat["revenue"], flat["margin"]) == (Decimal("426.99"), Decimal("361.99"))
    assert (flat["raised"], flat["higher"], flat["lower"]) == (2, 2, 1)


def test_a_usage_price_that_is_not_set_earns_todays_revenue() -> None:
    # 427 / 100 calls = 4.27 a call: 10, 60 and 30 calls
    report = by_calls(by_hand())
    assert bills(report, "usage") == {"a": Decimal("42.7"), "b": Decimal("256.2"), "c": Decimal("128.1")}
    assert (model(report, "Usage-based")["change"], model(report, "Usage-based")["raised"]) == (0, 2)
    terms = {row[0]: row for row in table(report, "terms").rows}
    assert terms["Usage-based"][1] == "$4.27 per call"
    assert str(terms["Usage-based"][2]).startswith("Derived")


def test_the_search_finds_the_hybrid_that_earns_most_within_the_limit() -> None:
    # One of three may pay over 20 % more. The highest bills that are no raise are 34.80, 118.80 and 358.80: calls per
    # dollar of them are b 0.5051, a 0.28736, c 0.084. b may be raised, so a holds the price back: 0.2874 calls a
    # dollar, at no more than 1 / 0.2874 = 3.479. a is over by 10 - 8.3346 = 1.6654, b by 60 - 28.4526 = 31.5474,
    # c not: 3.479 x 33.2128 = 115.5473312. With nothing included a's price would be 5.80 / 10 = 0.58, and 100 calls
    # would earn 58.
    report = by_calls(by_hand(), raised_percent=34)
    assert bills(report, "hybrid") == {"a": Decimal("34.7939266"), "b": Decimal("208.7534046"), "c": Decimal(299)}
    hybrid = model(report, "Hybrid")
    assert (hybrid["change"], hybrid["raised"]) == (Decimal("115.5473312"), 1)
    assert metric(report, "gain") == Decimal("115.5473312")
    # Nobody's tier has more customers than another's: enterprise is the first by name, 0.2874 x 299 = 85.9
    terms = "287.4 calls per $1,000 of it (enterprise: about 85 a month) included and $3.479 per call beyond"
    assert f"each tier keeps its price, with {terms}" in report.answer
    assert report.findings[0].usd_per_month == Decimal("115.5473312")
    assert report.findings[0].who == "b"


def test_a_limit_of_nobody_is_kept_by_everybody() -> None:
    # With nothing included, b's limit is 19.80 / 60 = 0.33 a call, for 100 calls. At b's 60 / 118.80 = 0.5051 calls a
    # dollar and 1.979 a call only b would pay more, at most 19.80.
    report = by_calls(by_hand(), raised_percent=0)
    assert model(report, "Hybrid")["change"] == Decimal(33)
    assert model(report, "Hybrid")["raised"] == 0
    assert bills(report, "hybrid") == {"a": Decimal("32.3"), "b": Decimal("118.8"), "c": Decimal("308.9")}
    assert report.answer.endswith(
        "each tier keeps its price, and all use costs $0.33 per call on top; all 3 customers would pay more, but not "
        "over 20 % more."
    )
    assert "a month more than today's tiers ($427.00 in 30 days, margin 84.8 %): each" in report.answer


def test_the_trade_off_shows_what_a_wider_limit_brings() -> None:
    # 0 to 30 % of three customers are nobody, 40 and 50 % are one of them; each is shown at its smallest share
    points = table(by_calls(by_hand()), "tradeoff_points")
    assert [(row[0], row[1], row[3], row[4]) for row in points.rows] == [
        (0.0, "nothing", Decimal(33), 0),
        (40.0, "287.4 calls per $1,000", Decimal("115.5473312"), 1),
    ]


def test_the_trade_off_keeps_to_what_is_set_as_the_answer_does() -> None:
    # At $0.05 a call, of which nothing need be included, 100 calls earn $5: no bill rises by over 20 %
    overage = by_calls(by_hand(), hybrid_overage="0.05")
    # 0.1 calls a dollar are included: 2.9, 9.9 and 29.9, so that 7.1 + 50.1 + 0.1 = 57.3 are charged for. b's limit is
    # 19.80 / 50.1 = 0.3952 a call, which earns 22.64; where b may be raised, a's is 5.80 / 7.1 = 0.8169, 46.81
    included = by_calls(by_hand(), hybrid_included="0.1")
    for report, gains in ((overage, ["5", "5"]), (included, ["22.64496", "46.80837"])):
        rows = table(report, "tradeoff_points").rows
        assert [row[3] for row in rows] == [Decimal(gain) for gain in gains]
        assert metric(report, "gain") == rows[0][3]
    assert "pays over 20 % more, given hybrid_overage. The limit" in section(overage, "tradeoff").text
    # With both set there is nothing to search for
    both = section(by_calls(by_hand(), hybrid_included="0.1", hybrid_overage="0.05"), "tradeoff")
    assert (both.blocks, both.text) == (
        (),
        "Included usage and overage price are both set, so that a wider limit changes nothing.",
    )


def test_what_survives_is_the_gain_less_what_leaving_customers_would_have_brought() -> None:
    # b would pay 208.7534046 and costs 60. If it leaves, what is left against today is 115.5473312 - 148.7534046 =
    # -33.2060734: its 99 of today less its 60 of cost, and 5.7939266 more of a. Half of that leaving: 115.5473312 -
    # 74.3767023 = 41.1706289; gone at 77.68 %.
    report = by_calls(by_hand(), raised_percent=34, leave_percent=50)
    left = table(report, "gain_left_points")
    place = [c.name for c in left.columns].index("hybrid")
    at = {row[0]: row[place] for row in left.rows}
    assert (at[0.0], at[50.0], at[100.0]) == (Decimal("115.5473312"), Decimal("41.1706289"), Decimal("-33.2060734"))
    assert metric(report, "gain_kept") == Decimal("41.1706289")
    assert metric(report, "leave_break_even") == pytest.approx(115.5473312 / 148.7534046 * 100)
    assert "if nobody leaves" in report.answer
    assert report.answer.endswith("1 of 3 customers would pay over 20 % more, and the gain is gone if b leaves.")


def test_of_many_raised_customers_the_answer_says_at_how_many_leavers_the_gain_is_gone() -> None:
    # Nothing included and $0.10 a call: both pay 99 + 60 and cost 20: gain 120, if both leave 278 less: 43.2 %
    rows = [row for name in "ab" for row in calls_of(name, 600, "pro", 20)]
    report = by_calls(rows, hybrid_included=0, hybrid_overage="0.1", raised_percent=100)
    assert report.answer.endswith("and the gain is gone once 43 % of them leave.")
    # Without leavers the gain is whole: more than all of what is left if some leave
    assert (
        "would earn $120.00 a month more than today's tiers ($198.00 in 30 days, margin 79.8 %) if nobody leaves"
        in (report.answer)
    )


def test_no_share_of_leaving_customers_is_assumed() -> None:
    report = by_calls(by_hand(), raised_percent=34)
    assert all(m.id != "gain_kept" for m in report.metrics)
    assert any("No share of leaving customers is assumed" in line for line in report.assumptions)


def test_every_model_can_be_set() -> None:
    report = by_calls(
        by_hand(),
        flat_price=150,
        tier_prices={"pro": 110},
        usage_price="4.5",
        hybrid_base=50,
        hybrid_included="0.5",
        hybrid_overage=2,
    )
    assert bills(report, "flat") == dict.fromkeys("abc", Decimal(150))
    assert bills(report, "tiered") == {"a": Decimal(29), "b": Decimal(110), "c": Decimal(299)}
    assert bills(report, "usage") == {"a": Decimal(45), "b": Decimal(270), "c": Decimal(135)}
    # A base of 50 includes 25 calls: a 50, b 50 + 2 x 35, c 50 + 2 x 5
    assert bills(report, "hybrid") == {"a": Decimal(50), "b": Decimal(120), "c": Decimal(60)}
    assert {str(row[2]).split()[0] for row in table(report, "terms").rows} == {"Set"}


def test_a_price_that_is_set_is_best_if_it_earns_more_within_the_limit() -> None:
    # Enterprise at 358 is 19.7 % more and earns 59; the best hybrid with nobody over 20 % earns 22.59
    report = by_calls(by_hand(), raised_percent=0, tier_prices={"enterprise": 358})
    assert report.answer == (
        "Tiered pricing would earn $59.00 a month more than today's tiers ($427.00 in 30 days, margin 84.8 %): "
        "starter $29, pro $99, enterprise $358 a month; 1 of 3 customers would pay more, none over 20 % more."
    )


def test_cost_plus_is_a_markup_on_logged_cost() -> None:
    report = analyze(calls_from(by_hand()), usage_unit="cost", usage_price="1.3")
    assert bills(report, "usage") == {"a": Decimal("2.6"), "b": Decimal(78), "c": Decimal("3.9")}


def test_tokens_are_priced_by_the_thousand() -> None:
    rows = [*calls_of("a", 2, "starter", tokens=2_000), *calls_of("b", 2, "pro", tokens=6_000)]
    # 128 / 8 thousand tokens = 16
    assert bills(analyze(calls_from(rows)), "usage") == {"a": Decimal(32), "b": Decimal(96)}


def test_a_tier_that_has_no_price_today_is_a_mistake_in_the_setting() -> None:
    # Found when settings are read, before anything runs
    context = {"settings": Settings()}
    with pytest.raises(ValueError, match=r"\[tiers\] has no tier 'por'.*pro"):
        PricingAnalyzer.model_validate({"tier_prices": {"por": 110}}, context=context)
    assert PricingAnalyzer.model_validate({"tier_prices": {"pro": 110}}, context=context).tier_prices == {"pro": 110}


def test_the_customer_that_uses_far_more_than_it_pays_for_is_named() -> None:
    crowd = [row for i in range(19) for row in calls_of(f"small-{i}", 4, "pro")]
    report = by_calls([*crowd, *calls_of("whale", 400, "pro")])
    # Two of 20 may be raised: one of the 19 holds the price back, at 4 / 118.80 = 0.03368 calls a dollar (rounded up)
    # and no more than 1 / 0.03368 = 29.69 a call. Each of them is over by 4 - 3.33432 = 0.66568, the whale by 400 -
    # 3.33432: 29.69 x (19 x 0.66568 + 396.66568) = 12152.520784.
    assert report.findings[0].who == "whale"
    assert metric(report, "gain") == Decimal("12152.520784")
    assert "whale ($99.00 to $11,876)" in report.findings[0].action


def test_where_nothing_earns_more_today_stays() -> None:
    # No bill may rise at all, so that no price beyond today's is left
    rows = [row for i in range(4) for row in calls_of(f"c{i}", 10, "pro")]
    report = by_calls(rows, rise_percent=0)
    assert report.answer.startswith("Keep today's tiers")
    assert metric(report, "gain") == 0
    assert report.findings[0].id == "keep-tiers"
    # A rise of no more than nothing is said as such
    assert report.answer.endswith("of 4 pricing models, none earns more while no more than 10 % of customers pay more.")


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        # All three may be raised, so that no price is too high
        (
            {"raised_percent": 100},
            "every customer that would pay for use may be raised, and without a limit there is no best price",
        ),
        # A base of nothing is no hybrid
        ({"hybrid_base": 0}, "no customer has both a base price and calls to charge for"),
        # a and b pay 29 and 99 today: at 400 for everybody all three are raised, and none may be
        ({"hybrid_base": 400}, "the base of the hybrid alone raises more bills than the limit allows"),
        # a pays nothing, so that nothing is included for it: at $1 a call its bill of $10 is raised, and none may be
        (
            {"hybrid_overage": 1, "tiers": {"starter": 0, "pro": 99, "enterprise": 299}},
            "with that overage price more bills rise than the limit allows, however much is included",
        ),
    ],
)
def test_where_no_hybrid_could_be_priced_nothing_is_said_to_be_best(limit: dict[str, object], why: str) -> None:
    settings = Settings(tiers=limit.pop("tiers", {"starter": 29, "pro": 99, "enterprise": 299}))
    report = analyze(calls_from(by_hand(), settings=settings), usage_unit="calls", **limit)
    assert report.answer.startswith(f"What to charge cannot be said: {why}; customers paid today's tiers")
    assert metric(report, "gain") is None
    (finding,) = report.findings
    assert (finding.title, finding.who) == (f"What to charge cannot be said: {why}.", "all 3 customers")
    assert next(b for s in report.sections for b in s.blocks if b.id == "model_margins").takeaway == (
        "The hybrid was not priced; flat and usage-based earn today's revenue by construction."
    )


def test_without_any_usage_no_hybrid_is_searched_for_even_with_a_given_allowance() -> None:
    report = analyze(calls_from(by_hand()), hybrid_included=0)
    assert report.answer.startswith("What to charge cannot be said: no customer has both a base price and tokens")


def test_an_allowance_a_month_is_not_judged_from_less_than_four_weeks() -> None:
    # 2026-06-01 to 2026-06-27 are 27 days, one too few
    days = [
        {"customer_id": "b", "timestamp": f"2026-06-{day}", "subscription_tier": "pro"} for day in ("01", "27", "28")
    ]
    short, enough = (by_calls(days[:n]) for n in (2, 3))
    why = "it takes 28 days to judge what a month includes, and the period has 27"
    longer = f"I{why[1:]}. Look again once the log holds 28 days, or analyze a longer period."
    # 99 x 27 / 30 = 89.10
    assert short.answer == (
        f"What to charge cannot be said: {why}; customers paid today's tiers ($89.10 in 27 days, no cost is logged)."
    )
    assert metric(short, "gain") is None
    assert [(f.who, f.confidence, f.usd_per_month) for f in short.findings] == [("b", "low", None)]
    assert {row[0]: row[2] for row in table(short, "terms").rows}["Hybrid"] == longer
    assert section(short, "tradeoff").text == longer
    # Over 28 days: $92.40, a fifth of which may be added
    assert model(enough, "Hybrid")["change"] > 18


def test_the_search_is_tested_on_days_that_it_did_not_see() -> None:
    # 2026-06-01 to 28; the spans are 14 days each, which bring 46.20. In the earlier one b makes 20 calls: nobody may
    # be raised, so the search includes 20 / 55.44 = 0.3608 calls a dollar at 2.771 (20 - 16.66896 calls, 9.23) or
    # nothing at 9.24 / 20 = 0.462 a call (9.24); of two so close it takes the former. In the later one b makes 40:
    # 2.771 x (40 - 16.66896) = 64.65, times 30 / 14 = 138.54 a month, and the bill rises by 140 %.
    rows = [
        {"customer_id": "b", "timestamp": day, "subscription_tier": "pro"}
        for day, n in (("2026-06-01", 20), ("2026-06-28", 40))
        for _ in range(n)
    ]
    finding = by_calls(rows).findings[0]
    assert finding.why_sure == (
        "Searched on the earlier span of the comparison alone, the best hybrid would have earned $138.54 a month more "
        "in the later one, where the only customer would have paid over 20 % more; over 14 days usage evens out less "
        "than over a month, so that a hybrid seems to earn more; how customers react is not in the log."
    )
    # The search was to raise nobody
    assert finding.confidence == "low"


def test_the_gain_of_the_same_prices_is_compared_over_spans() -> None:
    # June 1-28: the spans have 14 of June's 30 days each. b makes 20 calls in the earlier and 40 in the later one.
    rows = [
        {"customer_id": "b", "timestamp": day, "subscription_tier": "pro"}
        for day, n in (("2026-06-02", 20), ("2026-06-28", 40))
        for _ in range(n)
    ]
    rows.append({"customer_id": "b", "timestamp": "2026-06-01", "subscription_tier": "pro"})
    report = analyze(
        calls_from(rows), usage_unit="calls", hybrid_included="0.1", hybrid_overage="0.1", rise_percent=100
    )
    gain = report.metrics[0]
    # 99 x 14/30 = 46.20 includes 4.62 calls: (21 - 4.62) x 0.1 and (40 - 4.62) x 0.1, times 30 / 14
    assert gain.previous == pytest.approx(Decimal("1.638") * 30 / 14, abs=Decimal("1e-9"))
    assert gain.current == pytest.approx(Decimal("3.538") * 30 / 14, abs=Decimal("1e-9"))


def test_customers_of_unknown_revenue_are_left_out_and_listed() -> None:
    report = by_calls([*by_hand(), *calls_of("foreign", 500, None, 7)])
    assert set(bills(report, "flat")) == {"a", "b", "c"}
    assert [row[0] for row in table(report, "unknown_customers").rows] == ["foreign"]
    assert metric(report, "revenue") == Decimal(427)


def test_where_no_tier_is_known_the_report_says_what_any_price_must_cover() -> None:
    # $7 for 2 calls of 7,000 tokens in all: $1 per 1,000 tokens, $3.50 a call, $7 for the customer's one month
    report = analyze(calls_from(calls_of("azure", 2, None, 7, tokens=7_000)))
    assert (report.state, report.headline) == ("ready", "cost_per_1k_tokens")
    assert table(report, "unit_costs").rows == ((7, Decimal(1), 2, Decimal("3.5"), 1, Decimal(7)),)
    assert "cannot be compared" in report.answer
    assert "[tiers]" in report.findings[0].action


def test_without_usage_a_usage_price_cannot_be_derived_and_is_not_guessed() -> None:
    report = analyze(calls_from(calls_of("a", 2, "pro")))
    missing = {row[0]: row for row in table(report, "terms").rows if row[1] is None}
    assert set(missing) == {"Usage-based", "Hybrid"}
    assert missing["Usage-based"][2] == (
        "No customer of known revenue has any tokens. Set usage_price, or another usage_unit."
    )


def test_free_customers_divide_nothing_by_zero() -> None:
    free = Settings(tiers={"free": Decimal(0)})
    report = analyze(calls_from(calls_of("a", 3, "free", 1, tokens=3_000), settings=free))
    assert report.state == "ready"
    assert model(report, "Flat")["revenue"] == 0


def test_an_empty_log_and_an_empty_period_give_a_sentence() -> None:
    assert analyze(calls_from([])).state == "empty"
    july = PeriodChoice(date(2026, 7, 1), date(2026, 7, 31))
    assert analyze(calls_from(by_hand(), choice=july)).state == "empty"


def test_customers_of_unknown_revenue_are_named_without_an_amount() -> None:
    # The dollars are told by the report customer_profitability, once
    finding = by_calls([*by_hand(), *calls_of("foreign", 500, None, 7)]).findings[-1]
    assert (finding.id, finding.who, finding.usd_per_month) == ("unknown-revenue", "foreign", None)
    assert finding.title == "foreign is left out of bills and gains for want of a known revenue."


def test_without_any_logged_cost_prices_are_compared_but_no_margin_is_told() -> None:
    # The whale of 400 calls, but no call has a cost
    report = by_calls([*calls_of("small", 4, "pro"), *calls_of("whale", 400, "pro", tokens=4_000)])
    assert "today's tiers ($198.00 in 30 days, no cost is logged)" in report.answer
    assert [metric(report, name) for name in ("margin_today", "cost_per_1k_tokens")] == [None, None]
    assert section(report, "unit_costs").text == (
        "All 404 calls of the period cost nothing by the log, so that what a price must cover is not known."
    )


def test_one_call_is_enough_for_a_report() -> None:
    report = analyze(calls_from(calls_of("only", 1, "pro", 1, tokens=500)))
    assert report.state == "ready"
    assert metric(report, "revenue") == Decimal("3.3")


def test_the_analyzer_keeps_its_contract() -> None:
    check_analyzer(PricingAnalyzer)


def test_names_from_the_log_stay_as_they_are() -> None:
    name = "<script>alert('x')</script>\u2028=1+1"
    report = by_calls([*by_hand(), *calls_of(name, 5, "pro")])
    assert name in bills(report, "flat")
    assert Report.model_validate_json(report.model_dump_json()) == report


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    customers = draw(st.integers(1, 6))
    return [
        row
        for i in range(customers)
        for row in calls_of(
            f"c{i}",
            draw(st.integers(1, 12)),
            draw(st.sampled_from(["starter", "pro", "enterprise", None])),
            draw(st.decimals(0, 300, places=9)),
            draw(st.integers(0, 10**6)),
        )
    ]


@settings(max_examples=25, deadline=None)
@given(logs())
def test_bills_add_up_to_each_models_revenue(rows: list[Row]) -> None:
    report = analyze(calls_from(rows))
    if metric(report, "cost_per_1k_tokens") is None or report.headline != "gain":
        return
    for name, key in (("Flat", "flat"), ("Usage-based", "usage"), ("Hybrid", "hybrid")):
        if any(row[0] == name and row[1] is not None for row in table(report, "terms").rows):
            assert sum(bills(report, key).values()) == model(report, name)["revenue"]
            place = [c.name for c in table(report, "tier_revenue").columns].index(key)
            assert sum(row[place] for row in table(report, "tier_revenue").rows) == model(report, name)["revenue"]


@settings(max_examples=15, deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Row], shuffle: random.Random) -> None:
    numbered = [{**row, "call_id": f"id-{i}"} for i, row in enumerate(rows)]
    shuffled = numbered[:]
    shuffle.shuffle(shuffled)
    assert analyze(calls_from(numbered)) == analyze(calls_from(shuffled))


@settings(max_examples=15, deadline=None)
@given(logs())
def test_doubled_cost_doubles_cost_and_leaves_bills(rows: list[Row]) -> None:
    once = analyze(calls_from(rows))
    twice = analyze(calls_from([{**row, "cost_usd": 2 * Decimal(str(row.get("cost_usd", 0)))} for row in rows]))
    assert [m.id for m in once.metrics] == [m.id for m in twice.metrics]
    if once.headline == "gain":
        assert metric(twice, "revenue") == metric(once, "revenue")
        assert metric(twice, "gain") == metric(once, "gain")
        if metric(once, "margin_today") is not None:  # some call has a cost
            cost, doubled = (metric(r, "revenue") - metric(r, "margin_today") for r in (once, twice))
            assert doubled == 2 * cost
