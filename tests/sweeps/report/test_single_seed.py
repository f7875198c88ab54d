"""A stage final with one seed: one figure without an interval, said so wherever it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report import sentences
from sweeps.report.across.compare import compare_table
from sweeps.report.write import write_report
from sweeps.storage.results import Results
from tests.sweeps.support import run_inline, toy_study

ALONE: dict[str, Any] = {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 1}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    rule = {"baseline": "given", "components": {"handicap": {"handicap": 4.0}}, "seeds": 2}
    final = {"seeds": 1, "arms": "all"}
    study = toy_study(**ALONE, ablation=rule, final=final, evaluate=["shifted"])
    result = run_inline(study, tmp_path_factory.mktemp("single"))
    assert result.complete
    return result.results


def test_sentence_gives_the_figure_and_that_it_has_no_interval(results: Results) -> None:
    (run,) = [trial for trial in results.stages["final"].trials if trial.variant == "baseline"]
    assert run.value is not None
    figure = f"On the sealed test set the incumbent reaches test accuracy {run.value:.2f} % "
    sentence = sentences.tested(Findings.of(results))[0]
    assert sentence.replace("the baseline", "the incumbent").startswith(
        f"{figure}(n = 1 seed: a single run, so without an interval), trained on "
    )


def test_report_shows_the_figure_without_an_interval_in_every_form(results: Results, tmp_path: Path) -> None:
    page = write_report(Findings.of(results), (), tmp_path)
    runs = {trial.variant: trial.value for trial in results.stages["final"].trials}
    shown = [f"{value:.2f}" for value in runs.values()]
    tables = {kind: (tmp_path / "tables" / f"test.{kind}").read_text() for kind in ("csv", "md", "tex")}
    assert all(figure in tables[kind] for figure in shown for kind in ("md", "tex"))
    assert "test low" not in tables["csv"]
    for text in (*tables.values(), (tmp_path / "README.md").read_text()):
        assert not re.search(r"\bnan\b", text.lower())
    assert all(figure in page.read_text() for figure in shown)


def test_comparison_with_another_study_shows_the_figure(results: Results) -> None:
    table = compare_table([results, results])
    value = next(trial.value for trial in results.stages["final"].trials if trial.variant == "baseline")
    assert list(table["test"]) == [f"{value:.2f} %"] * 2
    assert list(table["test seeds"]) == ["1"] * 2
