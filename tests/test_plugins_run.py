"""A whole run with a good and a bad third party: the bad is named, everything else is done."""

import json
import os
import subprocess
import sys

import pytest

from finops_core.plugins import find

PERIOD = ("--start", "2026-01-09", "--days", "2")
BROKEN_PATTERNS = {"halfway", "exits", "raises_in_import", "exits_in_import", "lost"}
BROKEN_ANALYZERS = {
    "raises",
    "leaves",
    "raises_in_construction",
    "misspelt",
    "unmarked",
    "wrong_group",
    "wrong_arguments",
    "wrong_default",
    "unhashable",
    "wrong_type",
}
TAKEN_NAMES = {"base", "features"}
GOOD = {"weekend", "weekend_share", "html"}


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


def test_every_bad_plugin_is_named_and_the_rest_is_done(finops, strangers, tmp_path):
    names = ",".join(sorted(GOOD | BROKEN_PATTERNS | BROKEN_ANALYZERS | TAKEN_NAMES))
    patterns = ",".join(sorted({"weekend"} | BROKEN_PATTERNS))
    done = finops("run", "--plugins", patterns, *PERIOD, "--json", FINOPS_LOAD_PLUGINS=names)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)

    assert [pattern["name"] for pattern in document["patterns"]] == ["weekend"]
    assert document["log"]["accepted"] == document["patterns"][0]["calls"] > 0
    states = {report["name"]: report["state"] for report in document["reports"]}
    assert {name for name, state in states.items() if state == "failed"} == BROKEN_ANALYZERS
    assert states["weekend_share"] == "ready"
    assert list(states.values()).count("ready") == 2  # the stranger's, and our own features
    for name in states:
        assert (tmp_path / "reports" / "html" / f"{name}.html").is_file()

    named = {problem["plugin"] for problem in document["problems"]}
    assert named == BROKEN_PATTERNS | BROKEN_ANALYZERS | TAKEN_NAMES
    assert {(p["distribution"], p["version"]) for p in document["problems"]} == {("acme-broken", "0.0.1")}
    for name in named:
        assert f"'{name}' of acme-broken 0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


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
