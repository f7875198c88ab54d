from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.optim import Lion, Muon, make_optimizer, set_learning_rate
from cifar_sweep.optim.muon import orthogonalise
from cifar_sweep.recipe import OptimizerRecipe

NAMES = ["sgd", "adam", "adamw", "lion", "muon"]


def small_network() -> nn.Sequential:
    """Convolutions, a norm and a hidden layer between the first layer and the classifier, in channels last."""
    stem = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    network = nn.Sequential(*stem, nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Conv2d(6, 10, 1), nn.Flatten())
    network.add_module("hidden", nn.Linear(10 * 16, 12))
    network.add_module("head", nn.Linear(12, 5))
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return network.to(memory_format=torch.channels_last)


def batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(16, 3, 8, 8, generator=generator), torch.randint(0, 5, (16,), generator=generator)


def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        images, labels = batch(step)
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(images), labels).backward()
        optimizer.step()


def assert_same_weights(first: nn.Module, second: nn.Module, tolerance: float = 0.0) -> None:
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, second.state_dict()[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize(
    ("settings", "of_torch"),
    [
        ({"name": "sgd"}, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        ({"name": "sgd", "nesterov": False}, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ({"name": "sgd", "momentum": 0.0, "nesterov": False}, lambda p: torch.optim.SGD(p, 0.1)),
        ({"name": "adam", "lr": 0.01}, lambda p: torch.optim.Adam(p, 0.01)),
        ({"name": "adamw", "lr": 0.01, "betas": (0.8, 0.9)}, lambda p: torch.optim.AdamW(p, 0.01, (0.8, 0.9))),
    ],
)
def test_optimizer_is_torchs(settings: dict[str, Any], of_torch: Callable[[Any], torch.optim.Optimizer]):
    network, reference = small_network(), small_network()
    groups = [
        {"params": [p for p in reference.parameters() if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in reference.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    train(network, make_optimizer(OptimizerRecipe(weight_decay=0.05, **settings), network), range(5))
    train(reference, of_torch(groups), range(5))
    assert_same_weights(network, reference, tolerance=1e-5)


@pytest.mark.parametrize("decay", [True, False])
def test_biases_of_norms_have_a_rate_of_their_own_and_shrink_as_without_it(decay: bool):
    """airbench94's parameter groups: the bias at 64 times the rate, its weight decay divided by 64."""
    network, reference = small_network(), small_network()
    recipe = OptimizerRecipe(lr=0.01, momentum=0.85, weight_decay=0.2, norm_bias_lr=64.0, norm_bias_decay=decay)
    named, bias = dict(reference.named_parameters()), "1.bias"
    groups = [
        {"params": [p for name, p in named.items() if p.ndim > 1], "weight_decay": 0.2},
        {"params": [p for name, p in named.items() if p.ndim == 1 and name != bias], "weight_decay": 0.0},
        {"params": [named[bias]], "lr": 0.01 * 64, "weight_decay": 0.2 / 64 if decay else 0.0},
    ]
    train(network, make_optimizer(recipe, network), range(5))
    train(reference, torch.optim.SGD(groups, 0.01, momentum=0.85, nesterov=True), range(5))
    assert_same_weights(network, reference, tolerance=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_of_norm_biases_is_a_factor_for_every_optimizer(name: str):
    network = small_network()
    optimizer = make_optimizer(OptimizerRecipe(name=name, norm_bias_lr=8.0, adam_lr=0.1, lr=0.1), network)
    set_learning_rate(optimizer, 0.5)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    named = {key: rates[id(parameter)] for key, parameter in network.named_parameters()}
    assert named.pop("1.bias") == pytest.approx(4.0)
    assert list(named.values()) == pytest.approx([0.5] * len(named))


def test_lion_is_the_papers_loop():
    network, lr, decay = small_network(), 0.01, 0.1
    reference = copy.deepcopy(network)
    train(network, make_optimizer(OptimizerRecipe(name="lion", lr=lr, weight_decay=decay), network), range(4))
    momenta = [torch.zeros_like(parameter) for parameter in reference.parameters()]
    for step in range(4):
        images, labels = batch(step)
        loss = cross_entropy(reference(images), labels)
        gradients = torch.autograd.grad(loss, list(reference.parameters()))
        for parameter, momentum, gradient in zip(reference.parameters(), momenta, gradients, strict=True):
            direction = torch.sign(0.9 * momentum + 0.1 * gradient)
            shrinking = decay if parameter.ndim > 1 else 0.0
            parameter.data -= lr * (direction + shrinking * parameter.data)
            momentum.copy_(0.99 * momentum + 0.01 * gradient)
    assert_same_weights(network, reference, tolerance=1e-5)


def newton_schulz(matrix: Tensor) -> Tensor:
    """The iteration for one matrix, as its author writes it down."""
    flipped = len(matrix) > matrix.shape[1]
    x = matrix.T if flipped else matrix
    x = x / x.norm()
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if flipped else x


@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_the_authors_loop_with_adamw_for_the_outer_layers_biases_and_gains(nesterov: bool):
    network, decay = small_network(), 0.1
    reference = copy.deepcopy(network)
    recipe = OptimizerRecipe(
        name="muon", lr=0.05, adam_lr=0.01, momentum=0.8, nesterov=nesterov, weight_decay=decay, betas=(0.9, 0.95)
    )
    train(network, make_optimizer(recipe, network), range(4))
    named = dict(reference.named_parameters())
    hidden = ["3.weight", "5.weight", "hidden.weight"]
    gains = named.keys() - {*hidden, "0.weight", "head.weight"}
    groups = [
        {"params": [named["0.weight"], named["head.weight"]], "weight_decay": decay},
        {"params": [named[name] for name in gains], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-10)
    momenta = {name: torch.zeros_like(named[name]) for name in hidden}
    for step in range(4):
        images, labels = batch(step)
        reference.zero_grad()
        cross_entropy(reference(images), labels).backward()
        adam.step()
        for name in hidden:
            weight, gradient = named[name], named[name].grad
            momenta[name] = 0.8 * momenta[name] + 0.2 * gradient
            direction = 0.2 * gradient + 0.8 * momenta[name] if nesterov else momenta[name]
            matrix = direction.reshape(len(weight), -1)
            update = newton_schulz(matrix) * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
            weight.data -= 0.05 * (update.reshape(weight.shape) + decay * weight.data)
    assert_same_weights(network, reference, tolerance=1e-4)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 64, 576), (2, 100, 24)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.min() > 0.65  # the author's five iterations trade exactness for speed
    assert values.max() < 1.25


def test_orthogonalised_matrix_keeps_its_directions():
    left, _, right = torch.linalg.svd(
        torch.randn(8, 20, generator=torch.Generator().manual_seed(0)), full_matrices=False
    )
    matrix = left @ torch.diag(torch.linspace(0.5, 1.0, 8)) @ right
    aligned = left.T @ orthogonalise(matrix[None])[0] @ right.T
    assert (aligned - torch.diag(torch.diag(aligned))).abs().max() < 1e-4
    assert orthogonalise(torch.zeros(1, 4, 6)).abs().max() == 0


def test_muon_refuses_a_network_without_hidden_weights():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    network.add_module("head", nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"optimizer\.name is muon but the network has no weights between.*use adamw"):
        make_optimizer(OptimizerRecipe(name="muon"), network)


@pytest.mark.parametrize("name", NAMES)
def test_resumed_optimizer_equals_uninterrupted(name: str):
    recipe = OptimizerRecipe(name=name, lr=0.01)
    straight = small_network()
    train(straight, make_optimizer(recipe, straight), range(6))

    first = small_network()
    optimizer, file = make_optimizer(recipe, first), io.BytesIO()
    train(first, optimizer, range(3))
    torch.save({"network": first.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    second = small_network()
    second.load_state_dict(state["network"])
    optimizer = make_optimizer(recipe, second)
    optimizer.load_state_dict(state["optimizer"])
    train(second, optimizer, range(3, 6))
    assert_same_weights(straight, second)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_parameters_stay_until_they_are_unfrozen(name: str):
    network = small_network()
    before = copy.deepcopy(network)
    network.requires_grad_(False)
    network.head.requires_grad_(True)
    optimizer = make_optimizer(OptimizerRecipe(name=name, lr=0.01), network)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))
    train(network, optimizer, range(2))
    moved = {k for k, p in network.named_parameters() if not torch.equal(p, before.get_parameter(k))}
    assert moved == {"head.weight", "head.bias"}
    network.requires_grad_(True)
    train(network, optimizer, range(2, 4))
    assert all(not torch.equal(p, before.get_parameter(k)) for k, p in network.named_parameters())


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_spares_biases_gains_and_layer_scales(name: str):
    network = small_network()
    network.register_parameter("layer_scale", nn.Parameter(torch.ones(10, 1, 1)))
    decays = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer(OptimizerRecipe(name=name, weight_decay=0.1), network).param_groups
        for parameter in group["params"]
    }
    decayed = {key for key, parameter in network.named_parameters() if decays[id(parameter)] == 0.1}
    assert decayed == {"0.weight", "3.weight", "5.weight", "hidden.weight", "head.weight"}
    assert set(decays.values()) == {0.0, 0.1}


@pytest.mark.parametrize("name", NAMES)
def test_head_learns_at_its_own_multiple_of_the_rate(name: str):
    network = small_network()
    recipe = OptimizerRecipe(name=name, lr=0.5, adam_lr=0.25)
    optimizer = make_optimizer(recipe, network, head_lr=10.0)
    set_learning_rate(optimizer, 0.1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    rate_of = {key: rates[id(parameter)] for key, parameter in network.named_parameters()}
    outer = 0.05 if name == "muon" else 0.1
    assert rate_of["hidden.weight"] == optimizer.param_groups[0]["lr"] == 0.1
    assert rate_of["0.weight"] == rate_of["1.bias"] == pytest.approx(outer)
    assert rate_of["head.weight"] == rate_of["head.bias"] == pytest.approx(10 * outer)


@pytest.mark.parametrize(
    ("settings", "kind", "defaults"),
    [
        ({"name": "sgd", "momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ({"name": "sgd", "momentum": 0.0, "nesterov": False}, torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"name": "adam", "betas": (0.8, 0.9)}, torch.optim.Adam, {"betas": (0.8, 0.9)}),
        ({"name": "adam", "momentum": 0.0}, torch.optim.Adam, {"betas": (0.9, 0.999)}),
        ({"name": "adamw", "lr": 0.5}, torch.optim.AdamW, {"lr": 0.5, "betas": (0.9, 0.999)}),
        ({"name": "lion"}, Lion, {"betas": (0.9, 0.99)}),
        ({"name": "muon", "nesterov": False}, Muon, {"betas": (0.9, 0.95), "momentum": 0.9, "nesterov": False}),
    ],
)
def test_the_named_optimizer_gets_its_own_settings(settings: dict, kind: type, defaults: dict):
    optimizer = make_optimizer(OptimizerRecipe(**settings), small_network())
    assert type(optimizer) is kind
    assert {name: optimizer.defaults[name] for name in defaults} == defaults


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lion"])
def test_the_rate_that_was_set_scales_the_next_step(name: str):
    weight = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(OptimizerRecipe(name=name, lr=1.0, momentum=0, nesterov=False, weight_decay=0), weight)
    moves = []
    for rate in (0.0, 0.25):
        before = weight.weight.item()
        set_learning_rate(optimizer, rate)
        weight.weight.grad = torch.ones(1, 1)
        optimizer.step()
        moves.append(before - weight.weight.item())
    assert moves == pytest.approx([0.0, 0.25], abs=1e-6)


@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_nesterov_without_momentum_is_refused(name: str):
    with pytest.raises(ValueError, match="set nesterov to false"):
        OptimizerRecipe(name=name, momentum=0.0)


def test_optimizer_settings_survive_json():
    recipe = OptimizerRecipe(name="muon", betas=(0.9, 0.95), adam_lr=3e-4)
    assert OptimizerRecipe.model_validate(recipe.model_dump(mode="json")) == recipe
