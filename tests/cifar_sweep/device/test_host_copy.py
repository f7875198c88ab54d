"""A state in the host's memory: what it shares, keeps and no longer follows."""

from __future__ import annotations

import io
from collections import OrderedDict

import torch
from torch import nn

from cifar_sweep.device.host_copy import host_copy


def size(state: object) -> int:
    file = io.BytesIO()
    torch.save(state, file)
    return file.tell()


def test_copy_does_not_follow_the_training():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "none": None}
    copied, before = host_copy(state), [parameter.detach().clone() for parameter in network.parameters()]
    network(torch.ones(5, 4)).pow(2).sum().backward()
    optimizer.step()
    parameters = [copied["network"][name] for name, _ in network.named_parameters()]
    assert all(torch.equal(*pair) for pair in zip(parameters, before, strict=True))
    assert int(copied["network"]["1.num_batches_tracked"]) == 0
    assert int(state["network"]["1.num_batches_tracked"]) == 1
    assert (copied["optimizer"]["state"], copied["epoch"], copied["none"]) == ({}, 3, None)


def test_copy_is_saved_as_the_state_is():
    network = nn.Conv2d(8, 8, 3).to(memory_format=torch.channels_last)
    weights = network.state_dict()
    state = {"whole": weights, "levels": [network.state_dict(), {"mean": weights["weight"]}], "names": ("a", "b")}
    copied = host_copy(state)
    assert isinstance(copied["whole"], OrderedDict)
    assert copied["whole"]._metadata == weights._metadata  # with which batch normalisation reads older states
    assert copied["whole"]["weight"].is_contiguous(memory_format=torch.channels_last)
    assert size(copied) == size(state)  # shared tensors are stored once


def test_device_of_a_copy_is_the_cpu_and_shared_tensors_are_copied_once():
    shared = torch.zeros(3)
    copied = host_copy({"first": shared, "second": shared.detach(), "other": [torch.zeros(3)]})
    assert copied["first"].device.type == "cpu"
    assert copied["first"].data_ptr() == copied["second"].data_ptr()
    assert copied["first"].data_ptr() not in (shared.data_ptr(), copied["other"][0].data_ptr())
