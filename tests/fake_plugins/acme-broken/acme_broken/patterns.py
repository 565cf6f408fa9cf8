"""Patterns that break the contract."""

import sys

from finops_core import AICallSimulator, Plugin, hookimpl


class Impostor(AICallSimulator):
    """Takes the name of a pattern that somebody else owns."""


class Halfway(AICallSimulator):
    """Fails after its first batch."""

    num_customers: int = 3
    num_days: int = 2

    @hookimpl
    def generate_calls(self, run):
        yield next(iter(super().generate_calls(run)))
        raise RuntimeError("the second batch is too hard")


class Exits(Plugin):
    """Ends the process instead of making calls."""

    @hookimpl
    def generate_calls(self, run):
        sys.exit("goodbye")
