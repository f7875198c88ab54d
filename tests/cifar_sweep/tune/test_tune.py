from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cifar_sweep.tune import (
    auto_batch_size,
    largest_batch,
    learning_rate_range,
    memory,
    out_of_memory_report,
    tune_lr,
)
from cifar_sweep.tune.batch_size.batch import training_images
from cifar_sweep.tune.batch_size.doubling import largest_fitting
from cifar_sweep.tune.memory import MemoryEstimate
from cifar_sweep.tune.rate import smooth, steepest
from sweeps.cli.app import app
from sweeps.workload import BadWorkload, Site
from tests.sweeps.support import toy_text

STUDY = """
name: tuned
question: What trains?
workload: cifar_sweep
baseline:
  data: {name: digits, validation: 300, train_limit: 256}
  model: {name: resnet, blocks: [1], widths: [8], strides: [1]}
  augment: {crop: 1, flip: false}
  epochs: 2
  batch_size: 32
  precision: fp32
method: random
metric: {name: val_accuracy, goal: maximize}
run_cap: 1
parameters:
  optimizer.lr: {distribution: log_uniform_values, min: 0.001, max: 1.0}
"""


@pytest.fixture
def site(data_dir: Path) -> Site:
    return Site(data_dir, "cpu")


@pytest.mark.parametrize(
    ("capacity", "smallest", "limit", "granularity", "expected"),
    [
        (700, 1, 4096, 8, 696),
        (704, 2, 4096, 8, 704),
        (703, 2, 4096, 1, 703),
        (5000, 2, 4096, 8, 4096),
        (5000, 2, 1397, 8, 1397),
        (1396, 2, 1397, 8, 1392),
        (1396, 2, 1397, 1, 1396),
        (8, 1, 1024, 8, 8),
        (7, 1, 1024, 8, 7),
        (5, 2, 1024, 8, 5),
        (1, 2, 1024, 8, 0),
        (0, 1, 1024, 8, 0),
        (9, 2, 10, 8, 8),
        (3, 2, 3, 8, 3),
        (1, 1, 1, 8, 1),
    ],
)
def test_largest_batch_is_found_by_doubling_then_bisection(
    capacity: int, smallest: int, limit: int, granularity: int, expected: int
):
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= capacity

    assert largest_fitting(fits, smallest, limit, granularity) == expected
    assert len(tried) == len(set(tried)) <= 2 * math.log2(limit) + 2
    assert max(tried) <= limit


def test_what_was_tried_is_told_by_size(make_recipe, site):
    batches = largest_batch(make_recipe(), site, images=1000, limit=512, fits=lambda size: size <= 100)
    assert (batches.largest, batches.limit) == (96, 512)
    assert [(attempt.batch_size, attempt.fits) for attempt in batches.attempts] == [
        (2, True), (4, True), (8, True), (16, True), (32, True), (64, True), (96, True), (104, False), (112, False),
        (128, False),
    ]  # fmt: skip


@pytest.mark.parametrize("free_mib", [12, 40])
def test_largest_batch_on_a_cpu_is_the_last_whose_estimate_is_within_its_share(
    make_recipe, site, monkeypatch, free_mib
):
    monkeypatch.setattr(memory, "MEMINFO", meminfo(site.data_dir, free_mib))
    monkeypatch.setattr(memory, "CGROUP", site.data_dir / "none")
    batches = largest_batch(make_recipe(), Site(site.data_dir, "cpu", share=0.5), images=2000, limit=2000)
    allowed = 0.7 * 0.5 * free_mib
    needs = {attempt.batch_size: attempt.peak_mib for attempt in batches.attempts}
    assert 8 <= batches.largest < 2000
    assert needs[batches.largest] <= allowed < needs[batches.largest + 8]


def meminfo(folder: Path, free_mib: int) -> Path:
    file = folder / f"meminfo-{free_mib}"
    file.write_text(f"MemTotal: {1000 * 1024} kB\nMemAvailable: {free_mib * 1024} kB\n")
    return file


def test_batch_never_exceeds_the_training_images_and_auto_is_that_number(make_recipe, site):
    recipe = make_recipe(data__train_limit=100, batch_size="auto")
    assert training_images(recipe, site)[0] == 100
    assert auto_batch_size(recipe, site) == 100


