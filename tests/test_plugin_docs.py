"""The page for plugin authors is complete and true: hooks, members, examples, and what ``finops new`` writes."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import tomllib
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, get_args

import pyarrow.compute as pc
import pytest

import finops_core
from finops_core import hookspecs, testing
from finops_core.cells import Unit
from finops_core.plugin_base import PROJECT, Plugin
from finops_core.plugins import ContainedError, find, load, select
from finops_core.scaffold import core_range, new_plugin
from finops_core.settings import Settings
from finops_core.testing import pytest_plugin

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "plugins" / "README.md").read_text("utf-8")


class Fence(NamedTuple):
    language: str
    text: str


FENCES = [Fence(m[2], m[3]) for m in re.finditer(r"^(`{3,})(\w+)\n(.*?)^\1$", PAGE, re.MULTILINE | re.DOTALL)]
PROSE = re.sub(r"^(`{3,})\w+\n.*?^\1$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
SECTIONS = {m[1]: m[2] for m in re.finditer(r"^#+ ([^\n]+)\n(.*?)(?=^#|\Z)", PROSE, re.MULTILINE | re.DOTALL)}

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, f"{PROJECT}_spec")}
CLASSES = {
    name: value
    for name in finops_core.__all__
    if inspect.isclass(value := getattr(finops_core, name)) and not issubclass(value, Exception)
}
FUNCTIONS = {name: value for name in finops_core.__all__ if inspect.isfunction(value := getattr(finops_core, name))} | {
    name: getattr(testing, name) for name in testing.__all__
}


def call_text(name, function):
    """How a function is written down: its name and arguments, without types and defaults."""
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    arguments = [p.replace(annotation=p.empty, default=p.empty) for p in parameters]
    return name + str(signature.replace(parameters=arguments, return_annotation=signature.empty))


def members(value):
    """Every public member of a class: fields and attributes by name, methods with their arguments."""
    found = set(attributes(value.__doc__))
    for base in value.__mro__:
        if base.__module__.split(".")[0] != "finops_core" or (base is Plugin and value is not Plugin):
            continue
        for name, member in {**dict.fromkeys(inspect.get_annotations(base)), **vars(base)}.items():
            if not name.startswith(("_", "model_")):
                function = getattr(member, "__func__", member)
                found.add(call_text(name, function) if inspect.isfunction(function) else name)
    return found


def attributes(docstring):
    """The names under ``Attributes:`` of a docstring."""
    section = inspect.cleandoc(docstring or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    return re.findall(r"^    (\w+): ", section, re.MULTILINE)


def listed(section):
    """What the first cells of a section's table name."""
    return {name for row in table(section) for name in re.findall(r"`([^`]+)`", row[0])}


