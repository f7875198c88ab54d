"""torchvision's architectures with our head: counts, stems, features, initial weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.ops import StochasticDepth

from cifar_sweep.cost import network_cost
from cifar_sweep.models import build
from cifar_sweep.models.initial_draws import record_draws
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import TorchvisionRecipe
from cifar_sweep.schema import Shape

CIFAR100 = Shape(3, 32, 100)
TINY = "shufflenet_v2_x0_5"


def recipe(arch: str = TINY, **settings: Any) -> TorchvisionRecipe:
    return TorchvisionRecipe.model_validate({"arch": arch, **settings})


def network(shape: Shape = CIFAR100, seed: int = 0, **settings: Any) -> Network:
    built = build(recipe(**settings), shape)
    initialise(built, seed)
    return built


def parameters(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.named_parameters())


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ("resnet18", 11_227_812), ("resnet34", 21_335_972), ("resnet50", 23_712_932), ("resnet101", 42_705_060),
        ("resnet152", 58_348_708), ("densenet121", 7_056_356), ("convnext_tiny", 27_897_028),
    ],
)  # fmt: skip
def test_the_architectures_have_the_known_counts(arch: str, parameters: int):
    assert network_cost(recipe(arch), CIFAR100)["parameters"] == parameters
    if arch.startswith("resnet"):
        assert network_cost(recipe(arch, stem="small"), CIFAR100)["parameters"] == parameters - 7_680


@pytest.mark.parametrize(
    ("arch", "gmacs"),
    # torchvision's own figures at 224 pixels and 1000 classes, without the products of attention.
    [
        ("resnet50", 4.09), ("resnext50_32x4d", 4.23), ("mobilenet_v2", 0.30),
        ("convnext_tiny", 4.46), ("regnet_y_400mf", 0.40),
        ("swin_t", 4.49), ("vit_b_32", 4.41),
    ],
)  # fmt: skip
def test_macs_are_torchvisions_own_figures(arch: str, gmacs: float):
    counted = network_cost(recipe(arch), Shape(3, 224, 1000))["macs"] / 1e9
    assert counted == pytest.approx(gmacs, rel=0.06)


@pytest.mark.parametrize("arch", ["resnet18", "resnext50_32x4d", "googlenet", TINY])
def test_a_small_stem_is_three_by_three_without_stride_and_pool(arch: str):
    with torch.device("meta"):
        stock, small = (build(recipe(arch, stem=stem), CIFAR100) for stem in ("imagenet", "small"))
    first = next(module for module in small.modules() if isinstance(module, nn.Conv2d))
    assert (first.kernel_size, first.stride, first.padding) == ((3, 3), (1, 1), (1, 1))
    pools = [sum(isinstance(m, nn.MaxPool2d) for m in net.modules()) for net in (stock, small)]
    assert pools[1] == pools[0] - 1


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", "mnasnet0_5", "regnet_x_400mf", "convnext_tiny"])
def test_a_small_stem_of_a_family_without_pool_keeps_the_size_of_the_map(arch: str):
    stock, small = (network_cost(recipe(arch, stem=stem), CIFAR100)["macs"] for stem in ("imagenet", "small"))
    assert small > 2 * stock


@pytest.mark.parametrize(
    "arch", ["alexnet", "vgg11", "squeezenet1_1", "inception_v3", "swin_t", "vit_b_16", "maxvit_t"]
)
def test_a_small_stem_is_refused_for_architectures_without_one(arch: str):
    with pytest.raises(ValueError, match=rf"model.stem must be imagenet for {arch}: small is for resnet, resnext"):
        network_cost(recipe(arch, stem="small"), Shape(3, 224, 10))


@pytest.mark.parametrize(
    ("arch", "features"),
    [
        ("alexnet", 4096),
        ("googlenet", 1024), ("maxvit_t", 512),
        ("mobilenet_v3_small", 1024), ("regnet_y_400mf", 440), (TINY, 1024),
        ("squeezenet1_0", 512), ("swin_t", 768), ("vgg11", 4096), ("vit_b_16", 768),
    ],
)  # fmt: skip
def test_every_family_gives_its_features_to_the_head(arch: str, features: int):
    with torch.device("meta"):
        made = build(recipe(arch), Shape(1, 224, 7))
    assert made.head.in_features == features
    assert network_cost(recipe(arch), Shape(1, 224, 7))["parameters"] == sum(p.numel() for p in made.parameters())
    assert not any(isinstance(m, nn.Linear) and m.out_features == 1000 for m in made.modules())


def test_logits_are_those_of_the_architecture_with_the_same_weights():
    ours = network(Shape(3, 64, 10), arch="mobilenet_v3_small").eval()
    theirs = models.get_model("mobilenet_v3_small", weights=None, num_classes=10).eval()
    theirs.load_state_dict(
        {
            **{
                name.removeprefix("body."): value
                for name, value in ours.state_dict().items()
                if name.startswith("body.")
            },
            "classifier.3.weight": ours.head.output.weight,
            "classifier.3.bias": ours.head.output.bias,
        }
    )
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


def test_the_heads_dropout_replaces_that_before_the_last_layer():
    for arch in ("mobilenet_v2", "googlenet"):
        with torch.device("meta"):
            made = build(recipe(arch, head={"dropout": 0.3}), Shape(3, 224, 10))
        assert [m.p for m in made.modules() if type(m) is nn.Dropout and m.p > 0] == [0.3]


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (
            "resnet19",
            r"model.arch must be one of torchvision's \d+ classifiers but is 'resnet19'; did you mean .*resnet1",
        ),
        ("quantized_resnet18", r"is 'quantized_resnet18'; did you mean .*resnet18"),
        ("fcn_resnet50", r"is 'fcn_resnet50'; did you mean .*resnet50"),
        ("§§§§", r"is '§§§§'$"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(arch: str, message: str):
    with pytest.raises(ValueError, match=message):
        network_cost(recipe(arch), CIFAR100)


@pytest.mark.parametrize(
    ("arch", "size", "message"),
    [
        ("resnet18", 16, r"the 16x16 images vanish in the layer body.layer4.0.conv1: it has stride 2 but gets .* 1x1"),
        ("alexnet", 32, "vanish in the layer body.features.12"),
        ("inception_v3", 32, "vanish in the layer body.Mixed_6a.branch3x3.conv"),
        ("vit_b_16", 40, "model.arch: vit_b_16 takes no images of 40x40 pixels: Input shape indivisible by patch size"),
        ("maxvit_t", 32, "model.arch: maxvit_t takes no images of 32x32 pixels: Input size"),
    ],
)
def test_images_of_a_wrong_size_are_refused_naming_the_layer(arch: str, size: int, message: str):
    with pytest.raises(ValueError, match=message):
        network_cost(recipe(arch), Shape(3, size, 10))


def rates(made: Network) -> list[float]:
    return [module.p for module in made.modules() if isinstance(module, StochasticDepth)]


def test_stochastic_depth_scales_the_architectures_own_rates():
    with torch.device("meta"):
        default, scaled, off = (build(recipe("convnext_tiny", stochastic_depth=p), CIFAR100) for p in (None, 0.3, 0.0))
    assert rates(default)[-1] == pytest.approx(0.1)
    assert rates(scaled) == pytest.approx([3 * rate for rate in rates(default)])
    assert not any(rates(off))


def test_stochastic_depth_is_refused_for_architectures_without_it():
    with pytest.raises(ValueError, match=r"model.stochastic_depth must be null or 0 for resnet18 but is 0.1"):
        network_cost(recipe("resnet18", stochastic_depth=0.1), CIFAR100)
    assert network_cost(recipe("resnet18", stochastic_depth=0.0), CIFAR100)


def test_initial_weights_follow_from_seed_and_name():
    one, same, other = (parameters(network(seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    matrices = [name for name in one if one[name].ndim > 1]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)


@pytest.mark.parametrize("change", [{"stem": "small"}, {"head": {"dropout": 0.5, "hidden": [8]}}])
def test_initial_weights_agree_wherever_name_and_shape_do(change: dict[str, Any]):
    ours, theirs = parameters(network()), parameters(network(**change))
    common = [name for name in ours if name in theirs and ours[name].shape == theirs[name].shape]
    assert len(common) >= len(ours) - 2
    assert all(torch.equal(ours[name], theirs[name]) for name in common)


@pytest.mark.parametrize("channels", [1, 3])
def test_building_and_drawing_neither_change_nor_read_torchs_generator(channels: int):
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with record_draws():
            torch.rand(())
            models.get_model(TINY)
        assert torch.initial_seed() == seed
        drawn.append(parameters(network(Shape(channels, 32, 10), stem="small")))
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])


@pytest.mark.parametrize("arch", ["convnext_tiny", "mobilenet_v3_small", "squeezenet1_1", "googlenet"])
def test_initial_weights_keep_the_architectures_distribution(arch: str):
    """Every parameter that the constructor draws is drawn anew, as widely; every constant stays."""
    made = build(recipe(arch), Shape(3, 64, 10))
    before = copy.deepcopy(parameters(made.body))
    initialise(made, 5)
    for name, parameter in parameters(made.body).items():
        if f"body.{name}" not in made.draws:
            assert float(before[name].detach().amin()) == float(before[name].detach().amax()), name
            assert torch.equal(before[name], parameter), name
        elif parameter.numel() > 1000:
            assert not torch.equal(before[name], parameter), name
            spread = float(before[name].detach().std())
            assert float(parameter.detach().std()) == pytest.approx(spread, rel=0.15), name


def test_the_last_gain_of_convnext_and_its_layer_norm_stay_in_the_body():
    with torch.device("meta"):
        names = set(parameters(build(recipe("convnext_tiny"), CIFAR100)))
    assert "body.classifier.0.weight" in names
    assert {name for name in names if not name.startswith("body.")} == {"head.output.weight", "head.output.bias"}
