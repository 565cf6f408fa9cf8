"""The public names are typed for those who use them: plugins are checked as strictly as their authors may wish."""

import subprocess
import sys

import pytest

import finops_core
from finops_core import testing
from finops_core.scaffold import new_plugin

pytestmark = pytest.mark.slow

STRICT = """
[mypy]
strict = true
disallow_any_unimported = false

[mypy-pyarrow.*]
ignore_missing_imports = true
"""

USES = '''
"""What plugins do with the public names; the types are as documented, and wrong uses are found."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core import (
    AICallSimulator,
    Analyzer,
    Calendar,
    Calls,
    Column,
    Customers,
    Event,
    Finding,
    FinopsError,
    Metric,
    Period,
    Plugin,
    Report,
    Run,
    Section,
    Site,
    Table,
    dollars,
    hookimpl,
    mix,
    split,
    usd,
)
from finops_core.testing import calls_from, check_analyzer, check_pattern, hourly_calls


class Launch(AICallSimulator):
    num_customers: int = 5
    times: float = 10.0

    def day(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.int64]:
        assert_type(customers.rng("day"), np.random.Generator)
        assert_type(calendar.at(0), datetime)
        return customers.rng("day").integers(0, calendar.days, len(customers))

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:
        return np.where(calendar.day == self.day(customers, calendar)[:, None], self.times, 1.0)

    def events(self, customers: Customers, calendar: Calendar) -> Iterator[Event]:
        for name in customers.ids:
            yield Event(name, "launch", calendar.at(0))


class Europe(AICallSimulator):
    @hookimpl
    def generate_calls(self, run: Run) -> Iterator[pa.RecordBatch]:
        assert_type(run.seed, int | None)
        yield from super().generate_calls(run)


class Spend(Analyzer):
    report_name = "spend"
    question = "What do we spend?"

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        assert_type(calls.period, Period | None)
        assert_type(calls.total, int)
        if calls.period is None:
            return self.empty()
        rows = calls.rows("SELECT model, sum(cost_usd) AS cost FROM calls GROUP BY ALL ORDER BY model")
        assert_type(rows, list[dict[str, Any]])
        columns = (Column(name="model", label="Model", role="dimension", dimension="model"),)
        table = Table.of("models", "Models", columns, [(row["model"],) for row in rows])
        month = calls.period.per_month(Decimal(1))
        finding = Finding(
            id="one", title="One", usd_per_month=month, confidence="high", action="Look.", section="all"
        )
        section = Section(id="all", title="All", blocks=(table,))
        return self.report(
            answer=dollars(Decimal(2)),
            metrics=(Metric(id="cost", label="Cost", value=usd("1.5"), unit="usd"),),
            findings=(finding,),
            sections=(section,),
        )


class Files(Plugin):
    @hookimpl
    def publish(self, reports: Sequence[Report], site: Site) -> None:
        if not reports:
            raise FinopsError("nothing to publish", hint="Run finops analyze.")
        (site.directory / "answers.txt").write_text(reports[0].answer)


def test_them() -> None:
    check_pattern(Launch(times=3))
    check_analyzer(Spend)
    assert_type(calls_from([{"cost_usd": "1"}]), Calls)
    assert_type(mix(launch=Launch(), steady=AICallSimulator()), AICallSimulator)
    counts, normal = hourly_calls(Launch(), start=date(2026, 1, 5))
    assert_type(counts, npt.NDArray[np.int64])
    assert_type(normal, npt.NDArray[np.float64])
    assert_type(split(Decimal(1), [1, 2]), list[Decimal])


def wrong(calls: Calls, customers: Customers) -> Iterable[object]:
    yield calls.totals  # type: ignore[attr-defined]
    yield calls.rows(1)  # type: ignore[arg-type]
    yield customers.rng()  # type: ignore[call-arg]
    yield Event("c", "burst", date(2026, 1, 5))  # type: ignore[arg-type]
    yield Metric(id="m", label="M", value=1, unit="euros")  # type: ignore[arg-type]
    yield mix(launch=Launch)  # type: ignore[arg-type]
'''


def mypy(folder, *paths):
    (folder / "mypy.ini").write_text(STRICT)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", *paths],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stranger's folder; what mypy learns of the libraries is kept for the next test."""
    return tmp_path_factory.mktemp("stranger")


def test_every_public_name_can_be_imported_under_strict_rules(folder):
    for module in (finops_core, testing):
        names = "".join(f"    {name},\n" for name in module.__all__)
        (folder / "names.py").write_text(f"from {module.__name__} import (\n{names})\n")
        done = mypy(folder, "names.py")
        assert done.returncode == 0, done.stdout


def test_a_plugin_that_uses_them_is_checked_against_the_documented_types(folder):
    (folder / "uses.py").write_text(USES)
    done = mypy(folder, "uses.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_finops_new_writes_is_typed(folder):
    modules = []
    for kind, name in (("pattern", "weekend"), ("analyzer", "providers")):
        files = new_plugin(kind, name, folder)
        modules += [str(file) for file in files if file.name.startswith("finops_plugin")]
    assert len(modules) == 2
    done = mypy(folder, *modules)
    assert done.returncode == 0, done.stdout
