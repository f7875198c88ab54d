"""How the search decided, in the report: the section, the table and the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report import save_report
from sweeps.report.data import ReportData
from sweeps.report.decisions.frames import TIDY, decisions_frame
from sweeps.report.decisions.tables import MOST_SHOWN, decision_tables
from sweeps.report.figures.decisions import data as decisions
from sweeps.report.figures.panel import FigureNotApplicable
from sweeps.report.figures.registry import draw
from sweeps.report.report import report_of
from sweeps.report.write import csv_text
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

from .conftest import ENVIRONMENT, search, study_of, trial_of
from .promoted import RULE, promoted_search
from .reading import read_page


def findings_of(*trials: Trial, folder: Path = Path("demo")) -> Findings:
    return Findings.of(Results(study_of(early_terminate=RULE), trials, ENVIRONMENT, folder))


@pytest.fixture(scope="module")
def promoted() -> Findings:
    """A finished search with promotion."""
    return findings_of(*promoted_search())


def test_the_section_is_there_only_where_decisions_are_on_record(promoted: Findings) -> None:
    section = report_of(ReportData(promoted, ())).sections[-1]
    assert (section.key, section.title) == ("decisions", "How the search decided")
    assert [plot.key for plot in section.plots] == ["ladder", "predictions"]
    assert section.sentences[0].startswith("14 trials started: 1 as the baseline, 3 from the quasi-random start, ")
    assert "ended within the 80 % interval" in " ".join(section.sentences)
    assert not report_of(ReportData(findings_of(*search()), ())).sections


def test_the_page_and_the_summary_say_how_the_search_decided(tmp_path: Path) -> None:
    results = findings_of(*promoted_search(), folder=tmp_path).results
    page = save_report(results, (), tmp_path / "report")
    section = read_page(page).find("section", id="decisions")[0]
    assert len(section.find("figure")) == 2
    assert all(plot.attributes["aria-label"] for plot in section.find("div", role="group"))
    summary = (tmp_path / "report" / "README.md").read_text()
    assert "## How the search decided" in summary
    assert "| decision |" not in summary  # folded: it may be long
    rows = (tmp_path / "report" / "tables" / "decisions.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(len(trial.decisions) for trial in results.trials)


def test_a_report_without_decisions_leaves_no_table_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    save_report(findings_of(*promoted_search(), folder=tmp_path).results, (), folder)
    save_report(findings_of(*search(), folder=tmp_path).results, (), folder)
    assert not (folder / "tables" / "decisions.csv").exists()


def test_a_line_goes_up_where_a_trial_is_trained_and_level_where_it_waits(promoted: Findings) -> None:
    rows = decisions.ladder(promoted.search_history, ReportData(promoted).groups)
    best = promoted.ranked[0]
    line = rows[rows["trial"] == best.number]
    steps = [(entry["from"], entry["until"]) for entry in best.decisions]
    assert list(line["epoch"]) == [epoch for step in steps for epoch in step]
    assert list(line["event"])[:2] == ["new", "paused"]
    assert list(line["event"])[-1] == "trained to the end"
    assert list(line["decision"]) == [entry["order"] for entry in best.decisions for _ in range(2)]


def test_a_trial_that_was_left_at_its_rung_is_called_not_promoted(promoted: Findings) -> None:
    rows = decisions.ladder(promoted.search_history, ReportData(promoted).groups)
    left = next(trial for trial in promoted.results.trials if trial.status is Status.PRUNED)
    assert list(rows[rows["trial"] == left.number]["event"])[-1] == "not promoted"


def test_a_search_under_way_shows_what_waits() -> None:
    findings = findings_of(*promoted_search(steps=9))
    rows = decisions.ladder(findings.search_history, ReportData(findings).groups)
    assert "paused" in set(rows.groupby("trial")["event"].last())
    assert set(ReportData(findings).groups.values()) <= {"paused", "best", "complete"}


def test_predictions_before_the_last_step_and_at_the_start_are_told_apart(promoted: Findings) -> None:
    rows = decisions.predictions(promoted.search_history)
    completed = [trial for trial in promoted.results.trials if trial.status is Status.COMPLETE]
    last = rows[rows["prediction"] == decisions.LAST]
    assert list(last["trial"]) == [trial.number for trial in sorted(completed, key=lambda t: t.decisions[-1]["order"])]
    for row in last.itertuples():
        trial = next(trial for trial in completed if trial.number == row.trial)
        assert (row.low, row.predicted, row.high) == tuple(trial.decisions[-1]["predicted"])
        assert row.within == (row.low <= trial.value <= row.high)


def test_marks_of_the_figures_differ_in_more_than_colour(promoted: Findings) -> None:
    for name in ("ladder", "predictions"):
        marked = [trace for trace in draw(name, promoted).data if trace.mode == "markers"]
        symbols = [trace.marker.symbol for trace in marked]
        assert len(symbols) == len(set(symbols)) > 1
        assert all(trace.name for trace in marked)


@pytest.mark.parametrize("name", ["ladder", "predictions"])
def test_a_search_without_decisions_has_no_such_figure(name: str) -> None:
    with pytest.raises(FigureNotApplicable, match="has no figure"):
        draw(name, findings_of(*search()))


def test_the_table_of_a_thousand_trials_is_small_and_the_same_each_time() -> None:
    findings = findings_of(*many(1000))
    table = decision_tables(findings)[0]
    text = csv_text(table.data)
    assert len(text.splitlines()) == 2001
    assert len(text) < 110_000
    assert text == csv_text(decision_tables(findings_of(*many(1000)))[0].data)
    assert (len(table.grid.rows), table.grid.left_off) == (MOST_SHOWN, 2000 - MOST_SHOWN)


def many(number: int) -> list[Trial]:
    """So many trials, each handed out twice."""
    rung = {"reached": 99, "go_on": 49, "place": 7}
    trials = []
    for at in range(number):
        predicted = {"predicted": [50 + at / 70, 60 + at / 70, 70 + at / 70], "cost": 1.0}
        first = {"order": 2 * at, "from": 0, "until": 1, "why": "new", "by": "model", **predicted}
        second = {"order": 2 * at + 1, "from": 1, "until": 2, "why": "promoted", "rung": rung, **predicted}
        trials.append(trial_of(at, curve={1: 60 + at / 7, 2: 61 + at / 7}, decisions=(first, second)))
    return trials


def test_the_tidy_frame_has_a_typed_row_for_each_decision(promoted: Findings) -> None:
    frame = decisions_frame(promoted)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == TIDY
    assert list(frame["decision"]) == [*range(len(frame))]
    assert frame[frame["why"] == "promoted"]["place"].notna().all()
    assert decisions_frame(findings_of()).empty


def test_foreign_text_in_a_record_stays_text(make_results: Callable[..., Results], tmp_path: Path) -> None:
    spell = "</script><script>document.title='owned'</script>"
    odd = {"order": 0, "from": 0, "until": 1, "why": spell, "by": spell, "candidates": [{"parameters": {spell: spell}}]}
    trials = [replace(trial, decisions=(odd, spell, {"order": 1, "predicted": spell})) for trial in search()[:3]]
    page = save_report(make_results(*trials), (), tmp_path / "report")
    assert spell not in page.read_text(encoding="utf-8")
    assert spell not in (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
