"""What the documentation shows is run: commands in a shell, programs in Python, settings through the loader."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from finops_core import cli
from finops_core.plugins import check_settings, find, load, select
from finops_core.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide.md"
PAGES = [ROOT / "README.md", ROOT / "docs" / "settings.md", GUIDE, *sorted(ROOT.glob("plugins/*/README.md"))]
TRACE = ROOT / "tests" / "data" / "AzureLLMInferenceTrace_code.csv"


class Fence(NamedTuple):
    heading: str
    language: str
    text: str


def fences(page):
    """The fenced blocks of a page, each with the heading above it."""
    found, heading = [], ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            found.append(Fence(heading, match[2], match[3]))
    return found


def commands(page):
    """The ``finops`` commands of a page, with lines that continue joined."""
    lines = [line for f in fences(page) if f.language == "bash" for line in f.text.replace("\\\n", " ").splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def folder_with(tmp_path, trace):
    shutil.copy(TRACE, tmp_path / trace)
    return tmp_path


def shell(command, folder):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(command, shell=True, cwd=folder, env={"PATH": path}, capture_output=True, text=True)


def serve(command, folder):
    """Start the viewer as the page says, on a free port; fetch its home page; stop it as a person would."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    arguments = [sys.executable, "-m", "finops_core", *command.split()[1:], "--port", str(port)]
    process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
                break
            except OSError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    return subprocess.CompletedProcess(command, process.returncode, output, ""), page


@pytest.mark.slow
@pytest.mark.parametrize(("page", "trace"), [(GUIDE, "trace.csv"), (ROOT / "README.md", "calls.csv")])
def test_every_command_of_the_page_works_in_its_order(page, trace, tmp_path):
    folder = folder_with(tmp_path, trace)
    run = [c for c in commands(page) if not c.startswith(("make ", "uv ", "python3 ", ".venv/"))]
    assert sum(c.startswith("finops ") for c in run) >= 4
    for command in run:
        if command.startswith("finops serve"):
            done, home = serve(command, folder)
            assert "<!doctype html>" in home.lower()
        else:
            done = shell(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_serve_says_that_it_processes_a_log_that_is_newer_than_the_reports(tmp_path):
    small = "--plugins base --start 2026-01-05 --days 3 --scale 0.1"
    assert shell(f"finops run {small}", tmp_path).returncode == 0
    assert "Processing" not in serve("finops serve", tmp_path)[0].stdout
    assert shell(f"finops simulate --append --seed 43 {small}", tmp_path).returncode == 0
    assert "Processing" in serve("finops serve", tmp_path)[0].stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_program_of_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for fence in fences(page):
        if fence.language == "python":
            exec(compile(fence.text, f"{page.name}: {fence.heading}", "exec"), {"__name__": "an_example"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_of_the_page_is_one(page, tmp_path):
    for fence in fences(page):
        if fence.language == "toml" and not tomllib.loads(fence.text).get("project"):
            file = tmp_path / "finops.toml"
            file.write_text(fence.text)
            settings = load_settings(file)
            findings = find()
            check_settings(findings, settings)
            load([f for f in findings.found if f.name in settings.plugins], settings)


def test_the_settings_page_shows_every_section():
    (fence,) = [f for f in fences(ROOT / "docs" / "settings.md") if f.language == "toml"]
    assert set(tomllib.loads(fence.text)) == set(Settings.model_fields)


def test_every_option_on_the_pages_exists():
    for page in PAGES:
        for command in commands(page):
            words = command.split()
            if words[0] != "finops" or words[1] in ("serve", "export"):
                continue
            found = cli.finops.commands[words[1]]
            if isinstance(found, click.Group) and len(words) > 2:
                found = found.commands.get(words[2], found)
            known = {name for parameter in found.params for name in parameter.opts}
            assert {w for w in words if w.startswith("-") and w != "-"} <= known, command


def test_the_readme_lists_the_commands_that_there_are():
    readme = (ROOT / "README.md").read_text("utf-8")
    with click.Context(cli.finops) as context:
        for name in cli.finops.list_commands(context):
            assert f"finops {name}" in readme


def test_every_traffic_pattern_has_a_page_and_is_in_the_guide():
    for found in select(find().found, "patterns"):
        if found.distribution == f"finops-plugin-{found.name}":
            assert (ROOT / "plugins" / found.distribution / "README.md").is_file()
            assert f"{found.distribution}/README.md" in GUIDE.read_text("utf-8")


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "plugins" / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
