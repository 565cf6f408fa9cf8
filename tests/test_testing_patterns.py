"""What check_pattern accepts, and what it finds."""

import itertools
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import PositiveInt

from finops_core import SCHEMA, AICallSimulator, Event, hookimpl
from finops_core.testing import check_pattern

NAMES = SCHEMA.names


class Mangled(AICallSimulator):
    """A good pattern whose batches are changed on their way."""

    num_customers: int = 3
    seed: int = 5
    change: ClassVar[Callable[[Any, Any], Any]]

    @hookimpl
    def generate_calls(self, run):
        plain = (pa.Table.from_batches([batch]).cast(SCHEMA).to_batches()[0] for batch in super().generate_calls(run))
        return (type(self).change(batch, run) for batch in plain)


def mangled(change) -> type[Mangled]:
    return type("Mangled", (Mangled,), {"change": staticmethod(change), "__annotations__": {}})


def with_column(batch: pa.RecordBatch, name: str, values: Any, type_: pa.DataType | None = None) -> pa.RecordBatch:
    column = pa.array(values, type_ or SCHEMA.field(name).type)
    columns = [column if n == name else batch.column(n) for n in NAMES]
    return pa.RecordBatch.from_arrays(columns, names=NAMES)


def replaced(name: str, value: Any):
    """Every call gets this value in this column."""
    return mangled(lambda batch, run: with_column(batch, name, [value] * batch.num_rows))


def replaced_first(name: str, value: Any):
    """The first call of every batch gets this value in this column."""
    return mangled(lambda batch, run: with_column(batch, name, [value, *batch.column(name).to_pylist()[1:]]))


def shifted(**by: int):
    return mangled(
        lambda batch, run: with_column(
            batch, "timestamp", pc.add(batch.column("timestamp"), pa.scalar(timedelta(**by), pa.duration("us")))
        )
    )


def planting(**fields: Any):
    """A good pattern that plants this event for its first customer."""

    class Planting(AICallSimulator):
        num_customers: int = 3
        seed: int = 5

        def events(self, customers, calendar):
            event = {"customer_id": customers.ids[0], "kind": "burst", "start": datetime(2026, 1, 6), "factor": 2.0}
            return [Event(**{**event, **fields})]

    return Planting


def test_a_good_pattern_passes_and_its_calls_are_returned(fake_distribution):
    fake_distribution("finops-plugin-weekend")
    from finops_plugin_weekend import WeekendSimulator

    calls = check_pattern(WeekendSimulator)
    assert calls.schema == SCHEMA
    # 25 customers: 17 light at 12.5 calls a day, 5 power at 100, 3 heavy at 350 on average; ten days at 1, four at 3.
    assert calls.num_rows == pytest.approx((17 * 12.5 + 5 * 100 + 3 * 350) * (10 + 4 * 3), rel=0.25)
    assert pc.unique(calls["source"]).to_pylist() == ["weekend"]


def test_an_object_is_checked_with_its_own_parameters():
    calls = check_pattern(AICallSimulator(num_customers=4, seed=9))
    assert pc.count_distinct(calls["customer_id"]).as_py() == 4
    assert re.fullmatch(r".*-9-0000[0-3]", calls["customer_id"][0].as_py())


def test_planted_events_that_are_inside_the_period_pass():
    check_pattern(planting(end=datetime(2026, 1, 7)))
    check_pattern(planting(end=None, kind="churn", factor=0.0))


def test_a_pattern_that_makes_its_batches_itself_passes_with_plain_texts():
    check_pattern(mangled(lambda batch, run: batch))


def without(name):
    return mangled(lambda batch, run: batch.select([n for n in NAMES if n != name]))


def unsorted():
    return mangled(lambda batch, run: batch.take(pa.array(range(batch.num_rows - 1, -1, -1))))


def batches_of_other_things():
    return mangled(lambda batch, run: batch.to_pydict())


def repeated_ids():
    return mangled(lambda batch, run: with_column(batch, "call_id", ["sim_same"] * batch.num_rows))


def numbered_anew():
    return mangled(
        lambda batch, run: with_column(batch, "call_id", [f"sim_{number}" for number in range(batch.num_rows)])
    )


def ids_of_later_batches_again():
    def change(batch, run):
        day = batch.column("timestamp")[0].as_py().day
        return batch if day == 5 else with_column(batch, "call_id", [f"sim_{n}" for n in range(batch.num_rows)])

    return mangled(change)


