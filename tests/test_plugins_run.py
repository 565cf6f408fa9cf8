"""A whole run with a good and a bad third party: the bad is named, everything else is done."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from finops_core.plugins import find

PERIOD = ("--start", "2026-01-09", "--days", "2")
BROKEN_PATTERNS = {
    "halfway": "generate_calls failed: RuntimeError: the second batch is too hard (acme_broken/patterns.py:",
    "exits": "generate_calls failed: it called sys.exit('goodbye') (acme_broken/patterns.py:",
    "raises_in_import": "failed: RuntimeError: no licence for this machine (acme_broken/raises_in_import.py:3)",
    "exits_in_import": "failed: it called sys.exit(7) (acme_broken/exits_in_import.py:5)",
    "lost": "AttributeError: module 'acme_broken.patterns' has no attribute 'NoSuchPattern'",
    "raises_in_construction": "construction failed: OSError: the server of our settings is down",
    "misspelt": "there is no hook called 'generate_call'. Did you mean 'generate_calls'?",
    "raises": "generate_calls failed: ZeroDivisionError: no customers on the moon",
    "absurd": "calls of 3 customers in 2 days, and may make 10,000 a customer and day on average, 60,000 in all",
    "wrong_type": "it yielded a list instead of a pyarrow.RecordBatch",
    "wrong_schema": "column input_tokens has type double instead of int64",
    "missing_column": "column model is missing",
    "empty": "column customer_id has empty values",
    "negative_cost": "column cost_usd has values below 0",
    "outside": "it yielded calls outside the period of the run",
    "unordered": "its calls are not in time order",
    "impersonates": "every customer_id must start with 'impersonates-",
    "line_breaks": "column user_agent has texts with line breaks",
    "nameless": "column model has empty values",
    "verbose": "the texts of a call have 70,",
    "counts_anew": "column call_id has a value that another call has too",
    "future": "it needs finops-core >=99, and finops-core",
    "damaged": "its batch is not valid Arrow data",
    "plants_for_others": "it planted an event of a customer whose name does not start with 'plants_for_others-",
}
BROKEN_ANALYZERS = {
    "raises": "analyze failed: ValueError: cannot make sense of this (acme_broken/analyzers.py:",
    "leaves": "analyze failed: it called sys.exit(9)",
    "raises_in_import": "failed: RuntimeError: no licence for this machine",
    "exits_in_import": "failed: it called sys.exit(7)",
    "raises_in_construction": "construction failed: OSError: the server of our settings is down",
    "misspelt": "there is no hook called 'analyse'. Did you mean 'analyze'?",
    "unmarked": "it serves no hook",
    "wrong_group": "it serves publish, but its group finops.analyzers needs analyze",
    "wrong_arguments": "its hooks do not fit",
    "wrong_default": "construction failed: WrongDefault.days: Input should be greater than 0",
    "unhashable": "its Unhashable is not hashable",
    "wrong_type": "analyze returned a dict instead of a Report",
    "not_a_number": "nan is not a finite number",
    "hidden_not_a_number": "sparkline.1: Input should be a finite number",
    "million_rows": "table 'rows': 1000000 rows; use Table.of to keep the top 20000",
    "takes_a_report": "another analyzer made a report called 'weekend_share' before",
    "bad_report_name": "String should match pattern",
    "future": "it needs finops-core >=99, and finops-core",
}
TAKEN_NAMES = {"base", "features"}
GOOD_PATTERNS = {"prints", "weekend"}
GOOD_REPORTS = {"markup", "pricing_strategy", "prints", "weekend_share"}
GOOD = {"weekend", "weekend_share", "html"}


class Outcome(NamedTuple):
    """A run, then an analysis for the whole reports, in one folder."""

    folder: Path
    returncode: int
    stderr: str
    run: dict
    reports: dict


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, install_distribution):
    """The same run with every bad plugin, without any, and with every one in a process of its own."""
    site = tmp_path_factory.mktemp("site")
    install_distribution(site, "finops-plugin-weekend")
    install_distribution(site, "acme-broken")
    install_distribution(
        site,
        "acme-future",
        {"finops.patterns": {"future": "future"}, "finops.analyzers": {"future": "future"}},
        "2.5",
        requires=["finops-core>=99"],
    )

    def outcome(patterns: Iterable[str], names: Iterable[str], *options: str) -> Outcome:
        folder = tmp_path_factory.mktemp("run")
        environment = {**os.environ, "PYTHONPATH": str(site), "FINOPS_LOAD_PLUGINS": ",".join(names)}

        def finops(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", "from finops_core.cli import main; main()", *arguments, "--json"]
            return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

        done = finops("run", "--plugins", ",".join(patterns), *PERIOD, *options)
        reports = json.loads(finops("analyze", *options).stdout)["reports"]
        return Outcome(folder, done.returncode, done.stderr, json.loads(done.stdout), {r["name"]: r for r in reports})

    names = GOOD | GOOD_PATTERNS | {"markup", "pricing"}
    patterns = GOOD_PATTERNS | set(BROKEN_PATTERNS)
    everything = names | patterns | set(BROKEN_ANALYZERS) | TAKEN_NAMES
    return outcome(patterns, everything), outcome(GOOD_PATTERNS, names), outcome(patterns, everything, "--isolate")


@pytest.fixture
def isolated(outcomes):
    return outcomes[2]


@pytest.fixture
def bad(outcomes):
    return outcomes[0]


@pytest.fixture
def good(outcomes):
    return outcomes[1]


@pytest.fixture
def finops(tmp_path):
    """Run the command in an empty folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from finops_core.cli import main; main()", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def strangers(fake_distribution):
    fake_distribution("finops-plugin-weekend")
    fake_distribution("acme-broken")


