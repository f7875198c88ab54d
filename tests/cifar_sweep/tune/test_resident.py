"""What a run holds beside its network is counted, and a report says when no batch size can help."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cifar_sweep.data.cache import load_images
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune import memory, out_of_memory_report
from cifar_sweep.tune.batch_size.batch import _advice, training_images
from cifar_sweep.tune.batch_size.resident import Resident
from sweeps.workload import Run, Site

MIB = 2**20
MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., Run]


def test_averages_of_the_weights_are_counted_as_they_are_held(
    make_recipe: MakeRecipe, make_run: MakeRun, data_dir: Path
) -> None:
    recipe = make_recipe(regularization__ema=0.99, regularization__lookahead={"every": 5})
    trainer = Trainer.start(recipe, make_run())
    assert trainer.average is not None
    assert trainer.lookahead is not None
    averaged = trainer.average.network
    held = [*averaged.parameters(), *averaged.buffers(), *trainer.lookahead.slow]
    resident = Resident.of(recipe, Site(data_dir, "cpu"))
    assert resident.averages == pytest.approx(sum(tensor.nbytes for tensor in held), rel=0.01)
    assert resident.images == trainer.images.source.pixels.nbytes
    assert resident.teacher == 0


def test_teacher_and_all_images_are_counted(make_recipe: MakeRecipe, data_dir: Path, tiny_study: Path) -> None:
    plain = Resident.of(make_recipe(), Site(data_dir, "cpu", tiny_study))
    teacher = Resident.of(
        make_recipe(distillation={"teacher": "tiny:0"}, model__widths=[64, 64]), Site(data_dir, "cpu", tiny_study)
    )
    assert plain.teacher == 0
    assert teacher.images == plain.images
    with_ema = Resident.of(make_recipe(regularization__ema=0.99), Site(data_dir, "cpu"))
    assert teacher.teacher == with_ema.averages  # a network of the same settings: not of the student's


def test_unlabelled_images_of_a_file_are_counted(make_recipe: MakeRecipe, data_dir: Path) -> None:
    np.savez(data_dir / "more.npz", images=np.zeros((100, 8, 8), np.uint8))
    recipe = make_recipe(data__unlabelled={"path": "more.npz"}, pseudo_labels={"start_epoch": 1})
    more, plain = (Resident.of(each, Site(data_dir, "cpu")).images for each in (recipe, make_recipe()))
    assert more - plain == 100 * load_images(recipe.data, data_dir, "train").pixels[0].nbytes
    assert training_images(recipe, Site(data_dir, "cpu"))[1] == more


def test_report_says_when_a_smaller_batch_cannot_help(make_recipe: MakeRecipe, data_dir: Path) -> None:
    resident = Resident(images=50 * MIB, teacher=4 * MIB)
    assert _advice(make_recipe(), Site(data_dir, "cpu"), 64, resident, 40 * MIB) == (
        "what every batch needs does not fit by itself (images 50 MiB, teacher 4 MiB, where 40 MiB can be used): a "
        "smaller batch does not help; use fewer or smaller images"
    )
    shared = _advice(make_recipe(), Site(data_dir, "cpu", share=0.5), 64, resident, 40 * MIB)
    assert shared.endswith("use fewer or smaller images, or give a trial more of the device")


def test_report_is_for_the_share_of_the_trial(
    make_recipe: MakeRecipe, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: {1000 * 1024} kB\nMemAvailable: {24 * 1024} kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    fitting = {}
    for share in (1.0, 0.5):
        report = out_of_memory_report(make_recipe(), Site(data_dir, "cpu", share=share), 2000)
        assert ("(a trial has 0.5 of it, 500 MiB)" in report) == (share < 1)
        (number,) = re.findall(r"batch_size (\d+) would fit", report)
        fitting[share] = int(number)
    assert 0 < fitting[0.5] < fitting[1.0]
