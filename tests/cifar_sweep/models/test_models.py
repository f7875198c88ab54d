"""The rules that every model follows, and the parts of each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.cost import network_cost
from cifar_sweep.models import ModelRecipe, build
from cifar_sweep.models.architectures.cbam_cnn import ChannelAttention, SpatialAttention
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.layers import StochasticDepth
from cifar_sweep.models.network import Network
from cifar_sweep.schema import Shape

RECIPES = TypeAdapter(ModelRecipe)
OWN = ["resnet", "wide_resnet", "base_resnet", "simple_cnn", "two_layer", "lenet5", "convnet", "cbam_cnn", "airbench"]
SMALL: dict[str, dict[str, Any]] = {
    "resnet": {"blocks": [1, 1], "widths": [4, 8], "strides": [1, 2]},
    "wide_resnet": {"depth": 10, "widen": 1, "width": 4},
    "base_resnet": {"base": [4, 8], "widths": [8, 16]},
    "simple_cnn": {"widths": [4, 8]},
    "two_layer": {"hidden": [12, 8]},
    "lenet5": {},
    "convnet": {"widths": [4, 8, 8], "kernels": [5, 3], "stem": {"stride": 2}},
    "cbam_cnn": {"widths": [4, 8, 16], "reduction": 2},
    "airbench": {"widths": [4, 8]},
    "torchvision": {"arch": "shufflenet_v2_x0_5", "stem": "small"},
}
ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.LeakyReLU)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)


def recipe(name: str, **settings: Any) -> Any:
    return RECIPES.validate_python({"name": name, **settings})


def small(name: str, shape: Shape, **settings: Any) -> Network:
    network = build(recipe(name, **(SMALL[name] | settings)), shape)
    initialise(network, 0)
    return network


def images(shape: Shape, count: int = 2) -> Tensor:
    return torch.randn(count, shape.channels, shape.size, shape.size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "settings", "shape", "parameters"),
    [
        # The figure of the report.
        ("base_resnet", {}, Shape(3, 32, 100), 20_052_460),
        # 3 convolutions, 128 x 4 x 4 flat, 256, 100.
        (
            "simple_cnn",
            {},
            Shape(3, 32, 100),
            (27 * 32 + 32) + (288 * 64 + 64) + (576 * 128 + 128) + (2048 * 256 + 256) + (256 * 100 + 100),
        ),
        ("two_layer", {}, Shape(3, 96, 100), (27_648 * 512 + 512) + (512 * 100 + 100)),
        (
            "two_layer",
            {"hidden": [1024, 512, 256]},
            Shape(3, 96, 100),
            (27_648 * 1024 + 1024) + (1024 * 512 + 512) + (512 * 256 + 256) + (256 * 100 + 100),
        ),
        ("lenet5", {}, Shape(3, 32, 10), 62_006),
        (
            "lenet5",
            {},
            Shape(3, 96, 100),
            (75 * 6 + 6) + (150 * 16 + 16) + (7056 * 120 + 120) + (120 * 84 + 84) + (84 * 100 + 100),
        ),
        (
            "convnet",
            {},
            Shape(3, 96, 100),
            (27 * 64 + 128) + (1600 * 128 + 256) + (1152 * 256 + 512) + (2304 * 512 + 1024) + (4608 * 1024 + 2048)
            + (1024 * 512 + 512) + (512 * 512 + 512) + (512 * 100 + 100),
        ),
        (
            "cbam_cnn",
            {},
            Shape(3, 32, 100),
            (27 * 64 + 128) + (576 * 128 + 256) + (1152 * 256 + 512) + (2304 * 512 + 1024)
            + 2 * 512 * 32 + 2 * 49 + (512 * 256 + 256) + (256 * 100 + 100),
        ),
        # The paper has 36.5 M, 8.9 M and 2.7 M for these.
        ("wide_resnet", {"depth": 28, "widen": 10}, Shape(3, 32, 10), 36_479_194),
        ("wide_resnet", {"depth": 40, "widen": 4}, Shape(3, 32, 10), 8_949_210),
        ("wide_resnet", {}, Shape(3, 32, 10), 2_748_890),
    ],
)  # fmt: skip
def test_the_default_models_have_the_known_counts(name: str, settings: dict, shape: Shape, parameters: int):
    assert network_cost(recipe(name, **settings), shape)["parameters"] == parameters


@pytest.mark.parametrize(
    ("depth", "widen", "parameters"),
    [
        (16, 5, 4_289_754), (22, 4, 4_298_970), (28, 2, 1_467_610), (28, 3, 3_294_042), (40, 2, 2_243_546),
        (40, 3, 5_038_554), (28, 4, 5_849_050), (16, 6, 6_172_122),
    ],
)  # fmt: skip
def test_wide_resnets_around_five_million_parameters_are_as_their_docs_say(depth: int, widen: int, parameters: int):
    from cifar_sweep.models.architectures import wide_resnet

    counted = network_cost(recipe("wide_resnet", depth=depth, widen=widen), Shape(3, 32, 10))["parameters"]
    assert counted == parameters
    under, over = (wide_resnet.__doc__ or "").split("Over it:")
    assert f"({depth}, {widen}): {parameters:,}" in (under if parameters < 5_000_000 else over)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [Shape(1, 16, 7), Shape(3, 32, 5)], ids=str)
def test_features_go_through_the_head_to_logits(name: str, shape: Shape):
    network = small(name, shape).eval()
    features = network.features(images(shape))
    assert features.shape == (2, network.head.in_features)
    assert network(images(shape)).shape == (2, shape.classes)
    assert torch.equal(network(images(shape)), network.head(features))


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name: str):
    shape = Shape(3, 32, 5)
    network = small(name, shape).train()
    cross_entropy(network(images(shape, 8)), torch.arange(8) % 5).backward()
    without = {n for n, p in network.named_parameters() if p.grad is None or p.grad.count_nonzero() == 0}
    assert without == network.frozen(0)


@pytest.mark.parametrize("name", OWN)
def test_identity_takes_every_activation_away(name: str):
    shape = Shape(3, 32, 5)
    assert any(isinstance(module, ACTIVATIONS) for module in small(name, shape).modules())
    without = small(name, shape, activation="identity")
    assert not any(isinstance(module, ACTIVATIONS) for module in without.modules())


@pytest.mark.parametrize("name", sorted({*OWN} - {"two_layer", "lenet5"}))
def test_no_norm_takes_every_normalisation_away(name: str):
    shape = Shape(3, 32, 5)
    head = {"hidden": [6], "batch_norm": True, "batch_norm_logits": True}
    assert any(isinstance(module, NORMS) for module in small(name, shape, norm="batch", head=head).modules())
    without = small(name, shape, norm="none", head=head)
    assert not any(isinstance(module, NORMS) for module in without.modules())
    assert without(images(shape)).isfinite().all()


def test_the_custom_resnet_has_biases_only_in_its_head_with_and_without_norm():
    for norm in ("batch", "none"):
        network = build(recipe("base_resnet", **SMALL["base_resnet"], norm=norm), Shape(3, 32, 5))
        assert not any(module.bias is not None for module in network.modules() if isinstance(module, nn.Conv2d))
    assert not any("shortcut" in name and "norm" in name for name, _ in network.named_modules())


def test_without_activation_and_norm_the_custom_resnet_is_linear_except_for_its_pool():
    shape = Shape(3, 32, 5)
    network = small("base_resnet", shape, activation="identity", norm="none", head={"hidden": [6]}).eval()
    network.pool = nn.AvgPool2d(2)
    one, other = images(shape, 2)[:1], images(shape, 3)[2:]
    offset = network(torch.zeros_like(one))
    both, apart = network(one + other) - offset, network(one) + network(other) - 2 * offset
    torch.testing.assert_close(both, apart, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet", "wide_resnet", "base_resnet"])
def test_without_residual_nothing_is_added_or_skipped(name: str):
    network = small(name, Shape(3, 32, 5), residual=False, stochastic_depth=0.9)
    assert not any("shortcut" in part or isinstance(m, StochasticDepth) for part, m in network.named_modules())


@pytest.mark.parametrize("name", ["resnet", "wide_resnet", "base_resnet"])
def test_stochastic_depth_grows_linearly_to_the_last_block(name: str):
    blocks = {"resnet": 2, "wide_resnet": 3, "base_resnet": 2}[name]
    network = small(name, Shape(3, 32, 5), stochastic_depth=0.6)
    rates = [m.probability for m in network.modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.6 * index / blocks for index in range(1, blocks + 1)])


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean():
    drop = StochasticDepth(0.25).train()
    torch.manual_seed(0)
    kept = drop(torch.ones(4000, 2, 3, 3)).flatten(1)
    assert (kept.amin(1) == kept.amax(1)).all()
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float((kept[:, 0] == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(drop.eval()(torch.ones(5, 2)), torch.ones(5, 2))


def test_a_wide_block_projects_its_activated_input_or_adds_its_input_unchanged():
    network = small("wide_resnet", Shape(3, 32, 5), depth=16).eval()
    maps = images(Shape(4, 8, 1))
    for name, expected in (
        ("0.1", lambda block: maps),
        ("1.0", lambda block: block.shortcut(block.norm1(maps).relu())),
    ):
        block = network.stages.get_submodule(name)
        nn.init.zeros_(block.conv2.weight)
        torch.testing.assert_close(block(maps), expected(block))


def test_channel_attention_is_the_papers_equation():
    attention = ChannelAttention(8, 4, "relu")
    maps = images(Shape(8, 5, 1))
    w0, w1 = attention.reduce.weight, attention.expand.weight
    weights = []
    for image in maps:
        flat = image.flatten(1)
        sums = [w1 @ (w0 @ pooled).clamp(min=0) for pooled in (flat.mean(1), flat.max(1).values)]
        weights.append(1 / (1 + torch.exp(-(sums[0] + sums[1]))))
    torch.testing.assert_close(attention(maps), maps * torch.stack(weights)[:, :, None, None])


def test_spatial_attention_is_the_papers_equation():
    attention = SpatialAttention()
    maps = images(Shape(8, 5, 1))
    pooled = torch.stack([maps.mean(1), maps.max(1).values], dim=1)
    expected = maps * nn.functional.conv2d(pooled, attention.conv.weight, padding=3).sigmoid()
    assert attention.conv.weight.shape == (1, 2, 7, 7)
    torch.testing.assert_close(attention(maps), expected)


@pytest.mark.parametrize(
    ("attention", "parts"),
    [("none", []), ("channel", ["channel"]), ("spatial", ["spatial"]), ("both", ["channel", "spatial"])],
)
def test_each_part_of_the_attention_can_be_left_out(attention: str, parts: list[str]):
    network = small("cbam_cnn", Shape(3, 32, 5), attention=attention)
    assert [name for name, _ in network.attention.named_children()] == parts


@pytest.mark.parametrize(("pool", "kind"), [("avg", nn.AvgPool2d), ("max", nn.MaxPool2d)])
def test_lenet_has_the_pooling_of_its_recipe(pool: str, kind: type):
    network = small("lenet5", Shape(3, 32, 5), pool=pool, activation="relu")
    assert [type(layer.pool) for layer in network.layers] == [kind, kind]


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("simple_cnn", 4, r"the 4x4 images vanish in the layer layers.2.pool: it halves a map of 1x1 pixels"),
        ("lenet5", 15, r"the 15x15 images vanish in the layer layers.1: a 5x5 .* get a map of 5x5 pixels"),
        ("convnet", 21, r"the 21x21 images vanish in the layer layers.3.pool: it has stride 2 but gets .* 1x1 pixels"),
        ("convnet", 2, r"the 2x2 images vanish in the layer layers.0.conv"),
        ("base_resnet", 4, r"the 4x4 images vanish in the layer blocks.2.conv1: it has stride 2 but gets .* 1x1"),
        ("wide_resnet", 2, r"the 2x2 images vanish in the layer stages.2.0.conv1: it has stride 2 but gets .* 1x1"),
        ("cbam_cnn", 1, r"the 1x1 images vanish in the layer layers.1.pool"),
    ],
)
def test_images_that_vanish_are_refused_naming_the_layer_before_and_at_building(name: str, size: int, message: str):
    with pytest.raises(ValueError, match=message):
        network_cost(recipe(name), Shape(3, size, 10))
    with pytest.raises(ValueError, match=message):
        build(recipe(name, **({} if name != "wide_resnet" else {"width": 1})), Shape(3, size, 10))


@pytest.mark.parametrize(
    ("name", "size"),
    [("simple_cnn", 8), ("lenet5", 16), ("convnet", 24), ("base_resnet", 8), ("wide_resnet", 4), ("cbam_cnn", 2)],
)
def test_the_smallest_images_pass(name: str, size: int):
    assert network_cost(recipe(name), Shape(1, size, 10))["macs"] > 0


@pytest.mark.parametrize("name", OWN)
def test_scaled_widths_make_the_network_smaller_and_a_factor_of_one_changes_nothing(name: str):
    made, shape = recipe(name), Shape(3, 32, 10)
    nested = RECIPES.dump_python(made)

    def with_widths(factor: float) -> Any:
        edited = {**nested, "head": dict(nested["head"])}
        for key, value in made.scaled(factor).items():
            section, _, last = key.rpartition(".")
            (edited[section] if section else edited)[last] = value
        return RECIPES.validate_python(edited)

    assert with_widths(1.0) == made
    counts = [network_cost(with_widths(step / 16), shape)["parameters"] for step in range(1, 17)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] / 10


@pytest.mark.parametrize("name", SMALL)
def test_initial_weights_follow_from_the_seed_whatever_torchs_generator_holds(name: str):
    shape = Shape(3, 32, 5)
    torch.manual_seed(1)
    one = small(name, shape).state_dict()
    torch.manual_seed(2)
    other = small(name, shape).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("resnet", {}, True),
        ("resnet", {"norm": "group"}, False),
        ("resnet", {"norm": "none", "head": {"batch_norm": True}}, False),
        ("resnet", {"norm": "group", "head": {"batch_norm": True}}, True),
        ("two_layer", {}, False),
        ("two_layer", {"head": {"batch_norm_logits": True}}, True),
        ("torchvision", {"arch": "resnet18"}, True),
        ("torchvision", {"arch": "vgg11"}, False),
        ("torchvision", {"arch": "vgg11_bn"}, True),
        ("torchvision", {"arch": "convnext_tiny"}, False),
    ],
)
def test_a_recipe_knows_whether_its_network_normalises_over_the_batch(name: str, settings: dict, expected: bool):
    made = recipe(name, **settings)
    with torch.device("meta"):
        network = build(made, Shape(3, 32, 10))
    assert made.batch_statistics is expected
    assert any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in network.modules()) is expected


@pytest.mark.parametrize("name", SMALL)
def test_settings_survive_json(name: str):
    made = recipe(name, **SMALL[name])
    assert RECIPES.validate_json(RECIPES.dump_json(made)) == made
    assert made.name == name


def test_settings_without_a_name_are_a_resnets():
    assert RECIPES.validate_python({"blocks": [1, 1, 1, 1]}).name == "resnet"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("wide_resnet", {"depth": 17}, r"depth must be 6n \+ 4 .* but is 17: 16 or 22"),
        ("convnet", {"kernels": [3]}, r"kernels must have one value per width after the first \(4\) but has 1"),
        ("convnet", {"stem": {"padding": 3}}, "padding must be below kernel but is 3, and kernel is 3"),
    ],
)
def test_contradictory_settings_are_refused(name: str, settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        recipe(name, **settings)