def files_in(folder):
    """What a command wrote into its folder, without the marks that lock and time it."""
    written = [path for name in ("data", "reports") for path in (folder / name).rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in written if path.suffix != ".lock"}


def told(outcome, kind, name):
    """The lines about a plugin on the terminal."""
    return [line for line in outcome.stderr.splitlines() if line.startswith(f"{kind} {name!r} of ")]


def who_made(name):
    """The distribution of a bad plugin, with its version."""
    return "acme-future 2.5" if name == "future" else "acme-broken 0.0.1"


@pytest.mark.parametrize("name", BROKEN_PATTERNS)
def test_a_bad_pattern_is_named_and_nothing_of_it_is_in_the_log(bad, name):
    (line,) = told(bad, "pattern", name)
    assert line.startswith(f"pattern {name!r} of {who_made(name)}: ")
    assert BROKEN_PATTERNS[name] in line
    rows = (bad.folder / "data" / "simulated_calls.csv").read_text("utf-8")
    events = (bad.folder / "data" / "simulated_calls_events.csv").read_text("utf-8")
    assert f"{name}-" not in rows + events
    assert f",{name}," not in rows + events


@pytest.mark.parametrize("name", BROKEN_ANALYZERS)
def test_a_bad_analyzer_is_named_on_the_terminal_in_its_report_and_on_its_page(bad, name):
    who = who_made(name)
    (line,) = told(bad, "analyzer", name)
    assert line.startswith(f"analyzer {name!r} of {who}: ")
    assert BROKEN_ANALYZERS[name] in line
    report = bad.reports[name]
    assert report["state"] == "failed"
    failure = report["failure"]
    assert (failure["plugin"], f"{failure['distribution']} {failure['version']}") == (name, who)
    assert BROKEN_ANALYZERS[name] in failure["message"]
    page = (bad.folder / "reports" / "html" / f"{name}.html").read_text("utf-8")
    assert "This report could not be made" in page
    assert f"The plugin <b>{name}</b> ({who}) failed" in page


@pytest.mark.parametrize("name", sorted(TAKEN_NAMES))
def test_a_plugin_with_the_name_of_another_is_named(bad, name):
    kind = "pattern" if name == "base" else "analyzer"
    (line,) = told(bad, kind, name)
    assert f"{kind} {name!r} of acme-broken 0.0.1: the name {name!r} belongs to finops-plugin-" in line


def test_bad_plugins_give_exit_code_3_and_are_the_problems_of_the_document(bad):
    assert bad.returncode == 3
    named = Counter(problem["plugin"] for problem in bad.run["problems"])
    assert named == Counter([*BROKEN_PATTERNS, *BROKEN_ANALYZERS, *TAKEN_NAMES])
    assert {(p["distribution"], p["version"]) for p in bad.run["problems"]} == {
        ("acme-broken", "0.0.1"),
        ("acme-future", "2.5"),
    }
    assert "Traceback" not in bad.stderr


def test_bad_plugins_leave_everybody_elses_result_as_it_is(bad, good):
    assert good.returncode == 0, good.stderr
    for file in ("simulated_calls.csv", "simulated_calls_events.csv"):
        assert (bad.folder / "data" / file).read_bytes() == (good.folder / "data" / file).read_bytes()
    assert {pattern["name"] for pattern in bad.run["patterns"]} == GOOD_PATTERNS
    assert bad.run["log"]["accepted"] == sum(pattern["calls"] for pattern in bad.run["patterns"]) > 0
    assert set(good.reports) == GOOD_REPORTS
    assert {name: report for name, report in bad.reports.items() if name in GOOD_REPORTS} == good.reports
    assert set(bad.reports) == {*GOOD_REPORTS, *BROKEN_ANALYZERS, "feature_economics"}  # ours, whose name one wanted
    assert bad.reports["feature_economics"]["state"] == "ready"


