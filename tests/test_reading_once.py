"""What several reports ask for is read once, on several threads too, and may be read ahead."""

import gc
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from weakref import ref

import pytest

from finops_core import Analyzer, hookimpl, pipeline, read_once
from finops_core.ledger import Ledger
from finops_core.plugins import Loaded, LoadedPlugin, load
from finops_core.plugins.ahead import reading_ahead
from finops_core.plugins.found import Found
from finops_core.settings import Settings
from finops_core.testing import calls_from

HEADER = "timestamp,call_id,provider,model,input_tokens,output_tokens,cost_usd,customer_id"
ROWS = [{"customer_id": f"c{i % 7}", "cost_usd": f"0.00{i % 9}"} for i in range(500)]


@read_once
def calls_of(calls, customer="c0"):
    calls_of.read.append((customer, threading.get_ident()))
    return calls.rows("SELECT count(*) AS n FROM calls WHERE customer_id = $c", c=customer)[0]["n"]


@pytest.fixture(autouse=True)
def _nothing_read_yet():
    calls_of.read = []


def test_the_same_question_about_the_same_calls_is_read_once():
    calls, others = calls_from(ROWS), calls_from(ROWS[:7])
    # 500 calls of seven customers in turn: 72 rounds would be 504, so c0 to c2 have 72 and the others 71.
    assert [calls_of(calls), calls_of(calls), calls_of(calls, "c3"), calls_of(calls, customer="c3")] == [72, 72, 71, 71]
    assert calls_of(others) == 1
    assert [customer for customer, _ in calls_of.read] == ["c0", "c3", "c0"]


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


def test_a_reading_may_ask_for_itself_with_other_arguments_on_two_threads():
    meet = threading.Barrier(2, timeout=10)

    @read_once
    def level(calls, depth):
        if depth == 2:
            meet.wait()  # both are in the middle of a reading
        return depth and level(calls, depth - 1) + 1

    calls = calls_from(ROWS)

    @read_once
    def other(calls):
        meet.wait()
        return level(calls, 1)

    with ThreadPoolExecutor(2) as pool:
        assert [f.result(10) for f in (pool.submit(level, calls, 2), pool.submit(other, calls))] == [2, 1]


def test_what_could_not_be_read_is_read_again():
    attempts = []

    @read_once
    def flaky(calls):
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return "there"

    calls = calls_from(ROWS)
    with pytest.raises(OSError, match="not yet"):
        flaky(calls)
    assert flaky(calls) == "there"


class Eager(Analyzer):
    """Asks ahead, and waits for what it asked for."""

    report_name = "eager"
    title = "Eager"
    fails: bool = False
    seconds: float = 0

    def read_ahead(self, calls):
        Eager.thread = threading.current_thread()
        print("reading ahead")
        Eager.begun.set()
        try:
            if self.fails:
                sys.exit("no such luck")
            if self.seconds:
                calls.sql("SELECT sum(x * y * 0.5) FROM range(1000000) AS a(x), range(1000000) AS b(y)")
            calls_of(calls)
        finally:
            Eager.ended.set()

    @hookimpl
    def analyze(self, calls):
        print("analyzing")
        assert Eager.begun.wait(20)
        if not self.seconds:
            assert Eager.ended.wait(20)
        return self.report(answer=f"{calls_of(calls)} calls.")


def analyze(tmp_path, rows, **fields):
    """The analysis of a log by one eager analyzer."""
    log = tmp_path / "log.csv"
    log.write_text("\n".join([HEADER, *(f"2026-01-05T08:00:00Z,{i},p,m,1,1,1,c0" for i in range(rows)), ""]))
    Eager.begun, Eager.ended, Eager.thread = threading.Event(), threading.Event(), None
    found = Found("eager", "analyzers", "acme-eager", "1", EntryPoint("eager", "eager:Eager", "finops.analyzers"))
    loaded = load((), Settings())
    eager = Eager(**fields)
    loaded._manager.register(eager)
    loaded = Loaded((LoadedPlugin(found, eager),), (), loaded._manager)
    return pipeline.analyze(pipeline.ingest(log), loaded, Settings())


def test_what_an_analyzer_asks_for_ahead_is_read_once_on_another_thread(tmp_path, capsys):
    (report,) = analyze(tmp_path, rows=3).reports
    assert report.answer == "3 calls."
    assert calls_of.read == [("c0", Eager.thread.ident)]
    assert Eager.thread is not threading.current_thread()
    assert not Eager.thread.is_alive()


def test_what_is_printed_while_reading_ahead_has_the_name_of_its_plugin(tmp_path, capsys):
    analyze(tmp_path, rows=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(err.splitlines()) == ["eager: analyzing", "eager: reading ahead"]


def test_an_error_while_reading_ahead_leaves_the_reading_to_analyze(tmp_path):
    analysis = analyze(tmp_path, rows=3, fails=True)
    assert not analysis.problems
    assert analysis.reports[0].answer == "3 calls."
    assert calls_of.read == [("c0", threading.get_ident())]


def test_nobody_waits_for_what_is_still_read_ahead_when_the_analysis_is_over(tmp_path):
    began = time.monotonic()
    analysis = analyze(tmp_path, rows=3, seconds=3600)
    assert time.monotonic() - began < 60
    assert analysis.reports[0].answer == "3 calls."


def test_nothing_is_read_ahead_of_a_log_without_calls(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(f"{HEADER}\n")
    calls = pipeline.ingest(log).calls()
    Eager.begun, Eager.thread = threading.Event(), None
    with reading_ahead(
        SimpleNamespace(plugins=[SimpleNamespace(found=SimpleNamespace(name="e"), instance=Eager())]), calls
    ):
        pass
    assert Eager.thread is None
