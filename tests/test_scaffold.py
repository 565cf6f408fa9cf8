"""What ``finops new`` writes, and what it refuses before it writes anything."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from finops_core import FinopsError, UsageError, scaffold
from finops_core.cli import finops
from finops_core.scaffold import core_range, install_and_test, new_plugin

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pip_on_the_path(tmp_path_factory, monkeypatch):
    """The folder of the interpreter, in which there is a pip, alone on the path."""
    scripts = tmp_path_factory.mktemp("bin")
    (scripts / "pip").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(scripts))
    monkeypatch.setattr(scaffold, "find_spec", lambda name: name)
    monkeypatch.setattr(scaffold.sys, "executable", str(scripts / "python"))
    return scripts


def test_the_package_is_installed_where_finops_is(pip_on_the_path, monkeypatch):
    python, what = pip_on_the_path / "python", "-e ./finops-plugin-x pytest"
    assert install_and_test("x") == f"pip install {what} && pytest finops-plugin-x"
    monkeypatch.setenv("PATH", "/nowhere")
    assert install_and_test("x") == f"{python} -m pip install {what} && {python} -m pytest finops-plugin-x"
    monkeypatch.setattr(scaffold, "find_spec", lambda name: None)
    assert install_and_test("x") == f"uv pip install --python {python} {what} && {python} -m pytest finops-plugin-x"


@pytest.mark.parametrize("kind", ["pattern", "analyzer"])
def test_the_tests_of_a_new_package_pass_and_what_comes_next_is_told(folder, kind, pip_on_the_path):
    done = CliRunner().invoke(finops, ["new", kind, "night-shift"], standalone_mode=False)
    assert done.return_value == 0
    assert done.output.splitlines() == [
        "finops-plugin-night-shift/README.md",
        "finops-plugin-night-shift/finops_plugin_night_shift.py",
        "finops-plugin-night-shift/pyproject.toml",
        "finops-plugin-night-shift/tests/test_night_shift.py",
        "",
        "Next: pip install -e ./finops-plugin-night-shift pytest && pytest finops-plugin-night-shift",
        f"Then: finops {'run' if kind == 'pattern' else 'analyze'} --plugins night-shift",
    ]
    package = folder / "finops-plugin-night-shift"
    passed = subprocess.run(
        [PYTHON, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    assert re.search(r"^\d passed", passed.stdout, re.MULTILINE), passed.stdout + passed.stderr


@pytest.mark.parametrize(("kind", "suffix"), [("pattern", "Simulator"), ("analyzer", "Analyzer")])
def test_the_entry_point_names_the_class_of_the_module(folder, kind, suffix):
    new_plugin(kind, "night_shift2", folder)
    package = folder / "finops-plugin-night_shift2"
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {
        f"finops.{kind}s": {"night_shift2": f"finops_plugin_night_shift2:NightShift2{suffix}"}
    }
    assert f"class NightShift2{suffix}(" in (package / "finops_plugin_night_shift2.py").read_text()


@pytest.mark.parametrize("kind", ["pattern", "analyzer"])
def test_the_libraries_that_a_new_package_asks_for_are_those_of_the_core(folder, kind):
    new_plugin(kind, "weekend", folder)
    _, *others = tomllib.loads((folder / "finops-plugin-weekend" / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    assert set(others) <= set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Night", "'Night' cannot be a plugin's name"),
        ("night shift", "cannot be a plugin's name"),
        ("../night", "cannot be a plugin's name"),
        ("2nights", "cannot be a plugin's name"),
        ("night-", "cannot be a plugin's name"),
        ("night--shift", "cannot be a plugin's name"),
        ("nächte", "cannot be a plugin's name"),
        ("night\n", "cannot be a plugin's name"),
        ("", "cannot be a plugin's name"),
        ("n" * 41, "cannot be a plugin's name"),
        ("all", "'all' has a meaning of its own"),
        ("index", "'index' has a meaning of its own"),
        ("burst", "a plugin called 'burst' is installed"),
        ("serve", "a plugin called 'serve' is installed"),
        ("domains", "the package finops-plugin-domains "),
    ],
)
@pytest.mark.parametrize("kind", ["pattern", "analyzer"])
def test_a_name_that_cannot_be_used_is_refused_before_anything_is_written(folder, kind, name, message):
    with pytest.raises(UsageError) as refused:
        new_plugin(kind, name, folder)
    assert message in refused.value.message
    assert refused.value.hint
    assert list(folder.iterdir()) == []


def test_a_name_is_also_taken_by_a_plugin_that_is_hidden(folder, monkeypatch):
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "base")
    with pytest.raises(UsageError, match="'burst' is installed"):
        new_plugin("pattern", "burst", folder)


def test_a_folder_that_is_there_is_left_as_it_is(folder):
    (folder / "finops-plugin-weekend").mkdir()
    with pytest.raises(UsageError, match="finops-plugin-weekend is there already; nothing was written"):
        new_plugin("pattern", "weekend", folder)
    assert list((folder / "finops-plugin-weekend").iterdir()) == []


def test_what_the_system_refuses_is_told(folder):
    with pytest.raises(FinopsError, match="finops-plugin-weekend cannot be written: No such file or directory"):
        new_plugin("pattern", "weekend", folder / "nowhere")


@pytest.mark.parametrize(
    ("core", "expected"),
    [("0.1.0", ">=0.1,<0.2"), ("0.9.3.dev1", ">=0.9,<0.10"), ("1.4.2", ">=1.4,<2"), ("12.0.1", ">=12.0,<13")],
)
def test_a_plugin_asks_for_this_core_up_to_the_next_that_may_break_it(core, expected):
    assert core_range(core) == expected
