"""Which plugins are installed, and which of them are wanted.

All of it reads the metadata of installed distributions; no plugin is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import Distribution, distributions, version
from typing import TYPE_CHECKING

from finops_core.errors import PluginError, UsageError, nearest
from finops_core.plugins.found import GROUPS, Found, Kind, Problem

if TYPE_CHECKING:
    from finops_core.settings import Settings

CORE = "finops-core"
"""The distribution that plugins require a version of."""

CORE_COMMANDS = frozenset({"analyze", "check", "import", "new", "plugins", "run", "schema", "simulate"})
"""The core's own commands, whose names no plugin can have."""

LOAD_ONLY = "FINOPS_LOAD_PLUGINS"
"""The environment variable that, when it is set, lists the entry-point names of all plugins to be found."""


@dataclass(frozen=True)
class Findings:
    """What is installed.

    Attributes:
        found: Every usable plugin, sorted by kind and name.
        problems: Distributions that cannot be read, misspelt groups of entry points, and names that two claim.
        installed: The names of all plugins, also of those that ``FINOPS_LOAD_PLUGINS`` leaves out.
    """

    found: tuple[Found, ...]
    problems: tuple[Problem, ...]
    installed: frozenset[str]


def find() -> Findings:
    """Look for installed plugins, without importing any.

    Raises:
        UsageError: ``FINOPS_LOAD_PLUGINS`` names a plugin that is not installed.
    """
    candidates, problems = _entry_points()
    installed = frozenset(plugin.name for plugin in candidates)
    only = os.environ.get(LOAD_ONLY)
    if only is not None:
        wanted = {name.strip() for name in only.split(",") if name.strip()}
        for name in sorted(wanted - installed):
            raise UsageError(
                f"{LOAD_ONLY} names {name!r}, which is not installed. {nearest(name, installed)}",
                hint=f"Correct {LOAD_ONLY} or unset it.",
            )
        candidates = [plugin for plugin in candidates if plugin.name in wanted]
        problems = [problem for problem in problems if problem.plugin in wanted]
    problems += [_shadowed(plugin) for plugin in candidates if _is_shadowed(plugin)]
    candidates = [plugin for plugin in candidates if not _is_shadowed(plugin)]
    claims: dict[tuple[Kind, str], list[Found]] = {}
    for plugin in candidates:
        claims.setdefault((plugin.kind, plugin.name), []).append(plugin)
    found = []
    for key in sorted(claims):
        owner, *others = sorted(claims[key], key=_claim)
        found.append(owner)
        problems += [_clash(owner, other) for other in others]
    return Findings(tuple(found), tuple(problems), installed)


def _entry_points() -> tuple[list[Found], list[Problem]]:
    kinds = {group: kind for kind, group in GROUPS.items()}
    found: list[Found] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            every = distribution.entry_points
            ours = [e for e in every if e.group in kinds]
        except Exception as e:  # the parser of the standard library raises what it likes on a malformed file
            if any(group in (distribution.read_text("entry_points.txt") or "") for group in kinds):
                name, version = _identity(distribution)
                hint = f"Reinstall or remove {name}."
                message = f"its entry points cannot be read: {type(e).__name__}: {e}"
                problems.append(Problem("", None, name, version, message, hint))
            continue
        meant = {e.group: close for e in every if (close := _meant_group(e.group))}
        if not ours and not meant:
            continue
        name, version = _identity(distribution)
        for group, close in sorted(meant.items()):
            message = f"its entry points are in the group {group!r}, which finops does not have"
            problems.append(Problem("", None, name, version, message, f"Did you mean {close!r}?"))
        # The first of a name on sys.path is the one that imports find.
        if _normal(name) not in seen:
            seen.add(_normal(name))
            found += [Found(e.name, kinds[e.group], name, version, e) for e in ours]
    return found, problems


def _meant_group(group: str) -> str:
    """The group that a misspelt one of an entry point stands for; empty if it is right, or nobody's but its own."""
    if group in GROUPS.values() or not group.startswith("finops."):
        return ""
    return next(iter(get_close_matches(group, GROUPS.values(), n=1, cutoff=0.9)), "")


