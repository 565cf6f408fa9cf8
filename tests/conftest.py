"""Third parties for tests: distributions that are installed without pip and are gone after the test."""

import importlib
import os
import shutil
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

# Whoever starts the tests in the background has them ignore interrupts, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

FAKE_PLUGINS = Path(__file__).parent / "fake_plugins"


@pytest.fixture(scope="session")
def install_distribution() -> Callable[..., None]:
    """Write a distribution into a folder as pip would.

    Call it with the folder, and the name of a folder of ``tests/fake_plugins`` or a name that is not one of them and
    what it holds: ``entry_points={group: {name: object}}``, ``version``, ``modules={name: source}`` and ``requires``.
    """

    def install(
        site: Path,
        name: str,
        entry_points: Mapping[str, Mapping[str, str]] | None = None,
        version: str = "1.0",
        modules: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
    ) -> None:
        site.mkdir(parents=True, exist_ok=True)
        folder = FAKE_PLUGINS / name
        if entry_points is None and folder.is_dir():
            project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
            name, version, entry_points = project["name"], project["version"], project["entry-points"]
            requires = project["dependencies"]
            shutil.copytree(folder, site, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.toml", "__pycache__"))
        for module, source in (modules or {}).items():
            (site / f"{module}.py").write_text(source)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        (info / "entry_points.txt").write_text(
            "\n".join(
                f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in names.items())
                for group, names in (entry_points or {}).items()
            )
        )

    return install


@pytest.fixture
def fake_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install_distribution: Callable[..., None]
) -> Iterator[Callable[..., Path]]:
    """Install a distribution into a folder of its own, for this process and those it starts.

    Call it with what ``install_distribution`` takes after the folder. What is installed last is found first.
    """
    root = tmp_path / "installed"
    modules_before = set(sys.modules)

    def install(name: str, *arguments: Any, **options: Any) -> Path:
        site = root / f"site-{len(list(root.glob('*')))}"
        install_distribution(site, name, *arguments, **options)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        return site

    yield install
    for module in set(sys.modules) - modules_before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(root)):
            del sys.modules[module]
    importlib.invalidate_caches()
