"""The calibration of the engine: a few whole studies, and how a measure is judged."""

from __future__ import annotations

import pytest

from benchmarks.calibration import observe
from benchmarks.calibration.engine import Measurement, calibrate
from benchmarks.calibration.scenarios import COVERS, NAMES, UNBIASED, WRONG, Promise, Scenario, study
from benchmarks.known_truth import Images, Truth


def test_two_studies_of_each_kind_run_and_are_measured() -> None:
    calibration = calibrate(2, 0, 1, ["mixed", "confirm"])
    assert calibration.studies == 5  # one of them to find the detectable difference
    measured = {(each.scenario, each.name) for each in calibration.measurements}
    assert {("mixed", observe.FALSE_EQUIVALENCE), ("confirm", observe.BIAS)} <= measured
    assert ("confirm", observe.TEST_COVERAGE) in measured
    assert "| mixed: " in calibration.table()
    assert set(NAMES) >= {each.scenario for each in calibration.measurements}


def measured(name: str, promise: Promise, values: list[float]) -> Measurement:
    scenario = Scenario("null", "no effect", study({}), observe.ablation, {name: promise})
    return Measurement.of(scenario, name, values)


@pytest.mark.parametrize(
    ("name", "promise", "values", "holds"),
    [
        (observe.BIAS, UNBIASED, [0.44 + 0.57 * (-1) ** n for n in range(500)], False),
        (observe.BIAS, UNBIASED, [0.05 + 0.57 * (-1) ** n for n in range(500)], True),
        (observe.FALSE_EQUIVALENCE, WRONG, [1.0] * 12 + [0.0] * 48, False),
        (observe.FALSE_EQUIVALENCE, WRONG, [1.0] * 7 + [0.0] * 53, True),
        (observe.FALSE_EQUIVALENCE, WRONG, [0.0] * 6, True),
        (observe.COVERAGE, COVERS, [1.0, 5 / 6] * 250, False),
        (observe.COVERAGE, COVERS, [1.0] * 6, True),
        (observe.COVERAGE, COVERS, [1.0] * 500, False),
    ],
)
def test_a_promise_is_broken_by_more_than_three_standard_errors(
    name: str, promise: Promise, values: list[float], holds: bool
) -> None:
    assert measured(name, promise, values).holds is holds


def test_effects_beyond_the_list_are_zero() -> None:
    truth = Truth(effects=(2.0, -1.0))
    assert [truth.effect(part) for part in "abc"] == [2.0, -1.0, 0.0]


def test_accuracy_over_many_test_sets_is_that_of_the_population() -> None:
    sets = [Images(number=2000, seed=seed).accuracy() for seed in range(50)]
    assert abs(sum(sets) / 50 - Images().population_accuracy()) < 0.3