def without_tracebacks(reports):
    """Reports without the way that led to a failure, which is another one in another process."""
    return {
        name: {**report, "failure": report["failure"] and {**report["failure"], "traceback": ""}}
        for name, report in reports.items()
    }


def test_bad_plugins_in_processes_of_their_own_are_the_same_problems_and_leave_the_same_results(bad, isolated):
    assert isolated.returncode == 3
    assert isolated.run["problems"] == bad.run["problems"]
    for file in ("simulated_calls.csv", "simulated_calls_events.csv"):
        assert (isolated.folder / "data" / file).read_bytes() == (bad.folder / "data" / file).read_bytes()
    assert without_tracebacks(isolated.reports) == without_tracebacks(bad.reports)


def test_what_plugins_print_is_shown_with_their_names_and_is_not_in_the_document(good):
    for line in ("prints: the pattern made 26 columns", "prints: the analyzer", "prints: is done"):
        assert line in good.stderr.splitlines()
    assert "the pattern made" not in json.dumps(good.run)


def test_markup_in_a_report_is_text_on_its_page(good):
    page = (good.folder / "reports" / "html" / "markup.html").read_text("utf-8")
    assert good.reports["markup"]["state"] == "ready"
    assert "&lt;script&gt;alert(" in page
    for markup in ("<script>alert(", "<img src=x"):
        assert markup not in page


@pytest.mark.parametrize(
    "wrong", ["weekend.weekend_facter=2", "weekend.weekend_factor=-2", "wekend.seed=1", "weekend_share.top=3"]
)
def test_a_wrong_parameter_is_told_before_anything_is_written(finops, strangers, tmp_path, wrong):
    done = finops("run", "--plugins", "weekend", *PERIOD, "--set", wrong, FINOPS_LOAD_PLUGINS=",".join(GOOD))
    assert done.returncode == 2
    assert "weekend" in done.stderr
    assert list(tmp_path.glob("data/*")) == []


def test_the_environment_can_limit_a_run_to_a_few_plugins(finops, strangers):
    done = finops("run", *PERIOD, "--json", FINOPS_LOAD_PLUGINS=",".join(GOOD))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [pattern["name"] for pattern in document["patterns"]] == ["weekend"]
    assert [(report["name"], report["state"]) for report in document["reports"]] == [("weekend_share", "ready")]


@pytest.mark.parametrize(
    ("verb", "name", "options"),
    [
        ("run", "halfway", ()),
        ("run", "unordered", ("--append",)),
        ("run", "raises_in_import", ("--replace",)),
        ("run", "unordered", ("--isolate",)),
        ("simulate", "halfway", ("--append",)),
    ],
)
def test_where_every_pattern_fails_nothing_is_written_and_nothing_is_analyzed(
    finops, strangers, tmp_path, verb, name, options
):
    done = finops(verb, "--plugins", name, *PERIOD, *options, FINOPS_LOAD_PLUGINS=f"{name},weekend_share,html")
    assert done.returncode == 3, done.stderr
    assert f"pattern {name!r} of acme-broken 0.0.1: " in done.stderr
    assert done.stdout.strip() == "Every pattern failed: nothing was written."
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("mode", [(), ("--append",), ("--replace",)])
def test_a_log_that_was_there_is_as_it_was_where_every_pattern_fails(finops, strangers, tmp_path, mode):
    names = "weekend,halfway,weekend_share,html"
    assert finops("run", "--plugins", "weekend", *PERIOD, FINOPS_LOAD_PLUGINS=names).returncode == 0
    before = files_in(tmp_path)
    done = finops("run", "--plugins", "halfway", *PERIOD, *mode, "--json", FINOPS_LOAD_PLUGINS=names)
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert (document["patterns"], document["log"], document["reports"]) == ([], None, [])
    assert files_in(tmp_path) == before


