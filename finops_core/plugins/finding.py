"""Which plugins are installed, which of them are wanted, and what is wrong with one.

All of it reads the metadata of installed distributions; no plugin is imported.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import TYPE_CHECKING, Literal

from finops_core.errors import FinopsError, PluginError, UsageError, nearest

if TYPE_CHECKING:
    from finops_core.settings import Settings

Kind = Literal["patterns", "analyzers", "publishers", "commands"]

GROUPS: dict[Kind, str] = {
    "patterns": "finops.patterns",
    "analyzers": "finops.analyzers",
    "publishers": "finops.publishers",
    "commands": "finops.commands",
}
"""The entry-point group of each kind of plugin."""

HOOKS: dict[Kind, str] = {"patterns": "generate_calls", "analyzers": "analyze", "publishers": "publish"}
"""The hook that each kind serves; a command is a click command and serves none."""

CORE = "finops-core"
"""The distribution that plugins require a version of."""

LOAD_ONLY = "FINOPS_LOAD_PLUGINS"
"""The environment variable that, when it is set, lists the entry-point names of all plugins to be found."""


@dataclass(frozen=True)
class Found:
    """A plugin that is installed; nothing of it is imported yet.

    Attributes:
        name: Its entry point's name.
        kind: Which group it belongs to.
        distribution: The package that provides it, as pip calls it.
        version: The package's version.
        entry_point: Where its object is.
        members: Of a mix, the patterns that it is made of.
    """

    name: str
    kind: Kind
    distribution: str
    version: str
    entry_point: EntryPoint
    members: tuple[Found, ...] = ()

    @property
    def who(self) -> str:
        """The plugin, with its kind, distribution and version."""
        return f"{self.kind.removesuffix('s')} {self.name!r} of {self.distribution} {self.version}"

    def problem(self, error: BaseException, doing: str = "") -> Problem:
        """What went wrong with this plugin.

        Args:
            error: A :class:`~finops_core.errors.FinopsError` speaks for itself; of any other, the type is told too.
            doing: What failed, such as ``analyze``; empty if the error says it.
        """
        if isinstance(error, ContainedError):
            return error.problem
        hint = f"Tell the authors of {self.distribution}."
        if isinstance(error, FinopsError):
            message = error.message
            hint = error.hint or (hint if isinstance(error, PluginError) else "")
        elif isinstance(error, SystemExit):
            message = f"it called sys.exit({'' if error.code is None else repr(error.code)})"
        else:
            message = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return Problem(
            plugin=self.name,
            kind=self.kind,
            distribution=self.distribution,
            version=self.version,
            message=_printable(f"{doing} failed: {message}" if doing else message),
            hint=_printable(hint),
            # A broken contract is ours to tell; where the plugin raised is for its authors to see.
            traceback="" if isinstance(error, PluginError) else _printable("".join(traceback.format_exception(error))),
        )


@dataclass(frozen=True)
class Problem:
    """What goes wrong with one plugin.

    Attributes:
        plugin: The plugin's name; empty if the metadata of a whole distribution cannot be read.
        kind: Its kind; ``None`` likewise.
        distribution: The package that provides it.
        version: The package's version.
        message: What happened.
        hint: What to do next.
        traceback: Where in the plugin, for its authors; may be empty.
    """

    plugin: str
    kind: Kind | None
    distribution: str
    version: str
    message: str
    hint: str = ""
    traceback: str = ""

    def line(self) -> str:
        """The problem in one line for the terminal: who, what, what next."""
        stop = "" if self.message.endswith((".", "?")) or not self.hint else "."
        return f"{self.who}: {self.message}{stop} {self.hint}".rstrip()

    @property
    def who(self) -> str:
        """The plugin, with its kind, distribution and version."""
        plugin = f"{self.kind.removesuffix('s')} {self.plugin!r} of " if self.kind else ""
        return f"{plugin}{self.distribution} {self.version}"


class ContainedError(PluginError):
    """A plugin failed; the original exception is the cause."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.who}: {problem.message}", hint=problem.hint)
        self.problem = problem


@dataclass(frozen=True)
class Findings:
    """What is installed.

    Attributes:
        found: Every usable plugin, sorted by kind and name.
        problems: Distributions that cannot be read, and names that two distributions claim.
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
            ours = [e for e in distribution.entry_points if e.group in kinds]
        except Exception as e:  # the parser of the standard library raises what it likes on a malformed file
            if any(group in (distribution.read_text("entry_points.txt") or "") for group in kinds):
                name, version = _identity(distribution)
                hint = f"Reinstall or remove {name}."
                message = f"its entry points cannot be read: {type(e).__name__}: {e}"
                problems.append(Problem("", None, name, version, message, hint))
            continue
        if not ours:
            continue
        name, version = _identity(distribution)
        # The first of a name on sys.path is the one that imports find.
        if _normal(name) not in seen:
            seen.add(_normal(name))
            found += [Found(e.name, kinds[e.group], name, version, e) for e in ours]
    return found, problems


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


def _printable(text: str) -> str:
    """Text with escapes for what UTF-8 has no bytes for, so that it can be written anywhere."""
    return text.encode(errors="backslashreplace").decode()


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
            raise UsageError(what, hint=nearest(name, choice))
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
