"""Nothing of a training is in float64 on a device that has none, as Apple's GPUs.

The device is pretended, under the name of another: torch computes shapes and types of tensors that it holds to be
there, and no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cifar_sweep.augment import Scaling, Source
from cifar_sweep.device import float64
from cifar_sweep.device.float64 import float64_device, sum_type
from cifar_sweep.inference.metrics import Tally
from cifar_sweep.training.whitening import second_moment

GPU = torch.device("cuda", 0)


class WithoutFloat64(TorchDispatchMode):
    """Refuses what such a device refuses: a tensor in float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.device.type == "cuda" and tensor.dtype == torch.float64:
                raise TypeError(f"{func}: this device has no float64")
        return made


@pytest.fixture
def without_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch._C._ensureCUDADeviceGuardSet()
    monkeypatch.setattr(float64, "WITHOUT", frozenset({"cuda"}))
    with FakeTensorMode(allow_non_fake_inputs=True), WithoutFloat64():
        yield


def test_pretended_device_refuses_float64(without_float64: None) -> None:
    with pytest.raises(TypeError, match="has no float64"):
        torch.zeros(2, device=GPU).double()


def test_sums_are_exact_wherever_float64_is() -> None:
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        assert (sum_type(device), float64_device(device)) == (torch.float64, device)
    apple = torch.device("mps")
    assert (sum_type(apple), float64_device(apple)) == (torch.float32, torch.device("cpu"))


def test_images_are_measured_and_whitened(without_float64: None) -> None:
    pixels, index = torch.zeros(64, 8, 8, 4, dtype=torch.uint8, device=GPU), torch.arange(64, device=GPU)
    scaling = Scaling.measured(pixels, index, 3)
    assert (scaling.factor.device, scaling.factor.dtype) == (GPU, torch.float32)
    moment = second_moment(Source(pixels, index, scaling), index, 2)
    assert (moment.device.type, moment.dtype, moment.shape) == ("cpu", torch.float64, (12, 12))


def test_results_are_counted(without_float64: None) -> None:
    logits, tally = torch.zeros(32, 10, device=GPU), Tally.empty(GPU, 10)
    tally.add(logits.sum(), logits, torch.zeros(32, dtype=torch.int64, device=GPU))
    assert tally.loss.dtype == torch.float32
