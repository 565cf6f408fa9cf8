"""The split of a change into volume, intensity, price and mix, worked out by hand and held to its laws."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from finops_plugin_domains.understanding.cost_change import EFFECTS, LEAF, CostChange, Movement, cost_change
from finops_plugin_domains.understanding.movement import because, change_section, main_cause
from finops_plugin_domains.understanding.price_steps import PriceSteps
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import Calls, PeriodChoice, Settings
from finops_core.testing import calls_from

MILLION = 1_000_000
OWN_PRICES = Settings.model_validate({"catalog": {"models": {"house": {"plain": {"input": 1, "output": 2}}}}})
BEFORE, NOW = datetime(2025, 6, 9, 12), datetime(2025, 6, 10, 12)


def two_days(rows: list[dict], **options) -> Calls:
    """Calls whose 9 June is compared with their 10 June."""
    return calls_from(rows, settings=OWN_PRICES, choice=PeriodChoice(first=NOW.date(), last=NOW.date()), **options)


def change_of(calls: Calls) -> CostChange:
    models = {(r["provider"], r["model"]) for r in calls.rows("SELECT DISTINCT provider, model FROM history")}
    change = cost_change(calls, frozenset(models))
    assert change is not None
    return change


def call(at: datetime, tokens: int, cost: object, **more) -> dict:
    return {
        "timestamp": at,
        "provider": "house",
        "model": "plain",
        "input_tokens": tokens,
        "cost_usd": cost,
        "feature_id": "chat",
        **more,
    }


def effects(m: Movement) -> dict[str, Decimal]:
    return {e: getattr(m, e) for e in EFFECTS}


def dollars(**amounts: object) -> dict[str, Decimal]:
    return {e: Decimal(str(amounts.get(e, 0))).quantize(Decimal("1e-9")) for e in EFFECTS}


def test_more_and_longer_calls_split_into_volume_and_intensity() -> None:
    # 2 calls of 1M tokens, then 3 of 2M, at $1 a million: $2 becomes $6.
    # volume = 1 call x 1.5M x $1 = $1.50; intensity = 2.5 calls x 1M x $1 = $2.50.
    rows = [call(BEFORE, MILLION, 1)] * 2 + [call(NOW, 2 * MILLION, 2)] * 3
    rows = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    total = change_of(two_days(rows)).total
    assert (total.previous, total.current, total.change) == (2, 6, 4)
    assert effects(total) == dollars(volume="1.5", intensity="2.5")
    assert main_cause(total)[0] == "intensity"


def o3(at: datetime, tokens: int, cost: object) -> dict:
    return call(at, tokens, cost, provider="openai", model="o3")


def test_a_new_catalogue_price_is_price() -> None:
    # o3 fell from $10 to $2 per million input tokens on 10 June 2025.
    assert effects(change_of(two_days([o3(BEFORE, MILLION, 10), o3(NOW, MILLION, 2)])).total) == dollars(price=-8)


def test_what_moves_together_is_mix() -> None:
    # 1 call of 1M at $10, then 2 of 2M at $2: $10 becomes $8.
    # volume 1 x 1.5 x 6 = 9, intensity 1.5 x 1 x 6 = 9, price 1.5 x 1.5 x -8 = -18; left of -2: -2 (= 1 x 1 x -8 / 4).
    rows = [o3(BEFORE, MILLION, 10), o3(NOW, 2 * MILLION, 4), o3(NOW, 2 * MILLION, 4)]
    assert effects(change_of(two_days(rows)).total) == dollars(volume=9, intensity=9, price=-18, mix=-2)


def test_a_discount_is_mix() -> None:
    rows = [call(BEFORE, MILLION, 1), call(NOW, MILLION, "0.5")]
    assert effects(change_of(two_days(rows)).total) == dollars(mix="-0.5")


def test_each_class_of_tokens_has_its_own_price() -> None:
    # 1M uncached at $1 becomes 1M output at $2: per call -1M x $1 + 1M x $2 = $1, all of it tokens per call.
    rows = [call(BEFORE, MILLION, 1), call(NOW, 0, 2, output_tokens=MILLION)]
    assert effects(change_of(two_days(rows)).total) == dollars(intensity=1)


def test_long_inputs_pay_the_price_of_their_tier() -> None:
    # claude-sonnet-4-5: $3 a million up to 200,000 input tokens, $6 beyond. 200k ($0.60), then 300k ($1.80).
    # intensity = 0.1M x $4.50 = $0.45; price = 0.25M x $3 = $0.75.
    rows = [
        call(BEFORE, 200_000, "0.6", provider="anthropic", model="claude-sonnet-4-5"),
        call(NOW, 300_000, "1.8", provider="anthropic", model="claude-sonnet-4-5"),
    ]
    assert effects(change_of(two_days(rows)).total) == dollars(intensity="0.45", price="0.75")


def test_what_appears_or_disappears_is_volume() -> None:
    rows = [call(BEFORE, 7, "0.1", customer_id="gone"), call(NOW, 5, "0.3", customer_id="new")]
    gone, new = sorted(change_of(two_days(rows)).by("customer_id"), key=lambda m: str(m.names))
    assert effects(gone) == dollars(volume="-0.1")
    assert effects(new) == dollars(volume="0.3")


def test_without_a_catalogue_price_volume_is_valued_at_the_logged_cost_per_call() -> None:
    # $1 for 1 call, then $6 for 3: 2 more calls x the mean of $1 and $2 = $3; the other $2 cannot be told apart.
    rows = [call(BEFORE, 10, 1, model="unknown")] + [call(NOW, 20, 2, model="unknown")] * 3
    rows = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    change = change_of(two_days(rows))
    assert effects(change.total) == dollars(volume=3, mix=2)
    assert change.unpriced == 7_000_000_000


def test_calls_without_tokens_or_cost_do_not_divide_by_zero() -> None:
    rows = [
        call(BEFORE, 0, 0),
        call(NOW, 0, 5),
        call(NOW, 0, 0, customer_id="c2"),
        call(BEFORE, 9, 0, customer_id="c2"),
    ]
    assert effects(change_of(two_days(rows)).total) == dollars(mix=5)


def plain(*amounts: tuple[datetime, int]) -> list[dict]:
    """Calls of 1M tokens on a model without a price, at their dollars."""
    return [call(at, MILLION, cost, call_id=f"{i}", model=f"at-{cost}") for i, (at, cost) in enumerate(amounts)]


def test_as_many_calls_on_a_dearer_model_are_a_shift_and_not_more_calls() -> None:
    # 2 calls at $1, then 1 at $1 and 1 at $3: -$1 and +$3 of volume, with as many calls as before.
    change = change_of(two_days(plain((BEFORE, 1), (BEFORE, 1), (NOW, 1), (NOW, 3))))
    assert effects(change.total) == dollars(volume=2)
    assert (change.total.from_calls, change.total.shift) == (0, 2)
    assert because(change.total) == (
        "mainly because a shift of calls to dearer models, features or customers added $2.00"
    )
    assert (
        "+$2.00 from volume (2 calls after 2: $0 from their number, +$2.00 from a shift of calls to dearer models, "
        "features or customers)"
    ) in change_section(change).text


def test_volume_is_the_number_of_calls_at_their_mean_cost_and_a_shift_of_calls() -> None:
    # 2 calls at $1 stay, and 1 at $4 comes. The means of both spans are 2 calls at $1 and half a call at $4: $4 for
    # 2.5 calls, $1.60 each. Of the $4, one more call is $1.60, and $2.40 is that it was a dear one.
    rows = plain((BEFORE, 1), (BEFORE, 1), (NOW, 1), (NOW, 1), (NOW, 4))
    change = change_of(two_days(rows))
    assert (change.total.volume, change.total.from_calls, change.total.shift) == (4, Decimal("1.6"), Decimal("2.4"))
    # On each model there is nowhere to shift to: a call more is $4.
    dear, cheap = change.by("model")
    assert (dear.from_calls, dear.shift, cheap.from_calls, cheap.shift) == (4, 0, 0, 0)
    assert because(dear, ("customer_id",)) == "mainly because more calls added $4.00"


def test_fewer_calls_are_not_the_reason_for_a_rise() -> None:
    # 3 calls at $1, then 1 at $1 and 1 at $5. Mean calls: 2 at $1, half a one at $5, $4.50 for 2.5, $1.80 each.
    # One call less is -$1.80; the rest of -$2 + $5 is a shift of $4.80.
    total = change_of(two_days(plain((BEFORE, 1), (BEFORE, 1), (BEFORE, 1), (NOW, 1), (NOW, 5)))).total
    assert (total.volume, total.from_calls, total.shift) == (3, Decimal("-1.8"), Decimal("4.8"))
    assert "a shift of calls to dearer" in because(total)


def test_without_a_comparison_there_is_nothing_to_split() -> None:
    assert cost_change(calls_from([{}]), frozenset({("openai", "gpt-5")})) is None


def test_a_fall_is_explained_by_what_pulled_down() -> None:
    rows = [call(BEFORE, 4 * MILLION, 4, call_id="a"), *(call(NOW, MILLION, 1, call_id=str(i)) for i in range(2))]
    # $4 becomes $2: volume +1 x 2.5 = $2.50, intensity 1.5 x -3 = -$4.50.
    total = change_of(two_days(rows)).total
    assert effects(total) == dollars(volume="2.5", intensity="-4.5")
    assert because(total) == "mainly because fewer tokens per call took off $4.50, while more calls added $2.50"
    assert main_cause(total)[0] == "intensity"


@pytest.mark.parametrize(("against", "named"), [(5, ", while fewer tokens per call took off $5.00"), (4, "")])
def test_what_went_against_a_change_is_named_from_a_twentieth_of_its_cause_on(against: int, named: str) -> None:
    moved = Movement((), 100, 200, *map(Decimal, (100, 200 - against, 100, -against, 0, 0, 100)))
    assert because(moved) == f"mainly because more calls added $100.00{named}"


def test_what_moved_most_comes_first_and_tells_its_effects_from_a_hundredth_of_the_change_on() -> None:
    # Customer a: 1 call of 1M tokens ($1), then 2 of 2M ($4): volume 1 x 1.5M = $1.50, intensity 1.5 x 1M = $1.50.
    # Customer b: $2 less on another feature. The customers moved by $3 and $2, so did the features.
    rows = [
        call(BEFORE, MILLION, 1, customer_id="a"),
        *[call(NOW, 2 * MILLION, 2, customer_id="a")] * 2,
        *[call(BEFORE, MILLION, 1, customer_id="b", feature_id="qa")] * 3,
        call(NOW, MILLION, 1, customer_id="b", feature_id="qa"),
    ]
    rows = [{**row, "call_id": str(i)} for i, row in enumerate(rows)]
    assert change_section(change_of(two_days(rows))).text.endswith(
        "Customers that moved most: a (+$3.00) and b (-$2.00). By feature and model, what moved most (others made up "
        "for some of it): chat on house / plain (+$3.00: volume +$1.50, intensity +$1.50). Against it went qa on house "
        "/ plain (-$2.00, all volume)."
    )
    # With a customer for each call, none of them moved by more than $2, and chat by $3.
    rows = [{**row, "customer_id": f"c{i}"} for i, row in enumerate(rows)]
    text = change_section(change_of(two_days(rows))).text
    assert text.index("By feature and model") < text.index("Customers that moved most")


@pytest.mark.parametrize(("qa_before", "much"), [(6, "others made up for some of it"), (5, "100 % of the change")])
def test_no_share_of_the_change_is_above_the_whole(qa_before: int, much: str) -> None:
    # chat rises by $4, qa stays at $5 or falls to it from $6: $4 is all of the change, or 4 / 3 of it.
    rows = [
        call(BEFORE, MILLION, 1, call_id="a"),
        call(NOW, 5 * MILLION, 5, call_id="b"),
        call(BEFORE, 5 * MILLION, qa_before, call_id="c", feature_id="qa"),
        call(NOW, 5 * MILLION, 5, call_id="d", feature_id="qa"),
    ]
    assert (
        f"By feature and model, what moved most ({much}): chat on house / plain (+$4.00, all intensity)"
        in change_section(change_of(two_days(rows))).text
    )


MODELS = [
    ("house", "plain"),
    ("openai", "o3"),
    ("anthropic", "claude-sonnet-4-5"),
    ("deepseek", "deepseek-chat"),
    ("nobody", "knows"),
]


@st.composite
def logs(draw: st.DrawFn) -> list[dict]:
    rows = []
    for i in range(draw(st.integers(1, 12))):
        provider, model = draw(st.sampled_from(MODELS))
        cached = draw(st.integers(0, 300_000))
        rows.append(
            {
                "call_id": str(i),
                "timestamp": datetime(2025, 6, 9) + timedelta(minutes=draw(st.integers(0, 2 * 1440 - 1))),
                "provider": provider,
                "model": model,
                "customer_id": draw(st.sampled_from(["a", "b"])),
                "feature_id": draw(st.sampled_from(["chat", None])),
                "cache_read_tokens": cached,
                "input_tokens": cached + draw(st.integers(0, 300_000)),
                "output_tokens": draw(st.integers(0, 10_000)),
                "cost_usd": Decimal(draw(st.integers(0, 10**18 - 10**9))).scaleb(-9),
            }
        )
    return rows


@settings(max_examples=60, deadline=None)
@given(logs())
def test_effects_add_up_to_the_change_to_the_last_digit_along_every_dimension(rows: list[dict]) -> None:
    calls = two_days(rows)
    if calls.comparison is None:  # all calls on one day
        return
    change = change_of(calls)
    logged = {
        span: calls.rows(f"SELECT coalesce(sum(cost_usd), 0) AS cost FROM {span}")[0]["cost"]
        for span in ("current", "previous")
    }
    assert change.total.change == logged["current"] - logged["previous"]
    for grouping in (*((d,) for d in LEAF), LEAF, ("feature_id", "provider", "model"), ()):
        movements = change.by(*grouping) if grouping else [change.total]
        assert all(m.change == m.volume + m.intensity + m.price + m.mix for m in movements)
        for m in movements:
            more = m.current_calls - m.previous_calls
            assert m.from_calls * more > 0 or m.from_calls == 0
            assert m.from_calls + m.shift == m.volume
            assert grouping != LEAF or m.shift == 0
        for field in ("previous", "current", *EFFECTS):
            assert sum(getattr(m, field) for m in movements) == getattr(change.total, field)


@settings(max_examples=40, deadline=None)
@given(logs())
def test_within_a_price_step_every_call_costs_tokens_times_price(rows: list[dict]) -> None:
    calls = calls_from(rows, settings=OWN_PRICES)
    steps = PriceSteps.of(calls.catalog, MODELS, datetime(2025, 6, 9), datetime(2025, 6, 11))
    table = calls.sql(f"SELECT *, {steps.sql} AS step FROM calls ORDER BY call_id", **steps.values)
    for row, nanos in zip(table.to_pylist(), calls.catalog.costs(table).tolist(), strict=True):
        prices = steps.prices(calls.catalog, row["provider"], row["model"], int(row["step"]))
        tokens = [
            row["input_tokens"] - row["cache_read_tokens"],
            row["cache_read_tokens"],
            0,
            row["output_tokens"],
        ]
        if row["model"] == "knows":
            assert np.isnan(prices).all()
        else:
            assert float(prices @ np.array(tokens)) * 1e9 == pytest.approx(nanos, abs=1)


def test_doubled_costs_double_every_effect() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    rows = [
        call(
            BEFORE + timedelta(days=int(rng.integers(2))),
            int(rng.integers(1, 5000)),
            Decimal(int(rng.integers(1, 10**9))).scaleb(-9),
            call_id=str(i),
            customer_id=f"c{rng.integers(4)}",
        )
        for i in range(60)
    ]
    once = change_of(two_days(rows))
    twice = change_of(two_days([{**row, "cost_usd": 2 * row["cost_usd"]} for row in rows]))
    # Each leaf rounds each effect to the nano-dollar: half of one, doubled, for each of the four leaves.
    for effect in (*EFFECTS, "from_calls"):
        assert abs(getattr(twice.total, effect) - 2 * getattr(once.total, effect)) <= Decimal("12e-9")


def test_amounts_beyond_64_bits_stay_exact() -> None:
    most = Decimal("999999999.999999999")
    rows = [call(NOW, MILLION, most, call_id=str(i)) for i in range(30)] + [call(BEFORE, MILLION, most)]
    total = change_of(two_days(rows)).total
    assert total.change == 29 * most
    assert total.volume + total.intensity + total.price + total.mix == total.change
