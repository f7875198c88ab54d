"""The tables and the data of figures have the values of the comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.report.data import ReportData
from sweeps.report.figures import evidence_data as contrasts
from sweeps.report.tables import ablation as effects
from sweeps.report.tables import levels
from sweeps.report.tables.catalogue import ablation_tables
from sweeps.report.tables.interval import Interval, expanded, probability
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status

from .staged import (
    PARTS,
    SETS,
    ablation_stage,
    arm_of,
    confirm_stage,
    draws,
    factorial,
    final_stage,
    findings_of,
    stage_of,
    staged,
    stepped,
    without,
)


def test_the_ablation_table_holds_each_comparisons_figures(tmp_path: Path) -> None:
    ablation_evidence = staged(tmp_path).ablation
    assert ablation_evidence is not None
    frame = expanded(effects.comparison_table(ablation_evidence.comparisons, "leave_one_out"))
    assert list(frame["arm"]) == list(PARTS)
    for row, one in zip(frame.to_dict("records"), ablation_evidence.comparisons, strict=True):
        assert one.paired is not None
        assert (row["difference"], row["difference low"], row["difference high"]) == (
            one.paired.mean,
            one.paired.low,
            one.paired.high,
        )
        assert (row["Holm p"], row["verdict"], row["pairs"]) == (one.p_holm, one.short, len(one.pairs))
        assert row["arm mean"] - row["reference mean"] == pytest.approx(one.paired.mean)


def test_the_checks_name_every_pair_left_out_and_count_diverged_runs(tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), draws(95.0)), (without("relu"), [*draws(88.0, 4), Status.DIVERGED, Status.FAILED])]
    ablation_evidence = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")]).ablation
    assert ablation_evidence is not None
    (row,) = effects.checks_table(ablation_evidence.comparisons).to_dict("records")
    assert (row["diverged"], row["pairs left out"]) == (1, 1)
    assert row["why left out"] == "replicate 5: relu: failed: the worker died"
    assert row["smallest sign-flip p"] == 2 / 2**5


def test_fixed_and_retuned_differences_of_a_part_stand_in_one_row(tmp_path: Path) -> None:
    ablation_evidence = staged(tmp_path).ablation
    assert ablation_evidence is not None
    tuned_settings = {"relu (re-tuned)": {"optimizer.lr": 0.02}}
    frame = effects.retuned_table(ablation_evidence.comparisons, ablation_evidence.retuned, tuned_settings)
    (row,) = frame.to_dict("records")
    fixed, again = ablation_evidence.comparisons[0].paired, ablation_evidence.retuned[0].paired
    assert fixed is not None
    assert again is not None
    assert (row["fixed difference"].value, row["re-tuned difference"].value) == (fixed.mean, again.mean)
    assert row["re-tuned settings"] == "optimizer.lr: 0.02"


def test_an_arm_that_is_not_applicable_stands_with_its_reason(tmp_path: Path) -> None:
    tables = {table.name: table for table in ablation_tables(ReportData(staged(tmp_path)))}
    (row,) = tables["not_applicable"].frame.to_dict("records")
    assert row["reason"] == "breaks parameters <= 100,000: it has 1,204,000"


def test_the_confirmed_configurations_have_search_confirmed_and_test_figures(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    row = levels.confirmed_table(findings).to_dict("records")[0]
    assert findings.confirmation is not None
    assert findings.final is not None
    assert (row["arm"], row["seeds"], row["test seeds"]) == ("trial 30", 5, 3)
    assert row["search (one run)"] == findings.results.ranked()[0].value
    assert row["confirmed"] == Interval.of(findings.confirmation.levels[0].mean)
    assert row["test"] == Interval.of(findings.final.sets[0].levels[0].mean)


def test_the_shift_table_tells_how_far_each_set_is_from_validation(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    rows = levels.shift_table(findings).to_dict("records")
    assert [row["set"] for row in rows] == ["validation", *SETS]
    assert rows[0]["without relu: from validation"] is None
    for row in rows[1:]:
        away = row["without relu"].value - rows[0]["without relu"].value
        assert row["without relu: from validation"] == pytest.approx(away)
        assert away < 0


def test_the_forest_has_both_intervals_and_a_retuned_arm_below_its_twin(tmp_path: Path) -> None:
    data = contrasts.differences(staged(tmp_path))
    assert list(data["arm"])[:3] == ["without relu", "without relu (re-tuned)", "without batch_norm"]
    row = data.iloc[0]
    assert row["simultaneous low"] < row["low"] < row["difference"] < row["high"] < row["simultaneous high"]


def test_a_factorial_is_shown_by_its_effects_on_both_sides_of_the_diagonal(tmp_path: Path) -> None:
    findings = factorial(tmp_path)
    assert list(contrasts.differences(findings)["arm"]) == ["relu", "batch_norm", "relu × batch_norm"]
    cells = {
        (row["row"], row["column"]): row["estimate"] for row in contrasts.interactions(findings).to_dict("records")
    }
    assert set(cells) == {(one, other) for one in ("relu", "batch_norm") for other in ("relu", "batch_norm")}
    assert cells["relu", "batch_norm"] == cells["batch_norm", "relu"] != cells["relu", "relu"]


def test_each_step_of_a_path_begins_where_the_one_before_ended(tmp_path: Path) -> None:
    data = contrasts.path(stepped(tmp_path))
    assert list(data["step"]) == ["optimizer.lr", "model.blocks", "optimizer.name"]
    assert list(data["from"])[1:] == list(data["to"])[:-1]
    assert list(data["to"] - data["from"]) == pytest.approx(list(data["difference"]))


def test_bands_are_over_the_completed_runs_of_each_arm(tmp_path: Path) -> None:
    data = contrasts.mean_curves(staged(tmp_path))
    runs = data.groupby("arm", sort=False)["runs"].first().to_dict()
    assert runs == {
        "baseline": 6,
        "without relu": 6,
        "without batch_norm": 5,
        "without dropout": 6,
        "baseline (re-tuned)": 5,
        "without relu (re-tuned)": 5,
    }
    last = data[(data["arm"] == "baseline") & (data["epoch"] == 9)].iloc[0]
    level = staged(tmp_path).ablation.levels[0].mean  # type: ignore[union-attr]
    assert level is not None
    assert (last["mean"], last["low"], last["high"]) == pytest.approx((level.mean, level.low, level.high))


def test_without_an_ablation_the_bands_are_those_of_confirm(tmp_path: Path) -> None:
    data = contrasts.mean_curves(findings_of(tmp_path, [confirm_stage()]))
    assert list(dict.fromkeys(data["arm"])) == ["trial 30", "trial 33", "trial 39"]


def test_sets_that_differ_in_a_number_alone_are_one_corruption_by_severity(tmp_path: Path) -> None:
    data = contrasts.labelled_sets(findings_of(tmp_path, [ablation_stage(), final_stage()]))
    known = {row["set"]: (row["family"], row["severity"]) for row in data.to_dict("records")}
    assert known["noise 5"] == ("noise", 5)
    assert known["usps"] == known["test"] == known["validation"] == (None, None)


def test_a_lone_numbered_set_is_no_family(tmp_path: Path) -> None:
    stage = final_stage()
    alone = replace(stage, facts={**stage.facts, "sets": ["test", "noise 5"]})
    data = contrasts.labelled_sets(findings_of(tmp_path, [ablation_stage(), alone]))
    assert data["family"].isna().all()


@pytest.mark.parametrize(("p", "text"), [(0.00001, "< 0.0001"), (0.0496, "0.05"), (0.0504, "0.05"), (1.0, "1")])
def test_a_p_value_is_never_zero_and_never_rounded_across_the_level(p: float, text: str) -> None:
    shown = probability(p)
    if 0.04 < p < 0.06:
        assert (float(shown) < 0.05) == (p < 0.05)
    else:
        assert shown == text


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "paired by seed."), (3, "paired by seed; p by Holm over 1 comparison.")]
)
def test_the_note_counts_the_comparisons_that_have_a_p(tmp_path: Path, seeds: int, said: str) -> None:
    rows = [(arm_of(BASELINE), draws(95.0, seeds)), (without("relu"), draws(88.0, seeds))]
    findings = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")])
    table = ablation_tables(ReportData(findings))[0]
    assert table.note.endswith(said)
