"""The list of stages: which ones a study has, what each may see, and where each one's part of a budget ends."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.study.stages import OPENED, STAGES, NoStage, asked, limits, stages_of
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
def test_study_has_the_stages_that_it_asks_for_in_their_order(settings: dict[str, Any], names: list[str]) -> None:
    study = toy_study(**settings)
    assert [stage.name for stage in stages_of(study)] == names
    assert [stage.name for stage in asked(study, None)] == names
    assert [stage.name for stage in asked(study, names[-1])] == names[-1:]


@pytest.mark.parametrize("name", ["confirm", "finale", ""])
def test_stage_that_a_study_does_not_have_is_named_with_those_that_it_has(name: str) -> None:
    with pytest.raises(NoStage, match=f"^toy has no stage '{name}'; it has: search$"):
        asked(toy_study(), name)


def test_no_stage_trains_with_the_test_set() -> None:
    assert all("test" not in stage.access for stage in STAGES)
    assert all(stage.access < OPENED for stage in STAGES)


@pytest.mark.parametrize(
    ("settings", "reached"),
    [
        ({}, {"search": 1.0}),
        (GIVEN, {"ablation": 1.0}),
        (WHOLE, {"search": 0.6, "confirm": 0.7, "ablation": 0.9, "final": 1.0}),
        ({"final": {"seeds": 2}}, {"search": 6 / 7, "final": 1.0}),  # 0.6 and 0.1, of what the two are together
        (
            {"ablation": PARTS, "budget": {"shares": {"search": 0.25, "ablation": 0.75}}},
            {"search": 0.25, "ablation": 1},
        ),
        ({"ablation": PARTS, "budget": {"shares": {"search": 1.0}}}, {"search": 1.0, "ablation": 1.0}),
    ],
)
def test_limit_of_a_stage_is_what_all_up_to_it_may_spend(settings: dict[str, Any], reached: dict[str, float]) -> None:
    budget = {"gpu_hours": 2, **settings.get("budget", {})}
    assert limits(toy_study(**{**settings, "budget": budget})) == pytest.approx(
        {name: 7200 * share for name, share in reached.items()}
    )


def test_without_a_budget_there_are_no_limits() -> None:
    assert limits(toy_study(**WHOLE)) == {}
