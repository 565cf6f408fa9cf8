"""The what-if of the optimization report: what the period would have cost with a task or all calls on another model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from finops_core import (
    Calls,
    Catalog,
    Column,
    Finding,
    FinopsError,
    Period,
    Section,
    Table,
    dollars,
    nearest,
    plural,
)
from finops_plugin_domains.optimization.billed import BilledCalls
from finops_plugin_domains.optimization.evidence import Evidence, Model
from finops_plugin_domains.optimization.phrases import dollars_ranged, lengths, ranged, scaled_by, times
from finops_plugin_domains.optimization.repricing import WhatIf, what_if

ALL = "*"
"""Stands for every call where a question names a task."""

EXAMPLE = '{chat = "openai/gpt-5-mini"}'


@dataclass(frozen=True)
class Question:
    """A question of the ``what_if`` setting, and its answer.

    Attributes:
        task: As it was asked: a task type, or :data:`ALL`.
        target: The model to price its calls on.
        answer: What that would have cost; ``None`` where it cannot be told.
        why: Why it cannot be told, in one sentence.
        hint: What to do about it.
    """

    task: str
    target: Model
    answer: WhatIf | None
    why: str = ""
    hint: str = ""

    @property
    def calls(self) -> str:
        """The calls asked about: ``all calls``, ``chat``."""
        return "all calls" if self.task == ALL else self.task

    @property
    def on(self) -> str:
        """The model asked about: ``gpt-5-mini (openai)``."""
        provider, model = self.target
        return f"{model} ({provider})"


def priced_target(target: str, info: ValidationInfo) -> str:
    """Check that a setting names a model as ``provider/model`` and, where the catalogue is known, one with a price."""
    provider, model = parted(target)
    if not (provider and model):
        raise PydanticCustomError("target", "it must be of the form provider/model, such as openai/gpt-5-mini")
    settings = (info.context or {}).get("settings")
    if settings is None or Catalog(settings.catalog).knows(provider, model):
        return target
    known = {f"{m.provider}/{m.model}" for m in Catalog().market}
    known |= {f"{p}/{name}" for p, models in settings.catalog.models.items() for name in models}
    close = difflib.get_close_matches(target, sorted(known), n=1)
    way_out = f"did you mean {close[0]!r}?" if close else "set one under [catalog.models], or correct the name"
    raise PydanticCustomError("target", "no price is known for this model; {way_out}", {"way_out": way_out})


def parted(target: str) -> Model:
    """``provider/model`` as provider and model."""
    provider, _, model = target.partition("/")
    return provider, model


def ask(
    calls: Calls, evidence: Evidence, asked: Mapping[str, str], output_percent: tuple[int, int]
) -> tuple[Question, ...]:
    """Answer questions: each a task and the ``provider/model`` to price its calls on, in the order of the tasks."""
    billed = BilledCalls(calls)
    return tuple(_asked(calls, billed, evidence, task, parted(asked[task]), output_percent) for task in sorted(asked))


def _asked(
    calls: Calls, billed: BilledCalls, evidence: Evidence, task: str, target: Model, output_percent: tuple[int, int]
) -> Question:
    tasks = {str(name) for name, _, _ in evidence.records if name is not None}
    if task != ALL and task not in tasks:
        hint = nearest(task, tasks) if tasks else f'Ask about all calls with "{ALL}" instead of a task.'
        return Question(task, target, None, f"No call of the period is of the task {task!r}.", hint)
    try:
        answer = what_if(
            calls,
            task=None if task == ALL else task,
            provider=target[0],
            model=target[1],
            output_percent=output_percent,
            billed=billed,
        )
    except FinopsError as e:
        return Question(task, target, None, f"{e.message[0].upper()}{e.message[1:]}.", e.hint)
    if answer.calls:
        return Question(task, target, answer)
    which = "call" if task == ALL else f"call of {task}"
    if answer.unpriced_calls:
        return Question(
            task,
            target,
            None,
            f"No billed {which} ran on a model with a catalogue price that {target[1]} could be compared with.",
            "Set the prices of the models in the log under [catalog.models.PROVIDER.MODEL] in finops.toml.",
        )
    return Question(task, target, None, f"No {which} was billed.", "Ask about calls that cost something.")


def sentence(question: Question, period: Period) -> str:
    """The answer to a question in one sentence; or why there is none, and what to do."""
    answer = question.answer
    if answer is None:
        return f"{question.why} {question.hint}"
    assumed = f"with {lengths(*answer.output_percent)}"
    if not answer.period_cost:
        cost = f"{dollars_ranged(answer.low, answer.high)} on {question.on} instead of {dollars(answer.now)}"
        return (
            f"The log says that no call cost anything; by the catalogue, {question.calls} would have cost {cost}, "
            f"{assumed}."
        )
    days = f"the day {period}" if period.days == 1 else f"the {period.days} days from {period}"
    cost = f"{dollars_ranged(*answer.period_range)} instead of {dollars(answer.period_cost)}"
    return f"With {question.calls} on {question.on}, {days} would have cost {cost}, {assumed}{_scaling(answer)}."


def _scaling(answer: WhatIf) -> str:
    """How amounts are scaled to the log's costs, as the end of a sentence."""
    scaled = sorted(factor for factor in answer.factors.values() if factor != 1)
    if not scaled:
        return ""
    some = "" if len(scaled) == len(answer.factors) else "in part "
    return f"; catalogue prices are {some}scaled by {ranged(times(scaled[0]), times(scaled[-1]))} (logged / catalogue)"


