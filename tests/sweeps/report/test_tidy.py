"""The results of a study as tidy data frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sweeps.artifacts.layout import CURVES, trial_folder
from sweeps.evidence.findings import Findings
from sweeps.report.tables.tidy import ablation_frame, curves_frame, trials_frame
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .conftest import ENVIRONMENT, search, study_of, trial_of
from .staged import PARTS, SEEDS, ablation_stage, factorial, findings_of, stage_of, staged, without

SETTINGS = ["optimizer.lr", "optimizer.name", "optimizer.momentum", "model.blocks"]


def test_a_row_per_trial_of_every_stage_with_typed_columns(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    frame = trials_frame(findings)
    trials = findings.results.everything
    assert list(zip(frame["stage"], frame["trial"], strict=True)) == [(trial.stage, trial.number) for trial in trials]
    assert list(frame["status"]) == [trial.status.value for trial in trials]
    assert frame["value"].dtype == frame["seconds"].dtype == "float64"
    assert str(frame["started"].dtype) == "datetime64[ns, UTC]"
    assert frame.loc[frame["stage"] == "search", "arm"].isna().all()
    runs = frame[frame["stage"] == "ablation"]
    assert list(runs["arm"].unique())[:2] == ["baseline", "relu"]
    assert list(runs.loc[runs["arm"] == "relu", "replicate"]) == list(range(SEEDS))
    assert list(frame.columns[14:18]) == SETTINGS
    assert list(frame.columns[18:21]) == ["parameters", "trainable_parameters", "macs"]
    assert frame.loc[frame["stage"] == "final", "test.accuracy"].notna().all()
    assert frame.loc[frame["stage"] != "final", "test.accuracy"].isna().all()


def test_only_a_completed_trial_has_a_value_and_any_other_its_last_one(tmp_path: Path) -> None:
    trials = (trial_of(0), trial_of(1, Status.PRUNED, curve={1: 41.0}), trial_of(2, Status.REJECTED))
    frame = trials_frame(Findings.of(Results(study_of(), trials, ENVIRONMENT, tmp_path)))
    assert frame["value"].isna().tolist() == [False, True, True]
    assert frame["last_value"].tolist()[:2] == [60.0, 41.0]
    assert frame["last_value"].isna().tolist()[2]


def test_settings_are_values_and_lists_are_json(tmp_path: Path) -> None:
    trials = search()
    frame = trials_frame(Findings.of(Results(study_of(), trials, ENVIRONMENT, tmp_path)))
    assert frame["optimizer.lr"].dtype == "float64"
    assert [json.loads(cell) for cell in frame["model.blocks"]] == [
        trial.parameters["model.blocks"] for trial in trials
    ]
    assert frame["optimizer.momentum"].isna().sum() == sum("optimizer.momentum" not in t.parameters for t in trials)


def test_a_run_of_an_arm_has_the_settings_of_the_arm(tmp_path: Path) -> None:
    arm = replace(without("relu"), settings={"optimizer": {"lr": 0.3, "name": "sgd"}, "model": {"blocks": [2, 1]}})
    frame = trials_frame(findings_of(tmp_path, [stage_of("ablation", [(arm, [1.0])])], search()[:1]))
    row = frame.iloc[-1]
    assert (row["optimizer.lr"], row["optimizer.name"], row["model.blocks"]) == (0.3, "sgd", "[2, 1]")
    assert pd.isna(row["optimizer.momentum"])


def test_a_setting_with_the_name_of_another_column_is_marked(tmp_path: Path) -> None:
    parameters = {name: {"values": [7, 8]} for name in ("seed", "macs")}
    trials = (trial_of(3, parameters={"seed": 7, "macs": 8}),)
    frame = trials_frame(Findings.of(Results(study_of(parameters=parameters), trials, ENVIRONMENT, tmp_path)))
    assert frame.columns.is_unique
    row = frame.iloc[0]
    assert (row["seed"], row["seed (setting)"], row["macs"], row["macs (setting)"]) == (3, 7, 1_000_003, 8)


def test_a_row_per_trial_and_epoch_with_every_recorded_metric(tmp_path: Path) -> None:
    folder = trial_folder(tmp_path, 0, "ablation")
    folder.mkdir(parents=True)
    (folder / CURVES).write_text("epoch,device_seconds,val_accuracy,train_loss\n1,1.5,50,1\n2,1.5,100,0.5\n")
    findings = staged(tmp_path)
    frame = curves_frame(findings)
    first = frame[(frame["stage"] == "ablation") & (frame["trial"] == 0)]
    assert list(first["epoch"]) == [1, 2]
    assert (list(first["val_accuracy"]), list(first["train_loss"])) == ([50.0, 100.0], [1.0, 0.5])
    assert set(first["arm"]) == {"baseline"}
    others = frame.drop(first.index)  # without a file: the study's metric alone
    assert len(others) == sum(
        len(t.curve) for t in findings.results.everything if (t.stage, t.number) != ("ablation", 0)
    )
    assert others["train_loss"].isna().all()
    assert others["val_accuracy"].dtype == "float64"


def test_the_ablation_has_a_row_per_comparison_with_both_intervals(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    frame = ablation_frame(findings)
    assert findings.ablation is not None
    assert list(frame["arm"]) == [*PARTS, "relu (re-tuned)", "wide"]
    assert list(frame["kind"])[2:] == ["comparison", "re-tuned comparison", "not applicable"]
    for row, one in zip(frame.to_dict("records"), findings.ablation.comparisons, strict=False):
        paired = one.paired
        assert paired is not None
        assert (row["estimate"], row["low"], row["high"], row["p"]) == (paired.mean, paired.low, paired.high, paired.p)
        assert (row["simultaneous_low"], row["simultaneous_high"]) == one.simultaneous
        assert (row["p_holm"], row["verdict"], row["sentence"]) == (one.p_holm, one.short, one.verdict)
        assert (row["pairs"], row["reference"]) == (len(one.pairs), "baseline")
        assert row["arm_mean"] - row["reference_mean"] == pytest.approx(row["estimate"])
    last = frame.iloc[-1]
    assert (last["pairs"], last["sentence"]) == (0, "breaks parameters <= 100,000: it has 1,204,000")
    assert pd.isna(last["estimate"])


def test_a_factorial_has_a_row_per_effect(tmp_path: Path) -> None:
    frame = ablation_frame(factorial(tmp_path))
    assert list(frame["arm"]) == ["relu", "batch_norm", "relu × batch_norm"]
    assert list(frame["kind"]) == ["main effect", "main effect", "interaction"]
    assert frame["estimate"].notna().all()


def test_an_ablation_with_one_pair_has_no_interval(tmp_path: Path) -> None:
    rows = [(arm, [90.0]) for arm in ablation_stage().arms[:2]]
    row = ablation_frame(findings_of(tmp_path, [stage_of("ablation", rows)])).iloc[0]
    assert (row["pairs"], row["verdict"]) == (1, "one pair")
    assert pd.isna(row["p_holm"])


def test_a_study_that_has_not_begun_has_empty_frames_with_the_same_columns(tmp_path: Path) -> None:
    empty, whole = Findings.of(Results(study_of(), (), ENVIRONMENT, tmp_path)), staged(tmp_path)
    for build in (trials_frame, curves_frame, ablation_frame):
        frame = build(empty)
        assert frame.empty
        assert list(frame.columns) == [name for name in build(whole).columns if name in frame]
    assert list(ablation_frame(empty).columns) == list(ablation_frame(whole).columns)
