"""Find, select, load, isolate and describe plugins.

Finding reads the metadata of installed distributions and imports nothing of theirs; only what is chosen is
imported. Whatever a plugin does wrong is a :class:`Problem` with its name on it, and never stops the others.
Only a wrong name or value that the user gave is an error of its own (:class:`~finops_core.errors.UsageError`).
"""

from finops_core.plugins.describing import Description, Parameter, describe
from finops_core.plugins.finding import (
    CORE_COMMANDS,
    LOAD_ONLY,
    Findings,
    check_settings,
    core_problems,
    disabled_names,
    find,
    select,
    versions,
)
from finops_core.plugins.found import GROUPS, HOOKS, ContainedError, Found, Kind, Problem
from finops_core.plugins.loading import Loaded, LoadedPlugin, load, load_object
from finops_core.plugins.mixing import select_mixes

__all__ = [
    "CORE_COMMANDS",
    "GROUPS",
    "HOOKS",
    "LOAD_ONLY",
    "ContainedError",
    "Description",
    "Findings",
    "Found",
    "Kind",
    "Loaded",
    "LoadedPlugin",
    "Parameter",
    "Problem",
    "check_settings",
    "core_problems",
    "describe",
    "disabled_names",
    "find",
    "load",
    "load_object",
    "select",
    "select_mixes",
    "versions",
]
