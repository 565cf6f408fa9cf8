"""Patterns that break the contract."""

import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import AICallSimulator, Event, Plugin, hookimpl


class Impostor(AICallSimulator):
    """Takes the name of a pattern that somebody else owns."""


class Halfway(AICallSimulator):
    """Fails after its first batch."""

    num_customers: int = 3
    num_days: int = 2

    @hookimpl
    def generate_calls(self, run):
        yield next(iter(super().generate_calls(run)))
        raise RuntimeError("the second batch is too hard")


class Exits(Plugin):
    """Ends the process instead of making calls."""

    @hookimpl
    def generate_calls(self, run):
        sys.exit("goodbye")


class RaisesInConstruction(AICallSimulator):
    """Raises when it is made."""

    def model_post_init(self, context):
        raise OSError("the server of our settings is down")


class Misspelt(Plugin):
    """Serves a hook that does not exist."""

    @hookimpl
    def generate_call(self, run):
        yield from ()


class Small(AICallSimulator):
    """What the others spoil: a batch for each day."""

    num_customers: int = 3

    def spoil(self, batch):
        """Called for every batch but the first."""
        return batch

    @hookimpl
    def generate_calls(self, run):
        for number, batch in enumerate(super().generate_calls(run)):
            yield self.spoil(batch) if number else batch


def replaced(batch, column, values):
    return batch.set_column(batch.schema.get_field_index(column), column, values)


class Prints(Small):
    """Makes good calls, and talks."""

    def spoil(self, batch):
        print(f"the pattern made {batch.num_columns} columns")
        return batch


class Raises(Small):
    """Raises in what the simulator asks it for."""

    def factor(self, customers, calendar):
        raise ZeroDivisionError("no customers on the moon")


class Absurd(Small):
    """Asks for calls in another unit than it means."""

    def factor(self, customers, calendar):
        return 1e9


class WrongType(Small):
    """Yields rows instead of a record batch."""

    def spoil(self, batch):
        return batch.to_pylist()


class WrongSchema(Small):
    """Yields one column with another type."""

    def spoil(self, batch):
        return replaced(batch, "input_tokens", batch.column("input_tokens").cast(pa.float64()))


class MissingColumn(Small):
    """Leaves a column out."""

    def spoil(self, batch):
        return batch.drop_columns(["model"])


class Empty(Small):
    """Does not say who made the calls."""

    def spoil(self, batch):
        return replaced(batch, "customer_id", pa.nulls(batch.num_rows, pa.string()))


class NegativeCost(Small):
    """Pays its customers."""

    def spoil(self, batch):
        return replaced(
            batch, "cost_usd", pc.negate(batch.column("cost_usd")).cast(batch.schema.field("cost_usd").type)
        )


class Outside(Small):
    """Makes calls of another year."""

    def spoil(self, batch):
        later = pc.add(batch.column("timestamp"), pa.scalar(timedelta(days=365)))
        return replaced(batch, "timestamp", later)


class Unordered(Small):
    """Makes its calls backwards."""

    def spoil(self, batch):
        return batch.take(pa.array(range(batch.num_rows - 1, -1, -1)))


class Impersonates(Small):
    """Makes calls in the name of another pattern's customers."""

    def spoil(self, batch):
        return replaced(batch, "customer_id", pa.array(["weekend-400-00000"] * batch.num_rows))


class Damaged(Small):
    """Yields bytes that are no text."""

    def spoil(self, batch):
        names = pa.array([b"\xff"] * batch.num_rows)
        text = pa.StringArray.from_buffers(len(names), *names.buffers()[1:])
        return replaced(batch, "session_id", text)


class LineBreaks(Small):
    """Yields texts that are more than a line."""

    def spoil(self, batch):
        return replaced(batch, "user_agent", pa.array(["two\nlines"] * batch.num_rows))


class Nameless(Small):
    """Yields a text that is there, and empty."""

    def spoil(self, batch):
        return replaced(batch, "model", pa.array([""] * batch.num_rows).dictionary_encode())


class Verbose(Small):
    """Yields texts that are longer than the log takes a line."""

    def spoil(self, batch):
        return replaced(batch, "tags", pa.array(["x" * 70_000] * batch.num_rows))


class CountsAnew(Small):
    """Numbers its calls anew in every batch."""

    @hookimpl
    def generate_calls(self, run):
        for batch in super().generate_calls(run):
            yield replaced(batch, "call_id", pa.array([f"sim_{number}" for number in range(batch.num_rows)]))


class PlantsForOthers(Small):
    """Plants an event of another pattern's customer."""

    def events(self, customers, calendar):
        yield Event("weekend-400-00000", "launch", datetime(2026, 1, 9, tzinfo=UTC), factor=2.0)
