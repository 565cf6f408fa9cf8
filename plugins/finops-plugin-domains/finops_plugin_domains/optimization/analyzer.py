"""What could be saved, and how sure it is: model switches, caching, batches, commitments, failed calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, PositiveInt, field_validator
from pydantic_core import PydanticCustomError

from finops_core import Analyzer, Calls, Metric, Period, Report, dollars, hookimpl, percent, plural
from finops_plugin_domains.optimization import prices, sections, terms
from finops_plugin_domains.optimization.billed import BilledCalls
from finops_plugin_domains.optimization.commitment import CommitmentTerms
from finops_plugin_domains.optimization.evidence import Demands, Evidence, Model, Use, step
from finops_plugin_domains.optimization.findings import findings, unseen_text
from finops_plugin_domains.optimization.phrases import dollars_between, dollars_ranged, length, ranged
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.questions import ask, priced_target, sentence, what_if_section
from finops_plugin_domains.optimization.savings import CAUTIOUS, ENDS, HOPEFUL, Plan
from finops_plugin_domains.optimization.survey import Survey, survey
from finops_plugin_domains.optimization.switches import switches
from finops_plugin_domains.service import quality_of


class OptimizationAnalyzer(Analyzer):
    """Finds what could have been saved in the period, as a range, from calls and prices alone."""

    report_name: ClassVar[str] = "finops_optimization"
    title: ClassVar[str] = "Optimization"
    capability: ClassVar[str] = "Rate Optimization; Usage Optimization"
    audience: ClassVar[str] = "FinOps leads, engineering leads"
    question: ClassVar[str] = "What could we save, and how sure is it?"

    output_percent: tuple[int, int] = (-20, 20)
    """How the number of output tokens may change after a model switch, from and to, in percent. An assumption of
    yours: the log cannot say how long another model's answers would be."""
    across_providers: bool = False
    """Whether a task may move to another provider that the log uses for it; its contract, region and data terms
    are not in the log."""
    minimum_calls: PositiveInt = 100
    """A task moves only to a model that had at least so many calls of it in the period."""
    failed_points: float = Field(default=1, ge=0)
    """A task moves only to a model whose share of failed calls is at most so many percentage points higher."""
    latency_percent: float = Field(default=10, ge=0)
    """A task moves only to a model whose median latency is at most so many percent higher."""
    prefix_tokens: int = Field(default=1024, ge=0)
    """The least repeated prefix that counts as cacheable; most providers cache from 1,024 tokens on."""
    batch_discount_percent: dict[str, Annotated[float, Field(gt=0, lt=100)]] | None = None
    """Each provider's discount for calls sent in batches, such as ``{openai = 50}``."""
    batch_tasks: list[str] | None = None
    """The task types that can wait for a batch."""
    commitments: dict[str, CommitmentTerms] | None = None
    """Each provider's terms for committed capacity, such as ``{bedrock = {discount_percent = 30, usd_per_hour = 2}}``;
    without ``usd_per_hour`` the best commitment is looked for."""
    what_if: dict[str, Annotated[str, AfterValidator(priced_target)]] | None = None
    """Questions to answer: a task type, or ``"*"`` for all calls, and the provider/model to price the calls on, such as
    ``{chat = "openai/gpt-5-mini"}``."""
    finding_percent: float = Field(default=0.5, ge=0)
    """A saving below this share of cost is shown in its table, but is not a finding."""

    @field_validator("output_percent")
    @classmethod
    def _range(cls, ends: tuple[int, int]) -> tuple[int, int]:
        least, most = ends
        if not -100 <= least <= most:
            raise PydanticCustomError("range", "it must be a range of changes from -100 on, the smaller one first")
        return ends

    def read_ahead(self, calls: Calls) -> None:
        """How calls were served."""
        quality_of(calls)

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Survey every measure call by call, choose the switches, and count overlapping savings once."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        evidence = Evidence.read(calls)
        moves = evidence.candidates(self.across_providers)
        demands = Demands(self.minimum_calls, self.failed_points, self.latency_percent)
        refusals = evidence.refusals(moves, demands)
        found = self._survey(calls, "calls", calls.period, moves, refusals)
        unjudged = evidence.unjudged(moves, demands, calls.catalog, self.across_providers)
        potential = Potential(calls.period, found, found.choices(), self.commitments or {}, unjudged)
        asked = self.what_if or {}
        questions = ask(calls, evidence, asked, self.output_percent) if asked else ()
        history = prices.history_text(calls.catalog, prices.first_priced(potential, evidence, asked))
        return self.report(
            answer=" ".join([*(sentence(q, calls.period) for q in questions), self._answer(potential, evidence)]),
            metrics=self._metrics(calls, potential),
            findings=findings(self, calls, potential, evidence, questions),
            sections=(
                sections.together(self, potential, evidence.total.cost),
                switches(self, potential, evidence, refusals),
                what_if_section(questions, calls.period, self.output_percent),
                sections.caching(self, potential, evidence),
                terms.batches(self, calls, potential),
                terms.commitments(self, potential),
                prices.failed(evidence.quality.failures),
                prices.prices(calls.catalog, potential, evidence, history),
            ),
            method=sections.METHOD,
            assumptions=(
                *sections.assumptions(self, calls.catalog, potential, evidence, history),
                *([calls.month_caveat] if calls.month_caveat and potential.total(HOPEFUL) > 0 else []),
            ),
            comparison=calls.comparison_text,
            headline="savings",
            sparkline=tuple(float(day) for day in potential.per_day(CAUTIOUS)),
        )

    def _survey(
        self,
        calls: Calls,
        view: str,
        period: Period,
        moves: dict[Use, list[Model]],
        refused: Collection[tuple[Use, Model]],
    ) -> Survey:
        plan = Plan(
            self.output_percent,
            self.prefix_tokens,
            self.batch_discount_percent or {},
            frozenset(self.batch_tasks or ()),
            bins_per_day=24 if self.commitments else 1,
        )
        billed = BilledCalls(calls, view, prefix_tokens=self.prefix_tokens)
        return survey(billed, calls.catalog, period, plan, moves, refused)

    def _covering(self, calls: Calls, potential: Potential, span: Period) -> Potential:
        """The chosen switches over days that hold a span: those of the period, or of the span before it."""
        if span.first >= potential.period.first:
            return potential
        moves = {use: [model] for use, model in potential.choices.items() if model is not None}
        found = self._survey(calls, "previous", span, moves, ())
        return Potential(span, found, potential.choices, potential.terms, potential.unjudged)

    def _answer(self, potential: Potential, evidence: Evidence) -> str:
        cost = evidence.total.cost
        low, high = potential.total(CAUTIOUS), potential.total(HOPEFUL)
        monthly = [potential.monthly(end) for end in ENDS]
        days = plural(potential.period.days, "day")
        a_month = "a month" if potential.period.shows_level else f"a month, extrapolated from {days},"
        on = f"on the {dollars(cost)} spent in {days}"
        if low <= 0 and potential.incomparable:
            return f"Nothing can be said about savings {on}: {potential.incomparable}."
        if high <= 0:
            unseen = unseen_text(potential, evidence)
            return f"No saving was found {on}{': ' if unseen else ''}{unseen}."
        if low <= 0:
            unseen = f" ({potential.unjudged})" if potential.unjudged else ""
            hoped = f"On hopeful assumptions {dollars(monthly[HOPEFUL])} {a_month} could be saved {on}"
            return f"{hoped}; none of it is certain{unseen}."
        share = ranged(percent(100 * low / cost), percent(100 * high / cost))
        range_ = dollars_between(*monthly)
        text = f"{range_[0].upper()}{range_[1:]} {a_month} could be saved, {share} of spend"
        if not potential.switches:
            return f"{text}."
        use, target, outcome = potential.switches[0]
        saving = dollars_ranged(*(potential.period.per_month(outcome.saving(end)) for end in ENDS))
        return (
            f"{text}, if the cheaper models answer well enough; the largest step is {step(use, target)}, {saving} a "
            "month."
        )

    def _metrics(self, calls: Calls, potential: Potential) -> tuple[Metric, ...]:
        spans = [(potential, potential.period)]
        if calls.comparison is not None:
            current, previous = calls.comparison.current, calls.comparison.previous
            spans += [(potential, current), (self._covering(calls, potential, previous), previous)]

        def metric(measure: Callable[[Potential, Period], Any], unknown: str = "", **fields: Any) -> Metric:
            return Metric.over(spans, lambda span: None if unknown else measure(*span), **fields)

        cautious, hopeful = potential.unknown(CAUTIOUS), potential.unknown(HOPEFUL)
        return (
            metric(
                lambda of, span: of.monthly(CAUTIOUS, span),
                cautious,
                id="savings",
                label="Savings a month",
                unit="usd",
                home=3,
                note=f"Unknown: {cautious}."
                if cautious
                else f"The cautious end: {length(self.output_percent[1])}. Quality is not measured.",
            ),
            metric(
                lambda of, span: of.monthly(HOPEFUL, span),
                hopeful,
                id="savings-hopeful",
                label="Savings a month, hopeful end",
                unit="usd",
                note=f"Unknown: {hopeful}."
                if hopeful
                else f"{length(self.output_percent[0]).capitalize()}, every repeated prefix cached, no failed call "
                "billed. No maximum: measures are not stacked on one call.",
            ),
            metric(
                lambda of, span: of.coin(CAUTIOUS, span),
                cautious,
                id="coin",
                label="COIN",
                unit="percent",
                better="higher",
                note="Cost Optimization Index Number = (1 - savings / cost) x 100, with the cautious savings; "
                + (
                    f"unknown: {cautious}."
                    if cautious
                    else f"{percent(potential.coin(HOPEFUL, potential.period) or 0)} with the hopeful ones."
                ),
            ),
            metric(
                lambda of, span: of.failed_cost(span),
                id="failed-cost",
                label="Cost of failed calls",
                unit="usd",
                better="lower",
                note="Calls that failed and were billed all the same, in the period.",
            ),
            metric(
                lambda of, span: of.near_percent(span),
                id="near-catalogue",
                label="Calls logged at the catalogue's price",
                unit="percent",
                better="higher",
                note="The share of billed calls, of models with a price, whose logged cost is within 1 % of the "
                "catalogue's.",
            ),
        )
