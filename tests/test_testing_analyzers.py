"""What check_analyzer accepts, and what it finds."""

import html
import math
import os
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import BaseModel, PositiveInt

from finops_core import Analyzer, Axis, Calls, Chart, Column, Finding, Metric, Point, Report, Section, Table, hookimpl
from finops_core.testing import check_analyzer


class Good(Analyzer):
    """Answers with the calls and the cost of each customer."""

    report_name = "good"
    title = "Good"

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        if not calls.total:
            return self.empty()
        return self.answered(calls)

    def answered(self, calls: Calls, **fields) -> Report:
        rows = calls.rows(
            "SELECT customer_id, sum(cost_usd) AS cost FROM calls GROUP BY ALL ORDER BY cost DESC, customer_id"
        )
        table = self.table([(row["customer_id"], row["cost"]) for row in rows])
        return self.report(
            answer=f"{rows[0]['customer_id']} costs most.",
            sections=(Section(id="who", title="Who", blocks=(table,)),),
            **fields,
        )

    def table(self, rows, **options) -> Table:
        return Table.of("cost", "Cost", COLUMNS, rows, total=True, limit=5, **options)


COLUMNS = (
    Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
    Column(name="cost", label="Cost", unit="usd", role="measure"),
)


class RaisesOnNothing(Good):
    def analyze(self, calls):
        return self.answered(calls)


class ReadyOnNothing(Good):
    def analyze(self, calls):
        return self.answered(calls) if calls.total else self.report(answer="All is well.")


class EmptyOnCalls(Good):
    def analyze(self, calls):
        return self.empty()


class Leaves(Good):
    def analyze(self, calls):
        sys.exit(2)


class TakesEveryCall(Good):
    def answered(self, calls):
        costs = [row["cost_usd"] for row in calls.rows("SELECT cost_usd FROM calls")]
        return super().answered(calls, method=(f"Added up {len(costs) > 0}.",))


class Failing(Good):
    def analyze(self, calls):
        return self.report(answer="Sorry.", state="failed") if calls.total else self.empty()


class DividesByCost(Good):
    def answered(self, calls):
        (row,) = calls.rows("SELECT sum(cost_usd) AS cost, count(*) AS n FROM calls")
        return super().answered(calls, metrics=(Metric(id="m", label="M", value=row["n"] / row["cost"], unit="ratio"),))


class ReturnsText(Good):
    def analyze(self, calls):
        return "Spend less."


class CalledSomethingElse(Good):
    def answered(self, calls):
        return super().answered(calls).model_copy(update={"name": "other"})


class NotANumber(Good):
    def answered(self, calls):
        chart = Chart(
            id="chart",
            kind="scatter",
            title="T",
            description="D",
            x=Axis(label="x"),
            y=Axis(label="y", unit="count"),
            points=(Point(label="p", x=1.0, y=1.0).model_copy(update={"y": math.nan}),),
        )
        report = super().answered(calls)
        return report.model_copy(update={"sections": (*report.sections, Section(id="s", title="S", blocks=(chart,)))})


class DoesNotAddUp(Good):
    def table(self, rows, **options):
        table = super().table(rows, **options)
        total = (table.total[0], table.total[1] + Decimal("0.000000001"))
        return table.model_copy(update={"total": total})


class ForgetsWhatItCut(Good):
    def table(self, rows, **options):
        return super().table(rows, **options).model_copy(update={"other": None})


class OrderedByChance(Good):
    def answered(self, calls):
        (first,) = calls.rows("SELECT call_id FROM calls LIMIT 1")
        return super().answered(calls, method=(f"Such as {first['call_id']}.",))


class InLocalTime(Good):
    def answered(self, calls):
        local = datetime.fromtimestamp(calls.now.replace(tzinfo=UTC).timestamp())
        return super().answered(calls, method=(f"Until {local:%H:%M}.",))


class Escapes(Good):
    def table(self, rows, **options):
        return Table.of("cost", "Cost", COLUMNS, [(html.escape(name), cost) for name, cost in rows])


class WritesMarkup(Good):
    def answered(self, calls):
        return super().answered(
            calls,
            findings=(Finding(id="f", title="<b>Act</b> now", confidence="low", action="Act.", section="who"),),
        )


class AMillionRows(Good):
    """Past the check of the table itself."""

    def table(self, rows, **options):
        million = tuple((f"c{i}", Decimal(1)) for i in range(1_000_000))
        return super().table(rows, **options).model_copy(update={"rows": million})


class NamesInTitles(Good):
    def answered(self, calls):
        names = [row["model"] for row in calls.rows("SELECT DISTINCT model FROM calls ORDER BY model")]
        section = Section(id="names", title=f"Models: {', '.join(names)}", text=f"The first is {names[0]}.")
        return self.report(answer=f"{names[0]} comes first.", sections=(section,))


class TrustsNames(Good):
    def answered(self, calls):
        for row in calls.rows("SELECT DISTINCT model FROM calls"):
            calls.rows(f"SELECT count(*) FROM calls WHERE model = '{row['model']}'")
        return super().answered(calls)


class LosesTypeInJson(Good):
    def answered(self, calls):
        return super().answered(calls, metrics=(Metric.model_construct(id="m", label="M", value="7", unit="count"),))


