from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cifar_sweep.data.cache import load_images
from cifar_sweep.inference import trained as module
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import STATE, Trainer
from sweeps.workload import Run


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> tuple[Trainer, Path]:
    """A network after one epoch on the digits, and the folder with its state."""
    settings = {
        "data": {"name": "digits", "validation": 300, "train_limit": 256},
        "model": {"blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]},
        "epochs": 1,
        "batch_size": 64,
        "precision": "fp32",
    }
    folder = tmp_path_factory.mktemp("saved")
    run = Run(seed=1, split_seed=1, device="cpu", data_dir=data_dir, folder=folder)
    trainer = Trainer.start(Recipe.model_validate(settings), run)
    trainer.run_epoch()
    trainer.save(folder)
    return trainer, folder


@pytest.fixture
def trained(saved: tuple[Trainer, Path]) -> Trained:
    return Trained.load(saved[0].recipe, saved[1], torch.device("cpu"))


@pytest.fixture
def pixels(data_dir: Path, make_recipe: Callable[..., Recipe]) -> Tensor:
    """40 real digits."""
    return torch.from_numpy(load_images(make_recipe().data, data_dir, "train").pixels[:40])


def test_the_trainer_saves_where_trained_looks():
    assert module.STATE == STATE


def test_logits_are_those_of_the_network_that_was_saved(saved, trained: Trained, pixels: Tensor):
    trainer, _ = saved
    trainer.network.eval()
    with torch.no_grad():
        expected = trainer.network(trainer.images.source.scaling(pixels))
    assert torch.equal(trained.logits(pixels), expected)
    assert trained.logits(pixels).shape == (40, 10)


def test_logits_do_not_depend_on_the_batches(trained: Trained, pixels: Tensor, monkeypatch: pytest.MonkeyPatch):
    whole = trained.logits(pixels)
    monkeypatch.setattr(module, "BATCH", 7)
    assert torch.allclose(trained.logits(pixels), whole, atol=1e-5)


def test_a_student_can_learn_from_the_logits(trained: Trained, pixels: Tensor):
    weight = torch.ones(10, requires_grad=True)
    (trained.logits(pixels) * weight).sum().backward()  # logits of inference mode could not be kept for this
    assert weight.grad is not None
    assert all(parameter.grad is None for parameter in trained.network.parameters())


def test_mirror_is_the_mean_over_the_image_and_its_mirror_image(trained: Trained, pixels: Tensor):
    expected = (trained.logits(pixels) + trained.logits(pixels.flip(2))) / 2
    assert torch.allclose(trained.logits(pixels, "mirror"), expected, atol=1e-6)
    assert torch.allclose(trained.logits(pixels.flip(2).contiguous(), "mirror"), expected, atol=1e-6)