def random_without_a_seed():
    fresh = np.random.default_rng()
    return mangled(
        lambda batch, run: with_column(batch, "latency_ms", fresh.integers(1, 10**9, batch.num_rows).tolist())
    )


def dependent_on_workers():
    return mangled(lambda batch, run: with_column(batch, "latency_ms", [run.workers] * batch.num_rows))


def growing_state():
    counter = itertools.count()
    return mangled(lambda batch, run: with_column(batch, "session_id", [f"s{next(counter)}"] * batch.num_rows))


def free_of_charge():
    return replaced("cost_usd", Decimal(0))


def one_nano_too_much():
    def change(batch, run):
        costs = [cost + Decimal("0.000000001") for cost in batch.column("cost_usd").to_pylist()]
        return with_column(batch, "cost_usd", costs)

    return mangled(change)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        pytest.param(without("model"), "column model is missing", id="missing column"),
        pytest.param(
            mangled(lambda batch, run: with_column(batch, "latency_ms", [1.5] * batch.num_rows, pa.float64())),
            "column latency_ms has type double",
            id="wrong type",
        ),
        pytest.param(replaced_first("provider", None), "column provider has empty values", id="null in required"),
        pytest.param(replaced_first("cache_read_tokens", None), "cache_read_tokens has empty values", id="null tokens"),
        pytest.param(batches_of_other_things(), "it yielded a dict", id="no batches"),
        pytest.param(unsorted(), "not in time order", id="time order"),
        pytest.param(shifted(days=1), "outside the period", id="too late"),
        pytest.param(shifted(days=-1), "outside the period", id="too early"),
        pytest.param(replaced_first("customer_id", "base-42-00000"), "customer_id must", id="another's customers"),
        pytest.param(replaced_first("customer_id", "mangled-5-x"), "a customer is called 'mangled-5-x'", id="form"),
        pytest.param(replaced_first("call_id", "call_1"), "call_id must start with 'sim_'", id="call_id"),
        pytest.param(repeated_ids(), "call_id has a value that another call has too", id="call_id twice"),
        pytest.param(numbered_anew(), "call_id has a value that another call has too", id="numbered anew"),
        pytest.param(ids_of_later_batches_again(), "call ids are used again", id="call_id twice in later batches"),
        pytest.param(replaced_first("model", ""), "column model has empty values", id="empty text"),
        pytest.param(replaced_first("tags", "a\nb"), "column tags has texts with line breaks", id="line break"),
        pytest.param(replaced_first("region", "a\0b"), "column region has texts with line breaks", id="NUL"),
        pytest.param(replaced_first("tags", "x" * 70_000), "the texts of a call have 70,", id="too long"),
        pytest.param(replaced("source", "base"), "source must be 'mangled'", id="source"),
        pytest.param(replaced_first("cost_usd", Decimal(-1)), "cost_usd has values below 0", id="negative cost"),
        pytest.param(free_of_charge(), "calls cost something else than the catalogue says", id="free"),
        pytest.param(one_nano_too_much(), "calls cost something else than the catalogue says", id="one nano"),
        pytest.param(replaced("model", "no-such-model"), "model 'no-such-model' of provider", id="no price"),
        pytest.param(replaced("cache_read_tokens", 10**9), "exceed input_tokens", id="more cached than input"),
        pytest.param(
            random_without_a_seed(), "a second run made other calls: they differ in latency_ms", id="unseeded"
        ),
        pytest.param(growing_state(), "a second run made other calls: they differ in session_id", id="state"),
        pytest.param(dependent_on_workers(), "a run with three workers made other calls", id="workers"),
        pytest.param(planting(start=datetime(2026, 1, 4)), "outside 2026-01-05 to 2026-01-18", id="event too early"),
        pytest.param(planting(end=datetime(2026, 1, 20)), "outside 2026-01-05 to 2026-01-18", id="event too late"),
        pytest.param(planting(end=datetime(2026, 1, 6)), "before it begins", id="event of no length"),
        pytest.param(planting(kind=""), "has no kind", id="event without kind"),
        pytest.param(planting(factor=-1.0), "has the factor -1.0", id="event below nothing"),
        pytest.param(planting(factor=float("nan")), "has the factor nan", id="event of no number"),
        pytest.param(planting(customer_id="c1"), "a customer is called 'c1'", id="event of another"),
    ],
)
def test_a_pattern_that_breaks_the_contract_is_told_how(pattern, what):
    with pytest.raises(AssertionError, match=re.escape(what)) as error:
        check_pattern(pattern)
    assert "The contract: " in str(error.value)


