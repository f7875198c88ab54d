"""The ResNet: shapes, blocks, and initial weights that agree across recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.models import build
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.layers import SampledConv2d
from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.schema import Shape

CIFAR = Shape(channels=3, size=32, classes=10)
DIGITS = Shape(channels=1, size=8, classes=10)
SMALL = {"blocks": (2, 1), "widths": (8, 16), "strides": (1, 2)}


def network(shape: Shape = DIGITS, seed: int = 0, **settings: Any) -> nn.Module:
    built = build(ResNetRecipe.model_validate(SMALL | settings), shape)
    initialise(built, seed)
    return built


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in net.named_parameters() if parameter.ndim > 1}


@pytest.mark.parametrize(
    ("settings", "shape", "side_before_pooling"),
    [
        ({}, DIGITS, 4),
        ({}, CIFAR, 16),
        ({"strides": (1, 4)}, CIFAR, 8),
        ({"strides": (3, 3)}, CIFAR, 4),
        ({"strides": (4, 2)}, Shape(1, 5, 10), 1),
        ({"stem": {"kernel": 7, "stride": 2, "pool": True}}, CIFAR, 4),
        ({"stem": {"kernel": 1}}, DIGITS, 4),
        ({"norm": "group"}, DIGITS, 4),
        ({"norm": "none", "residual": False}, DIGITS, 4),
        ({"activation": "gelu", "head": {"dropout": 0.5}}, DIGITS, 4),
    ],
)
def test_logits_and_feature_maps_have_the_expected_shapes(settings: dict, shape: Shape, side_before_pooling: int):
    net = network(shape, **settings)
    images = torch.rand(2, shape.channels, shape.size, shape.size)
    assert net(images).shape == (2, 10)
    assert net.stages(net.stem(images)).shape == (2, 16, side_before_pooling, side_before_pooling)


@pytest.mark.parametrize(
    ("settings", "size", "message"),
    [
        (
            {"strides": (4, 4)},
            8,
            r"model.strides: stage 2 has stride 4 but gets a map of 2x2 pixels from the 8x8 image",
        ),
        ({"strides": (4, 4), "stem": {"pool": True}}, 8, "model.strides: stage 2 has stride 4 but gets a map of 1x1"),
        ({"stem": {"stride": 4}}, 2, "model.stem.stride: the stem has stride 4 but gets a map of 2x2"),
        (
            {"stem": {"stride": 2, "pool": True}},
            2,
            "model.stem.pool: the stem's pool has stride 2 but gets a map of 1x1",
        ),
    ],
)
def test_an_image_too_small_for_the_strides_is_refused_naming_the_stage(settings: dict, size: int, message: str):
    with pytest.raises(ValueError, match=message):
        network(Shape(1, size, 10), **settings)


@pytest.mark.parametrize(("norm", "bias"), [("batch", False), ("group", False), ("none", True)])
def test_convolutions_have_a_bias_only_without_a_norm(norm: str, bias: bool):
    convolutions = [module for module in network(norm=norm).modules() if isinstance(module, nn.Conv2d)]
    assert {conv.bias is not None for conv in convolutions} == {bias}


def test_group_norm_has_sixteen_channels_per_group_or_one_group():
    norms = {
        n.num_channels: n.num_groups for n in network(norm="group", widths=(8, 64)).modules() if type(n) is nn.GroupNorm
    }
    assert norms == {8: 1, 64: 4}


def test_without_residual_there_is_no_shortcut():
    plain = network(residual=False)
    assert not any("shortcut" in name for name, _ in plain.named_parameters())
    block = plain.stages[0][1]
    images = torch.rand(2, 8, 8, 8)
    nn.init.zeros_(block.norm2.weight)
    assert block(images).count_nonzero() == 0


def test_a_residual_block_adds_its_input():
    block = network().stages[0][1]
    nn.init.zeros_(block.norm2.weight)
    features = torch.rand(2, 8, 8, 8)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize(("residual", "norm", "zeroed"), [(True, "batch", 3), (True, "group", 3), (False, "batch", 0)])
def test_zero_init_zeroes_the_last_gain_of_each_residual_block(residual: bool, norm: str, zeroed: int):
    net = network(zero_init=True, residual=residual, norm=norm)
    gains = {
        name: parameter for name, parameter in net.named_parameters() if "norm" in name and name.endswith("weight")
    }
    zeros = [name for name, gain in gains.items() if gain.count_nonzero() == 0]
    assert len(zeros) == zeroed
    assert all(name.endswith("norm2.weight") for name in zeros)


@pytest.mark.parametrize(("stride", "size"), [(2, 8), (2, 7), (3, 8), (4, 9)])
def test_a_strided_pointwise_convolution_is_torchs_own(stride: int, size: int):
    ours = SampledConv2d(3, 5, 1, stride)
    theirs = nn.Conv2d(3, 5, 1, stride)
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 3, size, size)
    torch.testing.assert_close(ours(images), theirs(images))


class Convolutions(TorchDispatchMode):
    """Notes the stride of each convolution that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.strides: list[list[int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.strides.append(args[3])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("device", "stride"), [("cpu", 1), ("meta", 3)])
def test_pixels_are_taken_out_before_a_strided_pointwise_convolution_on_a_cpu_only(device: str, stride: int):
    layer = SampledConv2d(3, 5, 1, 3).to(device)
    with Convolutions() as convolutions:
        result = layer(torch.rand(2, 3, 8, 8, device=device))
    assert convolutions.strides == [[stride, stride]]
    assert result.shape == (2, 5, 3, 3)
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_no_strided_pointwise_convolution_is_computed_by_onednn():
    net = network(stem={"kernel": 1, "stride": 2})
    pointwise = [
        m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1)
    ]
    assert len(pointwise) == 2
    assert all(type(module) is SampledConv2d for module in pointwise)


