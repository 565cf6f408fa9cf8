"""What CONTRIBUTING.md says is true: its commands exist, its floors are those that are held."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


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
