"""Begin a plugin: a small package that is complete, from the templates beside this module."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from string import Template
from typing import Literal

from finops_core.errors import FinopsError, UsageError
from finops_core.plugins.finding import find

NAME = r"[a-z][a-z0-9]*([-_][a-z0-9]+)*"
LONGEST_NAME = 40
RESERVED = frozenset({"all", "index"})
"""What ``--plugins all`` means, and the page that leads to the reports."""

TARGETS = {
    "README.md": "README.md",
    "module.py": "${module}.py",
    "pyproject.toml": "pyproject.toml",
    "test_module.py": "tests/test_${word}.py",
}
"""Where each template of a kind goes in the package."""


def new_plugin(kind: Literal["pattern", "analyzer"], name: str, parent: Path) -> tuple[Path, ...]:
    """Write the package of a new plugin into a folder ``finops-plugin-<name>``.

    Args:
        kind: What it is to be.
        name: The plugin's name.
        parent: The folder in which to make the package's.

    Returns:
        The files that were written.

    Raises:
        UsageError: The name cannot be used, or the folder is there already; nothing was written.
        FinopsError: The system does not let the files be written.
    """
    _refuse_name(name)
    word = name.replace("-", "_")
    values = {
        "name": name,
        "word": word,
        "title": "".join(part.capitalize() for part in word.split("_")),
        "module": f"finops_plugin_{word}",
        "distribution": f"finops-plugin-{name}",
        "core": core_range(version("finops-core")),
    }
    folder = parent / values["distribution"]
    texts = {
        folder / Template(target).substitute(values): Template(
            files("finops_core").joinpath("templates", kind, f"{template}.tmpl").read_text("utf-8")
        ).substitute(values)
        for template, target in TARGETS.items()
    }
    try:
        folder.mkdir()
        for path, text in texts.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError as e:
        raise UsageError(
            f"{folder} is there already; nothing was written",
            hint="Choose another name, or call finops new in another folder.",
        ) from e
    except OSError as e:
        raise FinopsError(f"{folder} cannot be written: {e.strerror}", hint="Call finops new in another folder.") from e
    return tuple(texts)


def install_and_test(name: str) -> str:
    """The shell command that installs a new package beside this finops and tests it, from the folder that holds it."""
    folder = f"finops-plugin-{name}"
    python = sys.executable
    pip, pytest = f"{python} -m pip install", f"{python} -m pytest"
    if find_spec("pip") is None:
        pip = f"uv pip install --python {python}"
    elif which("pip") == str(Path(python).with_name("pip")):
        pip, pytest = "pip install", "pytest"
    return f"{pip} -e ./{folder} pytest && {pytest} {folder}"


def core_range(core: str) -> str:
    """The versions of the core that a plugin made for this one works with: up to the next that may break it."""
    major, minor = (int(part) for part in core.split(".")[:2])
    return f">={major}.{minor},<{f'0.{minor + 1}' if major == 0 else major + 1}"


def _refuse_name(name: str) -> None:
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be a plugin's name",
            hint=f"A name is up to {LONGEST_NAME} lower-case letters and digits, begins with a letter, and has single "
            "hyphens or underscores between its words, such as night-shift.",
        )
    if name in RESERVED:
        raise UsageError(f"the name {name!r} has a meaning of its own", hint="Choose another name.")
    if name in find().installed:
        raise UsageError(
            f"a plugin called {name!r} is installed",
            hint="Choose another name; finops plugins lists those that are taken.",
        )
    try:
        package = distribution(f"finops-plugin-{name}")
    except PackageNotFoundError:
        return
    raise UsageError(
        f"the package {package.name} {package.version} is installed, which the new one would replace",
        hint="Choose another name, or uninstall that package.",
    )
