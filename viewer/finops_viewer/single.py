"""A report as one file with everything in it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from markupsafe import Markup

from finops_viewer import pages
from finops_viewer.record import Record


def single_file(record: Record) -> str:
    """A report's page with its style, its scripts, and a content policy that admits only these."""
    texts = {name.removeprefix("assets/"): content.decode() for name, content in pages.assets().items()}
    style = texts[pages.STYLE]
    early, *scripts = (texts[name].replace("</script", "<\\/script") for name in (pages.EARLY_SCRIPT, *pages.SCRIPTS))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; "
        f"script-src {' '.join(_source(script) for script in (early, *scripts))}; base-uri 'none'; form-action 'none'"
    )
    inline = pages.Inline(policy, Markup(style), Markup(early), tuple(Markup(script) for script in scripts))
    shown = pages.Shown(record.report, record.report, record.about)
    return pages.render_report(shown, (), record.about, inline)


def _source(text: str) -> str:
    """The source expression of a content policy for a text that stands in the page itself."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
