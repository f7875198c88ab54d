"""The table of all trials and the figures in a browser: each shows what is selected in the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report.write import write_report
from sweeps.storage.results import Results

from .browsing import BROWSER, Tab
from .conftest import search, study_of

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(study_of(), search(), {}, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(Findings.of(results), (), tmp_path_factory.mktemp("report"))


@pytest.fixture
def tab(browser: Tab, page: Path) -> Iterator[Tab]:
    """The page, freshly opened; whatever a test does, the console stays silent."""
    browser.open(page)
    yield browser
    assert browser.problems == []


def on_screen(tab: Tab, figure: str, x: float, y: float) -> tuple[float, float]:
    """The place in the window of a point of a figure, in its own coordinates, scrolled into view."""
    place: Any = tab.run(f"""(() => {{
      const drawing = document.getElementById("plot-{figure}");
      drawing.scrollIntoView({{behavior: "instant", block: "center"}});
      const area = drawing.querySelector(".nsewdrag").getBoundingClientRect(), layout = drawing._fullLayout;
      return [area.left + layout.xaxis.d2p({x}), area.top + layout.yaxis.d2p({y})];
    }})()""")
    return place[0], place[1]


def marked(tab: Tab) -> str | None:
    """The number of the trial in the marked row."""
    text: str | None = tab.run("document.querySelector('tr.marked')?.cells[2].textContent ?? null")
    return text


def ringed(tab: Tab, figure: str) -> list[list[float]]:
    """The points that are ringed in a figure."""
    points: list[list[float]] = tab.run(f"""document.getElementById("plot-{figure}").data
      .filter((trace) => trace.name === "marked trial").flatMap((trace) => trace.x.map((x, at) => [x, trace.y[at]]))""")
    return points


@pytest.mark.parametrize("figure", ["history", "pareto_front"])
def test_a_click_on_a_point_marks_its_row_and_rings_the_trial(tab: Tab, results: Results, figure: str) -> None:
    best = results.ranked()[0]
    x = best.number if figure == "history" else best.cost["parameters"]
    tab.run("document.querySelector('[data-key=value] button').click()")
    tab.mouse(on_screen(tab, figure, x, best.value or 0))
    assert marked(tab) == str(best.number)
    assert tab.run("document.activeElement.getAttribute('aria-label')") == f"Mark trial {best.number} in the figures"
    assert ringed(tab, "history") == [[best.number, best.value]]
    assert len(ringed(tab, "parallel_coordinates")) == 1 + len(best.parameters)


def test_the_button_of_a_row_marks_and_unmarks_by_keyboard(tab: Tab, results: Results) -> None:
    best = results.ranked()[0]
    tab.run(f"document.querySelector('[aria-label=\"Mark trial {best.number} in the figures\"]').focus()")
    tab.press("Enter")
    assert marked(tab) == str(best.number)
    assert ringed(tab, "history") == [[best.number, best.value]]
    tab.press("Enter")
    assert marked(tab) is None
    assert ringed(tab, "history") == []


def test_a_box_on_an_axis_of_the_settings_filters_the_table(tab: Tab, results: Results) -> None:
    names = tab.run("document.getElementById('plot-parallel_coordinates').layout.yaxis.ticktext")
    row = -names.index("optimizer.lr")
    start, end = (on_screen(tab, "parallel_coordinates", x, row + y) for x, y in ((0.5, 0.4), (1.05, -0.4)))
    tab.run("""(() => {
      const drawing = document.getElementById("plot-parallel_coordinates");
      window.brushed = new Promise((resolve) => {
        drawing.once("plotly_selected", (event) => resolve(event?.points.length));
      });
    })()""")
    tab.mouse(start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), end)
    assert tab.run("brushed") == 9  # plotly tells of a selection some time after the mouse is released
    shown = tab.run(
        "[...document.querySelectorAll('#trial-table tbody tr')].map((row) => Number(row.cells[2].textContent))"
    )
    middle = (0.001 * 0.5) ** 0.5  # of the searched range, which is logarithmic
    assert shown == sorted(one.number for one in results.ranked() if one.parameters["optimizer.lr"] >= middle) != []
    assert "Selected in the figure" in tab.run("document.getElementById('trial-status').textContent")
    tab.run("document.getElementById('trial-clear').click()")
    assert tab.run("document.querySelectorAll('#trial-table tbody tr').length") == len(results.trials)
