"""The options that commands share, and what their values stand for."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from finops_core.errors import UsageError

if TYPE_CHECKING:
    from finops_core.pipeline import Request

DEFAULT_LOG = Path("data/simulated_calls.csv")
DEFAULT_REPORTS = Path("reports/html")

Command = TypeVar("Command", bound=Callable[..., Any])


def options(*names: str) -> Callable[[Command], Command]:
    """Add shared options to a command, by name, in this order."""

    def add(command: Command) -> Command:
        for name in reversed(names):
            command = OPTIONS[name](command)
        return command

    return add


_path = click.Path(path_type=Path)
_day = click.DateTime(["%Y-%m-%d"])
OPTIONS: dict[str, Callable[..., Any]] = {
    "patterns": click.option(
        "--plugins", show_default="all, with --mix none", metavar="NAMES", help="Patterns, with commas between."
    ),
    "mix": click.option(
        "--mix",
        "mixes",
        multiple=True,
        metavar="NAME+NAME",
        help="Patterns whose factors are multiplied over the same customers. May be given several times.",
    ),
    "analyzers": click.option(
        "--plugins", default="all", show_default=True, metavar="NAMES", help="Analyzers, with commas between."
    ),
    "log": click.option("--log", type=_path, default=DEFAULT_LOG, show_default=True, help="The call log."),
    "reports": click.option(
        "--reports", type=_path, default=DEFAULT_REPORTS, show_default=True, help="Where the reports go."
    ),
    "config": click.option("--config", type=_path, help="Settings; by default finops.toml of the working directory."),
    "set": click.option("--set", "sets", multiple=True, metavar="PLUGIN.FIELD=VALUE", help="Set a plugin's parameter."),
    "disable": click.option("-p", "disable", multiple=True, metavar="no:NAME", help="Leave a plugin out."),
    "start": click.option("--start", type=_day, help="First simulated day; by default the whole days before today."),
    "days": click.option("--days", type=click.IntRange(1, 3660), help="Simulated days; by default the pattern's."),
    "seed": click.option(
        "--seed", type=click.IntRange(0), help="Other customers, other calls; by default the pattern's."
    ),
    "scale": click.option(
        "--scale", type=click.FloatRange(0, 10_000, min_open=True), default=1.0, help="Times this many customers."
    ),
    "workers": click.option(
        "--workers", type=click.IntRange(1, 64), help="Threads; by default one for each core. Never changes the result."
    ),
    "append": click.option("--append", is_flag=True, help="Keep what is in the log."),
    "replace": click.option("--replace", is_flag=True, help="Clear the log even if it holds calls nobody simulated."),
    "isolate": click.option(
        "--isolate",
        is_flag=True,
        help="Run each pattern and analyzer in a process of its own, with limits on time and (Linux) memory.",
    ),
    "from": click.option("--from", "first", type=_day, help="First day analyzed."),
    "to": click.option("--to", "last", type=_day, help="Last day analyzed."),
    "last": click.option(
        "--last", "tail", metavar="28d|month", help="Analyze the last days, or the last call's month."
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, all else on stderr."),
    "quiet": click.option("--quiet", is_flag=True, help="No progress and no summary."),
}
COMMON = ("config", "set", "disable", "json", "quiet")
SIMULATION = ("log", "start", "days", "seed", "scale", "workers", "append", "replace", "isolate")


def request_from(
    *,
    start: datetime | None,
    days: int | None,
    seed: int | None,
    scale: float,
    workers: int | None,
    append: bool,
    replace: bool,
    **_: Any,
) -> Request:
    """What a simulation is asked for by the options of :data:`SIMULATION`; others are passed over."""
    from finops_core.pipeline import Request

    if append and replace:
        raise UsageError("--append and --replace exclude each other", hint="Use one of them.")
    return Request(
        start=start.date() if start else None,
        days=days,
        seed=seed,
        scale=scale,
        workers=workers or os.cpu_count() or 1,
        mode="append" if append else "replace" if replace else "fresh",
    )


def names_in(text: str) -> list[str] | None:
    """Names with commas between; ``None`` for all."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("--plugins names nothing", hint="Name plugins with commas between, or all.")
    return None if names == ["all"] else names


def pairs_in(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    """The values of an option that may come several times, each ``column=value``."""
    pairs: dict[str, str] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not (equals and column):
            raise UsageError(f"{option} {text!r} is not of the form column=value")
        if column in pairs:
            raise UsageError(f"{option} names column {column!r} twice", hint="Keep one of them.")
        pairs[column] = value
    return pairs
