"""``finops serve``: the reports in a browser, live."""

from __future__ import annotations

import errno
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

import click

from finops_core.errors import FinopsError, UsageError

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PORTS_TRIED = 50
_DAY = click.DateTime(["%Y-%m-%d"])
_GRACE_SECONDS = 0.5


@click.command()
@click.option("--watch", is_flag=True, help="Rebuild when the log or the settings change, and update open pages.")
@click.option("--log", type=click.Path(path_type=Path), default=Path("data/simulated_calls.csv"), show_default=True)
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports/html"), show_default=True)
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; by default finops.toml if it exists.")
@click.option("--set", "sets", multiple=True, metavar="PLUGIN.FIELD=VALUE", help="Set a plugin's parameter.")
@click.option("-p", "disable", multiple=True, metavar="no:NAME", help="Leave a plugin out.")
@click.option("--from", "first", type=_DAY, help="First day analyzed.")
@click.option("--to", "last", type=_DAY, help="Last day analyzed.")
@click.option("--last", "tail", metavar="28d|month", help="Analyze the last days, or the last call's month.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
@click.option("--allow-host", "allowed", multiple=True, metavar="NAME", help="Also answer to this host name.")
@click.option("--poll", is_flag=True, help="Look at the files regularly instead of waiting for file events.")
@click.option("--open", "open_browser", is_flag=True, help="Open a browser.")
def serve(
    watch: bool,
    log: Path,
    reports: Path,
    config: Path | None,
    sets: tuple[str, ...],
    disable: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    tail: str | None,
    host: str,
    port: int,
    allowed: tuple[str, ...],
    poll: bool,
    open_browser: bool,
) -> int:
    """Show the reports in a browser, up to date with the call log.

    Reports that are older than the log, or of other days, are made first; with --watch, whenever the log changes.
    """
    import contextlib
    import webbrowser

    from finops_core.ledger.periods import PeriodChoice
    from finops_core.plugins import disabled_names
    from finops_viewer.build import Source
    from finops_viewer.server import Stage, WebServer
    from finops_viewer.watch import Updater

    if host not in {"localhost", "127.0.0.1", "::1"} and not allowed:
        raise UsageError(
            f"--host {host} lets other machines in, so the names under which they ask must be known",
            hint="Add --allow-host with the name or address that stands in their browser's address bar.",
        )
    choice = PeriodChoice(first.date() if first else None, last.date() if last else None, tail)
    source = Source(log, reports, config, sets, disabled_names(disable), choice)
    source.conditions()
    with listening(host, port) as listener:
        name = allowed[0] if allowed else f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}/"
        stage = Stage(reports, live=watch)
        updater = Updater(source, stage.show, lambda line: click.echo(line, err=True), events=not poll)
        if watch:
            updater.start()
        else:
            updater.update()
        click.echo(f"Serving {reports} at {address} - press Ctrl-C to stop.")
        if open_browser:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            WebServer(stage, {*_LOOPBACK, host, *allowed}).run(sockets=[listener])
        if not updater.stop(_GRACE_SECONDS):
            # A build under way is in the middle of native code, which a regular exit would make abort. Whatever it
            # was writing is as safe as after a kill: the old or the new is in place.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    return 0


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a taken port is known before anything is built.

    Raises:
        FinopsError: The address cannot be listened on; a taken port comes with a free one to use instead.
    """
    try:
        return _bound(host, port)
    except OSError as e:
        if e.errno != errno.EADDRINUSE:
            raise FinopsError(
                f"cannot listen on {host}:{port}: {e.strerror or e}", hint="Choose another --host or --port."
            ) from e
    for free in range(port + 1, min(port + 1 + _PORTS_TRIED, 65536)):
        try:
            _bound(host, free).close()
        except OSError:
            continue
        raise FinopsError(f"port {port} is taken", hint=f"Port {free} is free: finops serve --port {free}")
    raise FinopsError(f"port {port} is taken", hint="Let the system choose a free one: finops serve --port 0")


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
