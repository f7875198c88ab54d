"""What tables, captions and sentences call things: nothing imputed looks measured, no column is named after another."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sweeps.formatting import MetricFormat, same_places, significant
from sweeps.report.data import ReportData
from sweeps.report.figures.search_data import learning_curves
from sweeps.report.sections import evidence_sections
from sweeps.report.sentences import rated
from sweeps.report.tables.catalogue import ablation_tables
from sweeps.report.tables.frames import IMPUTED, curves_table, replicates_table, trials_table
from sweeps.report.tables.tidy import ablation_frame, curves_frame
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status, Trial, diverged_in

from .conftest import trial_of
from .staged import arm_of, draws, findings_of, stage_of, staged, stepped, without

PERCENT = MetricFormat("validation accuracy", "%", "maximize")
ACCURACY = MetricFormat("validation accuracy", "%", "maximize")
LOSS = MetricFormat("val_loss", "", "minimize")


def _diverged(number: int = 1) -> Trial:
    outcome = diverged_in(2, "val_loss", float("nan"))
    return trial_of(number, outcome.status, curve={1: 40.0, 2: 10.0}, reason=outcome.reason)


def test_chance_level_of_a_diverged_run_is_told_from_what_was_measured() -> None:
    assert _diverged().imputed
    assert _diverged().figure == 10.0
    assert _diverged().measured == {1: 40.0}
    without_chance = trial_of(0, Status.DIVERGED, curve={1: 40.0}, reason=diverged_in(2, "val_loss", 1e999).reason)
    assert not without_chance.imputed
    assert without_chance.figure is None  # the value of an earlier epoch is no outcome
    assert without_chance.measured == {1: 40.0}
    in_final = trial_of(0, Status.DIVERGED, curve={3: 10.0}, reason="accuracy was nan on the test set")
    assert in_final.imputed
    assert trial_of(0).measured == {1: 50.0, 2: 60.0}


def test_search_shows_no_imputed_value(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, [], [trial_of(0), _diverged()])
    assert list(trials_table(findings)["val_accuracy"]) == [60.0, 40.0]
    assert list(curves_table(findings.results)["val_accuracy"]) == [50.0, 60.0, 40.0]
    groups = {0: "complete", 1: "diverged"}
    assert list(learning_curves(findings.results, groups)["value"]) == [50.0, 60.0, 40.0]
    tidy = curves_frame(findings)
    assert tidy["val_accuracy"].isna().tolist() == [False, False, False, True]


def test_replicates_name_the_part_of_the_data_and_mark_the_chance_level(tmp_path: Path) -> None:
    runs = replicates_table(staged(tmp_path).results)
    final = runs[runs["stage"] == "final"]
    assert final["val_accuracy"].isna().all()
    assert final["test.accuracy"].notna().all()
    rows = [(arm_of(BASELINE), [90.0, 91.0]), (without("relu"), [80.0, Status.DIVERGED])]
    runs = replicates_table(findings_of(tmp_path, [stage_of("ablation", rows)]).results)
    marks = runs["imputed"].tolist()
    assert marks == [None, None, None, IMPUTED]
    assert runs["val_accuracy"].tolist() == [90.0, 91.0, 80.0, 10.0]


def test_steps_of_a_path_set_settings_and_remove_nothing(tmp_path: Path) -> None:
    arms = [arm_of(BASELINE)]
    for name, value in (("lr", 0.098), ("dropout", 0.3)):
        arms.append(arm_of(f"1: {name}", reference=arms[-1].name, edits={name: value}, removed=(name,)))
    rows = list(zip(arms, map(draws, (30.0, 92.0, 93.0)), strict=True))
    findings = findings_of(
        tmp_path, [stage_of("ablation", rows, design="path")], ablation={"seeds": 6, "design": "path"}
    )
    (table,) = (one for one in ablation_tables(ReportData(findings)) if one.name == "ablation")
    assert list(table.frame["change"]) == ["lr: 0.098", "dropout: 0.3"]
    assert list(ablation_frame(findings)["change"]) == ["lr: 0.098", "dropout: 0.3"]
    other = staged(tmp_path / "other")
    (table,) = (one for one in ablation_tables(ReportData(other)) if one.name == "ablation")
    assert table.frame["change"].iloc[0] == "without relu (model.activation: identity)"


def test_verdicts_come_by_size_and_the_table_of_a_path_keeps_the_order_of_its_steps(tmp_path: Path) -> None:
    means = {"small": 94.0, "none": 95.02, "large": 80.0}
    arms = [arm_of(BASELINE), *(without(name) for name in means)]
    rows = list(zip(arms, map(draws, (95.0, *means.values())), strict=True))
    ablation = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")]).ablation
    assert ablation is not None
    assert [one.verdict.split()[1].rstrip(":") for one in rated(ablation)] == ["large", "small", "none"]
    path = stepped(tmp_path / "path")
    assert path.ablation is not None
    rate, blocks, name = (one.verdict for one in path.ablation.comparisons)
    assert [one.verdict for one in rated(path.ablation)] == [rate, name, blocks]
    (table,) = (one for one in ablation_tables(ReportData(path)) if one.name == "ablation")
    assert list(table.frame["arm"]) == [one.arm.name for one in path.ablation.comparisons]


def test_aliased_effects_are_listed_once(tmp_path: Path) -> None:
    aliases = {"a": ["b:c"], "b:c": ["a"], "a:b": ["-c"], "c": ["-a:b"]}
    rows = [(arm_of(BASELINE), draws(95.0)), (without("a"), draws(90.0))]
    stage = stage_of("ablation", rows, design="factorial", aliases=aliases)
    chosen = {"components": ["a"], "seeds": 6, "design": "factorial"}
    data = ReportData(findings_of(tmp_path, [stage], ablation=chosen))
    text = " ".join(line for section in evidence_sections(data, []) for line in section.sentences)
    assert "These effects share an estimate: a = b × c; a × b = -c." in text


@pytest.mark.parametrize(
    ("words", "value", "text"),
    [
        (PERCENT, -0.001, "0.00 pp"),
        (PERCENT, 0.0, "0.00 pp"),
        (PERCENT, -0.014, "-0.01 pp"),
        (PERCENT, 0.31, "+0.31 pp"),
        (LOSS, 0.0, "0"),
        (LOSS, 0.0123, "+0.0123"),
    ],
)
def test_zero_has_no_sign(words: MetricFormat, value: float, text: str) -> None:
    assert words.difference(value) == text


@pytest.mark.parametrize(
    ("words", "value", "half", "text"),
    [
        (PERCENT, 91.234, 0.4, "91.2"),
        (PERCENT, 91.234, 12.0, "91.2"),
        (LOSS, 0.12345, 0.02, "0.123"),
        (LOSS, 1234.5, 35.0, "1,234"),
        (LOSS, 1234.5, 3.5, "1,234.5"),
    ],
)
def test_digits_follow_the_half_width_in_every_unit(words: MetricFormat, value: float, half: float, text: str) -> None:
    assert words.digits(value, half) == text


def test_empty_frames_stay_frames(tmp_path: Path) -> None:
    assert isinstance(replicates_table(findings_of(tmp_path, []).results), pd.DataFrame)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([79.65, 78.9, 80.4], ["79.65", "78.90", "80.40"]),
        ([80.6, 79.23, 82], ["80.60", "79.23", "82.00"]),
        ([0.4041, 0.001234, 0.8], ["0.4041", "0.001234", "0.8000"]),
        ([6.887834, -0.5677202, 14.343388], ["6.888", "-0.5677", "14.343"]),
        ([12345, 12.5, 13], ["12,345", "12.5", "13"]),
        ([5, 4, 6], ["5", "4", "6"]),
        ([0, -0.5, 0.25], ["0", "-0.5", "0.25"]),
        ([1e-5, 5.2, 64.0], ["1e-5", "5.2", "64"]),
    ],
)
def test_value_and_ends_of_its_interval_have_as_many_decimals(values: list[float], shown: list[str]) -> None:
    assert same_places(significant, values) == shown


def test_percentages_and_signs_are_kept() -> None:
    assert same_places(ACCURACY.show, [64.0, 5.2, 70.0]) == ["64.00 %", "5.20 %", "70.00 %"]
    assert same_places(LOSS.difference, [0.1234, 0.2, -0.5]) == ["+0.1234", "+0.2000", "-0.5000"]
