"""The ``finops`` command. Heavy imports stay inside the commands, so that ``--help`` is instant."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from finops_core.errors import FinopsError, UsageError, nearest
from finops_core.options import COMMON, DEFAULT_LOG, SIMULATION, names_in, options, pairs_in, request_from

if TYPE_CHECKING:
    from finops_core.pipeline import Publication
    from finops_core.plugins import Found, Loaded
    from finops_core.session import Session

INTERRUPTED = 130
PLUGIN_FAILED = 3
SHOWN_QUARANTINE = 10
ALL_FAILED = "Every pattern failed: nothing was written."
PACKAGES = {"serve": "finops-viewer", "export": "finops-viewer"}


class Commands(click.Group):
    """The core's commands, and those of plugins, which are imported when they are called."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; what one of a plugin raises has the plugin's name."""
        try:
            return super().invoke(ctx)
        except (FinopsError, OSError, click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as e:
            found = next((f for f in _commands() if f.name == ctx.invoked_subcommand), None)
            if found is None or found.name in self.commands or os.environ.get("FINOPS_DEBUG"):
                raise
            from finops_core.plugins.found import ContainedError

            raise ContainedError(found.problem(e, f"finops {found.name}")) from e

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted, without an import."""
        return sorted({*super().list_commands(ctx), *(found.name for found in _commands())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of the core or of a plugin; ``None`` if there is none."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        found = next((f for f in _commands() if f.name == cmd_name), None)
        if found is not None:
            from finops_core.plugins import load_object

            command: click.Command = load_object(found)
            return command
        if cmd_name in PACKAGES:
            package = PACKAGES[cmd_name]
            raise UsageError(f"finops {cmd_name} needs the package {package}", hint=f"pip install {package}")
        raise UsageError(f"there is no command {cmd_name!r}. {nearest(cmd_name, self.list_commands(ctx))}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The help's list of commands; a plugin's command is described by where it comes from."""
        rows = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        rows += [(f.name, f"(from {f.distribution})") for f in _commands() if f.name not in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


def _commands() -> list[Found]:
    from finops_core.plugins.finding import find

    return [found for found in find().found if found.kind == "commands"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="finops-core", prog_name="finops")
def finops() -> None:
    """Turn AI calls into decisions about money.

    Begin with: finops run --plugins all
    """


@finops.command()
@options("patterns", "mix", *SIMULATION, "reports", *COMMON)
def run(plugins: str | None, mixes: tuple[str, ...], log: Path, reports: Path, **flags: Any) -> int:
    """Simulate, ingest, analyze, publish, and print the summary."""
    session = _session(flags)
    patterns = _patterns(session, plugins, mixes)
    analyzers, publishers = session.load("analyzers"), session.load("publishers")
    simulated = session.simulate(patterns, log, request_from(**flags))
    if not simulated["patterns"]:
        return session.finish({**simulated, "log": None, "reports": []}, ALL_FAILED)
    publication, counts = session.refresh(log, reports, analyzers, publishers)
    rows = [
        {"name": r.name, "file": f"{r.name}.html", "state": r.state, "answer": r.answer}
        for r in publication.analysis.reports
    ]
    return session.finish({**simulated, "log": counts, "reports": rows}, *_see(publication, reports))


@finops.command()
@options("patterns", "mix", *SIMULATION, *COMMON)
def simulate(plugins: str | None, mixes: tuple[str, ...], log: Path, **flags: Any) -> int:
    """Write simulated calls to the log, and do no more."""
    session = _session(flags)
    simulated = session.simulate(_patterns(session, plugins, mixes), log, request_from(**flags))
    written = (f"The calls are in {log}.", f"Next: finops analyze --log {log}")
    return session.finish(simulated, *(written if simulated["patterns"] else (ALL_FAILED,)))


@finops.command()
@options("analyzers", "log", "reports", "from", "to", "last", "isolate", *COMMON)
def analyze(
    plugins: str,
    log: Path,
    reports: Path,
    first: datetime | None,
    last: datetime | None,
    tail: str | None,
    **flags: Any,
) -> int:
    """Read what is new in the log, make the reports, publish them."""
    from finops_core.ledger.periods import PeriodChoice

    choice = PeriodChoice(first.date() if first else None, last.date() if last else None, tail)
    session = _session(flags)
    analyzers, publishers = session.load("analyzers", names_in(plugins)), session.load("publishers")
    publication, counts = session.refresh(log, reports, analyzers, publishers, choice)
    documents = [r.model_dump(mode="json") for r in publication.analysis.reports]
    return session.finish({"log": counts, "reports": documents}, *_see(publication, reports))


@finops.command()
@click.argument("log", type=click.Path(path_type=Path), default=DEFAULT_LOG)
@click.option("--full", is_flag=True, help="Also compare the whole log with its ledger, to find edits of old lines.")
@click.option("--quarantine", is_flag=True, help="List every quarantined line.")
@options("json")
def check(log: Path, full: bool, quarantine: bool, as_json: bool) -> int:
    """Read a log and say what was accepted, what was quarantined, and why. Changes nothing."""
    from finops_core.console import Terminal
    from finops_core.ledger import check as check_log
    from finops_core.session import print_json

    terminal = Terminal(json=as_json)
    with terminal.reading() as progress:
        result = check_log(log, full=full, progress=progress)
    if as_json:
        print_json(result.document())
    else:
        terminal.check(log, result, None if quarantine else SHOWN_QUARANTINE)
    return result.refused.exit_code if result.refused else 0


@finops.command()
@click.argument("what", type=click.Choice(["report", "analysis"]))
def schema(what: Literal["report", "analysis"]) -> int:
    """Print a JSON Schema: of one report, or of all that finops analyze --json prints."""
    from finops_core.session import json_schema

    click.echo(json.dumps(json_schema(what), indent=2))
    return 0


@finops.group("plugins", invoke_without_command=True)
@options("json")
@click.pass_context
def plugins_(ctx: click.Context, as_json: bool) -> int | None:
    """What is installed: name, kind, distribution, version."""
    if ctx.invoked_subcommand is not None:
        return None
    from finops_core.plugins.finding import core_problems, find

    findings = find()
    problems = (*findings.problems, *core_problems(findings.found))
    if as_json:
        rows = [
            {"name": f.name, "kind": f.kind, "distribution": f.distribution, "version": f.version}
            for f in findings.found
        ]
        click.echo(json.dumps({"version": 1, "plugins": rows, "problems": [p.document() for p in problems]}))
    else:
        for f in findings.found:
            click.echo(f"{f.name:<16} {f.kind.removesuffix('s'):<10} {f.distribution:<26} {f.version}")
        if findings.found:
            click.echo("\nMore about one: finops plugins show NAME")
        else:
            click.echo("No plugin is installed. Install one, such as: pip install finops-plugin-base")
        for p in problems:
            click.echo(p.line(), err=True)
    return PLUGIN_FAILED if problems else 0


@plugins_.command()
@click.argument("name")
@options("config", "set")
def show(name: str, config: Path | None, sets: tuple[str, ...]) -> int:
    """The hooks and parameters of one plugin: types, defaults, meaning."""
    from finops_core.console import Terminal
    from finops_core.plugins import describe, find
    from finops_core.settings import load_settings

    found = [f for f in find().found if f.name == name]
    if not found:
        raise UsageError(f"no plugin is called {name!r}. {nearest(name, {f.name for f in find().found})}")
    settings = load_settings(config, sets)
    for plugin in found:
        Terminal().plugin(describe(plugin, settings))
    return 0


@finops.group()
def new() -> None:
    """Begin a plugin: a small package whose test passes."""


@new.command()
@click.argument("name")
def pattern(name: str) -> int:
    """A traffic pattern, in the folder finops-plugin-NAME."""
    return _begin("pattern", name, f"finops run --plugins {name}")


@new.command()
@click.argument("name")
def analyzer(name: str) -> int:
    """A report, in the folder finops-plugin-NAME."""
    return _begin("analyzer", name, f"finops analyze --plugins {name}")


def _begin(kind: Literal["pattern", "analyzer"], name: str, run_it: str) -> int:
    from finops_core.scaffold import install_and_test, new_plugin

    for path in new_plugin(kind, name, Path()):
        click.echo(path)
    click.echo(f"\nNext: {install_and_test(name)}\nThen: {run_it}")
    return 0


@finops.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", multiple=True, metavar="COLUMN=THEIRS", help="Our column, and theirs that fills it.")
@click.option("--fill", multiple=True, metavar="COLUMN=VALUE", help="Our column, and one value for every row.")
@click.option("--delimiter", help="comma, semicolon, tab or bar; by default it is found in the header.")
@click.option("--source", default="import", show_default=True, help="The imported rows' source.")
@options("log", "config", "json", "quiet")
def import_(
    file: Path,
    mapping: tuple[str, ...],
    fill: tuple[str, ...],
    delimiter: str | None,
    source: str,
    log: Path,
    **flags: Any,
) -> int:
    """Bring a foreign CSV file into the log.

    Columns named like ours are taken as they are; --map and --fill say where the others come from. Without a column
    of ids they are made from the file, and without one of costs the catalogue prices each call at its date. Rows that
    are no calls are counted and shown; a file with none that is one, or that was imported before, is refused.

    \b
    finops import usage.csv --map timestamp=created_at --map model=model_name \\
      --map input_tokens=prompt_tokens --map output_tokens=completion_tokens \\
      --fill provider=openai --fill customer_id=acme
    """  # noqa: D301 - click takes the escape for a paragraph that is not wrapped
    from finops_core.catalog import Catalog
    from finops_core.importing import import_file

    session = _session(flags)
    with session.terminal.reading() as progress:
        result = import_file(
            file,
            log,
            mapping=pairs_in("--map", mapping),
            fill=pairs_in("--fill", fill),
            catalog=Catalog(session.settings.catalog),
            source_name=source,
            delimiter=delimiter,
            progress=progress,
        )
    session.terminal.imported(file, log, result)
    return session.finish({"import": result.document()}, f"Next: finops analyze --log {log}")


def main() -> None:
    """The entry point: runs a command and leaves with its exit code; no traceback reaches a user."""
    try:
        code = finops.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as e:
        e.show()
        code = UsageError.exit_code
    except (click.Abort, KeyboardInterrupt) as e:
        # click raises Abort from the interrupt, whose notes say which plugin was running and what became of the log
        for note in getattr(e.__cause__ or e, "__notes__", ()):
            click.echo(f"finops: {note}", err=True)
        click.echo("Interrupted.", err=True)
        code = INTERRUPTED
    except FinopsError as e:
        _tell(e)
        code = e.exit_code
    except BrokenPipeError:  # the reader of our output went away, such as head
        _drop_output()
        code = 0
    except OSError as e:
        _drop_output()
        hint = "Make room or allow writing there, and run the command again."
        _tell(FinopsError(f"the system refused: {e.strerror or e}", hint=hint))
        code = FinopsError.exit_code
    except Exception as e:
        if os.environ.get("FINOPS_DEBUG"):
            raise
        hint = "This is a defect of finops: please report it, with what FINOPS_DEBUG=1 in the environment prints."
        _tell(FinopsError(f"internal error: {type(e).__name__}: {e}", hint=hint))
        code = FinopsError.exit_code
    sys.exit(code or 0)


def _drop_output() -> None:
    """Send what is left of the output nowhere, so that leaving does not fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(error: FinopsError) -> None:
    """Print an error; with ``--json`` also as the document on stdout."""
    click.echo(f"finops: {error}", err=True)
    if "--json" in sys.argv:
        told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        click.echo(json.dumps({"version": 1, "error": told}))


def _session(flags: dict[str, Any]) -> Session:
    from finops_core.session import Session

    shared = ("config", "sets", "disable", "as_json", "quiet", "isolate")
    return Session(**{name: flags[name] for name in shared if name in flags})


def _patterns(session: Session, plugins: str | None, mixes: tuple[str, ...]) -> Loaded:
    """The patterns that are named and the mixes; all patterns if neither is given."""
    names = names_in(plugins) if plugins is not None else [] if mixes else None
    return session.load("patterns", names, mixes)


def _see(publication: Publication, reports: Path) -> tuple[str, ...]:
    """Where the pages are, or what to install for them."""
    if any(problem.kind == "publishers" for problem in publication.problems):
        return ()
    if not publication.analysis.reports:
        return ("Next: pip install finops-plugin-domains finops-plugin-revenue, and finops analyze makes the reports.",)
    if not publication.published:
        return ("Next: pip install finops-viewer makes pages of these reports.",)
    return (f"Open {reports / 'index.html'}", "Next: finops serve --watch shows it live at http://127.0.0.1:8000")
