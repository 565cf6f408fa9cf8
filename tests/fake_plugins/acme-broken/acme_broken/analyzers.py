"""Analyzers that break the contract."""

import sys

from pydantic import BaseModel, PositiveInt

from finops_core import Analyzer, hookimpl


class Impostor(Analyzer):
    """Takes the name of an analyzer that somebody else owns."""

    report_name = "features"
    title = "Not the real one"

    @hookimpl
    def analyze(self, calls):
        return self.empty()


class Raises(Analyzer):
    """Raises in its hook."""

    report_name = "raises"
    title = "Raises"

    @hookimpl
    def analyze(self, calls):
        raise ValueError("cannot make sense of this")


class Leaves(Analyzer):
    """Ends the process in its hook."""

    report_name = "leaves"
    title = "Leaves"

    @hookimpl
    def analyze(self, calls):
        sys.exit(9)


class RaisesInConstruction(Analyzer):
    """Raises when it is made."""

    report_name = "raises_in_construction"
    title = "Raises in construction"

    def model_post_init(self, context):
        raise OSError("the server of our settings is down")

    @hookimpl
    def analyze(self, calls):
        return self.empty()


class Misspelt(Analyzer):
    """Serves a hook that does not exist."""

    report_name = "misspelt"
    title = "Misspelt"

    @hookimpl
    def analyse(self, calls):
        return self.empty()


class Unmarked(Analyzer):
    """Forgets to mark its hook."""

    report_name = "unmarked"
    title = "Unmarked"

    def analyze(self, calls):
        return self.empty()


class WrongGroup(Analyzer):
    """Serves the hook of another kind of plugin."""

    report_name = "wrong_group"
    title = "Wrong group"

    @hookimpl
    def publish(self, reports, site):
        pass


class WrongArguments(Analyzer):
    """Asks for an argument that the hook does not have."""

    report_name = "wrong_arguments"
    title = "Wrong arguments"

    @hookimpl
    def analyze(self, calls, prices):
        return self.empty()


class WrongDefault(Analyzer):
    """Has a parameter whose own default is refused."""

    report_name = "wrong_default"
    title = "Wrong default"
    days: PositiveInt = -1
    limit: int = 3

    @hookimpl
    def analyze(self, calls):
        return self.empty()


class Unhashable(BaseModel):
    """A pydantic class that is not derived from Plugin."""

    @hookimpl
    def analyze(self, calls):
        return None


class WrongType(Analyzer):
    """Returns something that is not a report."""

    report_name = "wrong_type"
    title = "Wrong type"

    @hookimpl
    def analyze(self, calls):
        return {"answer": 42}
