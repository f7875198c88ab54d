"""A divergence is noticed at the check itself, or at the next one where the answer takes the way to the CPU."""

from __future__ import annotations

import math

import pytest
import torch

from cifar_sweep.device.finite import FiniteCheck

CPU = torch.device("cpu")


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("delayed", "answers"), [(None, [True, True, False, False]), (True, [True, True, True, False])]
)
def test_sum_is_told_finite_until_it_breaks(broken: float, delayed: bool | None, answers: list[bool]) -> None:
    total, check = torch.zeros((), dtype=torch.float64), FiniteCheck(CPU, delayed=delayed)
    told = []
    for loss in (1.0, 2.0, broken, 3.0):
        total += loss  # in place, as a trainer adds: the answer of an earlier check must not change with it
        told.append(check(total))
    assert told == answers
