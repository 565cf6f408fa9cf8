"""What is built, what is in it, and that every package installs by itself beside the core."""

import email
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
PROVIDES = {
    "finops-plugin-base": {"base"},
    "finops-plugin-burst": {"burst"},
    "finops-plugin-decline": {"decline"},
    "finops-plugin-domains": {"alignment", "optimization", "performance", "realtime", "understanding"},
    "finops-plugin-revenue": {"features", "pricing", "profitability"},
    "finops-plugin-seasonal": {"seasonal"},
    "finops-viewer": {"export", "html", "serve"},
}


def run(*command: object, **options: object) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(folder: Path, target: str, into: Path) -> Path:
    """Build one folder without a network, in the environment of the tests."""
    into.mkdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into, cwd=folder)
    (built,) = into.iterdir()
    return built


def folders() -> dict[str, Path]:
    """The folder of every package, by the package's name."""
    places = [ROOT, *(ROOT / member for member in WORKSPACE)]
    return {tomllib.loads((place / "pyproject.toml").read_text())["project"]["name"]: place for place in places}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of every package, by the package's name."""
    made = tmp_path_factory.mktemp("wheels")
    return {name: build(folder, "wheel", made / name) for name, folder in folders().items()}


@pytest.fixture(scope="module")
def sdists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source distribution of every package, by the package's name."""
    made = tmp_path_factory.mktemp("sdists")
    return {name: build(folder, "sdist", made / name) for name, folder in folders().items()}


def files_of(wheel: Path) -> set[str]:
    """The files that a wheel installs, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def sources(package: Path) -> set[str]:
    """The files of a package folder that git knows or would take, relative to the folder above it."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", package, cwd=package.parent)
    return {line for line in listed.splitlines() if (package.parent / line).is_file()}


def test_every_member_of_the_workspace_is_a_package_of_the_table_above():
    assert set(folders()) == {"finops-core", *PROVIDES}


def test_the_core_is_the_whole_package_finops_core_and_nothing_else(wheels: dict[str, Path]):
    files = files_of(wheels["finops-core"])
    assert files == sources(ROOT / "finops_core")
    assert {"finops_core/py.typed", "finops_core/call.py", "finops_core/ledger/calls.py"} <= files


def test_a_pattern_is_one_module(wheels: dict[str, Path]):
    for name in ("base", "burst", "decline", "seasonal"):
        assert files_of(wheels[f"finops-plugin-{name}"]) == {f"finops_plugin_{name}.py"}


def test_the_analyzers_are_packages_with_type_information(wheels: dict[str, Path]):
    for name in ("domains", "revenue"):
        package = f"finops_plugin_{name}"
        files = files_of(wheels[f"finops-plugin-{name}"])
        assert files == sources(ROOT / "plugins" / f"finops-plugin-{name}" / package)
        assert f"{package}/py.typed" in files


def test_the_viewer_carries_its_templates_and_assets(wheels: dict[str, Path]):
    files = files_of(wheels["finops-viewer"])
    assert files == sources(ROOT / "viewer" / "finops_viewer")
    assert any(name.startswith("finops_viewer/templates/") for name in files)
    assert any(name.startswith("finops_viewer/assets/") and name.endswith(".js") for name in files)
    assert any(name.startswith("finops_viewer/assets/") and name.endswith(".css") for name in files)


def test_packages_agree_on_version_python_and_licence_and_ask_for_this_core(wheels: dict[str, Path]):
    metadata = {name: metadata_of(wheel) for name, wheel in wheels.items()}
    assert {m["Name"] for m in metadata.values()} == {"finops-core", *PROVIDES}
    assert len({m["Version"] for m in metadata.values()}) == 1
    assert {m["Requires-Python"] for m in metadata.values()} == {">=3.11"}
    assert {m["License-Expression"] for m in metadata.values()} == {"Apache-2.0"}
    major, minor, _ = metadata["finops-core"]["Version"].split(".")
    for name in PROVIDES:
        needs = [r for r in metadata[name].get_all("Requires-Dist") if r.startswith("finops-core")]
        assert needs == [f"finops-core<{major}.{int(minor) + 1},>={major}.{minor}"]


