"""What every plugin object is: parameters with types, and an identity."""

from __future__ import annotations

import pluggy
from pydantic import BaseModel, ConfigDict

PROJECT = "finops"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a method or function as the implementation of a hook of :mod:`finops_core.hookspecs`."""


class Plugin(BaseModel):
    """Base of plugin classes: its fields are the plugin's parameters.

    Defaults in the class, then ``[plugins.<name>]`` in ``finops.toml``, then ``--set name.field=value``;
    each is checked against the field's type before anything runs. Assigning to a field checks too.
    """

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, validate_default=True, use_attribute_docstrings=True
    )

    # pluggy keeps plugins in sets, and two instances with the same parameters are still two plugins.
    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other
