"""Stable ids of findings about something that has a name of its own."""

from __future__ import annotations

import hashlib


def named_id(what: str, name: str) -> str:
    """An id that is the same for the same name in every run, whatever characters the name holds."""
    return f"{what}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
