"""Every figure of a report, recomputed by scipy, statsmodels and R from the published runs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sweeps
from benchmarks.calibration.scenarios import study
from benchmarks.recompute.compare import NOT_PUBLISHED
from benchmarks.recompute.published import Published
from benchmarks.recompute.report import recompute
from benchmarks.synthetic_study import without_sync
from tests.sweeps.support import ROOT

SEARCH = {
    "method": "random",
    "run_cap": 5,
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
    "confirm": {"top": 3, "seeds": 3},
}
COMPARED = {"baseline": "best", "components": ["a", "b", "c"], "margin": 2.0}
STUDIES: dict[str, dict[str, Any]] = {
    "compared": {**SEARCH, "ablation": {**COMPARED, "seeds": 5}, "final": {"seeds": 3, "arms": "all"}},
    "stein": {"ablation": {**COMPARED, "baseline": "given", "seeds": {"min": 4, "max": 9, "precision": 0.8}}},
    "factorial": {"ablation": {"baseline": "given", "design": "factorial", "components": ["a", "b"], "seeds": 4}},
}


@dataclass(frozen=True)
class Written:
    """A report and the study file of its run."""

    report: Path
    study_file: Path

    def published(self) -> Published:
        return Published.of(self.report, self.study_file)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    folder = tmp_path_factory.mktemp("recompute")
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder}
    with without_sync():
        for name, sections in STUDIES.items():
            settings = {**study(sections, (1.5, -0.5)), "name": name}
            assert sweeps.run(settings, **folders, runner="inline", quiet=True).complete
    return {name: Written(folder / "reports" / name, folder / "runs" / name / "study.yaml") for name in STUDIES}


@pytest.mark.parametrize(("name", "least"), [("compared", 600), ("stein", 240), ("factorial", 90)])
def test_no_figure_of_a_report_is_wrong(reports: dict[str, Written], name: str, least: int) -> None:
    verdict = recompute(reports[name].published())
    assert verdict.wrong == []
    assert all(NOT_PUBLISHED in column for columns in verdict.unknown.values() for column in columns)
    assert verdict.checked > least


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize(("name", "arguments"), [("compared", ["2"]), ("stein", ["2", "4"])])
def test_r_finds_the_same_figures(reports: dict[str, Written], name: str, arguments: list[str]) -> None:
    command = ["Rscript", str(ROOT / "benchmarks" / "recompute.R"), str(reports[name].report), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ", 0 wrong" in ended.stdout


def test_each_wrong_figure_is_named(reports: dict[str, Written], tmp_path: Path) -> None:
    copied = shutil.copytree(reports["compared"].report, tmp_path / "report")
    changes = {
        ("ablation", "difference low"): 1e-5,
        ("ablation_checks", "equivalence p"): 1e-4,
        ("arms", "mean"): 0.01,
        ("test", "test high"): 0.01,
        ("confirmed", "confirmed low"): 0.01,
        ("stages", "CPU-hours"): 0.01,
    }
    for (name, column), change in changes.items():
        table = pd.read_csv(copied / "tables" / f"{name}.csv")
        table.loc[0, column] += change
        table.to_csv(copied / "tables" / f"{name}.csv", index=False)
    wrong = recompute(Published.of(copied, reports["compared"].study_file)).wrong
    for name, column in changes:
        assert any(line.startswith(f"{name}.csv, row 1, {column}:") for line in wrong), (name, column)


def test_wrongly_printed_digits_and_unknown_columns_are_named(reports: dict[str, Written], tmp_path: Path) -> None:
    copied = shutil.copytree(reports["factorial"].report, tmp_path / "report")
    effects = pd.read_csv(copied / "tables" / "effects.csv")
    effects.assign(novel=1.0).to_csv(copied / "tables" / "effects.csv", index=False)
    printed = copied / "tables" / "effects.md"
    text = printed.read_text(encoding="utf-8")
    shown = f"{effects['estimate high'][0]:+.2f}"
    assert shown in text
    printed.write_text(text.replace(shown, "+9.99", 1), encoding="utf-8")
    verdict = recompute(Published.of(copied, reports["factorial"].study_file))
    assert verdict.unknown["effects"] == ["novel"]
    assert len(verdict.wrong) == 1
    assert "effects.md, row 1, estimate" in verdict.wrong[0]
