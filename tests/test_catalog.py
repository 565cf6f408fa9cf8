from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from genai_prices import Usage, calc_price

from finops_core import Catalog, FinopsError, Settings, UnknownPriceError, UsageError
from finops_core.testing import calls_from


def nanos(catalog, provider, model, rows):
    """Catalogue costs of (microseconds, input, output, cache read, cache write) rows."""
    return catalog.cost_nanos(
        provider, model, *(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    )


def own(**models):
    return Catalog(Settings.model_validate({"catalog": {"models": {"acme": models}}}).catalog)


def test_each_class_of_tokens_has_its_price():
    catalog = own(m1={"input": 2, "output": 10, "cache_read": "0.5", "cache_write": "2.5"})
    # 1,000 input: 300 read, 100 written, 600 plain; 50 output
    # 600 x 2000 + 300 x 500 + 100 x 2500 + 50 x 10000 nano-dollars = 1.2 + 0.15 + 0.25 + 0.5 million
    assert nanos(catalog, "acme", "m1", [(0, 1000, 50, 300, 100)]) == [2_100_000]


def test_cached_input_without_a_price_of_its_own_costs_as_input():
    assert nanos(own(m1={"input": 2, "output": 10}), "acme", "m1", [(0, 1000, 0, 300, 100)]) == [2_000_000]


def test_a_fraction_of_a_nano_dollar_is_rounded_half_to_even():
    catalog = own(m1={"input": "0.0005", "output": 0})
    # 0.5 nano-dollars a token: 1 token rounds to 0, 3 tokens (1.5) to 2, 5 tokens (2.5) to 2
    assert nanos(catalog, "acme", "m1", [(0, n, 0, 0, 0) for n in (1, 2, 3, 5)]).tolist() == [0, 1, 2, 2]


def test_astronomic_token_counts_are_priced_exactly():
    catalog = own(m1={"input": 30, "output": 60})
    assert nanos(catalog, "acme", "m1", [(0, 10**13, 10**13, 0, 0)]) == [10**13 * 90_000]


def test_a_call_that_costs_more_than_can_be_counted_is_an_error_that_says_so():
    # 9,007,199,254,740,992 tokens at $2,000 per million are 18 billion dollars: 2 x 9.007e18 nano-dollars
    with pytest.raises(FinopsError, match=r"a call to m1 \(acme\) with 9,007,199,254,740,992 tokens costs more"):
        nanos(own(m1={"input": 2000, "output": 0}), "acme", "m1", [(0, 2**53, 0, 0, 0)])


def test_several_answers_to_each_call_are_priced_at_once():
    rng = np.random.default_rng(3)
    catalog = Catalog()
    at = rng.integers(1_735_689_600, 1_798_761_600, 40) * 10**6
    total, read, write = (rng.integers(low, high, 40) for low, high in ((200_000, 600_000), (0, 9_000), (0, 9_000)))
    answers = rng.integers(0, 30_000, (3, 40))
    for provider, model in (("deepseek", "deepseek-chat"), ("google", "gemini-2.5-pro"), ("openai", "o3")):
        together = catalog.cost_nanos(provider, model, at, total, answers, read, write)
        apart = [catalog.cost_nanos(provider, model, at, total, answer, read, write) for answer in answers]
        assert together.tolist() == [cost.tolist() for cost in apart]


def test_prices_are_those_of_genai_prices_at_the_date_with_tiers_and_times_of_day():
    rng = np.random.default_rng(7)
    catalog = Catalog()
    models = [(m.provider, m.model) for m in catalog.market] + [("x-ai", "grok-4.20"), ("openai", "o3")]
    for provider, model in models:
        for _ in range(12):
            at = int(rng.integers(1_735_689_600, 1_798_761_600))
            total, output = int(rng.integers(1, 600_000)), int(rng.integers(0, 30_000))
            read, write = total * int(rng.integers(0, 50)) // 100, total * int(rng.integers(0, 50)) // 100
            library = calc_price(
                Usage(input_tokens=total, output_tokens=output, cache_read_tokens=read, cache_write_tokens=write),
                model,
                provider_id=provider,
                genai_request_timestamp=datetime.fromtimestamp(at, UTC),
            )
            ours = nanos(catalog, provider, model, [(at * 10**6, total, output, read, write)])
            assert ours[0] == int((library.total_price * 10**9).to_integral_value()), (provider, model, at)


def test_a_call_at_the_threshold_pays_the_price_below_it_and_one_token_more_the_price_above():
    # gemini-2.5-pro: $1.25 per million tokens of input up to 200,000 of them, $2.50 for all tokens of a longer call.
    short, long = (1_767_571_200_000_000, 200_000, 0, 0, 0), (1_767_571_200_000_000, 200_001, 0, 0, 0)
    # 200,000 x 1,250 and 200,001 x 2,500 nano-dollars.
    for rows, expected in (([short], [250_000_000]), ([short, long], [250_000_000, 500_002_500])):
        assert list(nanos(Catalog(), "google", "gemini-2.5-pro", rows)) == expected


def test_the_default_market_has_a_dozen_models_of_at_least_five_providers_at_the_documented_weights():
    market = Catalog().market
    weights = {}
    for model in market:
        weights[model.provider] = weights.get(model.provider, 0) + model.weight
    assert len(market) >= 12
    assert len(weights) >= 5
    others = sum(w for p, w in weights.items() if p not in {"openai", "anthropic", "google", "bedrock", "azure"})
    shares = [weights[p] for p in ("openai", "anthropic", "google", "bedrock", "azure")]
    assert [*shares, others] == pytest.approx([0.40, 0.25, 0.15, 0.10, 0.07, 0.03])


def test_weights_and_models_can_be_replaced():
    catalog = Catalog(
        Settings.model_validate(
            {
                "catalog": {
                    "weights": {
                        "openai": 0,
                        "google": 0,
                        "bedrock": 0,
                        "azure": 0,
                        "mistral": 0,
                        "deepseek": 0,
                        "acme": 75,
                    },
                    "models": {"acme": {"m1": {"weight": 1, "input": 1, "output": 2, "tokens_per_second": 10}}},
                }
            }
        ).catalog
    )
    weights = {(m.provider, m.model): m.weight for m in catalog.market}
    assert weights["acme", "m1"] == pytest.approx(0.75)
    assert {provider for provider, _ in weights} == {"acme", "anthropic"}
    assert next(m for m in catalog.market if m.provider == "acme").tokens_per_second == 10


def test_a_model_without_a_price_is_an_error_and_never_free():
    with pytest.raises(UnknownPriceError, match="no price is known for model 'nope' of provider 'acme'") as error:
        Catalog().price("acme", "nope", datetime(2026, 1, 5))
    assert "[catalog.models.acme.'nope']" in error.value.hint
    unpriced = Settings.model_validate({"catalog": {"models": {"acme": {"m1": {"weight": 1}}}, "weights": {"acme": 1}}})
    with pytest.raises(UnknownPriceError):
        _ = Catalog(unpriced.catalog).market


def test_a_provider_with_a_weight_and_no_model_is_an_error():
    with pytest.raises(UsageError, match="has no model of it to draw"):
        _ = Catalog(Settings.model_validate({"catalog": {"weights": {"acme": 5}}}).catalog).market


def test_rows_of_a_log_are_priced_each_by_its_model_and_unknown_ones_marked():
    catalog = own(m1={"input": 2, "output": 0}, m2={"input": 4, "output": 0})
    calls = calls_from(
        [
            {"provider": "acme", "model": "m2", "input_tokens": 10},
            {"provider": "acme", "model": "m1", "input_tokens": 10},
            {"provider": "acme", "model": "m3", "input_tokens": 10},
        ]
    ).sql("SELECT * FROM calls ORDER BY call_id")
    assert catalog.costs(calls).tolist() == [40_000, 20_000, -1]
    assert catalog.costs(calls, provider="acme", model="m1").tolist() == [20_000] * 3
    assert catalog.costs(calls.slice(0, 0)).tolist() == []


def test_the_dates_of_price_changes_are_told():
    assert Catalog().changes("openai", "o3") == (date(2025, 6, 10),)
    assert Catalog().changes("openai", "gpt-5") == ()
    assert Catalog().price("openai", "gpt-5", datetime(2026, 1, 5)).input.usd_per_million() == Decimal("1.25")
