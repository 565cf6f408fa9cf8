"""The plugin that publishes reports as web pages."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core.plugin_base import Plugin, hookimpl
from finops_core.report import HOME_PAGE, Report
from finops_core.site import Site
from finops_viewer import pages, publication
from finops_viewer.record import About, Record


class HtmlPublisher(Plugin):
    """Writes a page per report, a home page and a manifest that work from ``file://`` and offline."""

    @hookimpl
    def publish(self, reports: Sequence[Report], site: Site) -> None:
        """Replace what the site's directory shows by these reports, all at once.

        A failed report keeps its last good content on its page, below what failed.

        Raises:
            FinopsError: The directory cannot be written.
        """
        about = About.of(site)
        with publication.publishing(site.directory):
            shown = pages.in_order(_shown(report, about, site) for report in reports)
            files = pages.assets()
            files[f"{HOME_PAGE}.html"] = pages.render_home(shown, about).encode()
            for one in shown:
                files[f"{one.report.name}.html"] = pages.render_report(one, shown, about).encode()
                record = Record(about=one.about, report=one.report)
                files[Record.file_of(one.report.name)] = record.model_dump_json().encode()
            publication.write(site.directory, files, {**about.model_dump(mode="json"), "reports": _listed(reports)})


def _shown(report: Report, about: About, site: Site) -> pages.Shown:
    """What the page of a report shows: the report, or for a failed one the last good content if there is any."""
    if report.state == "failed":
        kept = Record.kept(site.directory, report.name)
        if kept is not None and kept.report.state != "failed":
            return pages.Shown(kept.report, report, kept.about)
    return pages.Shown(report, report, about)


def _listed(reports: Sequence[Report]) -> list[dict[str, str]]:
    return [
        {"name": r.name, "file": f"{r.name}.html", "state": r.state, "title": r.title, "answer": r.answer}
        for r in reports
    ]
