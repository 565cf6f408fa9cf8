"""The public names of finops_core: one list, told three times, each name explained."""

import ast
import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

import finops_core

SOURCE = Path(finops_core.__file__)


def type_checking_imports() -> dict[str, str]:
    """Module of each name imported for type checkers."""
    (block,) = (
        node
        for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    return {alias.asname or alias.name: node.module for node in block.body for alias in node.names}


def documented_assignments(module_name: str) -> set[str]:
    """Module-level values that a docstring right below explains."""
    body = ast.parse(Path(import_module(module_name).__file__).read_text(encoding="utf-8")).body
    documented = set()
    for node, after in pairwise(body):
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        if isinstance(node, ast.Assign):
            documented |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            documented.add(node.target.id)
    return documented


def test_the_list_the_imports_for_type_checkers_and_the_homes_agree():
    homes = {name: module for module, names in finops_core._HOMES.items() for name in names}
    assert type_checking_imports() == homes
    assert sorted(finops_core.__all__) == sorted(homes)
    assert sum(len(names) for names in finops_core._HOMES.values()) == len(homes), "a name has two homes"


def test_a_name_that_is_not_public_is_told_as_python_does():
    with pytest.raises(AttributeError, match="module 'finops_core' has no attribute 'nonsense'"):
        _ = finops_core.nonsense


@pytest.mark.parametrize("name", finops_core.__all__)
def test_every_public_name_is_there_and_explained(name):
    value = getattr(finops_core, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)
        # A dataclass without a docstring gets its signature as one.
        assert not inspect.getdoc(value).startswith(f"{name}(")
    else:
        assert name in documented_assignments(finops_core._HOME_OF[name])


@pytest.mark.parametrize("name", finops_core.__all__)
def test_every_public_method_is_explained(name):
    value = getattr(finops_core, name)
    if inspect.isclass(value):
        unexplained = [
            member
            for member, what in vars(value).items()
            if not member.startswith("_")
            and (inspect.isfunction(what) or isinstance(what, (classmethod, staticmethod, property)))
            and not inspect.getdoc(getattr(value, member))
        ]
        assert unexplained == []
