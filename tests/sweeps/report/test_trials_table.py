"""The table of all trials in a browser: rows, sorting, filters, columns, pages and export."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.formatting import duration, setting
from sweeps.io.escape import latex_text, markdown_text
from sweeps.report.trials.columns import table_columns
from sweeps.report.write import write_report
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .browsing import BROWSER, Tab
from .conftest import search, study_of, trial_of
from .reading import read_page
from .staged import staged

HOSTILE = (
    "=1+1, \"a\" | [x](http://y.z) *b* _c_ $d$ 50 % #e \\f ~g ö -1 é\u0328 <script>document.title='owned'</script>"
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A study with every stage."""
    return staged(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(findings, (), tmp_path_factory.mktemp("report"))


@pytest.fixture
def tab(browser: Tab, page: Path) -> Iterator[Tab]:
    """The page, freshly opened; whatever a test does, the console stays silent."""
    browser.open(page)
    yield browser
    assert browser.problems == []


def cells(tab: Tab, title: str) -> list[str]:
    """The cells of a column on the page of the table that is shown."""
    script = f"""(() => {{
      const titles = [...document.querySelectorAll("#trial-table thead th")].map((one) => one.textContent);
      const place = titles.indexOf({json.dumps(title)});
      return [...document.querySelectorAll("#trial-table tbody tr")].map((row) => row.cells[place].textContent);
    }})()"""
    texts: list[str] = tab.run(script)
    return texts


def status(tab: Tab) -> str:
    return str(tab.run("document.getElementById('trial-status').textContent"))


def enter(tab: Tab, selector: str, value: str) -> None:
    """Give a field a value, as typing does."""
    tab.run(f"""(() => {{
      const field = document.querySelector({json.dumps(selector)});
      field.value = {json.dumps(value)};
      field.dispatchEvent(new Event("{"change" if "select" in selector else "input"}", {{bubbles: true}}));
    }})()""")


def press(tab: Tab, selector: str) -> None:
    tab.run(f"document.querySelector({json.dumps(selector)}).click()")


def exported(tab: Tab, kind: str) -> str:
    """What the button for the download saves."""
    tab.run("""(() => {
      const address = URL.createObjectURL;
      URL.createObjectURL = (made) => { window.made = made; return address(made); };
    })()""")
    enter(tab, "select#trial-format", kind)
    press(tab, "#trial-download")
    return str(tab.run("made.text()"))


def test_columns_hold_every_trial_of_every_stage(findings: Findings) -> None:
    trials, columns = findings.results.everything, {column["key"]: column for column in table_columns(findings)}
    texts = {
        name: [None if at < 0 else column["words"][at] for at in column["at"]]
        for name, column in columns.items()
        if column["kind"] == "text"
    }
    assert texts["stage"] == [trial.stage for trial in trials]
    assert texts["status"] == [trial.state.replace("_", " ") for trial in trials]
    assert texts["reason"] == [trial.reason or None for trial in trials]
    assert columns["trial"]["values"] == [trial.number for trial in trials]
    rates = [trial.parameters.get("optimizer.lr", math.nan) for trial in trials]
    shown = [math.nan if rate is None else rate for rate in columns["optimizer.lr"]["values"]]
    assert shown == pytest.approx(rates, rel=1e-5, nan_ok=True)
    assert columns["parameters"]["values"] == [trial.cost["parameters"] for trial in trials]
    assert columns["value"]["unit"] == columns["test.accuracy"]["unit"] == "%"
    assert "started" not in columns


@needs_browser
def test_values_are_written_as_elsewhere_on_the_page(browser: Tab, tmp_path: Path) -> None:
    values = [97.125, 97.375, 0.0, 12.005, 99.99500000001]
    rates = [1e-5, 0.000123456, 0.12345, 1234.56, 1e5]
    trials = [trial_of(n, curve={1: value}, seconds=8.05 * 12**n) for n, value in enumerate(values)]
    trials = [replace(one, parameters={"optimizer.lr": rate}) for one, rate in zip(trials, rates, strict=True)]
    findings = Findings.of(Results(study_of(), tuple(trials), {}, tmp_path))
    browser.open(write_report(findings, (), tmp_path / "report"))
    assert cells(browser, "validation accuracy") == [findings.metric_format.show(value) for value in values]
    assert cells(browser, "optimizer.lr") == [setting(rate) for rate in rates]
    assert cells(browser, "time") == [duration(trial.seconds) for trial in trials]


def test_a_seed_keeps_all_its_digits(tmp_path: Path) -> None:
    trial = trial_of(0, seed=2**62 + 1)
    columns = {one["key"]: one for one in table_columns(Findings.of(Results(study_of(), (trial,), {}, tmp_path)))}
    assert columns["seed"]["words"] == [str(2**62 + 1)]


def test_without_javascript_a_note_names_the_files(page: Path) -> None:
    section = read_page(page).find("section", id="trials")[0]
    assert "tables/trials.csv" in section.find("noscript")[0].text
    assert "hidden" in section.find("div", id="trial-table")[0].attributes


def test_a_study_without_trials_has_no_table(tmp_path: Path) -> None:
    page = read_page(write_report(Findings.of(Results(study_of(), (), {}, tmp_path)), (), tmp_path / "report"))
    assert not page.find("section", id="trials")
    assert [script.attributes for script in page.find("script")] == [{}]  # that of reading alone


@needs_browser
def test_table_shows_all_stages_page_by_page(tab: Tab, findings: Findings) -> None:
    total = len(findings.results.everything)
    assert status(tab) == f"Rows 1 to 50 of {total}."
    stages = cells(tab, "stage")
    press(tab, "[data-page=next]")
    stages += cells(tab, "stage")
    press(tab, "[data-page=last]")
    stages += cells(tab, "stage")[100 - total :]
    assert stages == [trial.stage for trial in findings.results.everything]
    assert tab.run("document.querySelector('[data-page=next]').disabled")


@needs_browser
def test_titles_sort_by_keyboard_and_say_so(tab: Tab, findings: Findings) -> None:
    key = 'th[data-key="value"]'
    tab.run(f"document.querySelector('{key} button').focus()")
    tab.press("Enter")
    assert tab.run(f"document.querySelector('{key}').ariaSort") == "ascending"
    tab.press("Enter")  # the title keeps the focus
    assert tab.run(f"document.querySelector('{key}').ariaSort") == "descending"
    values = sorted((trial.value for trial in findings.results.everything if trial.value is not None), reverse=True)
    assert cells(tab, "validation accuracy")[:50] == [f"{value:.2f} %" for value in values[:50]]


@needs_browser
def test_empty_cells_are_last_in_both_directions(tab: Tab) -> None:
    enter(tab, "#trial-text", "search")
    for _ in range(2):
        press(tab, 'th[data-key="optimizer.momentum"] button')
        texts = cells(tab, "optimizer.momentum")
        assert texts == sorted(texts, key="–".__eq__)
        assert "–" in texts


@needs_browser
def test_text_range_and_choice_filter_together(tab: Tab, findings: Findings) -> None:
    enter(tab, "#trial-text", "ADAMW search")
    enter(tab, '#trial-ranges input[aria-label="optimizer.lr: at least"]', "0.01")
    tab.run("document.querySelectorAll('#trial-choices select')[1].value = 'pruned'")
    tab.run("document.querySelectorAll('#trial-choices select')[1].dispatchEvent(new Event('change'))")
    matching = [
        f"{trial.number}"
        for trial in findings.results.trials
        if trial.parameters["optimizer.name"] == "adamw"
        and trial.parameters["optimizer.lr"] >= 0.01
        and trial.status is Status.PRUNED
    ]
    assert cells(tab, "trial") == matching != []
    assert status(tab).endswith(f"of {len(matching)} that match, of {len(findings.results.everything)}.")
    press(tab, "#trial-clear")
    assert status(tab).endswith(f"of {len(findings.results.everything)}.")


@needs_browser
def test_export_has_the_selected_rows_and_columns(tab: Tab, findings: Findings) -> None:
    for title in ("reason", "epochs", "time"):
        tab.run(f"""[...document.querySelectorAll("#trial-columns label")]
          .find((one) => one.textContent.trim() === "{title}").querySelector("input").click()""")
    enter(tab, "#trial-text", "ablation")
    press(tab, 'th[data-key="value"] button')
    rows = list(csv.DictReader(io.StringIO(exported(tab, "csv"))))
    runs = findings.results.stages["ablation"].trials
    assert len(rows) == len(runs)
    values = [float(row["value"]) for row in rows if row["value"]]
    assert values == pytest.approx(sorted(run.value for run in runs if run.value is not None), rel=1e-5)
    assert {"reason", "epochs", "seconds"}.isdisjoint(rows[0])
    markdown = exported(tab, "md").splitlines()
    assert markdown[0].startswith("| stage | trial | status | arm | validation accuracy |")
    assert len(markdown) == 2 + len(runs)
    assert exported(tab, "tex").count(r" \\") == 1 + len(runs)


@needs_browser
def test_foreign_text_is_escaped_on_the_page_and_in_every_export(browser: Tab, tmp_path: Path) -> None:
    texts = [HOSTILE, "-1.5e3", "@x", "+cmd", "1. a", "- b", "snake_case _x", "www.a.b", "a\tb\nc", "#", "-.5"]
    trials = [trial_of(n, Status.FAILED, reason=text, parameters={}) for n, text in enumerate(texts)]
    results = Results(study_of(parameters={HOSTILE: {"values": [1, 2]}}), tuple(trials), {}, tmp_path)
    browser.open(write_report(Findings.of(results), (), tmp_path / "report"))
    assert cells(browser, "reason")[0] == HOSTILE
    assert browser.run("document.title") == "budget_demo: report of a study"
    with (tmp_path / "report" / "tables" / "trials.csv").open(encoding="utf-8", newline="") as file:
        expected = [row["reason"] for row in csv.DictReader(file)]
    assert [row["reason"] for row in csv.DictReader(io.StringIO(exported(browser, "csv")))] == expected
    markdown = exported(browser, "md").splitlines()[2:]
    latex = exported(browser, "tex").splitlines()[5:-2]
    for text, md, tex in zip(texts, markdown, latex, strict=True):
        assert f"| {markdown_text(text)} |" in md
        assert f"& {latex_text(text)} " in tex
    assert browser.problems == []


@needs_browser
def test_ten_thousand_trials_keep_one_page_of_rows_in_the_document(browser: Tab, tmp_path: Path) -> None:
    trials = [trial_of(number, curve={1: 50 + number / 1000}) for number in range(10_000)]
    data: dict[str, Any] = {"columns": table_columns(Findings.of(Results(study_of(), tuple(trials), {}, tmp_path)))}
    page = write_report(Findings.of(Results(study_of(), tuple(trials[:2]), {}, tmp_path)), (), tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    small = re.search(r'<script type="application/json" id="trials-data">(.*)</script>', text)
    assert small is not None
    page.write_text(text.replace(small[1], json.dumps({**json.loads(small[1]), **data})), encoding="utf-8")
    browser.open(page)
    assert status(browser) == "Rows 1 to 50 of 10,000."
    assert browser.run("document.querySelectorAll('#trial-table tbody tr').length") == 50
    enter(browser, "#trial-text", "59.999")
    assert cells(browser, "trial") == ["9,999"]
    assert browser.problems == []


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    results = Results(study_of(), search(), {}, tmp_path)
    one, two = (write_report(Findings.of(results), (), tmp_path / name).read_bytes() for name in ("one", "two"))
    assert one == two
