from __future__ import annotations

import pytest
import torch
from torch import nn

from cifar_sweep.training.ema import Average


def network_of(value: float) -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for tensor in [*network.parameters(), network[1].running_mean, network[1].running_var]:
        tensor.data.fill_(value)
    return network


def test_average_is_the_running_mean_with_a_decay_that_grows_to_its_own():
    average, expected = Average(network_of(5.0), decay=0.5), 5.0
    for n, value in enumerate([1.0, -2.0, 4.0, 0.5, 7.0, 1.0, 3.0, 2.0, 8.0, 6.0, 5.0, 9.0]):
        average.update(network_of(value))
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert n > 8  # so that the last updates had the decay itself
    for name, tensor in average.network.state_dict().items():
        if tensor.is_floating_point():
            assert tensor.flatten().tolist() == pytest.approx([expected] * tensor.numel()), name


def test_counters_are_copied_and_statistics_of_batch_norm_averaged():
    network = network_of(0.0)
    average = Average(network, decay=0.9)
    network.train()(torch.full((4, 2), 10.0))
    average.update(network)
    averaged, trained = average.network.state_dict(), network.state_dict()
    assert averaged["1.num_batches_tracked"] == 1
    torch.testing.assert_close(averaged["1.running_var"], 0.9 * trained["1.running_var"])


def test_average_is_a_copy_that_asks_for_no_gradient_and_leaves_the_network_alone():
    network = network_of(1.0)
    average = Average(network, decay=0.9)
    average.update(network_of(3.0))
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert network[0].weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_resumed_average_equals_uninterrupted():
    straight, first = Average(network_of(1.0), 0.9), Average(network_of(1.0), 0.9)
    for value in (2.0, 3.0, 4.0, 5.0):
        straight.update(network_of(value))
    for value in (2.0, 3.0):
        first.update(network_of(value))
    second = Average(network_of(0.0), 0.9)
    second.load_state_dict(first.state_dict())
    for value in (4.0, 5.0):
        second.update(network_of(value))
    assert second.updates == 4
    for name, tensor in straight.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])
