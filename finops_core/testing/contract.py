"""How a broken contract is told, and how the object to check is made."""

from __future__ import annotations

from typing import Any

from finops_core.plugin_base import PROJECT


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


def instance_of(plugin: Any, hook: str) -> Any:
    """The object to check: a class is instantiated with its defaults.

    Raises:
        AssertionError: It does not serve the hook.
    """
    instance = plugin() if isinstance(plugin, type) else plugin
    method = getattr(instance, hook, None)
    require(
        hasattr(method, f"{PROJECT}_impl"),
        f"{type(instance).__name__} has no method {hook} that is marked with @hookimpl",
        "an unmarked method is never called",
    )
    return instance
