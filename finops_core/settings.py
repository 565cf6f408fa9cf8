"""``finops.toml``: prices of tiers, budgets, catalogue, service levels, shared cost, plugin parameters.

The core's sections are checked here; ``[plugins.<name>]`` is checked by the plugin that it names.
"""

from __future__ import annotations

import hashlib
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, field_validator

from finops_core.errors import UsageError, nearest

Money = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=9)]
PricePerMillion = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=9)]
BudgetDimension = Literal["total", "organization", "product", "feature", "customer"]

DEFAULT_TIERS: dict[str, Decimal] = {"starter": Decimal(29), "pro": Decimal(99), "enterprise": Decimal(299)}

BUDGET_COLUMNS: dict[BudgetDimension, str | None] = {
    "total": None,
    "organization": "organization_id",
    "product": "product_id",
    "feature": "feature_id",
    "customer": "customer_id",
}
"""The call-log column that a budget's dimension stands for; ``total`` covers every call."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Budget(_Section):
    """What may be spent in a calendar month."""

    usd_per_month: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=9)]


class ModelSettings(_Section):
    """A model of the catalogue: how often simulated traffic draws it, and its own price.

    Prices are US dollars per million tokens. With ``input`` and ``output`` set, they replace the price of
    genai-prices for every date; cached input costs ``input`` unless given.
    """

    weight: float | None = Field(default=None, ge=0)
    """Share among the provider's models in simulated traffic; ``None`` keeps the default's."""
    input: PricePerMillion | None = None
    output: PricePerMillion | None = None
    cache_read: PricePerMillion | None = None
    cache_write: PricePerMillion | None = None
    tokens_per_second: PositiveFloat | None = None
    """Output speed of simulated calls."""
    first_token_ms: PositiveFloat | None = None
    """Median time to the first token of simulated calls."""


class CatalogSettings(_Section):
    """Models and prices."""

    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Market weight of each provider in simulated traffic."""
    models: dict[str, dict[str, ModelSettings]] = {}
    """``[catalog.models.<provider>.<model>]``."""


class SlaSettings(_Section):
    """The service level that calls are held to."""

    latency_ms: PositiveFloat = 5_000
    """A call is within the service level if it succeeded within this time."""
    target_percent: float = Field(default=95, gt=0, le=100)
    """The share of calls that should be within it."""


class SharedCostSettings(_Section):
    """Which rows are shared cost, and how it is split over organisations."""

    match: dict[str, list[str]] = {}
    """Column to values: a row that has one of the values in every column named here is shared."""
    rule: Literal["even", "by_cost", "by_calls"] = "by_cost"

    @field_validator("match")
    @classmethod
    def _known_columns(cls, match: dict[str, list[str]]) -> dict[str, list[str]]:
        if not match:
            return match
        from finops_core.call import COLUMNS  # which loads pyarrow

        texts = [column.name for column in COLUMNS if column.kind == "text"]
        for column in match:
            if column not in texts:
                raise ValueError(f"{column!r} is not a text column of the call log. {nearest(column, texts)}")
        return match


class IsolationSettings(_Section):
    """What ``--isolate`` allows the process of each plugin."""

    seconds: PositiveFloat = 300
    """How long finops waits for a plugin altogether, from its import to the end of its result."""
    memory_mib: int = Field(default=2048, ge=256)
    """How much memory, in MiB, a process may reserve beyond what finops itself has. Linux only."""


class Settings(_Section):
    """Everything that ``finops.toml`` can say."""

    tiers: dict[str, Money] = DEFAULT_TIERS
    """Price of each subscription tier, US dollars a calendar month; ``[tiers]`` adds to or replaces the defaults."""
    budgets: dict[BudgetDimension, dict[str, Budget]] = {}
    """``[budgets.<dimension>.<name>]``, such as ``[budgets.organization.org_001]`` or ``[budgets.total.all]``."""
    catalog: CatalogSettings = CatalogSettings()
    sla: SlaSettings = SlaSettings()
    shared_cost: SharedCostSettings = SharedCostSettings()
    isolation: IsolationSettings = IsolationSettings()
    plugins: dict[str, dict[str, Any]] = {}
    """``[plugins.<name>]``: a plugin's parameters."""

    @field_validator("tiers")
    @classmethod
    def _keep_defaults(cls, tiers: dict[str, Decimal]) -> dict[str, Decimal]:
        return {**DEFAULT_TIERS, **tiers}

    def fingerprint(self) -> str:
        """A hash of every setting: reports made under another one are stale."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def load_settings(path: Path | None = None, overrides: tuple[str, ...] = ()) -> Settings:
    """Read ``finops.toml`` and lay ``--set`` values over it.

    Args:
        path: The file; ``None`` takes ``finops.toml`` of the working directory if there is one.
        overrides: ``name.field=value`` texts, for plugins' parameters.

    Raises:
        UsageError: The file cannot be read, or a name or value in it is wrong.
    """
    data: dict[str, Any] = {}
    where = "finops.toml"
    if path is not None or Path(where).is_file():
        file = path or Path(where)
        where = str(file)
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as e:
            raise UsageError(f"cannot read {file}: {e}", hint="Name a readable TOML file with --config.") from e
        except tomllib.TOMLDecodeError as e:
            raise UsageError(f"{file} is not valid TOML: {e}", hint="Correct the line it names.") from e
    try:
        settings = Settings.model_validate(data)
    except ValidationError as e:
        raise UsageError(f"{where}: {describe(e, Settings)}", hint="Correct the setting and run again.") from e
    plugins = {name: dict(fields) for name, fields in settings.plugins.items()}
    for text in overrides:
        target, equals, value = text.partition("=")
        name, dot, field = target.strip().partition(".")
        if not (equals and dot and name and field):
            raise UsageError(f"--set {text!r} is not of the form plugin.field=value", hint="Such as --set burst.seed=7")
        plugins.setdefault(name, {})[field] = _value(value.strip())
    return settings.model_copy(update={"plugins": plugins})


def _value(text: str) -> Any:
    """A value as TOML would read it; what TOML cannot read is text."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a validation, in one line, with the nearest valid name for an unknown field."""
    # a misspelt field is also a missing one; the misspelling is what the user can see
    problem = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(model, problem["loc"][:-1])
        return f"{place!r} is not a setting. {nearest(str(problem['loc'][-1]), fields)}"
    if problem["type"] == "missing":
        return f"{place!r} is missing"
    return f"{place} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names valid at a path inside nested settings; dictionary keys on the way are skipped."""
    current = model
    for part in path:
        field = current.model_fields.get(str(part))
        if field is None:
            continue
        for candidate in _models_in(field.annotation):
            current = candidate
    return list(current.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _models_in(argument)]
