"""The comparison of studies."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report.across.compare import compare_table, components_table, incomparable, settings_table, write_comparison
from sweeps.storage.results import Results

from .conftest import BASELINE, ENVIRONMENT, trial_of
from .reading import read_page
from .staged import ablation_stage, confirm_stage, findings_of, stage_of, staged, without

Make = Callable[..., Results]


def _study(folder: Path, name: str, **changes: Any) -> Findings:
    return staged(folder / name, **changes)


def test_two_studies_alike_are_comparable_and_their_figures_stand_in_rows(tmp_path: Path) -> None:
    both = [_study(tmp_path, "one"), _study(tmp_path, "two", question="Again?")]
    assert incomparable(both) == []
    page = read_page(write_comparison([each.results for each in both], tmp_path / "out"))
    assert page.find("section", id="answer")[0].text.strip().startswith("Measured on the same data")
    confirmed = both[0].confirmation
    assert confirmed is not None
    assert confirmed.figure is not None
    mean = confirmed.figure.mean
    assert mean is not None
    rows = page.find("section", id="studies")[0].rows()
    assert [row[0] for row in rows] == ["one", "two"]
    assert rows[0][3] == f"{mean.mean:.2f} % [{mean.low:.2f}, {mean.high:.2f}]"
    assert "Again?" in page.find("section", id="questions")[0].text
    assert "script-src 'none'" in (
        page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"] or ""
    )


OTHER_DATA = {**ENVIRONMENT, "data": {"name": "digits", "fingerprint": "sha256:ff99"}}
LONGER = {epoch: 50.0 + epoch for epoch in range(1, 13)}


@pytest.mark.parametrize(
    ("environment", "facts", "changes", "message"),
    [
        (OTHER_DATA, {}, {}, "Not the same data: one sha256:ab12; two sha256:ff99."),
        (ENVIRONMENT, {"curve": LONGER}, {}, "Not the same epochs: one 2; two 12."),
        (
            ENVIRONMENT,
            {},
            {"metric": {"name": "val_loss", "goal": "minimize"}},
            "Not the same metric: one val_accuracy (maximize, last epoch); two val_loss (minimize, last epoch).",
        ),
    ],
)
def test_studies_measured_otherwise_are_said_not_to_be_comparable(
    make_results: Make,
    environment: Mapping[str, Any],
    facts: Mapping[str, Any],
    changes: Mapping[str, Any],
    message: str,
    tmp_path: Path,
) -> None:
    one = replace(make_results(trial_of(0)), folder=tmp_path / "one")
    two = replace(make_results(trial_of(0, **facts), environment=environment, **changes), folder=tmp_path / "two")
    assert incomparable([Findings.of(one), Findings.of(two)]) == [message]
    page = read_page(write_comparison([one, two], tmp_path / "out"))
    answer = page.find("section", id="answer")[0].text
    assert "Not comparable" in answer
    assert message in answer
    assert len(page.find("section", id="studies")[0].rows()) == 2


def test_the_settings_that_differ_have_a_column_per_study(tmp_path: Path) -> None:
    longer = {**BASELINE, "epochs": 12}
    studies = [_study(tmp_path, "a"), _study(tmp_path, "b", baseline=longer), _study(tmp_path, "c", run_cap=30)]
    rows = settings_table(studies).frame.to_numpy().tolist()
    assert rows == [["baseline.epochs", "9", "12", "9"], ["run_cap", "24", "24", "30"]]


def test_the_same_component_stands_in_one_row_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    base = ablation_stage()
    reference = base.arms[0]
    other = stage_of("ablation", [(reference, [95.0, 94.0, 95.5]), (without("relu"), [90.0, 88.0, 91.0])])
    table = components_table([_study(tmp_path, "a"), findings_of(tmp_path / "b", [other])])
    rows = {row["component"]: row for row in table.frame.to_dict("records")}
    assert list(rows) == ["relu", "batch_norm", "dropout"]
    assert rows["relu"]["b"].value == pytest.approx(-5.1666667)
    assert rows["dropout"]["b"] is None


def test_the_terminal_gets_one_row_per_study(tmp_path: Path) -> None:
    frame = compare_table([_study(tmp_path, "one").results, findings_of(tmp_path / "two", [confirm_stage()]).results])
    assert list(frame["study"]) == ["one", "two"]
    assert frame["test"].iloc[1] == "–"
    assert "metric" not in frame


def test_studies_of_one_name_are_told_apart(tmp_path: Path) -> None:
    studies = [_study(tmp_path / place, "same").results for place in ("x", "y")]
    assert list(compare_table(studies)["study"]) == ["same", "same (2)"]


def test_the_csv_file_has_every_figure_with_its_ends(tmp_path: Path) -> None:
    write_comparison([_study(tmp_path, name).results for name in ("a", "b")], tmp_path / "out")
    with (tmp_path / "out" / "compare.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["test low"]) < float(row["test"]) < float(row["test high"])
    assert row["data"] == "sha256:ab12"


def test_one_study_is_not_compared(make_results: Make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two studies or more but got 1"):
        write_comparison([make_results(trial_of(0))], tmp_path / "out")
    assert not (tmp_path / "out").exists()
