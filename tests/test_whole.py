"""The main job, end to end: four patterns, one log, eight reports."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlglot

from finops_core import UNBILLED_STATUS, Calls, Catalog, cli
from finops_core.encoding import nanos
from finops_core.ledger import Ledger
from finops_core.plugins import find, load, select
from finops_core.settings import Settings
from finops_core.testing import check_analyzer

PATTERNS = {"base": 100, "burst": 30, "decline": 40, "seasonal": 50}
REPORTS = {
    "customer_profitability",
    "feature_economics",
    "finops_alignment",
    "finops_optimization",
    "finops_performance",
    "finops_realtime",
    "finops_understanding",
    "pricing_strategy",
}
ANALYZERS = [found.name for found in select(find().found, "analyzers")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and the document of the documented run."""
    folder = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-m", "finops_core", "run", "--plugins", "all", "--start", "2026-01-05", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.slow
def test_the_documented_run_has_four_patterns_220_customers_and_about_420_000_calls(whole):
    _, document = whole
    assert {p["name"]: p["customers"] for p in document["patterns"]} == PATTERNS
    assert document["totals"]["customers"] == 220
    assert 360_000 <= document["totals"]["calls"] <= 480_000
    assert sum(p["calls"] for p in document["patterns"]) == document["totals"]["calls"]


@pytest.mark.slow
def test_every_line_of_its_log_is_an_accepted_call(whole):
    folder, document = whole
    log = document["log"]
    assert log["accepted"] == document["totals"]["calls"]
    assert (log["quarantined"], log["blank"], log["pending"], log["repeated_headers"]) == (0, 0, 0, 0)
    assert log["cost_usd"] == document["totals"]["cost_usd"]
    assert (folder / "data" / "simulated_calls.csv").read_bytes().count(b"\n") == log["lines"]


@pytest.mark.slow
def test_it_publishes_eight_reports_that_say_something(whole):
    folder, document = whole
    assert {r["name"] for r in document["reports"]} == REPORTS
    assert {r["state"] for r in document["reports"]} == {"ready"}
    published = {path.name for path in (folder / "reports" / "html").glob("*.html")}
    assert published == {f"{name}.html" for name in REPORTS} | {"index.html"}
    for report in document["reports"]:
        page = (folder / "reports" / "html" / report["file"]).read_text("utf-8")
        assert "<!doctype html>" in page.lower()


@pytest.mark.slow
def test_the_cost_of_every_row_of_the_run_can_be_recomputed_from_the_row(whole):
    folder, document = whole
    ledger = Ledger(folder / "data" / "simulated_calls.csv")
    table = ledger.calls().sql("SELECT * FROM calls").combine_chunks()
    billed = pc.invert(pc.is_in(table["status"], pa.array(sorted(UNBILLED_STATUS)))).to_numpy()
    expected = Catalog().costs(table) * billed
    logged = nanos(table["cost_usd"].combine_chunks())
    assert (expected == logged).all()
    assert table.num_rows == document["totals"]["calls"]


@pytest.mark.slow
def test_the_ledger_and_the_reports_come_back_the_same_from_the_log(whole):
    folder, document = whole
    log = folder / "data" / "simulated_calls.csv"
    again = Ledger(Path(log))
    for path in again.folder.iterdir():
        path.unlink()
    again.ingest()
    analyzers = load(select(find().found, "analyzers"), Settings())
    calls = again.calls()
    answers = {r.name: r.answer for r in (analyzers.call(p, calls=calls) for p in analyzers.plugins)}
    told = {r["name"]: r["answer"] for r in document["reports"]}
    # the planted events are not given here: they score, and never change what is found
    assert answers == told


@pytest.mark.parametrize("name", ANALYZERS)
def test_every_analyzer_keeps_the_contract_and_the_published_schema(name, capsys):
    (plugin,) = load(select(find().found, "analyzers", [name]), Settings()).plugins
    report = check_analyzer(type(plugin.instance))
    cli.finops.main(["schema", "report"], standalone_mode=False)
    jsonschema.validate(report.model_dump(mode="json"), json.loads(capsys.readouterr().out))


@pytest.mark.slow
def test_what_analyze_prints_is_what_the_schema_of_an_analysis_says(whole, capsys, monkeypatch):
    folder, _ = whole
    monkeypatch.chdir(folder)
    cli.finops.main(["schema", "analysis"], standalone_mode=False)
    schema = json.loads(capsys.readouterr().out)
    cli.finops.main(["analyze", "--json", "--plugins", "alignment"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"version": 2}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"reports": [{**document["reports"][0], "schema_version": 2}]}, schema)


@pytest.mark.parametrize("name", ANALYZERS)
def test_every_query_is_in_the_sql_that_spark_reads_too(name, monkeypatch):
    queries = []
    original = Calls.sql

    def recorded(self, query, **values):
        queries.append(query)
        return original(self, query, **values)

    monkeypatch.setattr(Calls, "sql", recorded)
    (plugin,) = load(select(find().found, "analyzers", [name]), Settings()).plugins
    check_analyzer(type(plugin.instance))
    assert queries
    for query in set(queries):
        sqlglot.parse_one(query, read="spark")
        for missing in ("quantile_cont", "mad(", "::", "list_", "strftime", "epoch"):
            assert missing not in query.lower(), f"{missing} does not exist in Spark: {query}"