def test_every_wheel_and_source_distribution_carries_the_licence(wheels: dict[str, Path], sdists: dict[str, Path]):
    licence = (ROOT / "LICENSE").read_bytes()
    for name in folders():
        with zipfile.ZipFile(wheels[name]) as archive:
            (place,) = (n for n in archive.namelist() if n.endswith(".dist-info/licenses/LICENSE"))
            assert archive.read(place) == licence
        with tarfile.open(sdists[name]) as archive:
            top = archive.getnames()[0].partition("/")[0]
            member = archive.extractfile(f"{top}/LICENSE")
            assert member is not None
            assert member.read() == licence


def test_a_wheel_is_made_from_the_source_distribution_as_from_the_folder(
    wheels: dict[str, Path], sdists: dict[str, Path], tmp_path: Path
):
    for name, sdist in sdists.items():
        with tarfile.open(sdist) as archive:
            archive.extractall(tmp_path, filter="data")
            unpacked = tmp_path / archive.getnames()[0].partition("/")[0]
        assert files_of(build(unpacked, "wheel", tmp_path / name)) == files_of(wheels[name])


def test_the_source_distribution_of_the_core_leaves_plugins_viewer_and_tests_out(sdists: dict[str, Path]):
    with tarfile.open(sdists["finops-core"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    allowed = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert {name for name in names if not name.startswith("finops_core/")} <= allowed
    assert sources(ROOT / "finops_core") <= names


@pytest.mark.slow
def test_each_package_installs_alone_with_pip_beside_the_core(wheels: dict[str, Path], tmp_path: Path):
    """pip itself, in an environment that knows nothing of this checkout; needs the package index."""
    place = tmp_path / "environment"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FINOPS_LOAD_PLUGINS")}
    run(sys.executable, "-m", "venv", place)
    pip = (place / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")

    def plugins() -> dict[str, str]:
        """What the installed command finds: the distribution of each plugin, by the plugin's name."""
        listed = json.loads(run(place / "bin" / "finops", "plugins", "--json", cwd=tmp_path, env=environment))
        return {plugin["name"]: plugin["distribution"] for plugin in listed["plugins"]}

    run(*pip, "install", wheels["finops-core"], "hatchling>=1.27", env=environment)
    assert plugins() == {}
    for name in PROVIDES:
        run(*pip, "install", "--no-build-isolation", folders()[name], env=environment)
        assert plugins() == dict.fromkeys(PROVIDES[name], name)
        run(*pip, "uninstall", "--yes", name, env=environment)


@pytest.mark.slow
def test_the_core_alone_says_what_is_missing_and_what_is_installed_then_runs(wheels: dict[str, Path], tmp_path: Path):
    """From the core alone over one pattern to everything, by pip and wheels; needs the package index."""
    place = tmp_path / "environment"
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FINOPS_LOAD_PLUGINS")}
    run(sys.executable, "-m", "venv", place)
    pip = (place / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")

    def finops(*arguments: str) -> tuple[int, str]:
        """The exit code and all that is told."""
        done = subprocess.run(
            [place / "bin" / "finops", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    run(*pip, "install", wheels["finops-core"], env=environment)
    assert finops("plugins") == (0, "No plugin is installed. Install one, such as: pip install finops-plugin-base\n")
    for arguments, package in (
        (("run",), "finops-plugin-base"),
        (("run", "--plugins", "seasonal"), "finops-plugin-seasonal"),
        (("serve",), "finops-viewer"),
    ):
        code, told = finops(*arguments)
        assert (code, f"pip install {package}" in told) == (2, True), told
    assert list(folder.iterdir()) == []

    run(*pip, "install", wheels["finops-plugin-seasonal"], env=environment)
    code, told = finops("run", "--plugins", "seasonal", "--days", "2")
    assert (code, "pip install finops-plugin-domains finops-plugin-revenue" in told) == (0, True), told
    assert (folder / "data" / "simulated_calls.csv").stat().st_size > 100_000
    assert not (folder / "reports").exists()

    run(*pip, "install", *wheels.values(), env=environment)
    code, told = finops("run", "--plugins", "all", "--days", "2")
    assert code == 0, told
    assert len(list((folder / "reports" / "html").glob("*.html"))) == 9  # eight reports and the home page
