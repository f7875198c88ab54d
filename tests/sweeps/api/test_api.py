"""The public API: light to import, the same figures as the records, usable from threads and again and again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

import sweeps
from sweeps.storage.runs import open_results
from tests.sweeps.support import ROOT, TOY, clean

ABLATED = {**TOY, "ablation": {"components": {"handicap": {"handicap": 5.0}}, "seeds": 3}, "run_cap": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with the toy study: a search and an ablation."""
    folder = tmp_path_factory.mktemp("api")
    outcome = run(folder)
    assert outcome.complete
    assert outcome.new_runs == 10
    return folder


def run(folder: Path) -> sweeps.StudyOutcome:
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder / "data"}
    return sweeps.run(ABLATED, runner="inline", quiet=True, **folders)


@pytest.fixture
def results(folder: Path) -> sweeps.StudyResults:
    """What that study has found."""
    return sweeps.load("toy", runs_dir=folder / "runs")


def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert sweeps.studies("~/runs") == ["toy"]
    assert sweeps.load("toy", "~/runs").folder == folder / "runs" / "toy"


def test_import_loads_no_heavy_library() -> None:
    code = "import sys, sweeps; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], env=clean({}), capture_output=True, text=True, check=True)
    heavy = {"torch", "ray", "optuna", "pandas", "numpy", "plotly", "pydantic", "scipy", "typer", "rich", "jinja2"}
    assert not heavy & set(done.stdout.split())


def test_every_public_name_can_be_used_and_is_listed() -> None:
    assert set(sweeps.__all__) <= set(dir(sweeps))
    for name in sweeps.__all__:
        assert getattr(sweeps, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'stuides'"):
        sweeps.stuides  # noqa: B018


def test_types_of_the_api_are_known_to_a_checker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sweeps\n"
        "outcome = sweeps.run('study.yaml', runner='inline')\n"
        "reveal_type(outcome.results.trials)\n"
        "reveal_type(sweeps.load('x').best.recipe)\n"
        "sweeps.run('study.yaml', runer='inline')\n"
    )
    words = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache"), str(script)]
    done = subprocess.run(words, cwd=ROOT, env=clean({}), capture_output=True, text=True)
    assert 'Unexpected keyword argument "runer"' in done.stdout
    assert re.search(r'script.py:4: note: Revealed type is "[\w.]*Mapping\[', done.stdout), done.stdout


def test_trials_are_those_of_the_records(folder: Path, results: sweeps.StudyResults) -> None:
    records = open_results(folder / "runs", "toy").everything
    frame = results.trials
    assert [*zip(frame.stage, frame.trial, strict=True)] == [(trial.stage, trial.number) for trial in records]
    assert frame.value.tolist() == pytest.approx([trial.value for trial in records])
    assert frame[frame.stage == "search"]["lr"].tolist() == [trial.parameters["lr"] for trial in records[:4]]
    assert frame[frame.stage == "ablation"].groupby("arm").replicate.apply(list).to_dict() == {
        "baseline": [0, 1, 2],
        "handicap": [0, 1, 2],
    }


def test_curves_are_those_of_the_files(folder: Path, results: sweeps.StudyResults) -> None:
    for (stage, number), curve in results.curves.groupby(["stage", "trial"]):
        place = "trials" if stage == "search" else stage
        file = pd.read_csv(folder / "runs" / "toy" / place / f"{number:04d}" / "curves.csv")
        assert curve.epoch.tolist() == file.epoch.tolist()
        assert curve.val_accuracy.tolist() == pytest.approx(file.val_accuracy.tolist())


def test_ablation_has_the_difference_that_was_planted(results: sweeps.StudyResults) -> None:
    (row,) = results.ablation.to_dict("records")
    assert row["arm"] == "handicap"
    assert row["estimate"] == pytest.approx(-5.0)
    assert row["pairs"] == 3


def test_figures_are_drawn_by_name_and_tell_why_not(results: sweeps.StudyResults) -> None:
    assert {"forest", "paired_seeds", "history"} <= set(results.figures.available)
    assert results.figures.forest() == results.figures.draw("forest")
    with pytest.raises(sweeps.FigureNotApplicable, match="toy has no figure 'confusion'"):
        results.figures.confusion()
    with pytest.raises(sweeps.NoFigure, match="did you mean 'forest'"):
        results.figures.draw("forrest")
    for name in results.figures.available:
        assert results.figures.draw(name).to_dict()["data"], name


def test_every_figure_of_the_registry_has_a_method() -> None:
    from sweeps.report.figures.registry import FIGURES

    source = (ROOT / "sweeps" / "api" / "figures.py").read_text()
    assert {key for key in FIGURES if f'self.draw("{key}")' in source} == set(FIGURES)