def marked(analyzer):
    """The class with its hook marked, as pluggy wants it where a subclass overrides it."""
    if "analyze" in vars(analyzer):
        hookimpl(analyzer.analyze)
    return analyzer


def test_a_good_analyzer_passes_and_its_report_is_returned():
    report = check_analyzer(Good)
    (table,) = report.sections[0].blocks
    assert (report.name, report.state, len(table.rows)) == ("good", "ready", 5)
    # Ten customers and six hostile names in their place: sixteen, eleven of them cut.
    assert table.other_rows == 11


def test_a_name_that_is_markup_stays_text_in_titles():
    report = check_analyzer(marked(NamesInTitles))
    assert "<script>alert(1)</script>" in report.sections[0].title


def test_the_analyzer_of_a_stranger_passes(fake_distribution):
    fake_distribution("finops-plugin-weekend")
    from finops_plugin_weekend import WeekendShareAnalyzer

    report = check_analyzer(WeekendShareAnalyzer())
    # Steady traffic: two days of seven.
    assert report.metrics[0].value == pytest.approx(100 * 2 / 7, abs=1.5)


@pytest.mark.parametrize(
    ("analyzer", "what"),
    [
        (RaisesOnNothing, r"on an empty log, analyze failed: IndexError: .* \(tests/test_testing_analyzers.py:\d+\)"),
        (Leaves, r"on an empty log, analyze failed: it called sys.exit\(2\)"),
        (TakesEveryCall, r"with 62,\d+ more calls it holds \d+ MB more, \d{3} bytes for each call"),
        (ReadyOnNothing, "on an empty log its state is 'ready'"),
        (EmptyOnCalls, r"on \d+ calls its state is 'empty'"),
        (Failing, "its report is 'failed'"),
        (DividesByCost, "on a log of the single call {}, analyze failed: "),
        (ReturnsText, "on an empty log it returned a str"),
        (CalledSomethingElse, "the report is called 'other'"),
        (NotANumber, r"report.sections\[1\].blocks\[0\].points\[0\].y is nan"),
        (DoesNotAddUp, "table 'cost': the column 'cost' adds up to"),
        (ForgetsWhatItCut, "table 'cost' says that 11 rows were cut, and other is None"),
        (OrderedByChance, "the order of the log's rows changes the report: report.method"),
        (InLocalTime, "the machine's time zone changes the report: report.method"),
        (Escapes, "holds markup or an escaped name: '&lt;script&gt;"),
        (WritesMarkup, "report.findings\\[0\\].title holds markup"),
        (AMillionRows, "table 'cost' has 1,000,000 rows"),
        (TrustsNames, "on 35 days of simulated calls, analyze failed: "),
        (LosesTypeInJson, "the report is another one after it went through JSON"),
    ],
)
def test_an_analyzer_that_breaks_the_contract_is_told_how(analyzer, what):
    with pytest.raises(AssertionError, match=what) as error:
        check_analyzer(marked(analyzer))
    assert "The contract: " in str(error.value)


def test_an_unmarked_hook_is_told():
    class Unmarked(Good):
        def analyze(self, calls):
            return self.empty()

    with pytest.raises(AssertionError, match=r"it serves no hook, but its group finops.analyzers needs analyze"):
        check_analyzer(Unmarked)


class Misspelt(Good):
    @hookimpl
    def analyse(self, calls):
        return self.empty()


class WrongArguments(Good):
    @hookimpl
    def analyze(self, log):
        return self.empty()


class RaisesInConstruction(Good):
    def model_post_init(self, context):
        raise OSError("the server of our settings is down")


class WrongDefault(Good):
    limit: PositiveInt = -1


class Unhashable(BaseModel):
    @hookimpl
    def analyze(self, calls):
        return None


@pytest.mark.parametrize(
    ("analyzer", "what"),
    [
        (Misspelt, "there is no hook called 'analyse'. Did you mean 'analyze'?"),
        (WrongArguments, "its hooks do not fit: Argument\\(s\\) {'log'}"),
        (RaisesInConstruction, "construction failed: OSError: the server of our settings is down"),
        (WrongDefault, "construction failed: WrongDefault.limit: Input should be greater than 0"),
        (Unhashable, "its Unhashable is not hashable"),
    ],
)
def test_an_analyzer_that_a_run_would_leave_out_is_told_as_by_the_run(analyzer, what):
    with pytest.raises(AssertionError, match=what) as error:
        check_analyzer(analyzer)
    assert "The contract: a plugin is made of its defaults, and marks analyze with @hookimpl" in str(error.value)


def test_a_hook_may_leave_out_arguments_as_in_a_run():
    class Constant(Good):
        @hookimpl
        def analyze(self):
            return self.empty()

    with pytest.raises(AssertionError, match=r"on \d+ calls its state is 'empty'"):  # so it was called
        check_analyzer(Constant)


@pytest.mark.parametrize("before", ["Asia/Tokyo", None])
def test_the_time_zone_is_as_before_afterwards(before, monkeypatch):
    if before:
        monkeypatch.setenv("TZ", before)
    else:
        monkeypatch.delenv("TZ", raising=False)
    time.tzset()
    names = time.tzname
    try:
        check_analyzer(Good)
        assert (os.environ.get("TZ"), time.tzname) == (before, names)
    finally:
        monkeypatch.undo()
        time.tzset()
