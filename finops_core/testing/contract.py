"""The object to check, loaded and called as a run does it, and how a broken contract is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from finops_core.plugins import GROUPS, HOOKS, ContainedError, Found, Kind, Loaded, LoadedPlugin, load
from finops_core.settings import Settings
from finops_core.simulation.mix import Mix
from finops_core.simulation.simulator import source_of


def broken(what_is_wrong: str, contract: str) -> AssertionError:
    """The error of a broken contract: what is wrong, then what the contract is."""
    return AssertionError(f"{what_is_wrong}. The contract: {contract}")


def require(holds: bool, what_is_wrong: str, contract: str) -> None:
    """Raise unless a contract holds.

    Raises:
        AssertionError: It does not.
    """
    if not holds:
        raise broken(what_is_wrong, contract)


class _Given(EntryPoint):
    """An entry point that is not installed: the object itself, of the module that its class is from."""

    def __init__(self, name: str, group: str, given: Any) -> None:
        super().__init__(name, given.__module__, group)
        vars(self)["given"] = given

    def load(self) -> Any:
        return vars(self)["given"]


def found_as(kind: Kind, given: Any) -> Found:
    """A class or an object as if it were an installed plugin; a pattern has the name that it is installed under."""
    name = given.source if isinstance(given, Mix) else source_of(given if isinstance(given, type) else type(given))
    return Found(name, kind, "the package", "under test", _Given(name, GROUPS[kind], given))


@dataclass(frozen=True)
class Subject:
    """A plugin to check: what it does is called as a run calls it, and what it raises is a broken contract."""

    _loaded: Loaded
    _plugin: LoadedPlugin

    @classmethod
    def of(cls, kind: Kind, given: Any) -> Subject:
        """A class, which is made with its defaults, or an object with parameters of its own.

        Raises:
            AssertionError: It cannot be made, or does not serve the hook of its kind alone.
        """
        loaded = load([found_as(kind, given)], Settings())
        for problem in loaded.problems:
            raise broken(
                problem.message,
                f"a plugin is made of its defaults, and marks {HOOKS[kind]} with @hookimpl, with arguments that the "
                "hook has, and no method that is no hook",
            )
        (plugin,) = loaded.plugins
        return cls(loaded, plugin)

    @property
    def name(self) -> str:
        """The plugin's name, and the source of a pattern's rows."""
        return self._plugin.found.name

    @property
    def instance(self) -> Any:
        """The object."""
        return self._plugin.instance

    def call(self, on: str, **arguments: Any) -> Any:
        """What the plugin's hook returns.

        Args:
            on: What it is called on, for the message.
            arguments: Those of the hook.
        """
        try:
            return self._loaded.call(self._plugin, **arguments)
        except ContainedError as e:
            raise broken(f"on {on}, {e.problem.message}", "a hook answers, and raises on nothing it is given") from e

    def iterate(self, **arguments: Any) -> Iterator[Any]:
        """What the plugin's hook yields."""
        try:
            yield from self._loaded.iterate(self._plugin, **arguments)
        except ContainedError as e:
            raise broken(e.problem.message, "a hook yields all of its result, and raises on nothing it is given") from e