def test_best_has_the_recipe_of_the_best_trial(folder: Path, results: sweeps.StudyResults) -> None:
    best = open_results(folder / "runs", "toy").ranked()[0]
    assert results.best.recipe["lr"] == best.parameters["lr"]
    assert results.model("0").runs[0].number == 0
    with pytest.raises(sweeps.NotFound, match="has no trial 99"):
        results.model("99")


def test_best_trial_is_that_of_the_search_and_models_are_those_of_the_moment(
    folder: Path, results: sweeps.StudyResults, tmp_path: Path
) -> None:
    assert results.best_trial == open_results(folder / "runs", "toy").ranked()[0]
    copy = tmp_path / "runs"
    shutil.copytree(folder / "runs", copy)
    loaded = sweeps.load("toy", runs_dir=copy)
    (copy / "toy" / "study.db").write_bytes(b"damaged since")
    assert loaded.best.recipe == results.best.recipe
    with pytest.raises(sweeps.Damaged):
        sweeps.load("toy", runs_dir=copy)


def test_report_says_how_to_repeat_a_run_from_python(folder: Path, results: sweeps.StudyResults) -> None:
    (first, *_) = results.records.environment["commands"]
    assert first["command"] == f"sweeps.run(sweeps.Study.from_run('toy', {str(folder / 'runs')!r}))"


def test_version_is_that_of_the_package() -> None:
    assert sweeps.__version__ == metadata.version("cifar-sweep")


def test_second_run_in_the_process_has_nothing_to_do(folder: Path) -> None:
    before = (folder / "data" / "epochs.txt").read_text()
    outcome = run(folder)
    assert outcome.complete
    assert outcome.new_runs == 0
    assert outcome.report is not None
    assert outcome.report.exists()
    assert (folder / "data" / "epochs.txt").read_text() == before


@pytest.mark.parametrize("runner", ["inline", "ray"])
def test_study_runs_in_a_thread_twice(tmp_path: Path, runner: str) -> None:
    outcomes: list[sweeps.StudyOutcome] = []
    folders = {"runs_dir": tmp_path / "runs", "reports_dir": tmp_path / "reports", "data_dir": tmp_path / "data"}

    def work() -> None:
        for cap in (2, 3):
            settings = {**TOY, "run_cap": cap}
            outcomes.append(sweeps.run(settings, runner=runner, workers=1, quiet=True, **folders))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(240)
    assert [outcome.complete for outcome in outcomes] == [True, True]
    assert [outcome.new_runs for outcome in outcomes] == [2, 1]


def test_failure_of_a_study_is_an_outcome_and_bad_input_an_exception(tmp_path: Path) -> None:
    folders = {"runs_dir": tmp_path / "runs", "reports_dir": tmp_path / "reports", "data_dir": tmp_path / "data"}
    outcome = sweeps.run({**TOY, "baseline": {"fault": "raise"}}, runner="inline", quiet=True, **folders)
    assert not outcome.complete
    assert "3 trials in a row failed" in outcome.failure
    with pytest.raises(sweeps.StudyError, match="run_cap"):
        sweeps.Study.from_dict({**TOY, "run_cap": "many"})
    with pytest.raises(ValueError, match="runner must be one of ray, inline but is 'rya'"):
        sweeps.run(TOY, runner="rya")
    with pytest.raises(sweeps.NotFound, match="no study 'nobody'"):
        sweeps.load("nobody", runs_dir=tmp_path / "runs")


def test_study_is_read_from_file_run_and_data_alike(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(json.dumps(ABLATED))
    from_file = sweeps.Study.from_file(file)
    assert from_file.definition == sweeps.Study.from_dict(ABLATED).definition
    assert from_file.definition == sweeps.Study.from_run("toy", folder / "runs").definition
    assert sweeps.Study.from_file(file, assignments=["run_cap=9"]).definition.run_cap == 9
    again = tmp_path / "again.yaml"
    again.write_text(from_file.to_yaml())
    assert sweeps.Study.from_file(again).definition == from_file.definition
    assert any("seeds" in warning for warning in from_file.warnings())


def test_notebook_shows_the_answer_with_foreign_text_escaped(tmp_path: Path) -> None:
    folders = {"runs_dir": tmp_path / "runs", "reports_dir": tmp_path / "reports", "data_dir": tmp_path / "data"}
    settings = {**TOY, "question": "<script>alert(1)</script>", "run_cap": 1}
    shown = sweeps.run(settings, runner="inline", quiet=True, **folders).results._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
