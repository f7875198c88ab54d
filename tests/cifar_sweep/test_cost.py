"""Parameters and multiply-accumulates, beside known counts and torch."""

from __future__ import annotations

import resource
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import cost


def recipe(model: dict[str, Any], **data: Any) -> Recipe:
    return Recipe.model_validate({"model": model, "data": data})


@pytest.mark.parametrize(
    ("blocks", "widths", "parameters", "mmacs"),
    [
        ([2, 2, 2, 2], [64, 128, 256, 512], 11_173_962, 555),
        ([1, 1, 1, 1], [64, 128, 256, 512], 4_903_242, 253),
        ([2, 2, 2, 2], [32, 64, 128, 256], 2_797_610, 139),
    ],
)
def test_counts_are_the_known_ones(blocks: list[int], widths: list[int], parameters: int, mmacs: int):
    counts = cost(recipe({"blocks": blocks, "widths": widths}))
    assert counts["parameters"] == counts["trainable_parameters"] == parameters
    assert counts["macs"] // 1_000_000 == mmacs


@pytest.mark.parametrize("model", [
    {}, {"norm": "none"}, {"norm": "group"}, {"residual": False}, {"strides": [1, 3, 2, 2]},
    {"stem": {"kernel": 7, "stride": 2, "pool": True}}, {"name": "wide_resnet"}, {"name": "base_resnet"},
    {"name": "simple_cnn"}, {"name": "two_layer", "hidden": [64, 32]}, {"name": "lenet5"}, {"name": "convnet"},
    {"name": "cbam_cnn"}, {"name": "airbench"}, {"name": "torchvision", "arch": "mobilenet_v3_small"},
    {"name": "torchvision", "arch": "convnext_tiny"},
])  # fmt: skip
def test_macs_are_half_of_the_flops_that_torch_counts(model: dict[str, Any]):
    made = recipe(model)
    network = build(made.model, made.data.shape).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 32, 32))
    assert cost(made)["macs"] * 2 == counter.get_total_flops()


def test_the_data_decides_the_first_and_the_last_layer():
    ten, hundred = cost(recipe({})), cost(recipe({}, name="cifar100"))
    assert hundred["parameters"] - ten["parameters"] == 90 * (256 + 1)


def test_a_huge_network_is_counted_without_filling_the_memory():
    used_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert cost(recipe({"widths": [8192, 8192, 8192, 8192]}))["parameters"] > 9e9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used_kib < 100_000


def test_an_image_too_small_for_the_network_is_refused():
    with pytest.raises(ValueError, match=r"model.strides: stage 4 has stride 4 but gets a map of 1x1"):
        cost(recipe({"strides": [2, 4, 1, 4]}, name="digits"))


def test_changing_a_returned_cost_does_not_change_the_next():
    cost(Recipe())["parameters"] = 0
    assert cost(Recipe())["parameters"] == 2_797_610
