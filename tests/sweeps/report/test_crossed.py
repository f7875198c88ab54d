"""The two errors of an accuracy in the report: sentences, tables and CSV files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from sweeps.evidence.crossed import Basis, CrossedSet, SetAccuracy
from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat
from sweeps.models.card import card
from sweeps.models.trained import TrainedModels
from sweeps.report import sentences
from sweeps.report.crossed.sentences import accuracy_text
from sweeps.report.crossed.tables import note
from sweeps.report.data import ReportData
from sweeps.report.tables.catalogue import data_frames, final_tables
from sweeps.report.write import write_report
from sweeps.stats import Estimate
from sweeps.workload import Exported
from tests.sweeps.evidence.crossed.made import BASE, IMAGES, NO_A, drawn, opened

WORDS = MetricFormat("test accuracy", "%", "maximize")
OVER_SEEDS = Estimate(91.2, 90.9, 91.5, 3, 0.12)
SUCH = (90.5, 91.8)


@pytest.mark.parametrize(
    ("n", "images", "seeds", "such", "basis", "text"),
    [
        (
            *(3, 10_000, OVER_SEEDS, SUCH, Basis.CROSSED),
            "91.20 % (95 % CI over seeds 90.90 to 91.50 %; for accuracy on such images 90.50 to 91.80 %; "
            "n = 3 seeds, 10,000 images)",
        ),
        (
            *(3, 10_000, OVER_SEEDS, SUCH, Basis.APPROXIMATE),
            "91.20 % (95 % CI over seeds 90.90 to 91.50 %; for accuracy on such images 90.50 to 91.80 %, "
            "as if all seeds erred on the same images; n = 3 seeds, 10,000 images)",
        ),
        (
            *(1, 10_000, None, SUCH, Basis.IMAGES),
            "91.20 % (95 % CI: a single run has none over seeds; for accuracy on such images 90.50 to 91.80 %, "
            "by the images alone; n = 1 seed, 10,000 images)",
        ),
        (
            *(2, 10_000, None, SUCH, Basis.CROSSED),
            "91.20 % (95 % CI: none over so few seeds; for accuracy on such images 90.50 to 91.80 %; "
            "n = 2 seeds, 10,000 images)",
        ),
        (
            *(3, None, OVER_SEEDS, None, Basis.SEEDS),
            "91.20 % (95 % CI over seeds 90.90 to 91.50 %, n = 3 seeds; the images' error is not known)",
        ),
        (*(1, None, None, None, Basis.SEEDS), "91.20 % (n = 1 seed: a single run, so without an interval)"),
    ],
)
def test_sentence_names_both_errors_or_says_which_is_missing(
    n: int, images: int | None, seeds: Estimate | None, such: tuple[float, float] | None, basis: Basis, text: str
) -> None:
    accuracy = SetAccuracy(BASE, n, images, 91.2, 0.12 if seeds else None, seeds, such, None, basis)
    assert accuracy_text(accuracy, WORDS) == text


def test_answer_has_both_errors_of_the_test_accuracy(tmp_path: Path) -> None:
    findings = Findings.of(opened(tmp_path, (BASE, drawn(0.9))))
    such = findings.crossed["test"].accuracies["baseline"].such
    assert such is not None
    [sentence, *_] = sentences.tested(findings)
    assert f"for accuracy on such images {such[0]:.2f} to {such[1]:.2f} %; n = 3 seeds, {IMAGES} images)" in sentence


def test_tables_of_the_test_set_have_the_columns_of_both_errors(tmp_path: Path) -> None:
    findings = Findings.of(opened(tmp_path, (BASE, drawn(0.95)), (NO_A, drawn(0.5))))
    tables = {table.name: table for table in final_tables(ReportData(findings))}
    titles = [column.title for column in tables["test"].grid.columns]
    assert [name for name in titles if name in ("spread over seeds", "on such images", "images", "rests on")] == [
        *("spread over seeds", "on such images", "images", "rests on")
    ]
    row = dict(zip(titles, tables["test"].grid.rows[0], strict=True))
    assert re.fullmatch(r"\[\d+\.\d\d, \d+\.\d\d\]", row["on such images"])
    assert (row["images"], row["rests on"]) == (str(IMAGES), "seeds and images")
    assert {"on such images low", "on such images high"} <= set(tables["test"].data.columns)
    shift = [column.title for column in tables["shifts"].grid.columns]
    assert shift == ["set", "arm", "mean", "on such images"]
    assert "baseline: on such images low" in tables["shifts"].data.columns


@pytest.mark.parametrize(("images", "told"), [(None, False), (IMAGES, True)])
def test_note_speaks_only_of_columns_that_are_there(images: int | None, told: bool) -> None:
    such, basis = (SUCH, Basis.CROSSED) if images else (None, Basis.SEEDS)
    accuracy = SetAccuracy(BASE, 3, images, 91.2, 0.12, OVER_SEEDS, such, None, basis)
    text = note(CrossedSet("test", {"baseline": accuracy}, {}))
    assert "Spread: " in text
    assert ("On such images: " in text) is told
    assert note(None) == ""


def test_differences_on_the_test_set_have_the_crossed_interval_where_it_is_offered(tmp_path: Path) -> None:
    three = Findings.of(opened(tmp_path / "3", (BASE, drawn(0.95)), (NO_A, drawn(0.5))))
    two = Findings.of(opened(tmp_path / "2", (BASE, drawn(0.95, 2)), (NO_A, drawn(0.5, 2))))
    with_columns, without = (
        next(table for table in final_tables(ReportData(one)) if table.name == "test_differences").grid
        for one in (three, two)
    )
    titles = [column.title for column in with_columns.columns]
    place = titles.index("on such images")
    assert re.fullmatch(r"\[-\d+\.\d\d, -\d+\.\d\d\]", with_columns.rows[0][place])
    assert titles[place + 1] == "p on such images"
    assert "on such images" not in [column.title for column in without.columns]


def test_csv_files_have_every_set_and_both_errors(tmp_path: Path) -> None:
    findings = Findings.of(opened(tmp_path, (BASE, drawn(0.95)), (NO_A, drawn(0.5))))
    frames = data_frames(ReportData(findings))
    accuracies, differences = frames["accuracies"], frames["crossed_differences"]
    assert list(zip(accuracies["set"], accuracies["arm"], strict=True)) == [
        *(("test", "baseline"), ("test", "a"), ("usps", "baseline"), ("usps", "a"))
    ]
    on_test = accuracies[accuracies["set"] == "test"]
    assert (on_test["low on such images"] < on_test["mean"]).all()
    assert list(differences["set"]) == ["test"]
    write_report(findings, (), tmp_path / "report")
    written = pd.read_csv(tmp_path / "report" / "tables" / "crossed_differences.csv")
    assert written["Holm p"].tolist() == pytest.approx(differences["Holm p"].tolist())


def test_model_card_has_the_interval_for_accuracy_on_such_images(tmp_path: Path) -> None:
    results = opened(tmp_path, (BASE, drawn(0.9)))
    such = Findings.of(results).crossed["test"].accuracies["baseline"].such
    assert such is not None
    models = TrainedModels(results, "the baseline", results.stages["final"].trials[:1], (tmp_path,), {"a": 1})
    exported = Exported(tmp_path / "model.onnx", ["input: images"], "load()", ["one", "two"], 0.0, 1e-3, "logits")
    text = card(models, exported)
    assert f"over seeds and images: {such[0]:.2f} to {such[1]:.2f} % (it rests on seeds and images; n = 3 seeds" in text
