"""The section on classes: its runs, its counts, and hostile names of classes."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pytest

from sweeps.artifacts.confusion import Confusion, confusion_file, write_confusion
from sweeps.artifacts.curves import CurveFile
from sweeps.artifacts.layout import CURVES, trial_folder
from sweeps.evidence.findings import Findings
from sweeps.report.data import ReportData
from sweeps.report.figures import draw_classes
from sweeps.report.tables.catalogue import class_tables
from sweeps.report.tables.classes import Classes, classes_of, classes_table, pairs_table
from sweeps.report.tables.other_metrics import further_table
from sweeps.report.write import write_report
from sweeps.stats import share_interval

from .conftest import search
from .reading import Element, read_page
from .staged import ablation_stage, confirm_stage, final_stage, findings_of, staged

PETS = ("cat", "dog", "cow")
FIRST, SECOND = ([6, 3, 1], [4, 5, 1], [0, 0, 10]), ([8, 2, 0], [3, 7, 0], [1, 0, 9])


def leave(
    folder: Path, stage: str, number: int, set_name: str, counts: Sequence[Sequence[int]], names: Sequence[str] = PETS
) -> None:
    """Write the confusion matrix of a run."""
    where = trial_folder(folder, number, stage)
    where.mkdir(parents=True, exist_ok=True)
    write_confusion(where, set_name, Confusion.of(names, counts))


def section(findings: Findings, folder: Path) -> Element:
    page = read_page(write_report(findings, (), folder / "report"))
    return page.find("section", id="classes")[0]


def test_the_final_model_on_the_test_set_goes_before_validation(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    leader = findings.confirmation.levels[0].arm if findings.confirmation else None
    confirm, final = confirm_stage(), final_stage()
    runs = [run for run in confirm.trials if leader and run.recipe == leader.recipe and not run.source]
    best = findings.results.ranked()[0]
    leave(tmp_path, "search", best.number, "validation", FIRST)
    pooled = classes_of(findings)
    assert pooled
    assert (
        pooled.evidence == f"n = 1 run of trial {best.number}, the search's best, 30 images in each, on validation data"
    )
    leave(tmp_path, "ablation", ablation_stage().trials[0].number, "validation", FIRST)
    assert (pooled := classes_of(findings))
    assert pooled.arm == "the ablation's baseline"
    leave(tmp_path, "confirm", runs[0].number, "validation", FIRST)
    leave(tmp_path, "confirm", runs[1].number, "validation", SECOND)
    assert (pooled := classes_of(findings))
    assert (pooled.arm, pooled.runs) == ("trial 30", 2)
    leave(tmp_path, "final", final.trials[0].number, "test", SECOND)
    assert (pooled := classes_of(findings))
    assert (pooled.arm, pooled.part, pooled.runs) == ("the baseline", "test", 1)


def test_a_run_from_the_result_cache_is_counted_by_the_files_of_its_source(tmp_path: Path) -> None:
    stage = confirm_stage()
    source = replace(stage.trials[0], source="other/search/4")
    findings = findings_of(tmp_path / "mine", [replace(stage, trials=(source, *stage.trials[1:]))], search())
    leave(tmp_path / "other", "search", 4, "validation", FIRST)
    pooled = classes_of(findings)
    assert pooled
    assert pooled.confusion.counts == tuple(map(tuple, FIRST))


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """A study in which two runs of the final model have a confusion matrix of the test set."""
    for number, counts in enumerate((FIRST, SECOND)):
        leave(tmp_path, "final", number, "test", counts)
    return staged(tmp_path)


def test_runs_add_up_and_the_interval_is_that_of_one_runs_images(findings: Findings) -> None:
    pooled = classes_of(findings)
    assert pooled
    assert pooled.confusion.total == 60
    rows = classes_table(pooled).to_dict("records")
    assert [row["class"] for row in rows] == ["dog", "cat", "cow"]  # the lowest first
    dog = rows[0]
    assert dog["images"] == 10
    assert dog["accuracy"].value == pytest.approx(60)
    assert (dog["accuracy"].low / 100, dog["accuracy"].high / 100) == pytest.approx(share_interval(6, 10))
    assert dog["most often taken for"] == "cat (35.0 %)"


def test_share_that_is_a_whole_number_of_images_is_not_widened_by_rounding() -> None:
    # 165 of 225 images are 55 of 75; 75 times 165 / 225 is 54.99999999999999.
    counts = [[165, 60], [0, 225]]
    pooled = Classes("validation", "baseline", 3, Confusion.of(["cat", "dog"], counts))
    cat = classes_table(pooled).to_dict("records")[0]
    assert (cat["accuracy"].low, cat["accuracy"].high) == pytest.approx([100 * end for end in share_interval(55, 75)])


def test_the_most_confused_come_with_their_shares(findings: Findings) -> None:
    pooled = classes_of(findings)
    assert pooled
    rows = [tuple(row) for row in pairs_table(pooled).itertuples(index=False)]
    assert rows[0] == ("dog", "cat", 7, pytest.approx(100 * 7 / 15), pytest.approx(35), 5)
    assert rows[1] == ("cat", "dog", 5, pytest.approx(100 * 5 / 15), pytest.approx(25), 7)
    assert len(pairs_table(pooled, top=1)) == 1


def test_the_page_shows_tables_and_both_figures_and_says_which_runs(findings: Findings, tmp_path: Path) -> None:
    shown = section(findings, tmp_path)
    assert "n = 2 runs of the baseline, 30 images in each, on test data" in shown.text
    assert [div.attributes["id"] for div in shown.find("div", **{"class": "plot"})] == [
        "plot-per_class",
        "plot-confusion",
    ]
    assert shown.rows()[0][:4] == ["dog", "cat", "7", "46.7 %"]
    tables = tmp_path / "report" / "tables"
    assert {f"{name}.{kind}" for name in ("classes", "confused") for kind in ("csv", "md", "tex")} <= {
        file.name for file in tables.iterdir()
    }
    with (tables / "confusion.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["times"]) for row in rows) == 60
    assert "## Classes" in (tmp_path / "report" / "README.md").read_text(encoding="utf-8")


def test_without_counts_there_is_no_such_section(tmp_path: Path) -> None:
    page = read_page(write_report(staged(tmp_path), (), tmp_path / "report"))
    assert not page.find("section", id="classes")
    assert not list((tmp_path / "report" / "tables").glob("conf[u]*.csv"))


def test_a_broken_file_is_told_of_and_the_others_are_counted(findings: Findings, tmp_path: Path) -> None:
    confusion_file(trial_folder(tmp_path, 0, "final"), "test").write_text("nonsense")
    text = section(findings, tmp_path).text
    assert "n = 1 run of the baseline" in text
    assert "confusion-test.csv is no table of counts" in text


def test_hostile_names_of_classes_stay_text(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "=1+1|`b`%{z}", "<b>" + "x" * 60]
    leave(tmp_path, "final", 0, "test", FIRST, names)
    path = write_report(staged(tmp_path), (), tmp_path / "report")
    shown = read_page(path).find("section", id="classes")[0]
    assert "<script>alert(1)</script>" in shown.text
    assert not shown.find("script")
    assert not shown.find("b")
    figures = json.loads(read_page(path).find("script", id="figures")[0].text)["figures"]
    assert figures["confusion"]["data"][0]["x"][0] == "&lt;script&gt;alert(1)&lt;/scrip…"
    assert "<script>alert" not in (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    assert "'=1+1" in (tmp_path / "report" / "tables" / "confused.csv").read_text(encoding="utf-8")


def test_classes_of_one_short_name_stay_apart_and_a_hundred_are_small(tmp_path: Path) -> None:
    names = [f"a class with a name that is much too long {number}" for number in range(100)]
    counts = [[90 if row == place else (row + place) % 2 for place in range(100)] for row in range(100)]
    leave(tmp_path, "final", 0, "test", counts, names)
    findings = staged(tmp_path)
    path = write_report(findings, (), tmp_path / "report")
    figure = json.loads(read_page(path).find("script", id="figures")[0].text)["figures"]["confusion"]
    assert len(set(figure["data"][0]["x"])) == 100
    assert len(json.dumps(figure)) < 120_000
    assert len(read_page(path).find("section", id="classes")[0].rows()) == 15
    assert next(table for table in class_tables(ReportData(findings)) if table.name == "classes").folded


def drawn(tmp_path: Path, classes: int) -> go.Figure:
    """The confusion matrix of a study of digits with so many classes."""
    counts = [[97 if row == place else 3 * (place == row + 1) for place in range(classes)] for row in range(classes)]
    leave(tmp_path, "final", 0, "test", counts, [str(number) for number in range(classes)])
    data = ReportData(staged(tmp_path))
    assert data.confusion is not None
    return draw_classes.draw_confusion(data.confusion, data)


@pytest.mark.parametrize(("classes", "numbered"), [(10, True), (20, True), (21, False)])
def test_cells_have_numbers_up_to_20_classes(tmp_path: Path, classes: int, numbered: bool) -> None:
    heat_map = drawn(tmp_path, classes).data[0]
    assert (heat_map.text is not None) is numbered
    if numbered:
        assert list(heat_map.text[0][:3]) == ["97", "3.0", ""]


def test_cells_are_square_and_digits_upright(tmp_path: Path) -> None:
    layout = drawn(tmp_path, 10).layout
    assert layout.yaxis.scaleanchor == "x"
    assert list(layout.xaxis.autotickangles) == [0, 90]


def test_caption_of_many_classes_leads_to_the_worst_pairs(tmp_path: Path) -> None:
    drawn(tmp_path, 30)
    shown = section(staged(tmp_path), tmp_path)
    assert "The most frequent confusions are in the table above." in shown.text
    assert shown.text.index("Most confused classes") < shown.text.index("Confusion matrix")


def test_further_accuracies_of_training_and_of_every_labelled_set(tmp_path: Path) -> None:
    final, ablation = final_stage(), ablation_stage()
    runs = [
        replace(run, metrics={"test": {"accuracy": 90.0, "coarse_accuracy": 95.0 + run.number}}) for run in final.trials
    ]
    for number in range(2):
        folder = trial_folder(tmp_path, number, "ablation")
        folder.mkdir(parents=True)
        for epoch, value in ((1, 10.0), (2, 98.0 + number)):
            CurveFile(folder / CURVES).append(epoch, {"val_accuracy": 1.0, "train_accuracy": value, "lr": 1.0}, 1.0)
    findings = findings_of(tmp_path, [ablation, replace(final, trials=tuple(runs))])
    first = further_table(findings, "final").to_dict("records")[0]
    assert (first["arm"], first["data"], first["figure"], first["runs"]) == ("baseline", "test", "coarse accuracy", 3)
    assert first["mean"].value == pytest.approx(96)
    trained, rate = further_table(findings, "ablation").to_dict("records")
    assert (trained["arm"], trained["data"], trained["figure"]) == ("baseline", "training", "accuracy")
    # Two runs have a mean, but no interval.
    assert (trained["mean"], trained["unit"]) == (pytest.approx(98.5), "%")
    assert (rate["data"], rate["figure"], rate["unit"], rate["mean"]) == ("validation", "lr", "", 1.0)
    page = read_page(write_report(findings, (), tmp_path / "report"))
    assert "Further accuracies" in page.find("section", id="test")[0].text
