"""Work in trainings of the baseline."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.trial.work import BaselineWork


@pytest.mark.parametrize(
    ("settings", "cost", "work"),
    [
        ({"epochs": 4}, {"macs": 300}, 3.0),
        ({"epochs": 8}, {"macs": 100}, 2.0),
        ({}, {"macs": 50}, 0.5),
        ({"epochs": 4}, {}, 1.0),
    ],
)
def test_work_is_macs_times_epochs_of_the_baseline(settings: dict[str, Any], cost: dict[str, int], work: float) -> None:
    assert BaselineWork.of({"macs": 100}, 4).training(settings, cost) == work


def test_an_epoch_costs_the_same_where_the_workload_counts_no_macs() -> None:
    assert BaselineWork.of({}, 4).per_epoch({"macs": 300}) == 1.0
    assert BaselineWork.of({"macs": 100}, 4).per_epoch({}) == 1.0
    assert BaselineWork.of({"macs": 100}, 4).per_epoch({"macs": 25}) == 0.25