def test_what_is_appended_beside_a_pattern_that_fails_halfway_is_whole(finops, strangers, tmp_path):
    names = "weekend,burst,halfway,weekend_share"
    log = tmp_path / "data" / "simulated_calls.csv"
    finops("simulate", "--plugins", "weekend", *PERIOD, FINOPS_LOAD_PLUGINS=names)
    before = log.read_bytes()
    append = ("run", *PERIOD, "--append", "--scale", "0.1", "--json", "--plugins")
    done = finops(*append, "burst,halfway", FINOPS_LOAD_PLUGINS=names)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    (burst,) = document["patterns"]
    lines = log.read_bytes().removeprefix(before).splitlines()
    assert len(lines) == burst["calls"] > 0
    assert all(b",burst-200-" in line for line in lines)
    assert document["log"]["quarantined"] == 0


def test_a_publisher_that_fails_is_named_and_the_others_have_run(finops, strangers, fake_distribution, tmp_path):
    source = (
        "from finops_core import Plugin, hookimpl\n\nclass Full(Plugin):\n"
        "    @hookimpl\n    def publish(self, reports, site):\n        raise ValueError('no room on the wall')\n"
    )
    fake_distribution("acme-wall", {"finops.publishers": {"a_wall": "acme_wall:Full"}}, modules={"acme_wall": source})
    done = finops("run", "--plugins", "weekend", *PERIOD, FINOPS_LOAD_PLUGINS="weekend,weekend_share,a_wall,html")
    assert done.returncode == 3
    told = "publisher 'a_wall' of acme-wall 1.0: publish failed: ValueError: no room on the wall (acme_wall.py:6)."
    assert told in done.stderr
    assert "Weekends make" in (tmp_path / "reports" / "html" / "weekend_share.html").read_text("utf-8")


def test_a_command_that_raises_is_named_and_is_no_defect_of_the_core(finops, fake_distribution):
    source = "import click\n\n@click.command()\ndef boom():\n    {}['x']\n"
    fake_distribution("acme-boom", {"finops.commands": {"boom": "acme_boom:boom"}}, modules={"acme_boom": source})
    done = finops("boom")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "finops: command 'boom' of acme-boom 1.0: finops boom failed: KeyError: 'x' (acme_boom.py:5)",
        "Tell the authors of acme-boom.",
    ]


def test_the_list_of_plugins_tells_who_needs_another_core(finops, fake_distribution):
    fake_distribution("acme-future", {"finops.patterns": {"future": "future"}}, "2.5", requires=["finops-core>=99"])
    done = finops("plugins")
    assert done.returncode == 3
    assert "pattern 'future' of acme-future 2.5: it needs finops-core >=99, and finops-core" in done.stderr
    (problem,) = json.loads(finops("plugins", "--json").stdout)["problems"]
    assert (problem["plugin"], problem["kind"], problem["distribution"]) == ("future", "patterns", "acme-future")
    assert (problem["version"], "pip install" in problem["hint"]) == ("2.5", True)


def test_the_list_of_plugins_names_strangers_and_clashes(finops, strangers):
    done = finops("plugins", "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    weekend = {"name": "weekend", "kind": "patterns", "distribution": "finops-plugin-weekend", "version": "1.2.0"}
    assert weekend in document["plugins"]
    assert {problem["plugin"] for problem in document["problems"]} == TAKEN_NAMES


def test_a_plugin_is_described_with_its_parameters(finops, strangers):
    done = finops("plugins", "show", "weekend")
    assert done.returncode == 0
    for text in ("Usage that lives on weekends.", "generate_calls", "weekend_factor", "float > 0", "3.0"):
        assert text in done.stdout


def test_a_report_whose_name_is_taken_leaves_the_first_one_as_it_is(finops, strangers, fake_distribution):
    original = next(f for f in find().found if f.name == "weekend_share").entry_point.value
    copy = f"from {original.split(':')[0]} import {original.split(':')[1]} as CopyAnalyzer\n"
    fake_distribution(
        "acme-copy", {"finops.analyzers": {"zz_copy": "acme_copy:CopyAnalyzer"}}, modules={"acme_copy": copy}
    )
    done = finops("run", "--plugins", "weekend", *PERIOD, "--json", FINOPS_LOAD_PLUGINS="weekend,weekend_share,zz_copy")
    assert done.returncode == 3
    states = {report["name"]: report["state"] for report in json.loads(done.stdout)["reports"]}
    assert states == {"weekend_share": "ready", "zz_copy": "failed"}
    assert "another analyzer made a report called 'weekend_share'" in done.stderr


def test_without_a_publisher_the_next_step_says_what_makes_pages(finops, strangers, tmp_path):
    done = finops("run", "--plugins", "weekend", *PERIOD, FINOPS_LOAD_PLUGINS="weekend,weekend_share")
    assert done.returncode == 0
    assert "pip install finops-viewer" in done.stdout
    assert not (tmp_path / "reports").exists()
