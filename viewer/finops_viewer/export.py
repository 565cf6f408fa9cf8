"""``finops export``: one report as one file that can be mailed."""

from __future__ import annotations

from pathlib import Path

import click

from finops_core.errors import FinopsError


@click.command()
@click.argument("report")
@click.option("--html", "target", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports/html"), show_default=True)
def export(report: str, target: Path, reports: Path) -> int:
    """Write a published report as one HTML file with everything in it.

    REPORT is the report's name, such as finops_understanding.
    """
    from finops_viewer.record import Record
    from finops_viewer.single import single_file

    record = Record.published(reports, report.removesuffix(".html"))
    try:
        target.write_text(single_file(record), encoding="utf-8")
    except OSError as e:
        raise FinopsError(f"cannot write {target}: {e.strerror or e}", hint="Name another file with --html.") from e
    click.echo(f"Wrote {target}, {target.stat().st_size / 1024:,.0f} KiB.")
    return 0
