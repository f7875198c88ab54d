"""Forward pass and loss of every network under CUDA's own dispatch keys: types, devices, and nothing that waits.

torch's fake tensors have the true devices, types and strides of results, and no numbers. Autocast has CUDA's own lists
here, which the pretended device has not. Only the forward pass is made: a backward pass asks for a real device.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.augment import Mixed
from cifar_sweep.inference.precision import autocast
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.loss import Objective
from tests.cuda.pretended.operators import COPIES, WAITS

BATCH = 4
CIFAR = {"data": {"name": "cifar10"}}
LARGE = {"data": {"name": "npz", "path": "images.npz", "size": 224, "classes": 10, "channels": 3}}
SINGLE = (
    *("resnet", "wide_resnet", "base_resnet", "simple_cnn", "two_layer", "lenet5", "convnet", "cbam_cnn", "airbench"),
)
FAMILIES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "resnet18", "resnext50_32x4d"),
    *("shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_32", "wide_resnet50_2"),
)
HEAD = {"hidden": [32], "dropout": 0.1, "batch_norm": True, "batch_norm_logits": True}
NETWORKS: dict[str, dict[str, Any]] = {
    **{name: {**CIFAR, "model": {"name": name}} for name in SINGLE},
    "text head": {**CIFAR, "model": {"stochastic_depth": 0.2, "norm": "group", "head": {**HEAD, "text": {}}}},
    "hierarchical": {
        "data": {"name": "cifar100"},
        "model": {"name": "hierarchical", "coarse": {"name": "lenet5"}, "fine": {"name": "lenet5"}},
    },
    **{name: {**LARGE, "model": {"name": "torchvision", "arch": name}} for name in FAMILIES},
}


class Crossings(TorchDispatchMode):
    """Notes the operators for which a GPU is waited for, and those that cross between devices."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, result = func.overloadpacket.__name__, func(*args, **(kwargs or {}))
        if name in WAITS:
            self.noted[name] += 1
        if name in COPIES and args[0].device != (result if name == "_to_copy" else args[1]).device:
            self.noted[f"{name} between devices"] += 1
        return result


def network_on_cuda(recipe: Recipe) -> nn.Module:
    """Return the network of a recipe with fake weights on CUDA. It is built on the meta device: drawing needs a GPU."""
    with unset_fake_temporarily(), torch.device("meta"):
        network = build(recipe.model, recipe.data.shape)
    for module in network.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                layout = torch.channels_last if weight.dim() == 4 else torch.contiguous_format
                made = torch.empty(weight.shape, dtype=weight.dtype, device="cuda", memory_format=layout)
                setattr(module, name, nn.Parameter(made, requires_grad=weight.requires_grad))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device="cuda"))
    return network.train()


@pytest.mark.parametrize("name", NETWORKS)
def test_network_computes_in_bfloat16_on_cuda_and_its_loss_in_float32(name: str):
    recipe = Recipe.model_validate(NETWORKS[name])
    shape, objective = recipe.data.shape, Objective(recipe)
    available = mock.patch.multiple(torch.cuda, is_available=lambda: True, is_bf16_supported=lambda *_: True)
    with FakeTensorMode(), Crossings() as crossings, torch.no_grad():
        network = network_on_cuda(recipe)
        images = torch.empty(BATCH, shape.size, shape.size, shape.channels, device="cuda").permute(0, 3, 1, 2)
        labels = torch.empty(BATCH, dtype=torch.long, device="cuda")
        share = torch.empty(BATCH, device="cuda")
        crossings.noted.clear()
        with available, autocast("bf16", torch.device("cuda")):
            logits = network(images)
            losses = [objective(logits, Mixed(images, labels, labels, None))]
            losses.append(objective(logits, Mixed(images, labels, labels.roll(1, 0), share)))
    assert (logits.device.type, tuple(logits.shape)) == ("cuda", (BATCH, shape.classes))
    assert logits.dtype == (torch.float32 if name == "hierarchical" else torch.bfloat16)
    assert [(loss.device.type, loss.dtype) for loss in losses] == [("cuda", torch.float32)] * 2
    assert not crossings.noted
