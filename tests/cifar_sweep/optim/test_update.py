"""The update of a step: overflow skips it, and as a GPU has it no number of the host differs from step to step."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.optim import make_optimizer, set_learning_rate
from cifar_sweep.optim.update import Update
from cifar_sweep.recipe import OptimizerRecipe
from tests.cifar_sweep.optim.test_optim import NAMES, assert_same_weights, batch, small_network


def recipe(name: str) -> OptimizerRecipe:
    return OptimizerRecipe(name=name, lr=0.01, adam_lr=0.01, weight_decay=0.1, norm_bias_lr=2.0)


def step(network: nn.Module, update: Update, number: int, factor: float = 1.0) -> None:
    """Take a step at the rate of its number, with the loss multiplied by a factor."""
    set_learning_rate(update.optimizer, 0.01 / (number + 1))
    update.begin_step()
    update.optimizer.zero_grad(set_to_none=True)
    images, labels = batch(number)
    update.scaler.scale(factor * cross_entropy(network(images), labels)).backward()
    update()


def on_a_gpu(update: Update, monkeypatch: pytest.MonkeyPatch) -> Update:
    """The update with its rates in tensors, as it has them on a GPU."""
    update._rates = [torch.zeros(()) for _ in update.optimizer.param_groups]
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return update


def state_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [torch.as_tensor(value) for state in optimizer.state.values() for value in state.values()]


@pytest.mark.parametrize("name", NAMES)
def test_step_that_overflows_changes_nothing_but_the_scale(name: str):
    network = small_network().eval()
    update = Update(make_optimizer(recipe(name), network), network, fp16=True, max_norm=1.0)
    step(network, update, 0)
    weights, state = copy.deepcopy(network), copy.deepcopy(state_of(update.optimizer))
    step(network, update, 1, factor=math.inf)
    assert_same_weights(network, weights)
    torch.testing.assert_close(state_of(update.optimizer), state, rtol=0, atol=0)
    assert [float(tensor) for tensor in update.scaler.tensors()] == [2.0**15, 0]
    step(network, update, 1)
    assert not torch.equal(network.head.weight, weights.head.weight)


@pytest.mark.parametrize("name", ["lion", "muon"])
def test_overflow_that_is_not_read_changes_nothing_either(monkeypatch, name: str):
    network = small_network().eval()
    update = on_a_gpu(Update(make_optimizer(recipe(name), network), network), monkeypatch)
    step(network, update, 0)
    weights, state = copy.deepcopy(network), copy.deepcopy(state_of(update.optimizer))
    for parameter in network.parameters():
        parameter.grad.fill_(math.inf)
    for overflow in (1.0, 0.0):
        with update._rates_in_tensors(), torch.no_grad():
            for group in update.optimizer.param_groups:
                gradients = [parameter.grad for parameter in group["params"]]
                update.optimizer._update(group, group["params"], gradients, torch.tensor(overflow))
        if overflow:
            assert_same_weights(network, weights)
            torch.testing.assert_close(state_of(update.optimizer), state, rtol=0, atol=0)
    assert not torch.equal(network.head.weight, weights.head.weight)


@pytest.mark.parametrize("name", NAMES)
def test_rates_in_tensors_give_the_steps_of_rates_in_numbers(monkeypatch, name: str):
    first, second = small_network(), small_network()
    numbers = Update(make_optimizer(recipe(name), first), first)
    tensors = on_a_gpu(Update(make_optimizer(recipe(name), second), second), monkeypatch)
    for number in range(4):
        step(first, numbers, number)
        step(second, tensors, number)
    assert_same_weights(first, second, tolerance=1e-5)
    rates = [group["lr"] for group in tensors.optimizer.param_groups]
    assert rates == [group["lr"] for group in numbers.optimizer.param_groups]  # numbers, for checkpoints and figures


class Replay(TorchDispatchMode):
    """Records the operators of one step and repeats them with the tensors that they had, as a CUDA graph does."""

    def __init__(self) -> None:
        super().__init__()
        self.tape: list[tuple] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.tape.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def repeat(self) -> None:
        for func, args, kwargs, result in self.tape:
            leaves = torch.utils._pytree.tree_leaves
            for before, after in zip(leaves(result), leaves(func(*args, **kwargs)), strict=True):
                if isinstance(before, Tensor) and before.data_ptr() != after.data_ptr():
                    before.copy_(after)


@pytest.mark.parametrize("fp16", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_recorded_update_follows_rates_and_gradients_that_differ(monkeypatch, name: str, fp16: bool):
    network = small_network()
    update = on_a_gpu(Update(make_optimizer(recipe(name), network), network, max_norm=0.1, fp16=fp16), monkeypatch)
    reference = copy.deepcopy(network)
    direct = on_a_gpu(Update(make_optimizer(recipe(name), reference), reference, max_norm=0.1, fp16=fp16), monkeypatch)
    for number in range(5):
        step(reference, direct, number)
        if number < 2:
            step(network, update, number)
            continue
        images, labels = batch(number)
        set_learning_rate(update.optimizer, 0.01 / (number + 1))
        gradients = torch.autograd.grad(
            update.scaler.scale(cross_entropy(network(images), labels)), list(network.parameters())
        )
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad.copy_(gradient)  # in the tensors that the recording reads
        update.begin_step()
        if number == 2:
            with Replay() as replay:
                update()
        else:
            replay.repeat()
    assert_same_weights(network, reference)
