"""What goes to a device and comes back is unchanged, and on a CPU nothing is copied."""

from __future__ import annotations

import math

import torch

from cifar_sweep.device.exchange import read, send

CPU = torch.device("cpu")


def test_tensors_sent_to_the_cpu_are_the_given_ones() -> None:
    given = (torch.arange(5), torch.arange(5) > 2)
    assert all(sent is tensor for sent, tensor in zip(send(given, CPU), given, strict=True))


def test_numbers_are_read_exactly_whatever_their_type() -> None:
    third = torch.tensor(1 / 3, dtype=torch.float64)
    assert read(third, torch.tensor(2**40 + 1), torch.tensor(0.1)) == [1 / 3, 2**40 + 1, float(torch.tensor(0.1))]
    assert math.isnan(read(torch.tensor(math.nan))[0])
    assert read() == []