@pytest.mark.parametrize("change", [
    {"head": {"dropout": 0.5}}, {"norm": "none"}, {"norm": "group"}, {"activation": "identity"}, {"zero_init": True},
    {"residual": False}, {"strides": (2, 2)}, {"blocks": (1, 1)}, {"blocks": (2, 3)},
])  # fmt: skip
def test_weights_that_agree_in_name_and_shape_start_equal_whatever_part_differs(change: dict[str, Any]):
    ours, theirs = weights(network()), weights(network(**change))
    common = [name for name in ours if name in theirs and ours[name].shape == theirs[name].shape]
    assert len(common) >= min(len(ours), len(theirs)) - 1
    assert all(torch.equal(ours[name], theirs[name]) for name in common)


@pytest.mark.parametrize("place", ["stem.norm", "stages.0.0.norm1", "stages.0.1.norm2", "stages.1.0.shortcut.norm"])
def test_removing_one_norm_layer_leaves_every_other_initial_weight_as_it_was(place: str):
    whole, without = (build(ResNetRecipe.model_validate(SMALL), DIGITS) for _ in range(2))
    parent, _, child = place.rpartition(".")
    setattr(without.get_submodule(parent), child, nn.Identity())
    for net in (whole, without):
        initialise(net, 0)
    ours, theirs = dict(whole.named_parameters()), dict(without.named_parameters())
    assert ours.keys() - theirs.keys() == {f"{place}.weight", f"{place}.bias"}
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_another_seed_draws_other_weights_and_no_two_layers_share_theirs():
    ours, theirs = weights(network(seed=0)), weights(network(seed=1))
    assert not any(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(ours["stages.0.0.conv1.weight"], ours["stages.0.0.conv2.weight"])


def test_initial_weights_do_not_touch_the_global_generator():
    net = build(ResNetRecipe.model_validate(SMALL), DIGITS)
    before = torch.get_rng_state()
    initialise(net, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_have_the_deviation_of_he():
    weight = network(widths=(64, 256)).stages[1][0].conv2.weight
    assert float(weight.detach().std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)


def test_the_signal_keeps_its_scale(make_images: Callable[[], Tensor]):
    logits = network(CIFAR, blocks=(3, 3), widths=(32, 64))(make_images())
    assert 0.1 < float(logits.detach().std()) < 10


@pytest.fixture
def make_images() -> Callable[[], Tensor]:
    return lambda: torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