def test_control_group_with_less_memory_than_the_machine_counts(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", meminfo(tmp_path, 500))
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, expected in (("max", 500 * 2**20), ("5000", 4000), ("900", 0)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert memory.available_bytes() == expected


def test_memory_is_known_without_the_files_of_linux(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    peak, total = memory.peak_and_total_mib(torch.device("cpu"))
    assert 0 < peak < total
    assert 0 < memory.available_bytes() < total * 2**20


def test_estimate_of_a_linear_layer_counts_what_backward_keeps():
    layer = torch.nn.Linear(1000, 10, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    need = MemoryEstimate.measured(layer, optimizer, lambda size: layer(torch.zeros(size, 1000)).sum())
    # Per image its 1,000 inputs, kept for the weight's gradient, and twice that for gradients; weights and gradients.
    assert need.per_image == pytest.approx(3 * 4000)
    assert need.fixed == pytest.approx(2 * 4 * 10_000)


def test_report_of_a_run_without_memory_names_a_batch_that_fits(make_recipe, site, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", meminfo(site.data_dir, 12))
    monkeypatch.setattr(memory, "CGROUP", site.data_dir / "none")
    report = out_of_memory_report(make_recipe(), site, 2000)
    assert re.fullmatch(
        r"batch_size 2000 does not fit: peak [\d,]+ MiB of the cpu's 1,000 MiB; batch_size \d+ would fit", report
    )


def test_suggested_rate_trains_better_than_a_hundredth_and_a_hundredfold(make_recipe, make_run, curve):
    recipe = make_recipe(data__train_limit=None, schedule__warmup_epochs=0)
    suggestion = learning_rate_range(recipe, make_run()).suggestion
    assert suggestion is not None
    losses = {}
    for factor in (0.01, 1, 100):
        tuned = make_recipe(data__train_limit=None, schedule__warmup_epochs=0, optimizer__lr=suggestion * factor)
        loss = curve(tuned, make_run())[-1]["val_loss"]
        losses[factor] = loss if math.isfinite(loss) else math.inf
    assert losses[1] < 0.5 * min(losses[0.01], losses[100])


def test_range_test_repeats_exactly_and_leaves_the_global_generator_alone(make_recipe, make_run):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    curves = [learning_rate_range(make_recipe(), make_run(), steps=12) for _ in range(2)]
    assert torch.equal(torch.rand(2), expected)
    assert curves[0] == curves[1]
    assert curves[0].rates == pytest.approx(np.geomspace(1e-6, 10, 12)[: len(curves[0].rates)])


def test_range_test_ends_where_the_loss_explodes(make_recipe, make_run):
    curve = learning_rate_range(make_recipe(), make_run(), steps=60, highest=1e8)
    assert len(curve.rates) < 60
    assert all(map(math.isfinite, curve.losses))
    assert all(loss <= 4 * min(curve.smoothed) for loss in curve.smoothed[6:-1])


def test_range_test_of_an_automatic_batch_size(make_recipe, site):
    tuned = tune_lr(make_recipe(batch_size="auto", data__train_limit=64), site)
    assert "batches of 64" in tuned.note


def test_steepest_is_the_middle_of_the_fall_and_nothing_where_there_is_none():
    rates = np.geomspace(1e-5, 1, 101)
    falling = 2 - 1 / (1 + np.exp(-4 * np.log(rates / 1e-2)))
    rising = np.where(rates > 0.1, np.geomspace(1e8, 5, 101), falling)  # it explodes, then falls back a little
    assert steepest(list(rates), list(rising)) == pytest.approx(1e-2, rel=0.2)
    assert steepest(list(rates), list(np.linspace(1, 2, 101))) is None
    assert steepest([], []) is None


def test_smoothing_has_no_bias_towards_zero():
    assert smooth([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
    assert smooth([1.0, 2.0])[-1] == pytest.approx((0.9 * 0.1 * 1 + 0.1 * 2) / 0.19)


def invoke(*words: str | Path) -> Any:
    """`sweep` in this process, where torch is loaded already."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file in the current folder, which is empty but for it."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tuned.yaml"
    file.write_text(STUDY)
    return file


@pytest.mark.parametrize(
    ("command", "line"), [("tune-batch", "batch_size: 256"), ("tune-lr", r"optimizer: {lr: [\d.e-]+}")]
)
def test_command_prints_the_line_for_the_study_file(study: Path, data_dir: Path, command: str, line: str):
    done = invoke(command, study, "--data-dir", data_dir)
    assert done.exit_code == 0, done.output
    assert re.fullmatch(rf"Into the baseline of the study file: {line}", done.stdout.splitlines()[-1])
    assert [file.name for file in study.parent.iterdir()] == ["tuned.yaml"]


def test_command_gives_json_and_takes_settings(study: Path, data_dir: Path):
    done = invoke("tune-batch", study, "--data-dir", data_dir, "--json", "--set", "data.train_limit=64")
    output = json.loads(done.stdout)
    assert output["settings"] == {"batch_size": 64}
    assert output["note"].startswith("All 64 training images fit one batch.")
    assert output["rows"][-1]["images_per_s"] > 0


def test_command_says_when_the_workload_cannot(tmp_path: Path):
    study = tmp_path / "toy.yaml"
    study.write_text(toy_text())
    done = invoke("tune-lr", study, "--data-dir", tmp_path)
    assert isinstance(done.exception, BadWorkload)
    assert str(done.exception) == "workload 'tests.toy' has no function 'tune_lr'"
