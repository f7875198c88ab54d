"""Warnings about conclusions that a study cannot reach with its seeds."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.study.study import Study
from sweeps.validation.warnings import comparisons, warnings
from tests.sweeps.support import toy_study

PARTS = ["relu", "momentum", "depth"]
EDITS = {
    "a": {"lr": 0.1},
    "b": {"momentum": 0.1},
    "c": {"net.act": "none"},
    "d": {"net.width": 4},
    "e": {"net.depth": 3},
    "f": {"unused": 1},
    "g": {"handicap": 1.0},
}


def ablating(seeds: Any, **settings: Any) -> Study:
    ablation = {"baseline": "given", "components": PARTS, "seeds": seeds, **settings.pop("ablation", {})}
    return toy_study(ablation=ablation, **settings)


@pytest.mark.parametrize(
    ("ablation", "family"),
    [
        ({}, 3),
        ({"design": "add_one_in"}, 4),
        ({"design": "factorial"}, 3 + 3),
        ({"design": "factorial", "components": EDITS}, 7 + 7),  # 21 interactions in seven groups of three
    ],
)
def test_family_is_every_comparison_that_the_design_makes(ablation: dict[str, Any], family: int) -> None:
    assert comparisons(ablating(12, ablation=ablation)) == family


def test_path_compares_each_searched_dimension_at_most() -> None:
    searched = {"lr": {"min": 0.01, "max": 0.1}, "momentum": {"min": 0.5, "max": 0.9}}
    assert comparisons(toy_study(parameters=searched, ablation={"design": "path", "seeds": 8})) == 2


@pytest.mark.parametrize(("seeds", "warned"), [(6, True), (7, False), ({"min": 6, "max": 30, "precision": 1}, True)])
def test_too_few_seeds_for_the_sign_flip_check_are_warned_of_with_the_number_needed(seeds: Any, warned: bool) -> None:
    messages = warnings(ablating(seeds))
    assert len(messages) == warned
    if warned:
        assert f"with {'its first ' if isinstance(seeds, dict) else ''}6 seeds" in messages[0]
        assert "over 3 comparisons its smallest Holm-adjusted p is 0.094, above 0.05; 7 seeds or more" in messages[0]


def test_final_with_all_arms_is_a_comparison_too() -> None:
    assert [text[:19] for text in warnings(ablating(8, final={"seeds": 3, "arms": "all"}))] == ["final: with 3 seeds"]
    assert warnings(ablating(8, final={"seeds": 3})) == []


def test_best_of_single_runs_as_the_baseline_is_warned_of() -> None:
    best = {"ablation": {"baseline": "best"}}
    assert "there is no confirm" in warnings(ablating(8, **best))[0]
    assert warnings(ablating(8, **best, confirm={"top": 2, "seeds": 3})) == []


@pytest.mark.parametrize(
    ("confirm", "warned"),
    [
        ({"top": 4, "seeds": 2, "prefer": "smaller"}, True),
        ({"top": 4, "seeds": 3, "prefer": "smaller"}, False),
        ({"top": 4, "seeds": 2}, False),
        ({"top": 1, "seeds": 2, "prefer": "smaller"}, False),
    ],
)
def test_choice_of_the_smallest_by_two_seeds_is_warned_of(confirm: dict[str, Any], warned: bool) -> None:
    messages = warnings(toy_study(confirm=confirm))
    assert ["the smallest of the 4 would nearly always be chosen" in text for text in messages] == [True] * warned


def test_study_without_later_stages_has_no_warning() -> None:
    assert warnings(toy_study()) == []


@pytest.mark.parametrize(
    ("name", "goal", "warned"),
    [
        (
            "val_accuracy",
            "minimize",
            "the trial with the smallest val_accuracy counts as the best; write goal: maximize",
        ),
        ("val_loss", "maximize", "the trial with the largest val_loss counts as the best; write goal: minimize"),
        ("top1_error", "maximize", ""),
        ("val_accuracy", "maximize", ""),
        ("val_loss", "minimize", ""),
        ("lossless", "maximize", ""),
        ("score", "minimize", ""),
    ],
)
def test_goal_that_contradicts_the_name_of_the_metric_is_warned_of(name: str, goal: str, warned: str) -> None:
    messages = warnings(toy_study(metric={"name": name, "goal": goal}))
    assert bool(messages) == bool(warned)
    assert not warned or warned in messages[0]
