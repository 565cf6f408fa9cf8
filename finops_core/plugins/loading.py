"""Import plugins, give them their parameters, check their hooks, and call each by itself.

pluggy calls all plugins of a hook together, and one that raises loses everybody's results. Here every call
goes to one plugin, and whatever it raises becomes a :class:`~finops_core.plugins.ContainedError` with its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from finops_core.errors import PluginError, UsageError, nearest
from finops_core.plugins.finding import check_core
from finops_core.plugins.found import GROUPS, HOOKS, ContainedError, Found, Problem
from finops_core.plugins.prints import captured

if TYPE_CHECKING:
    import pluggy

    from finops_core.plugins.isolation import Isolated
    from finops_core.settings import Settings


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin ready to be called.

    Attributes:
        found: Name, kind, distribution.
        instance: The object that has its hook; of an isolated plugin, what the core reads of that object.
        process: The process that an isolated plugin runs in.
    """

    found: Found
    instance: Any
    process: Isolated | None = None


@dataclass(frozen=True)
class Loaded:
    """Plugins ready to be called, each by itself.

    Attributes:
        plugins: Sorted by name.
        problems: Those that could not be loaded.
    """

    plugins: tuple[LoadedPlugin, ...]
    problems: tuple[Problem, ...]
    _manager: pluggy.PluginManager = field(repr=False)

    def hooks(self, plugin: LoadedPlugin) -> tuple[str, ...]:
        """The names of the hooks that a plugin serves."""
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin.instance) or ()))

    def call(self, plugin: LoadedPlugin, **arguments: Any) -> Any:
        """Call the hook of one plugin and nobody else's.

        What the plugin prints goes to stderr, with its name.

        Args:
            plugin: One of :attr:`plugins`.
            arguments: As :mod:`finops_core.hookspecs` says for the hook.

        Returns:
            What the plugin returned.

        Raises:
            ContainedError: It raised, or wanted to leave the process.
        """
        hook = HOOKS[plugin.found.kind]
        if plugin.process is not None:
            with _contained(plugin.found, hook):
                return plugin.process.call(**arguments)
        others = [other for other in self._manager.get_plugins() if other is not plugin.instance]
        caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
        with _contained(plugin.found, hook):
            results = caller(**arguments)
        return results[0] if results else None

    def iterate(self, plugin: LoadedPlugin, **arguments: Any) -> Iterator[Any]:
        """Call the hook of one plugin, and hand on one by one what its result yields.

        Raises:
            ContainedError: It raised or wanted to leave the process, at the call or at a later item.
        """
        hook = HOOKS[plugin.found.kind]
        result = self.call(plugin, **arguments)
        with _contained(plugin.found, hook):
            items = iter(result)
        end = object()
        try:
            while True:
                with _contained(plugin.found, hook):
                    item = next(items, end)
                if item is end:
                    return
                yield item
        finally:
            # Nobody wants the rest, so that an error while it is given up is none; but its prints are the plugin's.
            with suppress(ContainedError), _contained(plugin.found, hook):
                getattr(items, "close", lambda: None)()


def load(chosen: Iterable[Found], settings: Settings, *, isolate: bool = False) -> Loaded:
    """Import plugins, give them their parameters, and check the hooks they serve.

    Args:
        chosen: What :func:`select` returned, of one or several kinds but commands.
        settings: ``settings.plugins[name]`` are a plugin's parameters.
        isolate: Run each of them in a process of its own, within the limits of ``settings.isolation``.

    Raises:
        UsageError: A parameter's name or value is wrong.
    """
    manager = _manager()
    plugins: list[LoadedPlugin] = []
    problems: list[Problem] = []
    ordered = sorted(chosen, key=lambda found: (found.name, found.kind))
    processes = _begin(ordered, settings) if isolate else [None] * len(ordered)
    for found, process in zip(ordered, processes, strict=True):
        try:
            plugins.append(_isolated(found, process) if process else _loaded(manager, found, settings))
        except ContainedError as e:
            problems.append(e.problem)
    return Loaded(tuple(plugins), tuple(problems), manager)


def _loaded(manager: pluggy.PluginManager, found: Found, settings: Settings) -> LoadedPlugin:
    factory = load_object(found)
    try:
        instance = _mixed(found, settings) if found.members else _construct(found, factory, settings)
        with _contained(found):
            _register(manager, found, instance)
    except ContainedError as e:
        if found.kind != "analyzers":
            raise
        name, title = (str(getattr(factory, trait, "")) for trait in ("report_name", "title"))
        raise ContainedError(replace(e.problem, report_name=name, title=title)) from e.__cause__
    return LoadedPlugin(found, instance)


