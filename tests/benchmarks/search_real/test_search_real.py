"""Searches with real trainings: what is trained, what is charged, which searches are made, and what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.known_table import read_table
from benchmarks.search_real import engine, stock
from benchmarks.search_real.__main__ import KEYS, Records, searches
from benchmarks.search_real.searched import Clock, Task
from benchmarks.search_real.summary import text
from benchmarks.search_real.workload import cost, snapped, train
from cifar_sweep.recipe import Recipe
from sweeps.recipe.schema import merge
from sweeps.workload import Run


def task(folder: Path, trainings: float = 1.0) -> Task:
    return Task("digits", 1, 0, trainings, folder, folder)


def recipe(name: str, settings: Mapping[str, Any]) -> Recipe:
    return Recipe.model_validate(merge(read_table(name).study.baseline, settings))


def test_configuration_trains_as_the_nearest_one_of_the_table() -> None:
    row = read_table("cifar10_mini").rows[7]
    near = {**row, "optimizer.lr": row["optimizer.lr"] * 1.001}
    assert recipe("cifar10_mini", near) != recipe("cifar10_mini", row)
    assert snapped(recipe("cifar10_mini", near)) == recipe("cifar10_mini", row)
    assert cost(recipe("cifar10_mini", near)) == {"macs": round(1e6 * read_table("cifar10_mini").epoch_seconds[7])}


def test_training_is_that_of_the_table_whatever_the_seed_of_the_search(tmp_path: Path) -> None:
    first = []
    for seed in (1, 2):
        run = Run(seed, 0, device="cpu", data_dir=tmp_path, folder=tmp_path / str(seed))
        run.folder.mkdir()
        first.append(next(iter(train(recipe("digits", read_table("digits").rows[0]), run)))["val_accuracy"])
    assert first[0] == first[1]


def test_engine_searches_within_its_budget_and_hands_over_a_row_of_the_table(tmp_path: Path) -> None:
    wanted = task(tmp_path)
    found = engine.search(wanted)
    assert found["regret"] == read_table("digits").regret(int(found["row"]))
    assert found["epochs"] >= 27
    assert 0 < found["spent_s"] <= wanted.budget_s
    assert 0 < found["trained_s"] <= found["wall_s"]
    assert found["first_epoch_s"] + found["beside_s"] < found["wall_s"]


def test_stock_script_has_the_same_space() -> None:
    table = read_table("digits")
    space = stock.param_space(table)
    drawn = {key: domain.sample() for key, domain in space.items()}
    settings = stock.settings_of(table, drawn)
    assert all(dimension.contains(settings[dimension.key]) for dimension in table.space.dimensions)


def test_time_beside_training_is_the_workers_time_without_epochs(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(3):
        clock.epoch({"seconds": 0.0})
    found = clock.record(task(tmp_path), read_table("digits").rows[7], (27, 50.0), spent_s=0.5)
    assert found["row"] == 7
    assert found["off"] == 50.0 - read_table("digits").curves[7, 26]
    assert found["epochs"] == 3
    assert 0 <= found["beside_s"] <= found["wall_s"] - found["first_epoch_s"]


def test_both_sides_run_at_once_with_one_worker_and_in_turns_with_two() -> None:
    planned = [
        [(each["what"], each["workers"], each["seed"]) for each in wanted]
        for wanted in searches(2)
        if wanted[0]["problem"] == "digits"
    ]
    assert planned == [
        [("engine", 1, 0), ("stock", 1, 0)],
        [("engine", 2, 0)],
        [("stock", 2, 0)],
        [("stock", 1, 1), ("engine", 1, 1)],
        [("stock", 2, 1)],
        [("engine", 2, 1)],
    ]


def test_results_are_found_again_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    record = {"what": "stock", "problem": "digits", "workers": 2, "seed": 3, "regret": 0.5}
    Records(file).add(record)
    again = Records(file)
    assert again.find(**{key: record[key] for key in KEYS}) == record
    assert again.find(what="engine", problem="digits", workers=2, seed=3) is None


def test_comparison_pairs_the_sides_by_seed() -> None:
    numbers = {"first_epoch_s": 1.0, "trained_s": 20.0, "epochs": 100, "handed_out": 10, "beside_s": 2.0, "off": -0.25}
    keys = {"problem": "digits", "workers": 1}
    records = [
        {"what": what, **keys, "seed": seed, "regret": regret, "wall_s": wall, **numbers}
        for seed, (ours, theirs) in enumerate([(1.0, 3.0), (2.0, 2.0), (0.0, 5.0)])
        for what, regret, wall in (("engine", ours, 30.0), ("stock", theirs, 60.0))
    ]
    shown = text({"trainings": 8.0, "seeds": 3, "records": records})
    assert "| digits | 1 | sweep | 1.00 (0.00 to 2.00) | 30.0 (30.0 to 30.0) |" in shown
    assert "within 0.25 points" in shown
    assert "| digits | 1 | -2.00 | 2 / 1 / 0 | 0.50 (0.50 to 0.50) |" in shown


def test_study_has_the_defaults_of_a_search_and_the_budget_of_the_script(tmp_path: Path) -> None:
    wanted = task(tmp_path, trainings=8.0)
    study, table = engine.study_of(wanted), wanted.table
    assert study.method == "bayes"
    assert study.early_terminate is not None
    assert study.early_terminate.type == "asha"
    baseline = table.epoch_seconds[table.nearest(engine.settings_of_baseline(table))]
    assert study.budget.trainings is not None
    assert study.budget.trainings * baseline == pytest.approx(8 * table.epoch_seconds.mean())
