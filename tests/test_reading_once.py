"""What several reports ask for is read once, on several threads too, and may be read ahead."""

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from weakref import ref

import pytest

from finops_core import Analyzer, Calls, hookimpl, pipeline, read_once
from finops_core.ledger import Ledger
from finops_core.plugins import Loaded, LoadedPlugin, find, load, select
from finops_core.settings import Settings
from finops_core.testing import calls_from

HEADER = "timestamp,call_id,provider,model,input_tokens,output_tokens,cost_usd,customer_id"
ROWS = [{"customer_id": f"c{i % 7}", "cost_usd": f"0.00{i % 9}"} for i in range(500)]


@read_once
def calls_of(calls, customer="c0"):
    calls_of.read.append(customer)
    return calls.rows("SELECT count(*) AS n FROM calls WHERE customer_id = $c", c=customer)[0]["n"]


@pytest.fixture(autouse=True)
def _nothing_read_yet():
    calls_of.read = []


def test_the_same_question_about_the_same_calls_is_read_once():
    calls, others = calls_from(ROWS), calls_from(ROWS[:7])
    # 500 calls of seven customers in turn: 72 rounds would be 504, so c0 to c2 have 72 and the others 71.
    assert [calls_of(calls), calls_of(calls), calls_of(calls, "c3"), calls_of(calls, customer="c3")] == [72, 72, 71, 71]
    assert calls_of(others) == 1
    assert calls_of.read == ["c0", "c3", "c3", "c0"]


def test_what_was_read_goes_with_the_calls():
    calls = calls_from(ROWS)
    calls_of(calls)
    gone = ref(calls)
    del calls
    gc.collect()
    assert gone() is None


def test_who_asks_while_another_thread_reads_waits_for_it_and_gets_the_same():
    started, times = threading.Barrier(8), []

    @read_once
    def slowly(calls):
        times.append(threading.get_ident())
        threading.Event().wait(0.05)
        return calls.customer_days

    def ask(_):
        started.wait()
        return slowly(calls)

    calls = calls_from(ROWS)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert len(times) == 1
    assert all(answer is answers[0] for answer in answers)


@pytest.mark.parametrize("where", ["memory", "files"])
def test_every_thread_sees_the_same_calls(where, tmp_path):
    calls = calls_from(ROWS)
    if where == "files":
        rows = calls.sql("SELECT * FROM calls")
        log = tmp_path / "log.csv"
        names = (
            "timestamp",
            "call_id",
            "provider",
            "model",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "customer_id",
        )
        lines = (",".join(str(row[name]) for name in names) for row in rows.to_pylist())
        log.write_text("\n".join([",".join(names), *lines, ""]))
        ledger = Ledger(log)
        ledger.ingest()
        calls = ledger.calls()
    query = "SELECT customer_id, count(*) AS n, sum(cost_usd) AS cost FROM calls GROUP BY 1 ORDER BY 1"
    expected = calls.rows(query)
    with ThreadPoolExecutor(4) as pool:
        assert all(rows == expected for rows in pool.map(lambda _: calls.rows(query), range(40)))
    assert sum(row["n"] for row in expected) == 500


class Eager(Analyzer):
    """Asks ahead, and notes on which thread."""

    report_name = "eager"
    title = "Eager"

    def read_ahead(self, calls):
        print("reading ahead")
        type(self).asked.append(threading.current_thread())
        if self.fails:
            sys.exit("no such luck")
        calls_of(calls)

    @hookimpl
    def analyze(self, calls):
        return self.report(answer=f"{calls_of(calls)} calls.")

    fails: bool = False


def analyze(tmp_path, rows, **fields):
    """The analysis of a log by one eager analyzer."""
    log = tmp_path / "log.csv"
    log.write_text("\n".join([HEADER, *(f"2026-01-05T08:00:00Z,{i},p,m,1,1,1,c0" for i in range(rows)), ""]))
    ledger = pipeline.ingest(log)
    Eager.asked = []
    loaded = load(select(find().found, "analyzers", ()), Settings())
    eager = Eager(**fields)
    loaded._manager.register(eager)
    found = SimpleNamespace(name="eager", kind="analyzers", distribution="d", version="1", problem=lambda e: e)
    return pipeline.analyze(ledger, Loaded((LoadedPlugin(found, eager),), (), loaded._manager), Settings())


def test_what_an_analyzer_asks_for_ahead_is_read_once_on_another_thread(tmp_path, capsys):
    analysis = analyze(tmp_path, rows=3)
    (report,) = analysis.reports
    assert report.answer == "3 calls."
    assert calls_of.read == ["c0"]
    (thread,) = Eager.asked
    assert thread is not threading.current_thread()
    assert not thread.is_alive()
    assert capsys.readouterr().out == ""


def test_an_error_while_reading_ahead_is_nobodys_until_analyze_meets_it(tmp_path):
    analysis = analyze(tmp_path, rows=3, fails=True)
    assert not analysis.problems
    assert analysis.reports[0].answer == "3 calls."


def test_nothing_is_read_ahead_of_a_log_without_calls(tmp_path):
    analysis = analyze(tmp_path, rows=0)
    assert Eager.asked == []
    assert isinstance(analysis.calls, Calls)