def _begin(chosen: Iterable[Found], settings: Settings) -> list[Isolated]:
    """The processes of plugins, which start while others do."""
    from finops_core.plugins.isolation import Isolated

    return [Isolated(found, settings) for found in chosen]


def _isolated(found: Found, process: Isolated) -> LoadedPlugin:
    with _contained(found, "loading"):
        traits = process.traits()
    if isinstance(traits, UsageError):
        raise traits
    return LoadedPlugin(found, traits, process)


def _mixed(found: Found, settings: Settings) -> Any:
    """The pattern that a mix is; what a member raises has the member's name on it."""
    from finops_core.simulation.mix import Member, Mix

    members = [(m, _construct(m, load_object(m), settings)) for m in found.members]
    return Mix.of([Member(m.name, pattern, partial(_contained, m)) for m, pattern in members])


def load_object(found: Found) -> Any:
    """Import what a plugin's entry point names: a class, a module, or a click command.

    Raises:
        ContainedError: It needs another version of the core, or cannot be imported.
    """
    with _contained(found):
        check_core(found)
    with _contained(found, f"import of {found.entry_point.value}"):
        return found.entry_point.load()


@contextmanager
def _contained(found: Found, doing: str = "") -> Iterator[None]:
    """Turns what a plugin raises into an error with its name, and shows its prints on stderr with its name."""
    try:
        with captured(found.name):
            yield
    except KeyboardInterrupt as e:
        e.add_note(f"{found.who} was running{f' ({doing})' if doing else ''}")
        raise
    except BaseException as e:  # also SystemExit, and whatever else a plugin derives from BaseException
        raise ContainedError(found.problem(e, doing)) from e


def _construct(found: Found, factory: Any, settings: Settings) -> Any:
    from pydantic import BaseModel, ValidationError

    from finops_core.settings import describe as describe_error

    parameters = settings.plugins.get(found.name, {})
    if not isinstance(factory, type) or not issubclass(factory, BaseModel):
        if parameters:
            raise UsageError(
                f"{found.who} has no parameters, but {sorted(parameters)[0]!r} is set",
                hint=f"Remove [plugins.{found.name}] from finops.toml and --set {found.name}. from the command.",
            )
        if not isinstance(factory, type):
            return factory
    with _contained(found, "construction"):
        try:
            if issubclass(factory, BaseModel):
                # A validator may need the other settings: info.context["settings"] tells it which models have a price.
                return factory.model_validate(parameters, context={"settings": settings})
            return factory()
        except ValidationError as e:
            place = e.errors()[0]["loc"]
            if not parameters or (place and place[0] not in parameters):
                raise  # a default that the plugin itself does not accept
            wrong = f"{found.who}: {describe_error(e, factory)}"
    raise UsageError(wrong, hint=f"See finops plugins show {found.name}")


def _manager() -> pluggy.PluginManager:
    import pluggy

    from finops_core import hookspecs
    from finops_core.plugin_base import PROJECT

    class Manager(pluggy.PluginManager):
        def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
            # Touching some of pydantic's own attributes gives warnings.
            return None if name.startswith(("_", "model_")) else super().parse_hookimpl_opts(plugin, name)

    manager = Manager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _register(manager: pluggy.PluginManager, found: Found, instance: Any) -> None:
    """Registers an object that serves the hook of its kind and no unknown one.

    Raises:
        PluginError: It does not. What is registered of it is never called.
    """
    import pluggy

    hook = HOOKS[found.kind]
    try:
        hash(instance)
    except TypeError:
        raise PluginError(
            f"its {type(instance).__name__} is not hashable", hint="Derive the class from finops_core.Plugin."
        ) from None
    # A module may serve in two groups.
    if not manager.is_registered(instance):
        try:
            manager.register(instance, name=f"{found.kind}/{found.name}")
        except pluggy.PluginValidationError as e:
            raise PluginError(
                f"its hooks do not fit: {str(e).splitlines()[-1]}", hint="Compare with finops_core.hookspecs."
            ) from e
    callers = manager.get_hookcallers(instance) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    served = sorted(caller.name for caller in callers if caller.has_spec())
    if unknown:
        raise PluginError(
            f"there is no hook called {unknown[0]!r}. {nearest(unknown[0], HOOKS.values())}",
            hint="Rename what is marked with @hookimpl.",
        )
    if hook not in served:
        raise PluginError(
            f"it serves {', '.join(served) or 'no hook'}, but its group {GROUPS[found.kind]} needs {hook}",
            hint=f"Mark the method {hook} with @finops_core.hookimpl, or move the entry point to another group.",
        )