def table(section):
    """The cells of a section's table, row by row, without its head."""
    rows = re.findall(r"^\|(.*)\|$", SECTIONS[section], re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with both packages that the page shows."""
    folder = tmp_path_factory.mktemp("new")
    new_plugin("pattern", "weekend", folder)
    new_plugin("analyzer", "providers", folder)
    return folder


@pytest.fixture
def examples(packages, monkeypatch):
    """The names that the programs of the page define."""
    names = {}
    for package in packages.iterdir():
        monkeypatch.syspath_prepend(package)
    for number, fence in enumerate(f for f in FENCES if f.language == "python"):
        program = {"__name__": f"example_{number}"}
        exec(compile(fence.text, f"plugins/README.md, program {number}", "exec"), program)
        names |= program
    yield names
    for name in ("finops_plugin_weekend", "finops_plugin_providers"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_section_that_explains_its_arguments(name):
    hook = HOOKS[name]
    section = SECTIONS[call_text(name, hook)]
    explained = re.findall(r"^- `(\w+)`: ", section, re.MULTILINE)
    assert explained == list(inspect.signature(hook).parameters)


def test_there_is_a_section_for_each_hook_and_no_other():
    before_patterns = PROSE.partition("## Reference: hooks")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)\(", before_patterns, re.MULTILINE) == list(HOOKS)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_has_a_section_with_its_members(name):
    assert name in SECTIONS
    assert listed(name) == members(CLASSES[name])


def test_a_method_is_compared_with_its_arguments():
    assert {"factor(customers, calendar)", "generate(**run)", "seed"} <= members(finops_core.AICallSimulator)
    assert "rng(what, *key)" in members(finops_core.Run)
    assert "from_arrow(table, **options)" in members(finops_core.Calls)
    assert {"settings", "now", "total"} <= members(finops_core.Calls)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_is_shown_with_its_arguments(name):
    if inspect.isfunction(FUNCTIONS[name]):
        assert f"`{call_text(name, FUNCTIONS[name])}`" in PROSE


@pytest.mark.parametrize("name", finops_core.__all__)
def test_every_public_name_is_on_the_page(name):
    assert re.search(rf"`{name}\b|^### {name}$", PROSE, re.MULTILINE)


def test_the_columns_of_a_call_are_those_that_there_are():
    def empty(column):
        return "never" if column.required else "unknown" if column.default is None else str(column.default)

    assert table("The columns of a call") == [[f"`{c.name}`", c.kind, empty(c), c.meaning] for c in finops_core.COLUMNS]


def test_every_unit_is_explained():
    assert listed("Reference: reports") == set(get_args(Unit))


def test_the_catalogue_lists_the_plugins_of_this_repository():
    there = set()
    for file in [*ROOT.glob("plugins/*/pyproject.toml"), ROOT / "viewer" / "pyproject.toml"]:
        project = tomllib.loads(file.read_text())["project"]
        for group, names in project["entry-points"].items():
            there |= {(project["name"], group.removeprefix("finops."), name) for name in names}
    rows = table("The plugins that exist")
    assert there == {
        (re.match(r"\[([\w-]+)\]", package)[1], kind, name)
        for package, kind, names, _ in rows
        for name in re.findall(r"`(\w+)`", names)
    }


def test_the_page_shows_what_finops_new_writes(packages):
    shown = [fence.text for fence in FENCES]
    for file in (packages / "finops-plugin-weekend").rglob("*.*"):
        assert file.read_text("utf-8") in shown, file.name
    analyzer = packages / "finops-plugin-providers"
    for file in ("finops_plugin_providers.py", "tests/test_providers.py"):
        assert (analyzer / file).read_text("utf-8") in shown, file
    ((group, entries),) = tomllib.loads((analyzer / "pyproject.toml").read_text())["project"]["entry-points"].items()
    assert f'[project.entry-points."{group}"]' in PROSE
    assert [f'{name} = "{target}"' in PROSE for name, target in entries.items()] == [True]


def test_the_page_names_the_versions_that_finops_new_asks_for():
    assert f"`finops-core{core_range(version('finops-core'))}`" in PROSE


def test_the_example_patterns_keep_the_contract_and_their_promise(examples):
    calls = testing.check_pattern(examples["EuropeSimulator"])
    assert pc.unique(calls["region"]).to_pylist() == ["eu-central-1"]

    launch = examples["LaunchSimulator"](num_customers=20, num_days=10)
    testing.check_pattern(launch)
    planted = launch.planted(start=date(2026, 1, 5)).to_pylist()
    assert len(planted) == 20
    what = {(event["kind"], event["factor"], event["end"] - event["start"]) for event in planted}
    assert what == {("launch", 10.0, timedelta(days=1))}


def test_the_example_tests_pass(examples, tiny_log, finops_run):
    examples["test_by_hand"](tiny_log)
    examples["test_a_run"](finops_run)


def test_the_page_lists_the_fixtures_and_what_a_run_returns():
    fixtures = {name for name, value in vars(pytest_plugin).items() if type(value) is type(pytest_plugin.tiny_log)}
    assert fixtures == {"tiny_log", "planted_log", "finops_run"}
    names = listed("finops_core.testing")
    assert fixtures | {field.name for field in dataclasses.fields(testing.FinishedRun)} <= names


def test_the_example_publisher_writes_the_answers(examples, tmp_path):
    class Site(NamedTuple):
        directory: Path

    report = finops_core.Report(name="one", title="One", answer="Yes.")
    examples["AnswersPublisher"](file="a.txt").publish([report], Site(tmp_path / "new"))
    assert (tmp_path / "new" / "a.txt").read_text() == "One: Yes.\n"


def test_the_settings_of_the_page_are_parameters_of_its_pattern(examples):
    (settings,) = (data for f in FENCES if f.language == "toml" and "project" not in (data := tomllib.loads(f.text)))
    parameters = Settings.model_validate(settings).plugins["weekend"]
    assert examples["WeekendSimulator"](**parameters).weekend_factor == 2.0


def test_a_failure_is_told_as_the_page_shows(fake_distribution):
    fake_distribution("acme-broken")
    loaded = load(select(find().found, "analyzers", ["raises"]), Settings())
    with pytest.raises(ContainedError) as caught:
        loaded.call(loaded.plugins[0], calls=None)
    (shown,) = (fence.text for fence in FENCES if fence.language == "text")
    assert caught.value.problem.line() == shown.strip()


def test_links_within_the_page_lead_to_a_section():
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", PROSE)) <= anchors


def test_contributing_leaves_the_examples_to_this_page():
    assert "```python" not in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_folders_that_the_readme_gives_to_pip_are_packages_and_this_page_is_not_among_them():
    (given,) = re.findall(r"pip install \. \./viewer \./(\S+)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    projects = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    assert [folder / "pyproject.toml" for folder in sorted(ROOT.glob(given))] == projects


def run(command, folder, **environment):
    """The output of a shell command that must succeed."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FINOPS_LOAD_PLUGINS")}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env={**inherited, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_commands_of_both_ten_minutes_work_in_a_fresh_environment(tmp_path):
    """As a stranger types them, with pip; needs the package index."""
    run(f"{sys.executable} -m hatchling build -t wheel -d {tmp_path / 'wheels'}", ROOT)
    run(f"{sys.executable} -m venv env && env/bin/pip install --quiet wheels/*.whl", tmp_path)
    path = {"PATH": f"{tmp_path / 'env' / 'bin'}:/usr/bin:/bin", "PIP_QUIET": "1"}
    pattern, analyzer = (f.text for f in FENCES if f.text.startswith("finops new"))

    output = run(pattern, tmp_path, **path)
    assert "2 passed" in output
    assert "weekend" in output.rpartition("passed")[2]
    output = run(analyzer, tmp_path, **path)
    assert "3 passed" in output
    assert re.search(r"\w+ carries [\d.]+ % of the cost\.", output)