def what_if_section(questions: Sequence[Question], period: Period, output_percent: tuple[int, int]) -> Section:
    """What the period would have cost with the tasks on the models that were asked about."""
    title = "What if a task ran on another model?"
    if not questions:
        return Section(
            id="what-if",
            title=title,
            text=f'Ask with [plugins.optimization] what_if = {EXAMPLE} in finops.toml: a task type, or "{ALL}" for all '
            "calls, and the provider and model to price the calls on; the model need not be in the log.",
        )
    notes, rows = [], []
    for question in questions:
        notes.append(sentence(question, period))
        answer = question.answer
        if answer is None:
            continue
        amounts = (answer.now, answer.low, answer.same, answer.high, *answer.saving)
        rows.append([question.calls, *question.target, answer.calls, *amounts])
        notes.append(_left_out(answer))
    return Section(
        id="what-if",
        title=title,
        text=" ".join(filter(None, notes)),
        blocks=(_table(questions, rows, output_percent),) if rows else (),
    )


def _table(questions: Sequence[Question], rows: Sequence[Sequence[object]], output_percent: tuple[int, int]) -> Table:
    least, most = output_percent
    factors: dict[Model, Fraction] = {}
    for question in questions:
        factors |= question.answer.factors if question.answer is not None else {}
    scaled = scaled_by(factors)
    note = "Prices are the catalogue's at each call's date on both sides; a negative saving is a loss."
    if scaled:
        note += f" By the model that the calls ran on they are scaled by logged / catalogue: {scaled}."
    return Table.of(
        "what-if-table",
        "Tasks priced on other models",
        (
            Column(name="task", label="Task", role="dimension", dimension="task_type"),
            Column(name="provider", label="Provider asked about"),
            Column(name="model", label="Model asked about"),
            Column(name="calls", label="Calls", unit="count"),
            Column(name="now", label="Cost now", unit="usd"),
            Column(name="low", label=f"Then, output {least:+} %", unit="usd"),
            Column(name="same", label="Then, same output", unit="usd"),
            Column(name="high", label=f"Then, output {most:+} %", unit="usd"),
            Column(name="saving-low", label="Saving from", unit="usd"),
            Column(name="saving-high", label="to", unit="usd"),
        ),
        rows,
        note=note,
    )


def _left_out(answer: WhatIf) -> str:
    """Which calls were not priced again; empty if all were."""
    if not answer.unpriced_calls:
        return ""
    calls = plural(answer.unpriced_calls, "call")
    return f"Left as they are: {calls} on models without a catalogue price ({dollars(answer.unpriced_cost)})."


def what_if_findings(questions: Sequence[Question], period: Period, caveat: str) -> list[Finding]:
    """The answer to every question, in their order.

    None has an amount at stake: what a question asks about may be part of what a measure saves, or of another question.

    Args:
        questions: With their answers.
        period: The days asked about.
        caveat: What amounts a month rest on, if that is little.
    """
    return [_finding(i, question, period, caveat) for i, question in enumerate(questions, 1)]


def _finding(number: int, question: Question, period: Period, caveat: str) -> Finding:
    answer = question.answer
    if answer is None:
        return Finding(
            id=f"what-if-{number}",
            title=question.why,
            who=question.calls,
            confidence="high",
            why_sure="So the question of the setting what_if has no answer.",
            action=question.hint,
            section="what-if",
            severity="warning",
        )
    low, high = (period.per_month(saving) for saving in answer.saving)
    if low >= 0:
        result = f"would save {dollars_ranged(low, high)} a month"
        action = f"Compare its answers on a sample of {question.calls} first: what they are worth is not in the log."
    elif high <= 0:
        result = f"would cost {dollars_ranged(-high, -low)} more a month"
        action = f"Keep {question.calls} on the present models, unless the answers are worth the difference."
    else:
        result = f"would cost between {dollars(high)} less and {dollars(-low)} more a month"
        action = f"Measure on a sample how long the answers of {question.on} are: that decides."
    by = "" if answer.period_cost else " by the catalogue (the log has no costs)"
    why_sure = (
        f"Priced again one by one, at their dates and by the catalogue on both sides: {plural(answer.calls, 'call')}"
        f"{_scaling(answer)}. How long the answers would be is your assumption, and their quality is not judged."
    )
    return Finding(
        id=f"what-if-{number}",
        title=f"Moving {question.calls} to {question.on} {result}{by}, with {lengths(*answer.output_percent)}.",
        who=question.calls,
        confidence="low" if caveat else "medium",
        why_sure=" ".join(filter(None, (why_sure, _left_out(answer), caveat))),
        action=action,
        section="what-if",
    )
