"""Plugins in processes of their own: the same results, and whatever one does to its process stays there."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from finops_core import Run, UsageError
from finops_core.plugins import ContainedError, find, load, select
from finops_core.settings import Settings
from finops_core.testing import calls_from

PERIOD = ("--start", "2026-01-09", "--days", "2")
DEADLY = {
    "crashes": "its process was ended by SIGSEGV before its result was complete",
    "quits": "its process ended itself with exit code 5 before its result was complete",
    "eats_memory": "it needed more memory than its 512 MiB: analyze failed: MemoryError",
}
ROWS = [{"provider": "openai", "cost_usd": "7.5"}, {"provider": "mistral", "cost_usd": "2.5"}]


@pytest.fixture
def deadly(fake_distribution):
    """The plugins of acme_broken.deadly, each under its own name."""
    fake_distribution("acme-broken")
    analyzers = {"crashes": "Crashes", "quits": "Quits", "hangs": "Hangs", "eats_memory": "EatsMemory"}
    fake_distribution(
        "acme-deadly",
        {
            "finops.patterns": {"dies": "acme_broken.deadly:Dies", "hangs_halfway": "acme_broken.deadly:HangsHalfway"},
            "finops.analyzers": {
                name: f"acme_broken.deadly:{kind}" for name, kind in {**analyzers, "whispers": "Whispers"}.items()
            },
        },
    )
    fake_distribution("finops-plugin-weekend")


def isolated(kind, name, settings=None):
    return load(select(find().found, kind, [name]), settings or Settings(), isolate=True)


def limits(**isolation):
    return Settings(isolation=isolation)


def outcome(loaded, **arguments):
    """What is told of a plugin that fails."""
    (plugin,) = loaded.plugins
    with pytest.raises(ContainedError) as error:
        list(loaded.iterate(plugin, **arguments))
    return error.value.problem


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


class TestResults:
    def test_a_pattern_makes_the_same_calls_and_plants_the_same_events(self):
        runs = [Run("burst", start=date(2026, 1, 5), days=5, seed=7, scale=0.3, workers=2) for _ in range(2)]
        chosen = select(find().found, "patterns", ["burst"])
        loaded = [load(chosen, Settings()), load(chosen, Settings(), isolate=True)]
        inside, outside = (
            [batch.to_pylist() for batch in plugins.iterate(plugins.plugins[0], run=run)]
            for plugins, run in zip(loaded, runs, strict=True)
        )
        assert inside == outside != []
        assert runs[0].events().num_rows > 0
        assert runs[0].events().equals(runs[1].events())

    def test_an_analyzer_makes_the_same_report(self):
        calls = calls_from(ROWS)
        chosen = select(find().found, "analyzers", ["understanding"])
        loaded = [load(chosen, Settings()), load(chosen, Settings(), isolate=True)]
        inside, outside = (plugins.call(plugins.plugins[0], calls=calls) for plugins in loaded)
        assert inside == outside
        assert inside.state == "ready"

    def test_parameters_reach_it(self, deadly):
        settings = Settings(plugins={"weekend": {"num_customers": 2}})
        loaded = isolated("patterns", "weekend", settings)
        run = Run("weekend", start=date(2026, 1, 9), days=1, seed=1)
        customers = {row["customer_id"] for b in loaded.iterate(loaded.plugins[0], run=run) for row in b.to_pylist()}
        assert customers <= {"weekend-1-00000", "weekend-1-00001"}

    def test_a_wrong_parameter_is_told_as_without_isolation(self, deadly):
        settings = Settings(plugins={"weekend": {"weekend_facter": 2}})
        with pytest.raises(UsageError, match="'weekend_facter' is not a setting"):
            isolated("patterns", "weekend", settings)

    def test_pickled_calls_have_the_same_rows_and_counts(self):
        calls = calls_from(ROWS)
        again = pickle.loads(pickle.dumps(calls))
        assert again.sql("SELECT * FROM calls").equals(calls.sql("SELECT * FROM calls"))
        assert (again.counts, again.period, again.now) == (calls.counts, calls.period, calls.now)


class TestHarm:
    @pytest.mark.parametrize("name", DEADLY)
    def test_an_analyzer_that_ends_its_process_is_a_problem_with_its_name(self, deadly, name):
        problem = outcome(isolated("analyzers", name, limits(memory_mib=512)), calls=calls_from(ROWS))
        assert (problem.plugin, problem.distribution, problem.version) == (name, "acme-deadly", "1.0")
        assert DEADLY[name] in problem.message

    def test_one_that_hangs_is_ended_at_the_limit(self, deadly):
        loaded = isolated("analyzers", "hangs", limits(seconds=4))
        began = time.monotonic()
        problem = outcome(loaded, calls=calls_from(ROWS))
        assert time.monotonic() - began < 10
        assert problem.message == "analyze failed: it was ended after 4 s"
        assert "[isolation] seconds" in problem.hint

    def test_what_a_plugin_started_ends_with_it(self, deadly, capsys):
        loaded = isolated("patterns", "hangs_halfway", limits(seconds=4))
        problem = outcome(loaded, run=Run("hangs_halfway", start=date(2026, 1, 9), days=2, seed=1))
        assert problem.message == "generate_calls failed: it was ended after 4 s"
        child = int(re.search(r"^hangs_halfway: child (\d+)$", capsys.readouterr().err, re.MULTILINE)[1])
        assert not is_alive(child)

    def test_one_that_hangs_while_it_is_imported_is_ended_too(self, fake_distribution):
        points = {"finops.analyzers": {"sleeper": "sleeper"}}
        fake_distribution("stranger", points, modules={"sleeper": "import time\ntime.sleep(600)\n"})
        (problem,) = isolated("analyzers", "sleeper", limits(seconds=3)).problems
        assert problem.message == "loading failed: it was ended after 3 s"

    def test_a_result_without_its_end_is_none(self, deadly):
        run = Run("dies", start=date(2026, 1, 9), days=2, seed=1)
        loaded = isolated("patterns", "dies")
        batches = loaded.iterate(loaded.plugins[0], run=run)
        assert next(batches).num_rows > 0
        with pytest.raises(ContainedError, match="ended itself with exit code 0 before its result was complete"):
            list(batches)

    def test_whatever_reaches_its_stdout_is_shown_with_its_name_and_its_stdin_is_empty(self, deadly, capfd):
        loaded = isolated("analyzers", "whispers")
        assert loaded.call(loaded.plugins[0], calls=calls_from(ROWS)).state == "empty"
        out, err = capfd.readouterr()
        assert out == ""
        assert sorted(err.splitlines()) == [
            "whispers: asked: ''",
            "whispers: from a child",
            "whispers: straight to the terminal",
        ]

    def test_the_process_ends_when_nobody_wants_the_rest(self, deadly):
        loaded = isolated("patterns", "weekend")
        batches = loaded.iterate(loaded.plugins[0], run=Run("weekend", start=date(2026, 1, 9), days=30, seed=1))
        next(batches)
        pid = loaded.plugins[0].process._process.pid
        assert is_alive(pid)
        batches.close()
        assert not is_alive(pid)


@pytest.fixture
def finops(tmp_path):
    def run(*arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-c", "from finops_core.cli import main; main()", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def test_a_run_goes_on_around_what_kills_its_process(deadly, finops, tmp_path):
    names = {"weekend", "weekend_share", "dies", "crashes", "quits", "html"}
    arguments = ("run", "--plugins", "weekend,dies", *PERIOD, "--isolate", "--json")
    process = finops(*arguments, FINOPS_LOAD_PLUGINS=",".join(names))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    document = json.loads(out)
    assert [pattern["name"] for pattern in document["patterns"]] == ["weekend"]
    assert "dies-" not in (tmp_path / "data" / "simulated_calls.csv").read_text()
    states = {report["name"]: report["state"] for report in document["reports"]}
    assert sorted(states.values()) == ["failed", "failed", "ready"]
    assert states["weekend_share"] == "ready"
    assert {problem["plugin"] for problem in document["problems"]} == {"dies", "crashes", "quits"}
    assert "analyzer 'crashes' of acme-deadly 1.0: analyze failed: its process was ended by SIGSEGV" in err
    assert "crashes: Fatal Python error: Segmentation fault" in err


@pytest.mark.parametrize("isolate", [(), ("--isolate",)])
def test_an_interrupt_names_the_plugin_that_is_running(deadly, finops, tmp_path, isolate):
    names = "weekend,hangs_halfway"
    process = finops("simulate", "--plugins", names, *PERIOD, *isolate, FINOPS_LOAD_PLUGINS=names)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("hangs_halfway: asleep"):
            break
    time.sleep(1)  # the first batch is written, and the second awaited
    process.send_signal(signal.SIGINT)
    child = next(int(line.split()[-1]) for line in lines if line.startswith("hangs_halfway: child"))
    if not isolate:
        os.kill(child, signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "finops: pattern 'hangs_halfway' of acme-deadly 1.0 was running (generate_calls)" in err
    assert not (tmp_path / "data" / "simulated_calls.csv").exists()
    assert not is_alive(child)
