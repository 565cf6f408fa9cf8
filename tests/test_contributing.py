"""What CONTRIBUTING.md shows is true: its plugin works, its commands exist."""

import ast
import re
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow.compute as pc
import pytest

from finops_core.testing import check_pattern

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def weekend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module of the example, as the file that a reader would save."""
    file = tmp_path / "finops_plugin_weekend.py"
    file.write_text(blocks("python")[0])
    spec = spec_from_file_location("finops_plugin_weekend", file)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_example_pattern_keeps_the_contract_and_its_promise(weekend):
    calls = check_pattern(weekend.WeekendSimulator(weekend_factor=5))
    # The check runs from Monday 2026-01-05 for two weeks: 10 weekdays at 1, 4 weekend days at 5.
    weekday = pc.day_of_week(calls["timestamp"])
    at_weekends = pc.sum(pc.greater_equal(weekday, 5)).as_py()
    ratio = (at_weekends / 4) / ((calls.num_rows - at_weekends) / 10)
    assert ratio == pytest.approx(5, rel=0.1)


def test_the_example_project_points_at_the_example_module(weekend):
    project = tomllib.loads(blocks("toml")[0])
    module, _, name = project["project"]["entry-points"]["finops.patterns"]["weekend"].partition(":")
    assert module == weekend.__name__
    assert issubclass(getattr(weekend, name), sys.modules["finops_core"].AICallSimulator)
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"] == [f"{module}.py"]
    ours = tomllib.loads((ROOT / "plugins/finops-plugin-base/pyproject.toml").read_text())
    assert project["project"]["dependencies"] == ours["project"]["dependencies"]


def test_the_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", TEXT, re.MULTILINE))
    assert named == {"run", "test", "help", "lint", "bench"}
    assert named <= targets


def test_the_floors_are_those_that_the_test_of_imports_holds():
    tree = ast.parse((ROOT / "tests" / "test_import_floors.py").read_text())
    (floors,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS"
    )
    table = TEXT.partition("## The floors of the core")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)(?:\.py|/)`", row)) for row in reversed(rows)] == list(floors)
