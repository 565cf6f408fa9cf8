"""Imports of the core only point down, plugins use public names alone, and the command starts light."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import finops_core

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "finops_core"

FLOORS = (
    {"errors", "parallel", "money", "wording", "call", "plugin_base"},
    {"settings", "cells"},
    {"prices"},
    {"catalog", "encoding", "calllog", "foreign_csv"},
    {"ledger", "report"},
    {"simulation", "analyzer"},
    {"site"},
    {"hookspecs"},
    {"plugins"},
    {"pipeline", "importing", "scaffold"},
    {"console"},
    {"session"},
    {"options"},
    {"cli"},
    {"__main__", "testing"},
)
"""The modules and packages of the core from bottom to top; those of one floor do not know each other."""
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}

HEAVY = {"numpy", "pyarrow", "pydantic", "duckdb", "rich", "genai_prices", "finops_viewer"}


def part_of(module: str) -> str:
    """The module or package directly below finops_core."""
    return module.split(".")[1] if "." in module else ""


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports, wherever the import stands; names come with their module."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def core_parts() -> set[str]:
    return {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
        "__init__"
    }


def upward_imports(file: Path, part: str) -> list[str]:
    """Imports of a file of ``part`` that do not point to a lower floor."""
    wrong = []
    for line, name in imports(file):
        if name.split(".")[0] != "finops_core":
            continue
        below = part_of(name)
        assert below in FLOOR_OF, f"{file}:{line}: the core imports from the module where a name is, not {name}"
        if below != part and FLOOR_OF[below] >= FLOOR_OF[part]:
            wrong.append(f"{file.name}:{line}: {part} imports {below}")
    return wrong


def test_every_part_of_the_core_has_a_floor():
    assert core_parts() <= set(FLOOR_OF), "a new module: find its floor, and write it into FLOORS and CONTRIBUTING.md"


def test_imports_of_the_core_only_point_down():
    wrong = []
    for file in sorted(CORE.rglob("*.py")):
        part = file.relative_to(CORE).parts[0].removesuffix(".py")
        if part != "__init__":
            wrong += upward_imports(file, part)
    assert wrong == []


def test_an_import_that_points_up_would_be_found(tmp_path):
    file = tmp_path / "settings.py"
    file.write_text(
        "from finops_core.errors import UsageError\n"
        "def late():\n"
        "    from finops_core.plugins import find\n"
        "import finops_core.catalog\n"
        "from finops_core import report\n"
    )
    assert sorted(upward_imports(file, "settings")) == [
        "settings.py:3: settings imports plugins",
        "settings.py:4: settings imports catalog",
        "settings.py:5: settings imports report",
    ]
    file.write_text("from finops_core.plugin_base import Plugin\n")
    assert upward_imports(file, "errors") == ["settings.py:1: errors imports plugin_base"]


def test_the_core_knows_no_plugin():
    known = [
        f"{file.name}:{line}: {name}"
        for file in CORE.rglob("*.py")
        for line, name in imports(file)
        if name.startswith(("finops_plugin", "finops_viewer"))
    ]
    assert known == []


def test_plugins_import_public_names_of_the_core_alone():
    wrong = []
    for file in [*ROOT.glob("plugins/*/**/*.py"), *ROOT.glob("tests/fake_plugins/**/*.py")]:
        in_tests = "tests" in file.relative_to(ROOT).parts[2:-1]
        for line, name in imports(file):
            package, _, rest = name.partition(".")
            testing = in_tests and rest.split(".")[0] == "testing"
            if package == "finops_core" and not testing and rest not in finops_core.__all__:
                wrong.append(f"{file.relative_to(ROOT)}:{line}: {name}")
    assert wrong == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins"]])
def test_the_command_starts_without_heavy_libraries_and_plugins(arguments):
    code = (
        "import json, sys\n"
        "from finops_core.cli import main\n"
        f"sys.argv = ['finops', *{arguments}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as e:\n"
        "    assert not e.code, e.code\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    light = {"rich"} if arguments == ["plugins"] else set()  # the table of plugins is printed with rich
    assert not modules & (HEAVY - light)
    assert not {module for module in modules if module.startswith("finops_plugin")}
    assert done.stdout
