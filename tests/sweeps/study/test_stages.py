"""The stages of a study, the data that each may read, and the limits of a budget."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.study.stages import OPENED, STAGES, NoStage, limits, requested_stages, stages_of
from tests.sweeps.support import toy_study

PARTS = {"components": ["relu"], "seeds": 2}
GIVEN = {"parameters": {}, "run_cap": 0, "ablation": {**PARTS, "baseline": "given"}}
WHOLE = {"confirm": {"top": 2, "seeds": 2}, "ablation": PARTS, "final": {"seeds": 2}}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["search"]),
        (GIVEN, ["ablation"]),
        ({"parameters": {}, "run_cap": 0, "final": {"seeds": 2}}, ["final"]),
        ({"final": {"seeds": 2}, "confirm": {"top": 2, "seeds": 2}}, ["search", "confirm", "final"]),
        (WHOLE, ["search", "confirm", "ablation", "final"]),
    ],
)
def test_study_has_the_stages_of_its_file_in_their_order(settings: dict[str, Any], names: list[str]) -> None:
    study = toy_study(**settings)
    assert [stage.name for stage in stages_of(study)] == names
    assert [stage.name for stage in requested_stages(study, None)] == names
    assert [stage.name for stage in requested_stages(study, names[-1])] == names[-1:]


@pytest.mark.parametrize("name", ["confirm", "finale", ""])
def test_missing_stage_is_named_with_the_stages_of_the_study(name: str) -> None:
    with pytest.raises(NoStage, match=f"^toy has no stage '{name}'; it has: search$"):
        requested_stages(toy_study(), name)


def test_no_stage_trains_with_the_test_set() -> None:
    assert all("test" not in stage.access for stage in STAGES)
    assert all(stage.access < OPENED for stage in STAGES)


@pytest.mark.parametrize(
    (("settings", "cumulative")),
    [
        ({}, {"search": 1.0}),
        (GIVEN, {"ablation": 1.0}),
        (WHOLE, {"search": 0.6, "confirm": 0.7, "ablation": 0.9, "final": 1.0}),
        ({"final": {"seeds": 2}}, {"search": 6 / 7, "final": 1.0}),  # 0.6 and 0.1, of their sum
        (
            {"ablation": PARTS, "budget": {"shares": {"search": 0.25, "ablation": 0.75}}},
            {"search": 0.25, "ablation": 1},
        ),
        ({"ablation": PARTS, "budget": {"shares": {"search": 1.0}}}, {"search": 1.0, "ablation": 1.0}),
    ],
)
def test_limit_of_a_stage_is_the_sum_of_shares_up_to_it(settings: dict[str, Any], cumulative: dict[str, float]) -> None:
    budget = {"gpu_hours": 2, **settings.get("budget", {})}
    assert limits(toy_study(**{**settings, "budget": budget})) == pytest.approx(
        {name: 7200 * share for name, share in cumulative.items()}
    )


def test_without_a_budget_there_are_no_limits() -> None:
    assert limits(toy_study(**WHOLE)) == {}
