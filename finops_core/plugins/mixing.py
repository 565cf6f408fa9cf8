"""Mixes of patterns, found as plugins like any other by the names of their members."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.metadata import EntryPoint, version

from finops_core.errors import UsageError
from finops_core.plugins.finding import select
from finops_core.plugins.found import GROUPS, Found


def select_mixes(found: Sequence[Found], mixes: Sequence[str], disabled: Collection[str] = ()) -> tuple[Found, ...]:
    """Choose patterns to be mixed, before any is imported.

    Args:
        found: Plugins of all kinds.
        mixes: Such as ``seasonal+burst``; of the order only the first name matters.
        disabled: Names that are not wanted.

    Returns:
        Each mix once, under the name that it runs under, with its members.

    Raises:
        UsageError: A name is not that of a pattern, or is disabled, or a mix has fewer than two different ones.
    """
    from finops_core.simulation.mix import JOINED_BY, Mix, mix_names

    chosen: dict[str, Found] = {}
    for text in mixes:
        given = [name.strip() for name in text.split(JOINED_BY)]
        by_name = {plugin.name: plugin for plugin in select(found, "patterns", given)}
        for name in given:
            if name in disabled:
                raise UsageError(
                    f"--mix {text} needs the pattern {name!r}, which is disabled", hint=f"Leave out -p no:{name}."
                )
        names = mix_names(given)
        source = JOINED_BY.join(names)
        chosen[source] = Found(
            name=source,
            kind="patterns",
            distribution="finops-core",
            version=version("finops-core"),
            entry_point=EntryPoint(source, f"{Mix.__module__}:{Mix.__qualname__}", GROUPS["patterns"]),
            members=tuple(by_name[name] for name in names),
        )
    return tuple(chosen.values())
