"""Comparison at equal parameters: widths are scaled down as little as possible, and never up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from sweeps.designs import arms
from sweeps.designs.scaling import STEPS, Fitted, fitted
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.workload import Workload, load
from tests import toy
from tests.sweeps.support import toy_study


def scalable(scale: Any) -> Workload:
    """The toy with widths that can be scaled."""
    return replace(load("tests.toy"), target=SimpleNamespace(cost=toy.cost, scale=scale))


def narrower(recipe: toy.Toy, factor: float) -> dict[str, Any]:
    return {"net.width": max(1, int(recipe.net.width * factor))}


def shrunk(width: int, limit: int, workload: Workload) -> Fitted:
    gate = ConstraintGate(toy_study(constraints=[f"parameters <= {limit}"]), workload)
    return fitted(workload, gate.weigh, gate.weigh({"epochs": 4, "net": {"width": width, "depth": 1}}))


@pytest.mark.parametrize("limit", [1, 2, 100, 5_000, 9_999, 10_000, 10_200])
def test_largest_factor_that_fits_is_taken(limit: int) -> None:
    result = shrunk(101, limit, scalable(narrower))
    best = max(step for step in range(1, STEPS) if max(1, 101 * step // STEPS) ** 2 <= limit)
    assert result.feasibility.accepted
    assert result.edits == {"net.width": max(1, 101 * best // STEPS)}
    assert result.feasibility.cost["parameters"] <= limit
    assert result.note == f"widths scaled by {best / STEPS:.3g} to fit"


def test_recipe_that_fits_is_not_scaled() -> None:
    result = shrunk(10, 100, scalable(narrower))
    assert (result.edits, result.note) == ({}, "")
    assert result.feasibility.settings["net"]["width"] == 10


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (lambda recipe, factor: {}, "does not fit even with widths scaled by 1/256: 100 parameters, over"),
        (lambda recipe, factor: {"net.width": 9}, "does not fit even with widths scaled by 1/256: 81 parameters"),
        (lambda recipe, factor: {"net.width": "thin"}, "does not fit even .*: cannot be built: net.width"),
    ],
)
def test_variant_that_no_factor_makes_fit_keeps_its_reason(scale: Any, reason: str) -> None:
    result = shrunk(10, 50, scalable(scale))
    assert not result.feasibility.accepted
    assert result.feasibility.reason.startswith("100 parameters, over the limit of 50; ")
    assert re.search(reason, result.feasibility.reason)


def test_workload_that_cannot_scale_is_a_reason() -> None:
    without = replace(load("tests.toy"), target=SimpleNamespace(cost=toy.cost))
    assert "cannot scale widths: it has no 'scale'" in shrunk(10, 50, without).feasibility.reason


def test_scale_that_refuses_is_a_reason() -> None:
    def scale(recipe: Any, factor: float) -> Mapping[str, Any]:
        raise ValueError("widths of 1 cannot be halved")

    assert "widths of 1 cannot be halved" in shrunk(10, 50, scalable(scale)).feasibility.reason


def test_ablation_of_a_variant_over_the_budget_is_trained_narrower() -> None:
    workload = scalable(narrower)
    gate = ConstraintGate(toy_study(constraints=["parameters <= 500"]), workload)
    parts = {"shallow": {"net.depth": 1}, "bottleneck": {"net.width": 32}, "huge": {"net.width": 2000}}
    made = arms(
        "leave_one_out", gate.baseline().settings, parts, gate.weigh, fit=partial(fitted, workload, gate.weigh)
    ).arms
    by_name = {arm.name: arm for arm in made}
    assert by_name["bottleneck"].note == "widths scaled by 0.496 to fit"
    assert by_name["bottleneck"].edits == {"net.width": 15}
    assert by_name["bottleneck"].cost["parameters"] == 15 * 15 * 2
    assert by_name["shallow"].note == ""
    assert by_name["huge"].reason == "cannot be built: a layer of 2000 units does not fit"
