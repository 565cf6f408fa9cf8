"""Analyzers that break the contract."""

import sys

from pydantic import BaseModel, PositiveInt

from finops_core import Analyzer, Column, Metric, Report, Section, Table, hookimpl


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


class NotANumber(Analyzer):
    """Reports a number that is none."""

    report_name = "not_a_number"
    title = "Not a number"

    @hookimpl
    def analyze(self, calls):
        return self.report(answer="So much.", metrics=(Metric(id="m", label="M", value=float("nan"), unit="count"),))


class HiddenNotANumber(Analyzer):
    """Reports a number that is none, past the checks of the class."""

    report_name = "hidden_not_a_number"
    title = "Hidden"

    @hookimpl
    def analyze(self, calls):
        return self.report(answer="So much.").model_copy(update={"sparkline": (1.0, float("nan"))})


class MillionRows(Analyzer):
    """Reports a table that no page can hold."""

    report_name = "million_rows"
    title = "A million rows"

    @hookimpl
    def analyze(self, calls):
        column = Column(name="row", label="Row", unit="count")
        table = Table(id="rows", title="Rows", columns=(column,), rows=[(row,) for row in range(1_000_000)])
        return self.report(answer="Much.", sections=(Section(id="all", title="All", blocks=(table,)),))


class Markup(Analyzer):
    """Reports text that would be markup if it were taken for it; nothing is wrong with that."""

    report_name = "markup"
    title = "<script>alert('title')</script>"

    @hookimpl
    def analyze(self, calls):
        return self.report(answer="<img src=x onerror=alert('answer')>")


class Prints(Analyzer):
    """Makes a good report, and talks."""

    report_name = "prints"
    title = "Prints"

    @hookimpl
    def analyze(self, calls):
        print("the analyzer", "is done", sep="\n")
        return self.report(answer="Said.")


class TakesAReport(Analyzer):
    """Makes a report under the name of another analyzer that comes after it."""

    report_name = "weekend_share"
    title = "Not the real one either"

    @hookimpl
    def analyze(self, calls):
        return self.empty()


class BadReportName(Analyzer):
    """Fails, and its report cannot be called as it wants."""

    report_name = "../../index"
    title = "Bad name"

    @hookimpl
    def analyze(self, calls):
        return Report(name=self.report_name, title="T", answer="A")
