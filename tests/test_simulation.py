"""What is true of every pattern: customers, calls, determinism, events."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from finops_core import (
    UNBILLED_STATUS,
    AICallSimulator,
    Calendar,
    Catalog,
    Event,
    PluginError,
    Run,
    Settings,
    UsageError,
)
from finops_core.simulation import slices, traffic
from finops_core.simulation.checks import BatchChecker
from finops_core.simulation.customers import ARCHETYPES, TIERS, Population, exact_shares
from finops_core.simulation.run import default_start
from finops_core.testing import hourly_calls

MONDAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def calls():
    """About 130,000 calls of steady traffic: 100 customers over 20 days."""
    return AICallSimulator(num_customers=100, num_days=20, seed=7).generate(source="steady", start=MONDAY)


def frame(table, *columns):
    return (table[c].to_numpy(zero_copy_only=False) for c in columns)


# Customers


@pytest.mark.parametrize(
    ("count", "expected"),
    # 30 customers: 21, 6, 3. 15: 10.5, 3, 1.5 leave one over, and both remainders are .5: the rarer archetype gets it.
    [(30, [21, 6, 3]), (100, [70, 20, 10]), (15, [10, 3, 2]), (1, [1, 0, 0]), (10, [7, 2, 1])],
)
def test_archetype_shares_are_exact(count, expected):
    assert np.bincount(exact_shares(count, [0.7, 0.2, 0.1]), minlength=3).tolist() == expected
    population = Population(Run("steady", start=MONDAY, days=1, seed=1), count)
    assert np.bincount(population.archetype, minlength=3).tolist() == expected


def test_the_order_of_archetypes_is_drawn():
    one, other = (Population(Run("steady", start=MONDAY, days=1, seed=seed), 100).archetype for seed in (1, 2))
    assert one.tolist() != sorted(one.tolist())
    assert one.tolist() != other.tolist()


def test_rates_and_tiers_belong_to_the_archetype():
    population = Population(Run("steady", start=MONDAY, days=1, seed=1), 1000)
    for index, archetype in enumerate(ARCHETYPES):
        mine = population.archetype == index
        low, high = archetype.calls_per_day
        assert low <= population.calls_per_day[mine].min() < population.calls_per_day[mine].max() <= high
        assert population.calls_per_day[mine].mean() == pytest.approx((low + high) / 2, rel=0.05)
        shares = {name: (population.tier[mine] == TIERS.index(name)).mean() for name, _ in archetype.tiers}
        assert shares == pytest.approx(dict(archetype.tiers)), "tier shares are exact within an archetype"


def test_customers_are_named_after_pattern_seed_and_index_and_ten_share_an_organisation(calls):
    names = sorted(pc.unique(calls["customer_id"]).to_pylist())
    assert names == [f"steady-7-{index:05d}" for index in range(100)]
    pairs = calls.group_by(["customer_id", "organization_id"]).aggregate([])
    assert pairs.num_rows == 100
    assert set(np.unique(pairs["organization_id"].to_pylist(), return_counts=True)[1].tolist()) == {10}


# Calls


def test_counts_are_poisson_around_the_normal_rate():
    counts, normal = hourly_calls(
        AICallSimulator(num_customers=300, num_days=14, seed=3), start=MONDAY, source="steady"
    )
    assert counts.sum() / (normal.sum() * 14 * 24) == pytest.approx(1, abs=0.01)
    # the standardised square of a Poisson count averages 1
    assert (((counts - normal) ** 2) / normal).mean() == pytest.approx(1, abs=0.03)


def test_calls_are_in_time_order_with_unique_names(calls):
    (us,) = frame(calls.set_column(0, "timestamp", calls["timestamp"].cast(pa.int64())), "timestamp")
    assert (np.diff(us) >= 0).all()
    assert pc.count_distinct(calls["call_id"]).as_py() == calls.num_rows
    assert pc.all(pc.match_substring_regex(calls["call_id"], "^sim_[0-9a-f]{16}$")).as_py()


def test_models_are_drawn_by_market_weight(calls):
    share = calls.group_by("provider").aggregate([([], "count_all")]).to_pylist()
    measured = {row["provider"]: row["count_all"] / calls.num_rows for row in share}
    # 130,000 draws: a standard deviation of 0.14 % at most
    assert measured == pytest.approx(
        {
            "openai": 0.4,
            "anthropic": 0.25,
            "google": 0.15,
            "bedrock": 0.1,
            "azure": 0.07,
            "mistral": 0.02,
            "deepseek": 0.01,
        },
        abs=0.006,
    )


def test_ninety_percent_of_a_tasks_tokens_lie_in_its_documented_range(calls):
    for task in traffic.TASKS:
        mine = calls.filter(pc.and_(pc.equal(calls["task_type"], task.name), pc.equal(calls["status"], "success")))
        for column, (low, high) in (("input_tokens", task.input_tokens), ("output_tokens", task.output_tokens)):
            (tokens,) = frame(mine, column)
            assert np.mean(tokens < low) == pytest.approx(0.05, abs=0.01), (task.name, column)
            assert np.mean(tokens > high) == pytest.approx(0.05, abs=0.01), (task.name, column)
            assert np.log(tokens).mean() == pytest.approx(np.log(low * high) / 2, abs=0.02), (task.name, column)


def test_a_feature_belongs_to_one_task_type(calls):
    pairs = calls.group_by(["feature_id", "task_type"]).aggregate([])
    assert pairs.num_rows == pc.count_distinct(calls["feature_id"]).as_py() == len(traffic.FEATURES)
    assert set(calls["product_id"].unique().to_pylist()) == {"product_a", "product_b", "product_c"}


def test_a_session_stays_with_one_customer_one_hour_and_one_task(calls):
    hour = pc.floor_temporal(calls["timestamp"], unit="hour")
    table = calls.append_column("hour", hour)
    sessions = table.group_by(["session_id", "customer_id", "hour", "task_type", "product_id", "feature_id"]).aggregate(
        []
    )
    assert sessions.num_rows == pc.count_distinct(calls["session_id"]).as_py()
    assert sessions.num_rows < 0.7 * calls.num_rows


def test_input_is_cached_only_where_the_prefix_of_a_session_repeats(calls):
    read, written, whole = frame(calls, "cache_read_tokens", "cache_write_tokens", "input_tokens")
    assert ((read + written) <= whole).all()
    first = calls.group_by("session_id", use_threads=False).aggregate([("cache_read_tokens", "first")])
    assert pc.max(first["cache_read_tokens_first"]).as_py() == 0, "the first call of a session has nothing to read"
    assert 0.1 < read.sum() / whole.sum() < 0.4


def test_failed_calls_are_few_and_cost_their_input_or_nothing(calls):
    status, output, cost, latency = frame(calls, "status", "output_tokens", "cost_usd", "latency_ms")
    failed = status != "success"
    assert failed.mean() == pytest.approx(0.012, abs=0.0015)
    assert (output[failed] == 0).all()
    assert all(c == 0 for c in cost[np.isin(status, list(UNBILLED_STATUS))])
    assert all(c > 0 for c in cost[status == "timeout"])
    assert set(latency[status == "timeout"]) == {traffic.TIMEOUT_MS}


def test_the_cost_of_every_row_can_be_recomputed_from_the_row(calls):
    catalogue = Catalog().costs(calls)
    (status,) = frame(calls, "status")
    expected = np.where(np.isin(status, list(UNBILLED_STATUS)), 0, catalogue)
    logged = pc.cast(
        pc.multiply(calls["cost_usd"], pa.scalar(Decimal(10**9), pa.decimal128(19, 0))), pa.decimal256(38, 9)
    )
    assert [int(v) for v in logged.to_pylist()] == expected.tolist()


def test_latency_is_time_to_first_token_plus_output_over_speed(calls):
    market = {m.model: m for m in Catalog().market if m.provider == "openai"}
    for model in market.values():
        mine = calls.filter(pc.and_(pc.equal(calls["model"], model.model), pc.equal(calls["provider"], "openai")))
        mine = mine.filter(pc.equal(mine["status"], "success"))
        output, latency = frame(mine, "output_tokens", "latency_ms")
        expected = model.first_token_ms + output * 1000 / model.tokens_per_second
        # two independent noises with a log-sd of 0.35 around a median of 1
        assert np.median(latency / expected) == pytest.approx(1.0, abs=0.05)
        assert 0.2 < np.log(latency / expected).std() < 0.36


# The same bytes


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_makes_the_same_calls(calls, workers):
    same = AICallSimulator(num_customers=100, num_days=20, seed=7).generate(
        source="steady", start=MONDAY, workers=workers
    )
    assert same.equals(calls)


def test_another_seed_makes_other_customers_with_other_calls(calls):
    other = AICallSimulator(num_customers=100, num_days=2, seed=8).generate(source="steady", start=MONDAY)
    assert not set(other["call_id"].to_pylist()) & set(calls["call_id"].to_pylist())
    assert not set(other["customer_id"].unique().to_pylist()) & set(calls["customer_id"].unique().to_pylist())


def test_another_start_makes_other_call_names(calls):
    later = AICallSimulator(num_customers=100, num_days=2, seed=7).generate(source="steady", start=date(2026, 3, 2))
    assert not set(later["call_id"].to_pylist()) & set(calls["call_id"].to_pylist())


def test_more_customers_than_a_block_keep_the_first_blocks_calls_per_hour():
    small = hourly_calls(AICallSimulator(num_customers=300, num_days=2, seed=1), start=MONDAY, source="steady")[0]
    assert small.shape == (300, 48)
    assert (small[256:].sum(axis=1) > 0).all()


def test_slices_are_small_whatever_an_hour_holds(monkeypatch):
    whole = AICallSimulator(num_customers=60, num_days=2, seed=1).generate(source="steady", start=MONDAY)
    monkeypatch.setattr(slices, "SLICE_CALLS", 40)
    run = Run("steady", start=MONDAY, days=2, seed=1)
    batches = list(AICallSimulator(num_customers=60, num_days=2, seed=1).generate_calls(run))
    checker = BatchChecker(run)
    assert sum(checker.check(batch).num_rows for batch in batches) == whole.num_rows
    assert max(batch.num_rows for batch in batches) < 80
    ids = {name for batch in batches for name in batch.column("call_id").to_pylist()}
    assert len(ids) == whole.num_rows


def test_the_streams_of_different_things_differ_and_each_begins_anew():
    run = Run("steady", seed=1)
    assert run.rng("a").random() == run.rng("a").random()
    assert (
        len(
            {
                run.rng("a").random(),
                run.rng("b").random(),
                run.rng("a", 1).random(),
                Run("other", seed=1).rng("a").random(),
            }
        )
        == 4
    )


# The period


def test_without_a_start_the_whole_days_before_today_are_simulated():
    assert default_start(30) + timedelta(days=30) == datetime.now(UTC).date()
    settled = Run("steady").settled(start=None, days=10, seed=4)
    assert settled.period == (default_start(10), 10)
    assert settled.seed == 4


def test_what_the_run_asks_for_goes_over_the_patterns_own_values():
    simulator = AICallSimulator(num_customers=5, num_days=9, seed=1, start=date(2026, 5, 1))
    own = simulator.generate(source="steady")
    assert str(own["timestamp"][0].as_py().date()) == "2026-05-01"
    asked = simulator.generate(source="steady", start=MONDAY, days=1, seed=3)
    assert {t.date() for t in asked["timestamp"].to_pylist()} == {MONDAY}
    assert asked["customer_id"][0].as_py().startswith("steady-3-")


def test_a_period_outside_the_years_a_log_takes_is_refused():
    with pytest.raises(UsageError, match="leaves the years 2000 to 2099"):
        AICallSimulator(num_days=400).generate(source="steady", start=date(2099, 6, 1))


def test_scale_multiplies_customers():
    table = AICallSimulator(num_customers=10, num_days=1).generate(source="steady", start=MONDAY, scale=2.5)
    assert pc.count_distinct(table["customer_id"]).as_py() == 25


def test_the_calendar_knows_real_weekdays():
    calendar = Calendar(date(2026, 1, 9), 3)  # a Friday
    assert calendar.weekday[::24].tolist() == [4, 5, 6]
    assert calendar.is_weekend[::24].tolist() == [False, True, True]
    assert calendar.date[-1] == np.datetime64("2026-01-11")
    assert len(calendar) == 72


# What a pattern may do


class Half(AICallSimulator):
    """Quiet except for one hour."""

    def factor(self, customers, calendar):
        return np.where(calendar.hour == 5, 12.0, 0.0)

    def events(self, customers, calendar):
        yield Event(customers.ids[0], "launch", calendar.at(5), calendar.at(6))
        yield Event(customers.ids[0], "nothing", calendar.at(7), calendar.at(9))
        yield Event(customers.ids[0], "half", calendar.at(5), calendar.at(7))
        yield Event(customers.ids[0], "later", calendar.at(len(calendar) + 24))


def test_events_carry_the_factor_that_was_applied_and_silence_is_not_planted():
    events = Half(num_customers=3, num_days=1).planted(start=MONDAY).to_pylist()
    assert [(e["kind"], e["factor"]) for e in events] == [("half", 6.0), ("launch", 12.0)]
    assert {e["source"] for e in events} == {"half"}


def test_an_event_of_somebody_who_is_not_asked_for_is_refused():
    class Gossip(AICallSimulator):
        def events(self, customers, calendar):
            yield Event("gossip-0-00300", "launch", calendar.at(5), calendar.at(6))

    with pytest.raises(PluginError, match="an event of 'gossip-0-00300', who is none of the customers"):
        Gossip(num_customers=3, num_days=1).generate(start=MONDAY)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (np.ones((3, 5)), "has shape (3, 5), which does not broadcast to (customers, hours) = (3, 24)"),
        (np.ones((24, 3)), "has shape (24, 3), which"),
        (-1.0, "first -1 for broken-0-00000 at 2026-01-05 00:00:00"),
        (np.where(np.arange(24) == 7, np.nan, 1), "first nan for broken-0-00000 at 2026-01-05 07:00:00"),
        (np.inf, "first inf for"),
        (None, "a value of type NoneType, which is no array of numbers"),
        ("much", "a value of type str, which is no array of numbers"),
        ([[1, 2], [3]], "a value of type list, which is no array of numbers"),
        ({"light": 1}, "a value of type dict, which is no array of numbers"),
    ],
)
def test_a_factor_that_makes_no_sense_is_refused(factor, message):
    class Broken(AICallSimulator):
        def factor(self, customers, calendar):
            return factor

    with pytest.raises(PluginError, match=re.escape(message)):
        Broken(num_customers=3, num_days=1).generate(start=MONDAY)


class Times(AICallSimulator):
    """A steady factor."""

    by: float = 1

    def factor(self, customers, calendar):
        return self.by


def test_an_absurd_factor_is_refused_with_the_calls_it_would_make_before_one_is_made():
    # One light customer makes 5 to 20 calls a day: times 1e6 on two days 1e7 to 4e7 calls, where 20,000 may be made.
    with pytest.raises(
        PluginError, match=r"about [1-4](\.\d+)?e\+07 calls of 1 customer in 2 days.* 20,000 in all"
    ) as e:
        Times(num_customers=1, by=1e6).generate_calls(Run("times", start=MONDAY, days=2))
    assert "the factor, here up to 1e+06" in str(e.value.hint)


def test_a_factor_that_overflows_is_refused_without_a_warning():
    with pytest.raises(PluginError, match="about inf calls of 3 customers"):
        Times(num_customers=3, by=1e308).generate_calls(Run("times", start=MONDAY, days=2))


def test_of_many_customers_the_first_that_are_too_many_are_told():
    with pytest.raises(PluginError, match=r"calls of its first 256 customers in 2 days.* 6,000,000 in all"):
        Times(num_customers=300, by=1e6).generate_calls(Run("times", start=MONDAY, days=2))


def test_an_absurd_minimum_is_refused_on_days_that_are_not_silent():
    class AtLeast(Times):
        minimum_per_day: int = 20_000

    # 20,000 calls a day for each customer are twice what it may make; where the factor is 0 nobody calls.
    with pytest.raises(PluginError, match=r"about 1\.2e\+05 calls of 3 customers.* 60,000 in all"):
        AtLeast(num_customers=3).generate_calls(Run("times", start=MONDAY, days=2))
    assert AtLeast(num_customers=3, by=0).generate(start=MONDAY, days=2).num_rows == 0


def test_one_busy_hour_may_be_far_above_the_average():
    class Peak(AICallSimulator):
        def factor(self, customers, calendar):
            return np.where(np.arange(len(calendar)) == 30, 3000.0, 0.0)

    # The calls of 3000 / 24 = 125 normal days within one hour of two days.
    assert Peak(num_customers=1).generate(start=MONDAY, days=2).num_rows > 500


def steady_batch(**changes):
    run = Run("steady", start=MONDAY, days=1, seed=1)
    (table,) = (AICallSimulator(num_customers=3, num_days=1).generate(source="steady", start=MONDAY, seed=1),)
    batch = table.combine_chunks().to_batches()[0]
    for name, value in changes.items():
        index = batch.schema.get_field_index(name)
        column = value(batch.column(name)) if callable(value) else value
        batch = batch.set_column(index, name, column)
    return run, batch


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": lambda c: pa.array(["base"] * len(c))}, "every source must be 'steady'"),
        (
            {"customer_id": lambda c: pa.array(["base-42-00001"] * len(c))},
            "every customer_id must start with 'steady-1-'",
        ),
        ({"call_id": lambda c: pa.array(["x"] * len(c))}, "every call_id must start with 'sim_'"),
        ({"model": lambda c: pa.nulls(len(c), pa.string())}, "column model has empty values"),
        ({"cache_read_tokens": lambda c: pa.nulls(len(c), pa.int64())}, "column cache_read_tokens has empty values"),
        ({"input_tokens": lambda c: pa.array([-1] * len(c))}, "input_tokens has values below 0"),
        ({"reasoning_tokens": lambda c: pa.array([10**6] * len(c))}, "reasoning_tokens exceed output_tokens"),
        ({"latency_ms": lambda c: c.cast(pa.float64())}, "column latency_ms has type double instead of int64"),
        ({"timestamp": lambda c: c.take(pa.array(range(len(c) - 1, -1, -1)))}, "not in time order"),
        ({"timestamp": lambda c: pa.array([datetime(2026, 1, 6)] * len(c), pa.timestamp("us"))}, "outside the period"),
        (
            {"cost_usd": lambda c: pa.array([Decimal("-0.1")] * len(c), pa.decimal128(18, 9))},
            "cost_usd has values below 0",
        ),
    ],
)
def test_a_batch_that_breaks_the_contract_is_refused_by_column(changes, message):
    run, batch = steady_batch(**changes)
    with pytest.raises(PluginError, match=message):
        BatchChecker(run).check(batch)


def test_what_is_not_a_batch_of_calls_is_refused():
    run, batch = steady_batch()
    assert BatchChecker(run).check(batch) is batch
    with pytest.raises(PluginError, match="yielded a dict instead"):
        BatchChecker(run).check({})
    with pytest.raises(PluginError, match="column tags is missing"):
        BatchChecker(run).check(batch.drop_columns(["tags"]))


def test_prices_of_the_settings_reach_simulated_calls():
    settings = Settings.model_validate(
        {"catalog": {"weights": {"acme": 1e9}, "models": {"acme": {"m1": {"weight": 1, "input": 0, "output": 1}}}}}
    )
    table = AICallSimulator(num_customers=5, num_days=1).generate(start=MONDAY, catalog=Catalog(settings.catalog))
    assert table["model"].unique().to_pylist() == ["m1"]
    row = table.to_pylist()[0]
    assert row["cost_usd"] == Decimal(row["output_tokens"]) / 10**6
