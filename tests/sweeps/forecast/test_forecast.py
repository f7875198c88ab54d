"""The forecast of a study: its stages, their cost, and the power of its comparisons."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweeps.forecast import StudyPlan, forecast, plan, render
from sweeps.forecast.forecast import _require_metric
from sweeps.forecast.outline import Unplannable, outline_study
from sweeps.forecast.power import deviation_of
from sweeps.forecast.ranges import Range, epochs_per_trial, spread, wall_time
from sweeps.io.errors import Refused
from sweeps.prepare.devices.inventory import Accelerator, Devices
from sweeps.prepare.prepared import settle
from sweeps.pruners.asha import Asha
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.probe import Probe
from sweeps.stats import expected_n
from sweeps.storage.results import StageResults
from sweeps.study.document import edit, read
from sweeps.study.resources import slots
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial
from sweeps.validation.checks import accept
from sweeps.workload import load
from tests.sweeps.support import ASHA, ROOT, toy_study

PARTS = {"components": ["relu", "momentum", "depth"], "seeds": 8}
GIVEN = {**PARTS, "baseline": "given"}
WIDTHS = {"net.width": {"values": [4, 8, 16]}, "lr": {"min": 0.01, "max": 0.1}}


def planned(tmp_path: Path, workers: int | None = None, probing: bool = False, **settings: Any) -> StudyPlan:
    study = toy_study(**settings)
    return plan(study, load(study.workload), tmp_path, probing=probing, workers=workers)


def stage(study_plan: StudyPlan, name: str) -> Any:
    return next(stage for stage in study_plan.stages if stage.name == name)


def rendered(study_plan: StudyPlan) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(study_plan), crop=False)
    return capture.get()


def test_stages_are_listed_with_their_runs(tmp_path: Path) -> None:
    study_plan = planned(
        tmp_path, run_cap=7, confirm={"top": 5, "seeds": 3}, ablation=PARTS, final={"seeds": 2, "arms": "all"}
    )
    assert [(stage.name, stage.runs.likely) for stage in study_plan.stages] == [
        ("search", 7),
        ("confirm", 15),
        ("ablation", 4 * 8),
        ("final", 4 * 2),
    ]
    assert study_plan.device_hours is None
    assert "7 trials + 15 confirm runs + 32 ablation runs + 8 final runs" in rendered(study_plan)
    assert "time unknown" in rendered(study_plan)


@pytest.mark.parametrize(
    ("settings", "runs", "words"),
    [
        ({}, 15 + 3, "the best 5 × 3 seeds, the chosen one × 3 more"),
        ({"ablation": {**PARTS, "baseline": "best"}}, 15, "the best 5 × 3 seeds"),
    ],
)
def test_fresh_runs_of_the_incumbent_are_planned_unless_the_ablation_makes_them(
    tmp_path: Path, settings: dict[str, Any], runs: int, words: str
) -> None:
    planned_stage = stage(planned(tmp_path, run_cap=7, confirm={"top": 5, "seeds": 3}, **settings), "confirm")
    assert (planned_stage.runs, planned_stage.wanted) == (Range.of(runs), words)


def test_work_follows_macs_and_epochs(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, ablation=GIVEN)
    assert study_plan.work == {"baseline": 1.0, "relu": 1.0, "momentum": 1.0, "depth": 0.5}
    assert stage(study_plan, "ablation").work == Range.of(8 * 4 * 3.5)


def test_final_of_the_best_alone_is_one_arm(tmp_path: Path) -> None:
    assert stage(planned(tmp_path, ablation=GIVEN, final={"seeds": 5}), "final").runs == Range.of(5)


def test_arms_that_do_not_apply_are_shown_and_not_counted(tmp_path: Path) -> None:
    study_plan = planned(
        tmp_path, ablation={**GIVEN, "components": {"wide": {"net.width": 2000}, "relu": {"net.depth": 1}}}
    )
    assert stage(study_plan, "ablation").runs == Range.of(2 * 8)
    assert "wide" not in study_plan.work
    assert any(text.startswith("wide is not applicable: cannot be built") for text in study_plan.cautions)
    assert "not applicable: cannot be built: a layer of 2000 units does not fit" in rendered(study_plan)


def test_best_recipe_stands_in_as_given_and_widens_the_range(tmp_path: Path) -> None:
    known, unknown = (
        planned(tmp_path, parameters=WIDTHS, ablation=ablation) for ablation in (GIVEN, {**PARTS, "baseline": "best"})
    )
    assert stage(known, "ablation").work.low == stage(known, "ablation").work.high
    assert stage(unknown, "ablation").work.low < stage(unknown, "ablation").work.high
    note = "the best recipe is not known yet: the given baseline stands in for it"
    assert note in unknown.notes
    assert note not in known.notes


def test_share_that_fits_is_exact_for_a_small_space_and_has_an_interval_for_a_large_one(tmp_path: Path) -> None:
    limit = ["parameters <= 200"]
    small = planned(tmp_path, constraints=limit, parameters={"net.width": {"values": [4, 8, 16]}}, run_cap=3).fitting
    large = planned(tmp_path, constraints=limit, parameters=WIDTHS).fitting
    assert small is not None
    assert large is not None
    assert (small.fit, small.drawn, small.exact, small.low, small.high) == (2, 3, True, 2 / 3, 2 / 3)
    assert (large.drawn, large.exact) == (400, False)
    assert large.low < 2 / 3 < large.high
    assert large.high - large.low < 0.12


def test_planning_twice_gives_the_same(tmp_path: Path) -> None:
    first, second = (planned(tmp_path, parameters=WIDTHS, early_terminate=ASHA).plain() for _ in range(2))
    assert first == second


def test_nothing_is_searched_where_there_is_nothing_to_search(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, parameters={}, run_cap=0, ablation=GIVEN)
    assert [stage.name for stage in study_plan.stages] == ["ablation"]
    assert study_plan.fitting is None


def test_seeds_under_a_precision_range_from_the_fewest_to_the_most(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, ablation={**GIVEN, "seeds": {"min": 6, "max": 24, "precision": 0.5}})
    expected = expected_n(0.5, 0.5, 6, 24)
    assert stage(study_plan, "ablation").runs == Range(24, pytest.approx(4 * expected), 96)
    assert study_plan.foresight is not None
    assert [deviation for deviation, _ in study_plan.foresight.expected] == [0.25, 0.5, 1.0]
    assert study_plan.foresight.expected[1][1] == expected
    assert "expected pairs for the precision: " in rendered(study_plan)


def test_tuning_again_adds_its_trials_and_doubles_the_replicates(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, ablation={**GIVEN, "retune": {"parameters": ["lr"], "trials": 5}})
    assert stage(study_plan, "ablation").runs == Range.of(2 * 32 + 4 * 5)
    assert stage(study_plan, "ablation").work == Range.of((2 * 8 + 5) * 4 * 3.5)


def test_path_has_at_most_a_step_for_each_dimension(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, parameters=WIDTHS, ablation={"design": "path", "seeds": 8})
    runs = stage(study_plan, "ablation").runs
    assert (runs.low, runs.high) == (2 * 8, 3 * 8 + 2 * 8)
    assert runs.low < runs.likely < runs.high


def test_power_forecast_bounds_what_the_seeds_can_show(tmp_path: Path) -> None:
    power = planned(tmp_path, ablation={**GIVEN, "seeds": 6}).foresight
    assert power is not None
    assert (power.comparisons, power.pairs, power.pairs_needed) == (3, 6, 7)
    assert (power.smallest_p, power.smallest_p_holm) == (2 / 64, 6 / 64)
    # By Holm over three comparisons. statsmodels 0.14: TTestPower().solve_power(nobs=6, alpha=0.05 / 3, power=0.8)
    assert power.detectable_sd == pytest.approx(1.8768, abs=1e-4)
    assert power.detectable is None


def test_single_comparison_has_no_words_on_a_correction(tmp_path: Path) -> None:
    text = rendered(planned(tmp_path, ablation={**GIVEN, "components": ["relu"], "seeds": 2}))
    assert "the sign-flip check reaches p = 0.5; 6 pairs bring that to 0.05 or less" in text
    assert "Holm" not in text


def test_deviation_of_earlier_runs_turns_the_detectable_difference_into_units() -> None:
    ours, theirs = (Arm("relu", {"a": 1}, reference="baseline"), Arm("baseline", {"a": 0}))
    values = {"baseline": [1.0, 2.0, 3.0, 4.0], "relu": [2.0, 3.0, 5.0, None]}
    trials = [
        Trial(n, "ablation", Status.COMPLETE, {}, value, variant=arm.name, replicate=n, recipe=arm.recipe)
        for arm in (ours, theirs)
        for n, value in enumerate(values[arm.name])
    ]
    assert deviation_of(StageResults("ablation", (ours, theirs), tuple(trials))) == pytest.approx(math.sqrt(1 / 3))
    assert deviation_of(StageResults("ablation", (ours, theirs))) is None
    assert deviation_of(None) is None


def test_probe_turns_work_into_hours(tmp_path: Path) -> None:
    study_plan = planned(
        tmp_path,
        workers=1,
        probing=True,
        ablation=GIVEN,
        resources={"cpu": 0.5},
        budget={"gpu_hours": 1e-9},
        final={"seeds": 2},
    )
    assert study_plan.probe is not None
    epoch_s = study_plan.probe.epoch_s
    assert epoch_s is not None
    ablation = stage(study_plan, "ablation")
    assert ablation.device_hours.likely == pytest.approx(8 * 4 * 3.5 * epoch_s * 0.5 / 3600)
    assert ablation.wall_s.likely == pytest.approx(8 * 4 * 3.5 * epoch_s)
    assert study_plan.wall_s is not None
    assert study_plan.wall_s.likely == pytest.approx(
        sum(stage.wall_s.likely for stage in study_plan.stages if stage.wall_s)
    )
    assert any(text.startswith("the budget of ") for text in study_plan.cautions)
    assert stage(study_plan, "final").budget_hours == pytest.approx(1e-9)
    assert "budget up to here" in rendered(study_plan)


def test_memory_on_the_gpu_is_shown_where_the_probe_has_measured_it(tmp_path: Path) -> None:
    study_plan, on_cpu = planned(tmp_path), Probe(2.0, 9.0, 500.0)
    on_gpu = replace(on_cpu, gpu_memory_mib=1234.4)
    assert "on the GPU" not in rendered(replace(study_plan, probe=on_cpu))
    assert "500 MiB of memory; 1,234 MiB on the GPU" in rendered(replace(study_plan, probe=on_gpu))


@pytest.mark.parametrize(("peak_mib", "warned"), [(None, False), (3999.0, False), (4500.0, True)])
def test_trials_that_share_a_gpu_are_warned_of_where_its_memory_does_not_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peak_mib: float | None, warned: bool
) -> None:
    study = toy_study(resources={"gpu": 0.5})
    outline = replace(outline_study(settle(toy_study(), load("tests.toy"), tmp_path, {}), None), at_once=4)
    outline = replace(outline, prepared=replace(outline.prepared, study=study))
    gpus = Devices(kind="cuda", accelerators=(Accelerator("Two in one", 8000, "9.0", True),) * 2)
    monkeypatch.setattr(forecast, "devices", lambda: gpus)
    told = list(forecast._gpu_memory(outline, Probe(2.0, 9.0, 500.0, peak_mib)))
    warning = "2 trials on each GPU need about 9,000 MiB, but it has 8,000: raise resources.gpu"
    assert told == ([warning] if warned else [])


def test_probe_that_fails_leaves_times_unknown(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, probing=True, baseline={"fault": "raise", "fault_epoch": 1})
    assert study_plan.probe == Probe(error="RuntimeError: <b>the toy broke</b>")
    assert study_plan.wall_s is None
    assert "the probe failed, so times are unknown: RuntimeError: <b>the toy broke</b>" in rendered(study_plan)


def test_design_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    overlapping = {"a": {"net.depth": 3}, "b": {"net.depth": 3, "momentum": 0.1}}
    with pytest.raises(Unplannable, match="these components overlap"):
        planned(tmp_path, ablation={**GIVEN, "design": "factorial", "components": overlapping})


def test_plan_as_json_has_everything_but_whole_recipes(tmp_path: Path) -> None:
    content = json.loads(json.dumps(planned(tmp_path, ablation=GIVEN).plain()))
    assert content["stages"][1]["runs"] == {"low": 32, "likely": 32, "high": 32}
    assert "settings" not in content["arms"][0]
    assert content["arms"][3]["cost"]["macs"] == 64


def test_real_study_on_real_images_is_planned(tmp_path: Path) -> None:
    words = ["ablation={components: [crop, residual], seeds: 8}", "epochs=9"]
    study_plan = plan(*accept(edit(read(ROOT / "studies" / "quickstart.yaml"), words)), tmp_path, workers=2)
    assert study_plan.probe is not None
    assert not study_plan.probe.error
    assert study_plan.wall_s is not None
    assert 0 < study_plan.wall_s.low < study_plan.wall_s.likely < study_plan.wall_s.high
    assert study_plan.fitting is not None
    assert 0.4 < study_plan.fitting.share < 0.65
    assert study_plan.arms[2].cost["parameters"] < study_plan.arms[0].cost["parameters"]


@pytest.mark.parametrize(
    ("resources", "device", "cores", "gpus", "workers", "at_once"),
    [
        ({}, "cpu", 8, 0, None, 8),
        ({"cpu": 2}, "cpu", 5, 0, None, 2),
        ({"cpu": 0.5}, "cpu", 2, 0, 3, 3),
        ({}, "cpu", 2, 0, 9, 2),
        ({"cpu": 4}, "cpu", 2, 0, None, 1),
        ({}, "cuda", 16, 2, None, 2),
        ({"gpu": 0.5}, "cuda", 16, 2, None, 4),
        ({"gpu": 0.3}, "cuda", 16, 2, None, 6),
        ({"gpu": 0.5}, "mps", 8, 1, None, 2),
        ({"gpu": 0.25, "cpu": 4}, "cuda", 8, 1, None, 2),
    ],
)
def test_as_many_at_once_as_the_machine_holds(
    resources: dict[str, Any], device: str, cores: int, gpus: int, workers: int | None, at_once: int
) -> None:
    assert slots(toy_study(resources=resources), device, cores, gpus, workers) == at_once


@pytest.mark.parametrize(
    ("runs", "work", "longest", "at_once", "time"),
    [(9, 90, 10, 2, 50), (1, 10, 10, 4, 10), (0, 0, 0, 2, 0), (3, 12, 10, 2, 10), (4, 8, 2, 1, 8)],
)
def test_time_is_counted_in_rounds(runs: float, work: float, longest: float, at_once: int, time: float) -> None:
    assert wall_time(runs, work, longest, at_once) == time


def test_early_termination_ranges_from_what_the_rungs_mean_to_none() -> None:
    forecast = epochs_per_trial(Asha(2, 18, 3, "maximize"), 18, 500)
    meant = 2 + 4 / 3 + 12 / 9  # rungs at 2 and 6, a third goes on at each
    assert forecast.low == min(meant, forecast.likely)
    assert forecast.likely == pytest.approx(meant, abs=0.3)
    assert forecast.high == 18
    few = epochs_per_trial(Asha(2, 18, 3, "maximize"), 18, 3)
    assert few.likely > forecast.likely  # the first ones at a rung have nobody to fall behind
    assert epochs_per_trial(None, 18, 5) == Range.of(18)


def test_forecast_of_one_epoch_is_what_it_trains() -> None:
    assert epochs_per_trial(OneEpoch(1, 3, "maximize"), 27, 100) == Range.of((100 + 3 * 26) / 100)
    assert epochs_per_trial(OneEpoch(2, 3, "maximize"), 27, 2) == Range.of(27)


def test_forecast_of_the_median_rule_stops_up_to_half_at_the_first_look() -> None:
    forecast = epochs_per_trial(Median(3, 5, "maximize"), 27, 500)
    assert forecast.low == 15
    assert forecast.low <= forecast.likely <= 16.5
    assert forecast.high == epochs_per_trial(Median(3, 5, "maximize"), 27, 5).likely == 27


def test_forecast_of_hyperband_lies_between_its_first_bracket_and_none() -> None:
    forecast = epochs_per_trial(Hyperband(1, 27, 3, "maximize"), 27, 400)
    first = epochs_per_trial(Asha(1, 27, 3, "maximize"), 27, 400)
    assert first.likely < forecast.likely < forecast.high == 27


def test_spread_of_a_sampler_that_learns_is_that_of_the_configurations() -> None:
    generator = random.Random(0)
    works = [generator.uniform(0, 10) for _ in range(400)]
    learns, random_draws = spread(works, 100, "bayes"), spread(works, 100, "random")
    assert (learns.low, learns.high) == (pytest.approx(1, abs=0.3), pytest.approx(9, abs=0.3))
    assert random_draws.high - random_draws.low == pytest.approx(2 * 1.96 * (10 / math.sqrt(12)) / 10, rel=0.05)
    assert spread([], 10, "bayes") == Range.of(1)


def test_space_in_which_nothing_drawn_fits_is_warned_of(tmp_path: Path) -> None:
    study_plan = planned(
        tmp_path,
        constraints=["parameters <= 200"],
        parameters={"net.width": {"min": 8, "max": 1000}, "net.depth": {"min": 2, "max": 1000}},
    )
    assert study_plan.fitting is not None
    assert study_plan.fitting.fit == 0
    assert study_plan.fitting.high == pytest.approx(0.0092, abs=0.0002)
    assert any(text.startswith("none of 400 random configurations fits") for text in study_plan.cautions)


def test_metric_that_the_probe_has_not_yielded_is_refused_with_the_nearest_name() -> None:
    study = toy_study(metric={"name": "val_acuracy", "goal": "maximize"})
    expected = r"'val_acuracy'; did you mean 'val_accuracy'\? valid: val_accuracy, train_loss"
    with pytest.raises(Refused, match=expected):
        _require_metric(study, Probe(1.0, 1.0, metrics=("val_accuracy", "train_loss")))
    _require_metric(study, Probe(error="it broke"))


def test_sum_over_the_stages_is_the_expected_and_the_most(tmp_path: Path) -> None:
    seeds = {"min": 6, "max": 24, "precision": 0.5}
    ablation = {**GIVEN, "components": ["relu", "momentum"], "seeds": seeds}
    text = rendered(planned(tmp_path, run_cap=6, ablation=ablation))
    assert "in all: 30 (24 to 78) runs" in text
    assert "in all: 1 run" in rendered(planned(tmp_path, run_cap=1))


def test_cost_of_anytime_in_width_and_pairs_is_forecast(tmp_path: Path) -> None:
    seeds = {"min": 6, "max": 24, "anytime": True}
    study_plan = planned(tmp_path, parameters={}, run_cap=0, ablation={**GIVEN, "seeds": seeds})
    assert stage(study_plan, "ablation").runs == Range(24, 96, 96)
    power = study_plan.foresight
    assert power is not None
    assert power.at_most == 24
    assert [(pairs, round(width, 2)) for pairs, width in power.widths] == [(6, 1.95), (15, 1.38), (24, 1.25)]
    assert [effect for effect, _ in power.expected] == [0.5, 1.0, 2.0]
    assert power.expected[0][1] > power.expected[1][1] > power.expected[2][1] > 6
    text = rendered(study_plan)
    assert "wider than that of a fixed number, times 1.95 at 6 pairs" in text
    assert "24 where there is none" in text
    assert "with 80 % power after Holm over 3 comparisons" in text
    assert "sign-flip" not in text


PROMOTE = {"type": "asha", "mode": "promote", "min_iter": 1, "eta": 2}
EIGHT = {"epochs": 8}


def test_plan_of_promotion_shows_its_rungs_and_what_they_cost(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, run_cap=40, baseline=EIGHT, early_terminate=PROMOTE)
    assert study_plan.ladder is not None
    assert study_plan.trainings is not None
    assert [epoch for epoch, _ in study_plan.ladder.rungs] == [1, 2, 4]
    assert study_plan.ladder.rungs[0][1] == 40
    assert stage(study_plan, "search").runs == Range.of(40)
    assert 8 < study_plan.trainings.likely < 16
    text = rendered(study_plan)
    assert (
        "search: trials pause at each rung (min_iter 1, eta 2) and the best go on; expected of 40: epoch 1: 40" in text
    )
    assert "asha, promote" in text
    content = json.loads(json.dumps(study_plan.plain()))
    assert content["ladder"]["rungs"][0] == [1, 40.0]


def test_plan_of_trainings_says_how_many_trials_they_buy(tmp_path: Path) -> None:
    size = {"run_cap": 0, "budget": {"trainings": 6}}
    promoted = planned(tmp_path, **size, baseline=EIGHT, early_terminate=PROMOTE)
    stopped = planned(tmp_path, **size, baseline=EIGHT, early_terminate={**PROMOTE, "mode": "stop"})
    whole = planned(tmp_path, **size, baseline=EIGHT)
    assert stage(whole, "search").runs == Range.of(6)
    assert stage(whole, "search").work == Range.of(48)
    assert stage(stopped, "search").runs.low == 6 < stage(stopped, "search").runs.likely
    assert stage(promoted, "search").runs.likely > 12
    assert stage(promoted, "search").work.high <= 48
    assert "of 6 trainings of the baseline are expected to be used" in rendered(promoted)
    assert "bayes" not in rendered(whole)
    assert "random, 6 trainings" in rendered(whole)


def test_configurations_that_cost_more_make_fewer_trials(tmp_path: Path) -> None:
    plain = planned(tmp_path, run_cap=0, budget={"trainings": 20}, baseline=EIGHT)
    wide = planned(tmp_path, run_cap=0, budget={"trainings": 20}, baseline=EIGHT, parameters=WIDTHS)
    assert stage(wide, "search").runs.likely < stage(plain, "search").runs.likely == 20
    assert stage(wide, "search").work.likely <= 160


def test_peak_of_the_disk_is_one_checkpoint_of_each_that_waits_and_two_of_each_that_trains(tmp_path: Path) -> None:
    study_plan = planned(tmp_path, workers=1, run_cap=10, baseline=EIGHT, early_terminate=PROMOTE)
    assert study_plan.ladder is not None
    assert study_plan.disk is not None
    assert study_plan.disk.checkpoints == study_plan.ladder.paused + 2
    parameters = 8 * 8 * 2
    assert (study_plan.disk.checkpoint_bytes, study_plan.disk.measured) == (12 * parameters, False)
    assert "estimated from the baseline's parameters" in rendered(study_plan)
    assert planned(tmp_path, run_cap=10, baseline=EIGHT).disk is None


def test_probe_measures_the_checkpoint_of_a_trial_that_pauses(tmp_path: Path) -> None:
    baseline = {**EIGHT, "ballast": 100_000}
    study_plan = planned(tmp_path, probing=True, run_cap=10, baseline=baseline, early_terminate=PROMOTE)
    assert study_plan.disk is not None
    assert study_plan.disk.measured
    assert 100_000 < (study_plan.disk.checkpoint_bytes or 0) < 110_000
    assert "as the probe saved it" in rendered(study_plan)
