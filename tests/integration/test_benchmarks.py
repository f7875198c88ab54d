"""The benchmarks' own checks: a quiet machine, equal training of both trainers, void runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import checkpoints, data_path, plain_loop
from benchmarks.common import machine, require_quiet, spread
from benchmarks.study import TRAINERS, configurations, name_of, problem_of, recipe_of, require_same
from benchmarks.synthetic_study import NAME, write_study
from cifar_sweep import workload as cifar
from cifar_sweep.recipe import Recipe
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status
from sweeps.workload import Run


def test_a_machine_that_is_busy_is_refused_unless_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "print(1, flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        with pytest.raises(SystemExit, match="2"):
            require_quiet(loaded=False)
        assert "say --loaded" in capsys.readouterr().err
        assert require_quiet(loaded=True) > 10
    finally:
        busy.kill()
        busy.communicate()


def runs(**changed: Any) -> dict[str, list[dict[str, Any]]]:
    """Return runs of two engines with both trainers and equal scores; `changed` replaces those of some."""
    same = {name_of(each): 90.0 + place for place, each in enumerate(configurations())}
    names = [f"{engine}, {trainer}" for engine in ("a", "b") for trainer in TRAINERS]
    return {name: [{"scores": changed.get(name.replace(" ", "_").replace(",", ""), same)}] for name in names}


def test_trainers_of_engines_with_equal_scores_are_compared() -> None:
    assert require_same(runs()) == {"mean": 0.0, "standard_error": 0.0}


@pytest.mark.parametrize(
    ("shift", "trainers", "why"),
    [(1e-9, ["b_our_trainer"], "engines do not find the same"), (5.0, ["a_our_trainer", "b_our_trainer"], "differ by")],
)
def test_run_is_void_if_scores_differ(shift: float, trainers: list[str], why: str) -> None:
    moved = {name_of(each): 90.0 + place + shift for place, each in enumerate(configurations())}
    with pytest.raises(SystemExit, match=why):
        require_same(runs(**dict.fromkeys(trainers, moved)))


def test_both_trainers_learn_digits_alike_from_the_same_recipe(tmp_path: Path) -> None:
    problem = problem_of(2, None, 0, tmp_path)
    parameters = {"optimizer.lr": 0.1, "optimizer.weight_decay": 5e-4, "batch_size": 64}
    recipe = Recipe.model_validate(recipe_of(problem, parameters))
    reached = []
    for trainer in (plain_loop, cifar):
        folder = tmp_path / trainer.__name__
        folder.mkdir()
        access = frozenset({"train", "validation"})
        run = Run(seed=1, split_seed=0, device="cpu", data_dir=tmp_path, folder=folder, access=access)
        reached.append([epoch["val_accuracy"] for epoch in trainer.train(recipe, run)][-1])
    assert min(reached) > 80, reached
    assert abs(reached[0] - reached[1]) < 10, reached


def test_every_arm_yields_every_image_once() -> None:
    generator = np.random.default_rng(0)
    ways = data_path.arms(generator.integers(0, 256, (256, 32, 32, 3), np.uint8), np.arange(256))
    assert set(ways) >= {data_path.OURS, data_path.REFERENCE}
    means = {}
    for name, epoch in ways.items():
        batches = list(epoch(0))
        assert sorted(int(label) for _, labels in batches for label in labels) == list(range(256)), name
        assert {tuple(images.shape[1:]) for images, _ in batches} == {(3, 32, 32)}, name
        means[name] = torch.cat([images for images, _ in batches]).mean((0, 2, 3))
    for name, mean in means.items():
        assert (mean - means[data_path.REFERENCE]).abs().max() < 0.03, name


def test_each_way_of_saving_leaves_the_states_that_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"blocks": [1], "widths": [4], "strides": [1]}
    monkeypatch.setattr(checkpoints, "UNIT_S", 0.05)
    measured = checkpoints.measure(0.01, 1, tmp_path, small)
    rounds = {way: len(seconds) for way, seconds in measured["seconds"]["wall"].items()}
    assert rounds == dict.fromkeys(checkpoints.WAYS, 1)
    saved = {
        way: sorted(path.parent.name for path in tmp_path.glob(f"{way.replace(' ', '-')}/checkpoint/*/state.pt"))
        for way in checkpoints.WAYS
    }
    epochs = measured["epochs_of_a_unit"]
    last_two = [f"{epoch:04d}" for epoch in (epochs - 1, epochs)]
    assert [*saved.values()] == [[], last_two, last_two, ["0001"]]
    result = {"precision": "fp32", "rounds": 1, "lengths": [measured], "command": "", "machine": machine(0.0)}
    assert checkpoints.table(result).count("\n|") == 4


def test_cost_of_the_default_is_that_of_one_state_in_thirty_seconds_of_training() -> None:
    seconds = {way: [3.0 + place] for place, way in enumerate(checkpoints.WAYS)}
    assert checkpoints.added(seconds, 10) == {
        checkpoints.WAITED: [pytest.approx(100 / 3)],
        checkpoints.EACH: [pytest.approx(200 / 3)],
        checkpoints.SELDOM: [pytest.approx(10.0)],
    }
    assert checkpoints.added({way: [60.0 + 3 * (way == checkpoints.SELDOM)] for way in checkpoints.WAYS}, 1)[
        checkpoints.SELDOM
    ] == [pytest.approx(5.0)]


def test_engine_opens_a_synthetic_study(tmp_path: Path) -> None:
    write_study(tmp_path, 12)
    results = open_results(tmp_path / "runs", NAME)
    assert [trial.status for trial in results.trials] == [Status.COMPLETE] * 12
    assert {len(trial.curve) for trial in results.trials} == {30}


def test_spread_shows_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0], ".1f") == "2.0 (1.0 to 3.0)"
    assert spread([2.0], ".1f") == "2.0"
