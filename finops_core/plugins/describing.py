"""What a plugin offers: its hooks, and its parameters with types, defaults and help."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finops_core.plugins.found import HOOKS, ContainedError, Found
from finops_core.plugins.loading import load, load_object

if TYPE_CHECKING:
    from finops_core.settings import Settings

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "min_length": "length >=", "max_length": "length <="}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a plugin.

    Attributes:
        name: As in ``[plugins.<plugin>]`` and ``--set``.
        type: What it takes, such as ``float > 0``.
        default: The class's own value, as one would write it in ``finops.toml``; ``required`` if there is none.
        value: What the settings say instead; ``None`` where they are silent.
        help: What it means.
    """

    name: str
    type: str
    default: str
    value: str | None
    help: str


@dataclass(frozen=True)
class Description:
    """What a plugin offers.

    Attributes:
        found: Name, kind, distribution, version.
        summary: The first paragraph of its documentation.
        hooks: The hooks it serves; none for a command.
        parameters: In the order of the class.
    """

    found: Found
    summary: str
    hooks: tuple[str, ...]
    parameters: tuple[Parameter, ...]


def describe(found: Found, settings: Settings) -> Description:
    """Import one plugin and say what it offers.

    Raises:
        UsageError: A parameter that the settings give it has a wrong name or value.
        ContainedError: It cannot be imported or constructed, or serves no hook of its kind.
    """
    if found.kind not in HOOKS:
        command = load_object(found)
        return Description(found, _first_paragraph(getattr(command, "help", None)), (), ())
    loaded = load((found,), settings)
    for problem in loaded.problems:
        raise ContainedError(problem)
    (plugin,) = loaded.plugins
    given = settings.plugins.get(found.name, {})
    fields = getattr(type(plugin.instance), "model_fields", {})
    return Description(
        found,
        _first_paragraph(inspect.getdoc(plugin.instance)),
        loaded.hooks(plugin),
        tuple(
            Parameter(
                name,
                _type_text(field.annotation, field.metadata),
                "required" if field.is_required() else _value_text(field.get_default(call_default_factory=True)),
                _value_text(getattr(plugin.instance, name)) if name in given else None,
                " ".join((field.description or "").split()),
            )
            for name, field in fields.items()
        ),
    )


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _value_text(value: Any) -> str:
    """A value as TOML spells it."""
    from pydantic_core import to_json

    return "none" if value is None else to_json(value, fallback=str).decode()


def _type_text(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type in words a user of ``--set`` understands, with the bounds of its values."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type_text(arguments[0], (*arguments[1:], *metadata))
    if origin is typing.Literal:
        text = " or ".join(_value_text(value) for value in arguments)
    elif origin in (types.UnionType, typing.Union):
        text = " or ".join(_type_text(argument) for argument in arguments)
    elif arguments:
        inner = ", ".join("..." if argument is Ellipsis else _type_text(argument) for argument in arguments)
        text = f"{_name(origin)}[{inner}]"
    else:
        text = _name(annotation)
    bounds = " and ".join(
        f"{sign} {getattr(constraint, bound)}"
        for constraint in metadata
        for bound, sign in _BOUNDS.items()
        if getattr(constraint, bound, None) is not None
    )
    return f"{text} {bounds}".strip()


def _name(annotation: Any) -> str:
    return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
