"""After a run ran out of memory on a pretended GPU: the advice, and what is left there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cifar_sweep.device.errors import OutOfMemory
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import train_network
from cifar_sweep.tune import largest_batch
from cifar_sweep.tune.batch_size.resident import Resident
from cifar_sweep.tune.bench import Step
from sweeps.workload import DeviceLost, Run, Site
from tests.cuda.pretended import Device, pretended

MIB = 2**20


@pytest.fixture
def gpu() -> Iterator[Device]:
    """A pretended GPU, in place for one test."""
    with pretended() as device:
        yield device


def run_in(folder: Path, data_dir: Path, share: float = 1.0) -> Run:
    folder.mkdir()
    return Run(seed=1, split_seed=1, device="cuda", data_dir=data_dir, folder=folder, share=share)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_advice_is_that_of_a_device_on_which_nothing_is_left(
    gpu: Device, make_recipe: Callable[..., Recipe], tmp_path: Path, data_dir: Path, share: float
) -> None:
    recipe = make_recipe(batch_size=200, epochs=1, model__widths=[32, 64], precision="fp32")
    gpu.memory.total = 8 * MIB
    with pytest.raises(OutOfMemory) as raised:
        list(train_network(recipe, run_in(tmp_path / "run", data_dir, share)))
    assert (gpu.memory.used, gpu.memory.reserved) == (0, 0)
    (advised,) = re.findall(r"batch_size (\d+) would fit$", str(raised.value))
    site = Site(data_dir, "cuda", share=share)
    resident = Resident.of(recipe, site).total
    assert int(advised) == largest_batch(recipe, site, 199, resident=resident, limit=199).largest
    assert ("(a trial has 0.5 of it, 4 MiB)" in str(raised.value)) == (share < 1)


def test_advice_says_that_the_images_alone_do_not_fit(
    gpu: Device, make_recipe: Callable[..., Recipe], tmp_path: Path, data_dir: Path
) -> None:
    gpu.memory.total = 1000
    with pytest.raises(OutOfMemory, match=r"what every batch needs does not fit by itself \(images 0 MiB"):
        list(train_network(make_recipe(), run_in(tmp_path / "run", data_dir)))


def test_run_on_a_poisoned_device_is_told_as_lost(
    gpu: Device, make_recipe: Callable[..., Recipe], tmp_path: Path, data_dir: Path
) -> None:
    epochs = train_network(make_recipe(), run_in(tmp_path / "run", data_dir))
    next(epochs)
    gpu.poison()
    with pytest.raises(DeviceLost, match="an illegal memory access was encountered"):
        next(epochs)


def test_allocation_that_fails_on_a_poisoned_device_is_a_lost_one(
    gpu: Device, make_recipe: Callable[..., Recipe], tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*_: object) -> None:
        gpu.poison()
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr("cifar_sweep.training.trainer.Trainer.validate", poisoned)
    with pytest.raises(DeviceLost, match=r"CUBLAS_STATUS_ALLOC_FAILED .*\(CUDA error: an illegal memory access"):
        list(train_network(make_recipe(), run_in(tmp_path / "run", data_dir)))


def test_device_that_is_lost_while_a_batch_is_tried_names_the_first_error(
    gpu: Device, make_recipe: Callable[..., Recipe], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        gpu.poison("misaligned address")
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(Step, "loss", lost)
    monkeypatch.setattr("torch.nn.Module.zero_grad", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="device-side assert triggered"):
        largest_batch(make_recipe(), Site(data_dir, "cuda"), 16, limit=16)