def _identity(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return metadata["Name"] or "a distribution without a name", metadata["Version"] or "of unknown version"


def _normal(distribution: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _claim(plugin: Found) -> tuple[bool, bool, str]:
    """Sorts the distributions that claim a name: the one named after it, then the family's, then by alphabet."""
    name = _normal(plugin.distribution)
    return name != _normal(f"finops-plugin-{plugin.name}"), not name.startswith("finops-"), name


def _is_shadowed(plugin: Found) -> bool:
    return plugin.kind == "commands" and plugin.name in CORE_COMMANDS


def _shadowed(command: Found) -> Problem:
    return command.problem(
        PluginError(f"{CORE} has a command {command.name!r}; the one of {command.distribution} is not used")
    )


def _clash(owner: Found, other: Found) -> Problem:
    return Problem(
        plugin=other.name,
        kind=other.kind,
        distribution=other.distribution,
        version=other.version,
        message=f"the name {other.name!r} belongs to {owner.distribution} {owner.version}; "
        f"the one of {other.distribution} is not used",
        hint=f"Uninstall {owner.distribution} or {other.distribution}.",
    )


def check_core(found: Found) -> None:
    """Check that a plugin's distribution allows the core that is installed, before anything of it is imported.

    Raises:
        PluginError: It requires a version that the installed one is not.
    """
    required = found.entry_point.dist.requires if found.entry_point.dist else None
    ours = [line for line in required or () if _normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) == CORE]
    if not ours:
        return
    from packaging.requirements import Requirement

    installed = version(CORE)
    for requirement in map(Requirement, ours):
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and not requirement.specifier.contains(installed, prereleases=True):
            raise PluginError(
                f"it needs {CORE} {requirement.specifier}, and {CORE} {installed} is installed",
                hint=f"Install the two together: pip install --upgrade {CORE} {found.distribution}",
            )


def core_problems(found: Iterable[Found]) -> tuple[Problem, ...]:
    """The plugins that would not be imported, because they need another core."""
    problems = []
    for plugin in found:
        try:
            check_core(plugin)
        except PluginError as e:
            problems.append(plugin.problem(e))
    return tuple(problems)


def disabled_names(values: Iterable[str]) -> frozenset[str]:
    """The plugin names in the values of ``-p no:NAME``.

    Raises:
        UsageError: A value is not of that form.
    """
    names = set()
    for value in values:
        no, _, name = value.partition(":")
        if no != "no" or not name:
            raise UsageError(f"-p {value!r} is not of the form no:NAME", hint="Such as -p no:html")
        names.add(name)
    return frozenset(names)


def select(
    found: Sequence[Found], kind: Kind, names: Sequence[str] | None = None, disabled: Collection[str] = ()
) -> tuple[Found, ...]:
    """Choose plugins of one kind by name, before any is imported.

    Args:
        found: Plugins of all kinds.
        kind: Which kind to choose from.
        names: The wanted ones; ``None`` is all.
        disabled: Names, of any kind, that are not wanted whatever ``names`` says.

    Returns:
        Sorted by name.

    Raises:
        UsageError: A name is not that of a plugin.
    """
    noun = kind.removesuffix("s")
    everything = {plugin.name for plugin in found}
    choice = {plugin.name: plugin for plugin in found if plugin.kind == kind}
    for name in sorted(set(disabled) - everything):
        raise UsageError(f"-p no:{name}: no plugin of this name is installed", hint=nearest(name, everything))
    for name in names or ():
        if name not in choice:
            other = next((p.kind.removesuffix("s") for p in found if p.name == name), None)
            what = f"{name!r} is a plugin of kind {other}, not {noun}" if other else f"no {noun} is called {name!r}"
            install = f"No {noun} is installed. Install one, such as: pip install finops-plugin-{name}"
            raise UsageError(what, hint=nearest(name, choice) if choice else install)
    wanted = choice if names is None else set(names)
    return tuple(choice[name] for name in sorted(choice) if name in wanted and name not in disabled)


def check_settings(findings: Findings, settings: Settings) -> None:
    """Check that parameters are only set for plugins that are installed.

    Raises:
        UsageError: A ``[plugins.<name>]`` section or a ``--set name.field=value`` names another.
    """
    for name in settings.plugins:
        if name not in findings.installed:
            raise UsageError(
                f"there are parameters for plugin {name!r}, which is not installed. "
                f"{nearest(name, findings.installed)}",
                hint=f"Correct [plugins.{name}] or --set {name}.",
            )


def versions(found: Iterable[Found]) -> dict[str, str]:
    """The version of the distribution of each plugin, by plugin name."""
    return {plugin.name: plugin.version for plugin in found}
