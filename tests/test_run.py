"""finops run and simulate: the log they make, what they refuse to destroy, what is left after something went wrong."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finops_core import calllog, cli
from finops_core.call import NAMES

SMALL = ("--start", "2026-01-05", "--days", "3", "--scale", "0.1")
LOG = Path("data/simulated_calls.csv")
EVENTS = Path("data/simulated_calls_events.csv")


LARGE = [sys.executable, "-m", "finops_core", "simulate", "--start", "2026-01-05", "--scale", "20"]


@pytest.fixture
def finops(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["finops", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


@pytest.fixture
def document(finops):
    """Run a command with --json; returns its document."""

    def run(*arguments, code=0):
        exit_code, out, err = finops(*arguments, "--json")
        assert exit_code == code, err
        return json.loads(out)

    return run


def rows(path=LOG):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def foreign_log(*extra_lines):
    """A log with a call that nobody simulated."""
    fields = {"timestamp": "2026-01-05T08:00:00Z", "call_id": "x1", "provider": "openai", "model": "gpt-5",
              "input_tokens": "10", "output_tokens": "5", "cost_usd": "0.5", "customer_id": "acme"}  # fmt: skip
    LOG.parent.mkdir(exist_ok=True)
    line = ",".join(fields.get(name, "") for name in NAMES) + "\n"
    LOG.write_bytes(calllog.header_line() + line.encode() + b"".join(extra_lines))
    return LOG.read_bytes()


def test_a_run_reports_patterns_totals_log_and_reports_that_agree_with_the_file(document):
    result = document("run", "--plugins", "base,burst", *SMALL)
    data = rows()
    assert result["version"] == 1
    assert [p["name"] for p in result["patterns"]] == ["base", "burst"]
    for pattern in (*result["patterns"], {**result["totals"], "name": None}):
        mine = [r for r in data if pattern["name"] in (None, r["source"])]
        assert pattern["calls"] == len(mine)
        assert pattern["customers"] == len({r["customer_id"] for r in mine})
        assert pattern["tokens"] == sum(int(r["input_tokens"]) + int(r["output_tokens"]) for r in mine)
        nanos = sum(int(r["cost_usd"].replace(".", "")) for r in mine)
        assert int(pattern["cost_usd"].replace(".", "")) == nanos
    log = result["log"]
    assert (log["lines"], log["accepted"], log["quarantined"]) == (len(data) + 1, len(data), 0)
    assert log["cost_usd"] == result["totals"]["cost_usd"]
    assert len(result["reports"]) == 8
    assert {r["state"] for r in result["reports"]} == {"ready"}
    for report in result["reports"]:
        assert (Path("reports/html") / report["file"]).is_file()
        assert report["answer"]


def test_all_runs_every_pattern_by_name_over_220_customers(document):
    # over a week every customer calls: even a quiet one of the burst pattern is expected to call seven times
    result = document("simulate", "--plugins", "all", "--start", "2026-01-05", "--days", "7")
    customers = {p["name"]: p["customers"] for p in result["patterns"]}
    assert customers == {"base": 100, "burst": 30, "decline": 40, "seasonal": 50}
    assert list(customers) == sorted(customers)
    assert result["totals"]["customers"] == len({r["customer_id"] for r in rows()}) == 220


def test_the_same_command_makes_the_same_bytes_for_any_number_of_workers(finops):
    finops("simulate", *SMALL, "--workers", "1")
    log, events = LOG.read_bytes(), EVENTS.read_bytes()
    finops("simulate", *SMALL, "--workers", "4")
    assert LOG.read_bytes() == log
    assert EVENTS.read_bytes() == events


def test_a_pattern_makes_the_same_rows_whatever_runs_beside_it(finops):
    finops("simulate", "--plugins", "decline", *SMALL)
    alone = rows()
    finops("simulate", "--plugins", "base,decline", *SMALL)
    assert [r for r in rows() if r["source"] == "decline"] == alone


def test_a_fresh_run_clears_the_log_and_its_events(finops):
    finops("simulate", "--plugins", "burst", *SMALL)
    finops("simulate", "--plugins", "base", *SMALL)
    assert {r["source"] for r in rows()} == {"base"}
    assert rows(EVENTS) == []


def test_append_keeps_what_is_there(finops):
    week = ("--plugins", "burst", "--start", "2026-01-05", "--days", "7")
    finops("simulate", *week)
    first, planted = LOG.read_bytes(), len(rows(EVENTS))
    assert finops("simulate", *week, "--append", "--seed", "201")[0] == 0
    assert LOG.read_bytes().startswith(first)
    assert len(rows(EVENTS)) > planted > 0
    assert {r["customer_id"].rsplit("-", 1)[0] for r in rows()} == {"burst-200", "burst-201"}


def test_append_to_no_log_makes_one(finops):
    assert finops("simulate", "--plugins", "base", "--append", *SMALL)[0] == 0
    assert {r["source"] for r in rows()} == {"base"}


def test_appending_the_same_pattern_seed_and_days_is_refused_before_writing(finops):
    finops("simulate", "--plugins", "base", *SMALL)
    before = LOG.read_bytes()
    code, _, err = finops(
        "simulate", "--plugins", "base", "--append", "--start", "2026-01-07", "--days", "5", "--scale", "0.1"
    )
    assert code == 2
    assert "already holds" in err
    assert "--seed" in err
    assert "--start" in err
    assert LOG.read_bytes() == before
    assert (
        finops("simulate", "--plugins", "base", "--append", "--start", "2026-01-08", "--days", "1", "--scale", "0.1")[0]
        == 0
    )


def test_a_fresh_run_stops_before_calls_that_nobody_simulated(finops):
    before = foreign_log()
    code, _, err = finops("run", "--plugins", "base", *SMALL)
    assert code == 2
    assert "1 calls without a source" in err
    assert "--append" in err
    assert "--replace" in err
    assert LOG.read_bytes() == before
    assert finops("simulate", "--plugins", "base", "--append", *SMALL)[0] == 0
    assert LOG.read_bytes().startswith(before)


def test_a_fresh_run_stops_before_lines_that_are_not_calls(finops):
    finops("simulate", "--plugins", "base", *SMALL)
    with LOG.open("ab") as file:
        file.write(b"somebody's note\n")
    before = LOG.read_bytes()
    code, _, err = finops("simulate", "--plugins", "base", *SMALL)
    assert code == 2
    assert "1 lines that are not calls" in err
    assert LOG.read_bytes() == before


def test_a_fresh_run_stops_before_a_file_that_is_no_log(finops):
    LOG.parent.mkdir()
    LOG.write_text("name;price\nbolt;1\n")
    code, _, err = finops("simulate", "--plugins", "base", *SMALL)
    assert code == 2
    assert "did not simulate" in err
    assert LOG.read_text() == "name;price\nbolt;1\n"


def test_replace_clears_a_log_that_holds_other_calls(finops):
    foreign_log()
    assert finops("simulate", "--plugins", "base", "--replace", *SMALL)[0] == 0
    assert {r["source"] for r in rows()} == {"base"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--plugins", "bursts"), "Did you mean 'burst'?"),
        (("--plugins", "pricing"), "is a plugin of kind analyzer"),
        (("--set", "burst.burst_probabilty=1"), "Did you mean 'burst_probability'?"),
        (("--set", "burst.burst_probability=2"), "less than or equal to 1"),
        (("--set", "bust.seed=2"), "Did you mean 'burst'?"),
        (("--set", 'optimization.what_if={chat="openai/gpt5-mini"}'), "did you mean 'openai/gpt-5-mini'?"),
        (("--set", "pricing.tier_prices={gold=1}"), "gold"),
        (("-p", "no:bass"), "Did you mean 'base'?"),
        (("-p", "bass"), "not of the form no:NAME"),
        (("--append", "--replace"), "exclude each other"),
        (("--start", "yesterday"), "does not match the format"),
        (("--days", "0"), "0 is not in the range"),
        (("--start", "2099-12-31"), "leaves the years 2000 to 2099"),
        (("--config", "nowhere.toml"), "cannot read nowhere.toml"),
    ],
)
def test_a_wrong_name_or_value_is_one_message_before_anything_is_written(finops, arguments, message):
    code, _, err = finops("run", *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not LOG.exists()


def test_a_misspelt_command_is_told_the_nearest_one(finops):
    code, _, err = finops("simulat")
    assert code == 2
    assert "Did you mean 'simulate'?" in err


def test_parameters_come_from_the_class_then_the_file_then_the_command(document):
    small = ("simulate", "--plugins", "base", "--start", "2026-01-05", "--days", "1")
    Path("finops.toml").write_text("[plugins.base]\nnum_customers = 5\n")
    assert document(*small)["totals"]["customers"] == 5
    assert document(*small, "--set", "base.num_customers=3")["totals"]["customers"] == 3


def test_quiet_prints_nothing(finops):
    code, out, err = finops("simulate", "--plugins", "base", "--quiet", *SMALL)
    assert (code, out, err) == (0, "", "")


def test_the_summary_names_each_pattern_and_the_next_step(finops):
    _, out, err = finops("run", "--plugins", "base,burst", *SMALL)
    for word in ("base", "burst", "all", "customers", "cost per call", "index.html", "finops serve --watch"):
        assert word in out
    assert "100%" in err


def test_amounts_a_month_from_less_than_a_week_are_said_to_be_extrapolated(finops):
    _, out, _ = finops("run", "--plugins", "base", *SMALL)
    heading, caveat = out.partition("Most at stake a month")[2].splitlines()[:2]
    assert (heading, caveat) == ("", "A month is extrapolated from 3 days.")
    _, out, _ = finops("run", "--plugins", "base", "--start", "2026-01-05", "--days", "7", "--scale", "0.1")
    assert "Most at stake a month" in out
    assert "extrapolated" not in out


def test_an_error_is_a_document_too(finops):
    code, out, err = finops("analyze", "--log", "nowhere.csv", "--json")
    assert code == 1
    assert json.loads(out)["error"]["message"] == "there is no call log at nowhere.csv"
    assert "finops run" in err


def test_a_pattern_that_fails_halfway_leaves_nothing_and_the_others_everything(finops, fake_distribution):
    fake_distribution(
        "finops-plugin-halfway",
        {"finops.patterns": {"halfway": "halfway:HalfwaySimulator"}},
        modules={
            "halfway": (
                "from finops_core import AICallSimulator, hookimpl\n"
                "class HalfwaySimulator(AICallSimulator):\n"
                "    @hookimpl\n"
                "    def generate_calls(self, run):\n"
                "        yield from list(super().generate_calls(run))[:1]\n"
                "        raise RuntimeError('no more')\n"
            )
        },
    )
    code, out, err = finops("simulate", "--plugins", "base,halfway", *SMALL, "--json")
    assert code == 3
    assert [p["name"] for p in json.loads(out)["patterns"]] == ["base"]
    assert "finops-plugin-halfway 1.0" in err
    assert "no more" in err
    assert {r["source"] for r in rows()} == {"base"}


@pytest.mark.parametrize("append", [(), ("--append",)])
def test_a_full_disk_leaves_the_log_as_it_was(finops, monkeypatch, append):
    finops("simulate", "--plugins", "base", *SMALL)
    before, events = LOG.read_bytes(), EVENTS.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("finops_core.simulation.recording.os.fsync", full)
    code, _, err = finops("simulate", "--plugins", "burst", *append, *SMALL)
    assert code == 1
    assert "No space left on device" in err
    assert "the log is as it was" in err
    assert (LOG.read_bytes(), EVENTS.read_bytes()) == (before, events)
    assert sorted(p.name for p in LOG.parent.glob("*.new-*")) == []


def test_an_interrupted_run_leaves_the_earlier_log(finops, tmp_path):
    finops("simulate", "--plugins", "base", *SMALL)
    before = LOG.read_bytes()
    process = subprocess.Popen(LARGE, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size > 1_000_000 for p in LOG.parent.glob("*.new-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert f"{LOG} is as it was." in err
    assert "Traceback" not in err
    assert LOG.read_bytes() == before
    assert list(LOG.parent.glob("*.new-*")) == []


def test_an_interrupted_append_leaves_whole_calls_and_says_so(finops, monkeypatch):
    finops("simulate", "--plugins", "base", *SMALL)
    before = LOG.read_bytes()
    monkeypatch.setattr("finops_core.simulation.recording.APPEND_BYTES", 20_000)
    append, slices = calllog.append, []

    def interrupted(log, blocks):
        if len(slices) == 3:
            raise KeyboardInterrupt
        slices.append(append(log, blocks))

    monkeypatch.setattr("finops_core.simulation.recording.calllog.append", interrupted)
    code, _, err = finops("simulate", "--plugins", "base", "--append", "--seed", "43", *SMALL)
    assert code == 130
    assert f"{LOG} is valid: the earlier calls, and whole calls of this run" in err
    assert LOG.read_bytes().startswith(before)
    assert len(LOG.read_bytes()) == len(before) + sum(slices)
    assert LOG.read_bytes().endswith(b"\n")


def test_what_a_killed_run_left_is_swept_away_by_the_next(finops, tmp_path):
    LOG.parent.mkdir()
    process = subprocess.Popen([*LARGE, "--quiet"], cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size > 1_000_000 for p in LOG.parent.glob("*.new-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(list(LOG.parent.glob("*.new-*"))) == 1
    assert finops("simulate", "--plugins", "base", *SMALL)[0] == 0
    assert list(LOG.parent.glob("*.new-*")) == []


def test_output_that_cannot_be_written_is_one_message(finops, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "finops_core", "simulate", "--plugins", "base", *SMALL, "--json"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert "the system refused: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(finops, tmp_path):
    command = f"{sys.executable} -m finops_core plugins | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_pages_that_could_not_be_written_are_not_recommended(finops, tmp_path):
    (tmp_path / "reports").write_text("in the way")
    code, out, err = finops("run", "--plugins", "base", *SMALL)
    assert code == 3
    assert "publisher 'html' of finops-viewer" in err
    assert "index.html" not in out
    assert len(rows()) > 0
