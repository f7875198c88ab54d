from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from cifar_sweep import workload
from cifar_sweep.augment import Scaling
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.classes import names_of
from cifar_sweep.recipe import DistillationRecipe, Recipe
from cifar_sweep.schema import Shape
from cifar_sweep.techniques.distillation import Teacher, distillation_loss
from cifar_sweep.train import Trainer
from sweeps.workload import Run, Site

CPU = torch.device("cpu")
DIGITS = Shape(channels=1, size=8, classes=10)
NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder that all tests share: the teacher is trained in it once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def a_run(runs: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., Run], curve: Any) -> Run:
    """A run that finds, as study:7, a network that was trained on 1,200 digits."""
    folder = runs / "study" / "trials" / "0007"
    if not folder.exists():
        folder.mkdir(parents=True)
        recipe = make_recipe(data__train_limit=None, epochs=5, optimizer__lr=0.1)
        curve(recipe, make_run(folder=folder, seed=3))
        (folder / "recipe.yaml").write_text(recipe.model_dump_json(), encoding="utf-8")  # JSON is YAML
    return make_run(runs_dir=runs)


@pytest.fixture
def teacher(a_run: Run) -> Teacher:
    return Teacher.load("study:7", a_run, DIGITS, NAMES, CPU)


def softened(logits: list[float], temperature: float) -> list[float]:
    powers = [2.718281828459045 ** (value / temperature) for value in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 1.0), (4.0, 0.9), (2.0, 0.5)])
def test_the_loss_is_that_of_the_paper(temperature, weight):
    student, teacher = [[0.5, -1.0, 2.0], [0.0, 0.1, 0.2]], [[1.0, 0.0, 3.0], [-2.0, 1.0, 0.0]]
    divergence = 0.0
    for student_row, teacher_row in zip(student, teacher, strict=True):
        q, p = softened(student_row, temperature), softened(teacher_row, temperature)
        divergence += sum(b * (torch.tensor(b).log() - torch.tensor(a).log()).item() for a, b in zip(q, p, strict=True))
    expected = (1 - weight) * 1.7 + weight * temperature**2 * divergence / 2
    recipe = DistillationRecipe(teacher="study:7", temperature=temperature, weight=weight)
    loss = distillation_loss(recipe, torch.tensor(1.7), torch.tensor(student), torch.tensor(teacher))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_student_that_agrees_has_no_soft_loss_and_weight_zero_is_the_hard_loss():
    logits, other = torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(0))
    recipe = DistillationRecipe(teacher="study:7", weight=1.0)
    assert float(distillation_loss(recipe, torch.tensor(2.0), logits, logits)) == pytest.approx(0, abs=1e-6)
    recipe = DistillationRecipe(teacher="study:7", weight=0.0)
    assert float(distillation_loss(recipe, torch.tensor(2.0), logits, other)) == 2


@pytest.mark.parametrize("settings", [{"teacher": "study"}, {"temperature": 0.0}, {"weight": 1.5}])
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ValidationError):
        DistillationRecipe.model_validate(settings)


@pytest.mark.parametrize("scaling", [
    Scaling.to_unit(1, CPU),
    Scaling(torch.tensor([0.01]), torch.tensor([-0.7])),
])  # fmt: skip
def test_the_teacher_sees_the_images_in_its_own_scaling(teacher, data_dir, make_recipe, scaling):
    pixels = torch.from_numpy(load_images(make_recipe().data, data_dir, "train").pixels[:50])
    expected = teacher.trained.logits(pixels)
    assert torch.allclose(teacher.seeing(scaling).logits(scaling(pixels)), expected, atol=1e-4)
    assert torch.equal(teacher.seeing(teacher.trained.scaling).logits(teacher.trained.scaling(pixels)), expected)


def test_the_teacher_is_right_and_never_changes(teacher, data_dir, make_recipe):
    images = load_images(make_recipe().data, data_dir, "train")
    scaling = teacher.trained.scaling
    before = {name: tensor.clone() for name, tensor in teacher.trained.network.state_dict().items()}
    teacher.trained.network.train()
    logits = teacher.seeing(scaling).logits(scaling(torch.from_numpy(images.pixels)))
    assert not logits.requires_grad
    assert float((logits.argmax(1) == torch.from_numpy(images.labels)).float().mean()) > 0.8
    after = teacher.trained.network.state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())


@pytest.mark.parametrize(("shape", "names", "message"), [
    (Shape(1, 8, 3), ("a", "b", "c"), r"knows 10 classes \(0, 1, .*\), but the student learns 3 classes \(a, b, c\)"),
    (DIGITS, tuple("1023456789"), r"both must have the same classes in the same order"),
    (Shape(3, 8, 10), NAMES, r"study:7, which was trained on images of 1x8x8 .* but the student gets 3x8x8"),
    (Shape(1, 16, 10), NAMES, r"the student gets 1x16x16: name a teacher of the same size"),
])  # fmt: skip
def test_a_teacher_of_something_else_is_refused(a_run, shape, names, message):
    with pytest.raises(ValueError, match=message):
        Teacher.load("study:7", a_run, shape, names, CPU)


def test_a_teacher_that_does_not_fit_is_told_before_anything_trains(a_run, make_recipe):
    taught, site = {"distillation": {"teacher": "study:7"}}, Site(a_run.data_dir, "cpu", a_run.runs_dir)
    workload.prepare(make_recipe(**taught), site)
    other = make_recipe(**taught, data__resize=16)
    with pytest.raises(ValueError, match="the student gets 1x16x16: name a teacher of the same size"):
        workload.prepare(other, site)
    workload.prepare(other, replace(site, runs_dir=None))  # nothing is to be trained: a plan


def test_weights_of_a_trial_that_do_not_fit_are_told_before_anything_trains(a_run, make_recipe):
    site = Site(a_run.data_dir, "cpu", a_run.runs_dir)
    workload.prepare(make_recipe(transfer__weights="study:7"), site)
    with pytest.raises(ValueError, match=r"transfer\.weights is study:7, but its tensors do not fit"):
        workload.prepare(make_recipe(transfer__weights="study:7", model__widths=[8, 24]), site)


def test_a_student_learns_from_the_teacher_without_any_label(a_run, make_recipe):
    distilled = {"teacher": "study:7", "temperature": 2.0, "weight": 1.0}
    recipe = make_recipe(distillation=distilled, data__train_limit=None, data__label_noise=0.8, epochs=4)
    assert names_of(recipe.data, a_run.data_dir) == NAMES
    taught, alone = (Trainer.start(one, a_run) for one in (recipe, recipe.model_copy(update={"distillation": None})))
    accuracies = [[trainer.run_epoch() for _ in range(4)][-1]["val_accuracy"] for trainer in (taught, alone)]
    assert accuracies[0] > accuracies[1] + 15
