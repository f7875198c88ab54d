"""The size of a search in trainings, from whatever limits it."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.pruners.size import trainings
from tests.sweeps.support import toy_study

PROMOTE = {"type": "asha"}
STOP = {"type": "asha", "mode": "stop"}


def size(run_cap: int = 0, hours: float | None = None, budget: float | None = None, **settings: Any) -> float | None:
    limits = {key: value for key, value in (("gpu_hours", hours), ("trainings", budget)) if value is not None}
    study = toy_study(run_cap=run_cap, budget=limits, baseline={"epochs": 27}, **settings)
    return trainings(study, 27, epoch_s=4.0, share=0.5)


def test_of_several_limits_the_tightest_counts() -> None:
    assert size(budget=20) == 20
    assert size(run_cap=12, budget=20) == 12
    assert size(run_cap=12, budget=5) == 5


def test_hours_are_those_of_the_search_at_the_measured_pace_and_nothing_without_one() -> None:
    assert size(run_cap=900, hours=1.0) == pytest.approx(3600 / (27 * 4 * 0.5))
    shared = {"confirm": {"top": 2, "seeds": 2}}
    assert size(run_cap=900, hours=1.0, **shared) == pytest.approx(0.6 / 0.7 * 3600 / (27 * 4 * 0.5))
    study = toy_study(run_cap=9, budget={"gpu_hours": 0.001}, baseline={"epochs": 27})
    assert trainings(study, 27) == 9


def test_configurations_that_pause_cost_a_part_of_a_training_and_stopping_may_cost_all_of_it() -> None:
    promoted = size(run_cap=40, early_terminate=PROMOTE)
    assert promoted is not None
    assert 3 < promoted < 8
    assert size(run_cap=40, early_terminate=STOP) == 40


def test_more_finalists_need_more_trainings() -> None:
    one = size(run_cap=10, early_terminate=PROMOTE)
    five = size(run_cap=10, early_terminate=PROMOTE, confirm={"top": 5, "seeds": 2})
    assert one is not None
    assert five is not None
    assert one + 2 < five <= 10


def test_configurations_of_more_work_make_a_larger_search() -> None:
    study = toy_study(run_cap=10)
    assert trainings(study, 4, work=2.5) == 25
