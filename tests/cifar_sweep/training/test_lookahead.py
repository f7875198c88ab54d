from __future__ import annotations

import pytest
import torch
from torch import nn

from cifar_sweep.recipe.regularization import LookaheadRecipe
from cifar_sweep.training.lookahead import Lookahead


def network_of(value: float) -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for tensor in [*network.parameters(), network[1].running_mean, network[1].running_var]:
        tensor.data.fill_(value)
    return network


def add(network: nn.Module, value: float) -> None:
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor += value


def floats(network: nn.Module) -> list[float]:
    return [
        number for tensor in network.state_dict().values() if tensor.is_floating_point() for number in tensor.flatten()
    ]


@pytest.mark.parametrize("steps", [20, 23])
def test_the_weights_are_those_of_the_published_loop(steps: int):
    network = network_of(1.0)
    lookahead = Lookahead(LookaheadRecipe(), network)
    fast = slow = 1.0
    for step in range(1, steps + 1):
        move = (-1) ** step * 0.1 * step
        fast += move
        add(network, move)
        lookahead.update(network, step, steps)
        if step % 5 == 0:
            decay = 0.95**5 * (step / steps) ** 3
            slow = decay * slow + (1 - decay) * fast
            fast = slow
        if step == steps:
            fast = slow
        assert floats(network) == pytest.approx([fast] * 14, abs=1e-5), step


def test_counters_of_batch_norm_are_left_alone():
    network = network_of(1.0)
    lookahead = Lookahead(LookaheadRecipe(every=1), network)
    network.train()(torch.ones(4, 2))
    lookahead.update(network, 1, 2)
    assert int(network[1].num_batches_tracked) == 1


def test_resumed_slow_weights_equal_uninterrupted_ones():
    recipe, steps = LookaheadRecipe(every=2, decay=0.9, power=1.0), 9
    straight, first = network_of(0.3), network_of(0.3)
    through, before = Lookahead(recipe, straight), Lookahead(recipe, first)
    for step in range(1, steps + 1):
        for network, lookahead in ((straight, through), (first, before)):
            add(network, 0.1 * step)
            lookahead.update(network, step, steps)
        if step == 5:
            again = network_of(0.0)
            again.load_state_dict(first.state_dict())
            after = Lookahead(recipe, again)
            after.load_state_dict(before.state_dict())
            first, before = again, after
    assert floats(first) == floats(straight)
    assert floats(first) != floats(network_of(0.3))