def listed(batches):
    return list(batches)


def in_one_batch(batches):
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()


def kept_beside(batches):
    kept = []
    for batch in batches:
        kept.append(batch)
        yield batch


@pytest.mark.parametrize("how", [listed, in_one_batch, kept_beside])
def test_a_pattern_that_holds_all_its_calls_at_once_is_found(how):
    class Hoarder(AICallSimulator):
        num_customers: int = 20

        @hookimpl
        def generate_calls(self, run):
            return iter(how(super().generate_calls(run)))

    with pytest.raises(AssertionError, match=r"more calls it holds \d+ MB more, [12]\d\d bytes for each call"):
        check_pattern(Hoarder)


def test_memory_may_grow_with_the_customers():
    class Rare(AICallSimulator):
        """Many customers who hardly call: most of the memory is theirs."""

        num_customers: int = 300

        def factor(self, customers, calendar):
            return 0.3

        def events(self, customers, calendar):
            return [Event(name, "launch", calendar.at(0), calendar.at(1)) for name in customers.ids]

    check_pattern(Rare)


def test_a_pattern_without_calls_cannot_be_checked():
    class Silent(AICallSimulator):
        def factor(self, customers, calendar):
            return 0.0

    with pytest.raises(AssertionError, match="it made no call in 2026-01-05 to 2026-01-18"):
        check_pattern(Silent(num_customers=3))


def test_an_unmarked_hook_is_told():
    class Unmarked(AICallSimulator):
        def generate_calls(self, run):
            yield from ()

    with pytest.raises(AssertionError, match=r"it serves no hook, but its group finops.patterns needs generate_calls"):
        check_pattern(Unmarked)


class Misspelt(AICallSimulator):
    @hookimpl
    def generate_call(self, run):
        yield from ()


class WrongArguments(AICallSimulator):
    @hookimpl
    def generate_calls(self, start, days):
        yield from ()


class RaisesInConstruction(AICallSimulator):
    def model_post_init(self, context):
        raise OSError("the server of our settings is down")


class WrongDefault(AICallSimulator):
    num_customers: PositiveInt = 0


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (Misspelt, "there is no hook called 'generate_call'. Did you mean 'generate_calls'?"),
        (WrongArguments, "its hooks do not fit: Argument"),
        (RaisesInConstruction, "construction failed: OSError: the server of our settings is down"),
        (WrongDefault, "construction failed: WrongDefault.num_customers: Input should be greater than 0"),
    ],
)
def test_a_pattern_that_a_run_would_leave_out_is_told_as_by_the_run(pattern, what):
    with pytest.raises(AssertionError, match=re.escape(what)) as error:
        check_pattern(pattern)
    assert "The contract: a plugin is made of its defaults, and marks generate_calls" in str(error.value)


class Raises(AICallSimulator):
    def factor(self, customers, calendar):
        raise ZeroDivisionError("no customers on the moon")


class Leaves(AICallSimulator):
    def factor(self, customers, calendar):
        sys.exit("goodbye")


class Absurd(AICallSimulator):
    def factor(self, customers, calendar):
        return np.full(len(calendar), 1e9)


class NotANumber(AICallSimulator):
    def factor(self, customers, calendar):
        return np.nan


class RaisesHalfway(AICallSimulator):
    @hookimpl
    def generate_calls(self, run):
        yield next(iter(super().generate_calls(run)))
        raise RuntimeError("the second batch is too hard")


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (Raises, "generate_calls failed: ZeroDivisionError: no customers on the moon (tests/test_testing_patterns.py:"),
        (Leaves, "generate_calls failed: it called sys.exit('goodbye') (tests/test_testing_patterns.py:"),
        (Absurd, "calls of 100 customers in 14 days, and may make 10,000 a customer and day on average"),
        (NotANumber, "the factor holds a negative or non-finite value, first nan for"),
        (
            RaisesHalfway,
            "generate_calls failed: RuntimeError: the second batch is too hard (tests/test_testing_patterns.py:",
        ),
    ],
)
def test_a_pattern_that_raises_is_told_with_the_line(pattern, what):
    with pytest.raises(AssertionError, match=re.escape(what)):
        check_pattern(pattern)
