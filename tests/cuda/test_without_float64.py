"""Whole trainings on a device without float64, as Apple's GPUs are; the pretended one stands in for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cifar_sweep.device import float64
from tests.cuda.pretended import Device
from tests.cuda.scenarios import SCENARIOS
from tests.cuda.training import Site, train

NAMES = ("model.airbench", "model.hierarchical", "technique.pretrained", "technique.regularised", "technique.resized")


class WithoutFloat64(TorchDispatchMode):
    """Refuses a tensor in float64 on the device, as Metal does."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64 and self._device.has(tensor):
                raise TypeError(f"{func}: this device has no float64")
        return made


def test_pretended_device_refuses_float64(gpu: Device) -> None:
    with WithoutFloat64(gpu), pytest.raises(TypeError, match="has no float64"):
        torch.zeros(2, device="cuda").double()


@pytest.mark.parametrize("name", NAMES)
def test_training_needs_no_float64_on_the_device(
    name: str, site: Site, gpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(float64, "WITHOUT", frozenset({"cuda"}))
    with WithoutFloat64(gpu):
        rows = train(SCENARIOS[name].recipe(site.data_dir), site.run("cuda"))
    assert len(rows) == 2
    assert gpu.log.launches > 0
