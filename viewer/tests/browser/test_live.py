"""Open pages while reports are published, fail, come and go, and while the server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from finops_viewer.watch import State
from playwright.sync_api import expect

from finops_core.report import Report

pytestmark = pytest.mark.browser


def changed(reports: list[Report], answer: str, name: str = "finops_understanding") -> list[Report]:
    """The same reports, but for the answer of one."""
    return [r.model_copy(update={"answer": answer}) if r.name == name else r for r in reports]


def test_filters_stay_through_updates(live: Any, open_tab: Callable[..., Any], reports: list[Report]) -> None:
    tab = open_tab()
    tab.page.goto(f"{live.address}/finops_understanding.html?model=gpt-5")
    expect(tab.page.locator("#t-models tbody tr")).to_have_count(1)
    live.publish(changed(reports, "News."), "run-2")
    expect(tab.page.locator("main .answer")).to_have_text("News.")
    expect(tab.page.locator("#t-models tbody tr")).to_have_count(1)
    expect(tab.page.locator("#n-models")).to_contain_text("Filtered by model.")
    model = tab.page.get_by_label("Model", exact=True)
    expect(model).to_have_value("gpt-5")
    without = [r.model_copy(update={"sections": (), "findings": (), "answer": "Less."}) for r in reports]
    live.publish(without, "run-3")
    expect(tab.page.locator("main .answer")).to_have_text("Less.")
    expect(tab.page.locator("#filters")).to_have_count(0)
    live.publish(reports, "run-4")
    expect(model).to_have_value("gpt-5")
    expect(tab.page.locator("#t-models tbody tr")).to_have_count(1)
    assert not tab.complaints


def test_an_update_leaves_what_the_reader_did(live: Any, open_tab: Callable[..., Any], reports: list[Report]) -> None:
    tab = open_tab(viewport={"width": 1200, "height": 700})
    page = tab.page
    page.goto(f"{live.address}/finops_understanding.html")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("() => { window.here = true; }")
    page.locator("#v-model-bars summary").click()
    sort = page.locator("#t-models").get_by_role("button", name="Calls")
    sort.click()
    sort.click()
    page.get_by_role("button", name="Show more").click()
    sort.focus()
    page.evaluate("() => scrollTo(0, 2500)")
    seen = "() => [document.activeElement.textContent, Math.round(document.activeElement.getBoundingClientRect().top)]"
    before = page.evaluate(seen)
    live.stage.show(State("building", "run-1"))
    expect(page.locator("#busy")).to_be_visible()
    live.publish(changed(reports, "Everything is different now."), "run-2")
    expect(page.locator("main .answer")).to_have_text("Everything is different now.")
    expect(page.locator("#busy")).to_be_hidden()
    expect(page.locator("#announcement")).to_have_text("Updated. Everything is different now.")
    expect(page.locator("#built")).to_contain_text("ago")
    after = page.evaluate(seen)
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) <= 1, "what the reader looks at stays in place, though the text above is shorter"
    expect(page.locator("#v-model-bars")).to_have_attribute("open", "")
    expect(page.locator("#t-models th").nth(2)).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("#t-models tbody th").first).to_have_text("mistral-large")
    expect(page.locator("#t-customers tbody tr")).to_have_count(260)
    assert page.evaluate("() => window.here"), "the page was not loaded again"
    assert not tab.complaints


def test_reports_that_come_and_go_are_followed(live: Any, open_tab: Callable[..., Any], reports: list[Report]) -> None:
    page = open_tab().page
    page.goto(f"{live.address}/finops_performance.html")
    expect(page.locator("#live")).to_have_text("Live")
    live.publish([r for r in reports if r.name != "finops_performance"], "run-2")
    expect(page.locator("#notice")).to_have_text("This report is not published any more.")
    page.goto(f"{live.address}/")
    expect(page.locator(".card")).to_have_count(len(reports) - 1)
    live.publish(reports, "run-3")
    expect(page.locator(".card")).to_have_count(len(reports))


def test_nine_tabs_follow(live: Any, open_tab: Callable[..., Any], browser: Any, reports: list[Report]) -> None:
    context = browser.new_context()
    tabs = [open_tab(context) for _ in range(9)]
    for tab in tabs:
        tab.page.goto(f"{live.address}/finops_performance.html")
        expect(tab.page.locator("#live")).to_have_text("Live")
    assert sum(url.endswith("/events") for tab in tabs for url in tab.requests) == 1
    live.publish(changed(reports, "All nine know.", "finops_performance"), "run-2")
    for tab in tabs:
        expect(tab.page.locator("main .answer")).to_have_text("All nine know.")
    leader = next(tab for tab in tabs if any(url.endswith("/events") for url in tab.requests))
    leader.page.close()
    tabs.remove(leader)
    live.publish(changed(reports, "Without the first one.", "finops_performance"), "run-3")
    for tab in tabs:
        expect(tab.page.locator("main .answer")).to_have_text("Without the first one.")
    context.close()


def test_failures_are_told_and_the_content_stays(live: Any, open_tab: Callable[..., Any]) -> None:
    page = open_tab().page
    page.goto(f"{live.address}/finops_understanding.html")
    live.stage.show(State("stale", "run-1"))
    expect(page.locator("#live")).to_have_text("Change noticed")
    live.stage.show(State("failed", "run-1", "the log is <b>not</b> a call log", "Look at line 1."))
    expect(page.locator("#notice")).to_have_text("the log is <b>not</b> a call log Look at line 1.")
    expect(page.locator("main .answer")).to_contain_text("Spend was $9,294.80")
    live.stage.show(State("fresh", "run-1"))
    expect(page.locator("#notice")).to_be_hidden()


def test_a_page_without_reports_turns_into_them(live: Any, open_tab: Callable[..., Any], reports: list[Report]) -> None:
    (live.directory / "manifest.json").unlink()
    live.stop()
    live.start()
    live.stage.show(State("failed", "", "there is no call log", "Make one with finops run."))
    page = open_tab().page
    page.goto(f"{live.address}/")
    expect(page.locator("h1")).to_have_text("No reports yet")
    expect(page.locator("main")).to_contain_text("Make one with finops run.")
    live.publish(reports, "run-2")
    expect(page.locator("h1")).to_have_text("Overview")
    expect(page.locator(".card")).to_have_count(len(reports))


def test_a_server_that_goes_and_comes_back_is_told(live: Any, open_tab: Callable[..., Any]) -> None:
    page = open_tab().page
    page.goto(f"{live.address}/finops_understanding.html")
    expect(page.locator("#live")).to_have_text("Live")
    live.stop()
    expect(page.locator("#live")).to_have_text("Server gone")
    expect(page.locator("#notice")).to_contain_text("The server does not answer")
    expect(page.locator("main .answer")).to_contain_text("Spend was $9,294.80")
    live.start()
    expect(page.locator("#live")).to_have_text("Live", timeout=10_000)
    expect(page.locator("#notice")).to_be_hidden()
