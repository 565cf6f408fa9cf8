"""What could be saved, and how sure it is: model switches, caching, batches, commitments, failed calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from finops_core import Analyzer, Calls, Metric, Period, Report, dollars, extrapolated, hookimpl, percent, plural
from finops_plugin_domains.optimization import prices, sections, terms
from finops_plugin_domains.optimization.billed import BilledCalls
from finops_plugin_domains.optimization.commitment import CommitmentTerms
from finops_plugin_domains.optimization.evidence import Demands, Evidence, Model, Use, step
from finops_plugin_domains.optimization.findings import findings, unseen_text
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.savings import CAUTIOUS, HOPEFUL, Plan
from finops_plugin_domains.optimization.survey import Survey, survey
from finops_plugin_domains.optimization.switches import switches


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
    batch_discount_percent: dict[str, float] | None = None
    """Each provider's discount for calls sent in batches, such as ``{openai = 50}``."""
    batch_tasks: list[str] | None = None
    """The task types that can wait for a batch."""
    commitments: dict[str, CommitmentTerms] | None = None
    """Each provider's terms for committed capacity, such as ``{bedrock = {discount_percent = 30, usd_per_hour = 2}}``;
    without ``usd_per_hour`` the best commitment is looked for."""
    what_if: dict[str, str] | None = None
    """Questions to answer: a task type and the provider/model to price it on, such as
    ``{chat = "openai/gpt-5-mini"}``."""
    finding_percent: float = Field(default=0.5, ge=0)
    """A saving below this share of cost is shown in its table, but is not a finding."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        least, most = self.output_percent
        if not -100 <= least <= most:
            raise ValueError(f"output_percent {list(self.output_percent)} must be a range of changes from -100 on")
        for provider, discount in (self.batch_discount_percent or {}).items():
            if not 0 < discount < 100:
                raise ValueError(f"batch_discount_percent of {provider} must be above 0 and below 100")
        for task, target in (self.what_if or {}).items():
            if not all(target.partition("/")):
                raise ValueError(f"what_if of {task} must be of the form provider/model, not {target!r}")
        return self

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
        potential = Potential(calls.period, found, found.choices(), self.commitments or {})
        return self.report(
            answer=self._answer(potential, evidence),
            metrics=self._metrics(calls, potential, evidence),
            findings=extrapolated(findings(self, calls.catalog, potential, evidence), calls.month_caveat),
            sections=(
                sections.together(self, potential, evidence.total.cost),
                switches(self, potential, evidence, refusals),
                sections.questions(self, calls),
                sections.caching(self, potential, evidence),
                terms.batches(self, calls, potential),
                terms.commitments(self, potential),
                prices.failed(evidence.quality.failures),
                prices.prices(calls.catalog, potential, evidence),
            ),
            method=sections.METHOD,
            assumptions=(
                *sections.assumptions(self, calls.catalog, potential, evidence),
                *([calls.month_caveat] if calls.month_caveat else []),
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
        return Potential(span, found, potential.choices, potential.terms)

    def _answer(self, potential: Potential, evidence: Evidence) -> str:
        cost = evidence.total.cost
        low, high = potential.total(CAUTIOUS), potential.total(HOPEFUL)
        monthly = [dollars(potential.monthly(end)) for end in (CAUTIOUS, HOPEFUL)]
        spent = f"{dollars(cost)} spent in {plural(potential.period.days, 'day')}"
        if not potential.survey.matches and high <= 0:
            return f"Nothing can be said about savings on the {spent}: no model of the log has a catalogue price."
        if high <= 0:
            unseen = unseen_text(evidence)
            return f"No saving was found on the {spent}{': ' if unseen else ''}{unseen}."
        if low <= 0:
            return f"At most {monthly[1]} a month could be saved on the {spent}; none of it is certain."
        share = f"{percent(100 * low / cost)} to {percent(100 * high / cost)}" if cost else "a share that is unknown"
        text = f"Between {monthly[0]} and {monthly[1]} a month could be saved, {share} of spend"
        if not potential.switches:
            return f"{text}."
        use, target, outcome = potential.switches[0]
        return (
            f"{text}, if the cheaper models answer well enough; the largest step is {step(use, target)}, "
            f"{dollars(potential.period.per_month(outcome.saving(CAUTIOUS)))} a month or more."
        )

    def _metrics(self, calls: Calls, potential: Potential, evidence: Evidence) -> tuple[Metric, ...]:
        spans = [(potential, potential.period)]
        if calls.comparison is not None:
            current, previous = calls.comparison.current, calls.comparison.previous
            spans += [(potential, current), (self._covering(calls, potential, previous), previous)]
        # Nothing found is no saving of zero where the log did not let anybody look.
        blind = not (evidence.has_alternatives or evidence.has_sessions or self.commitments or self.batch_tasks)
        unknown = potential.total(HOPEFUL) <= 0 and (blind or not potential.survey.matches)

        def metric(measure: Callable[[Potential, Period], Any], known: bool = True, **fields: Any) -> Metric:
            values = [measure(of, span) if known else None for of, span in spans]
            value, now, before = [*values, None, None][:3]
            return Metric(value=value, current=now, previous=before, **fields)

        hopeful = potential.coin(HOPEFUL, potential.period)
        return (
            metric(
                lambda of, span: of.monthly(CAUTIOUS, span),
                not unknown,
                id="savings",
                label="Savings found",
                unit="usd",
                home=3,
                note=f"A month, at the cautious end: {sections.length(self.output_percent[1])}. Nothing here measures "
                "the quality of answers.",
            ),
            metric(
                lambda of, span: of.monthly(HOPEFUL, span),
                not unknown,
                id="savings-at-most",
                label="Savings at most",
                unit="usd",
                note=f"A month, at the hopeful end: {sections.length(self.output_percent[0])}, every repeated prefix "
                "read from the cache, no failed call billed.",
            ),
            metric(
                lambda of, span: of.coin(CAUTIOUS, span),
                not unknown,
                id="coin",
                label="COIN",
                unit="percent",
                better="higher",
                note="Cost Optimization Index Number = (1 - savings / cost) x 100, with the cautious savings; "
                + (
                    "unknown: the log does not say enough to look for savings."
                    if unknown
                    else "unknown without cost."
                    if hopeful is None
                    else f"{percent(hopeful)} with the hopeful ones."
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
                "catalogue's. " + prices.scaling_text(potential),
            ),
        )
