"""The constraint gate: accepted and rejected configurations, and the cost of the smallest one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sweeps.prepare.prepared import Infeasible, require_feasible
from sweeps.samplers.constraint_gate import ConstraintGate, Uncounted, smallest
from sweeps.workload import load
from tests.sweeps.support import toy_gate, toy_study


def test_feasibility_holds_the_resolved_recipe_and_its_cost() -> None:
    feasibility = toy_gate(toy_study()).assess({"lr": 0.5})
    assert feasibility.accepted
    assert feasibility.settings["lr"] == 0.5
    assert feasibility.settings["epochs"] == 4
    assert feasibility.cost["parameters"] == 2 * 8**2


def test_smallest_configuration_is_found_among_interacting_dimensions() -> None:
    study = toy_study(
        constraints=["parameters <= 10"],
        parameters={
            "net.width": {"values": [64, 16, 4]},
            "net.depth": {"min": 2, "max": 9},
            "lr": {"min": 0.1, "max": 0.2},
        },
    )
    feasibility = smallest(toy_gate(study), study.space, {"net.width": 64, "net.depth": 9, "lr": 0.1})
    assert feasibility.cost["parameters"] == 4**2 * 2


def test_no_feasible_configuration_says_what_the_smallest_costs() -> None:
    study = toy_study(
        constraints=["parameters <= 200"],
        parameters={"net.width": {"values": [16, 32]}, "net.depth": {"min": 1, "max": 5}},
    )
    with pytest.raises(Infeasible, match="no configuration fits: the smallest one found has 256 parameters"):
        require_feasible(study, toy_gate(study))


def test_rare_feasible_configuration_is_found() -> None:
    study = toy_study(
        constraints=["parameters <= 128"],
        parameters={"net.width": {"min": 8, "max": 1000}, "net.depth": {"min": 2, "max": 400}},
    )
    require_feasible(study, toy_gate(study))


def test_baseline_over_the_budget_is_refused() -> None:
    study = toy_study(baseline={"net": {"width": 100}}, constraints=["parameters <= 5_000"])
    with pytest.raises(Infeasible, match="the baseline does not fit: 20,000 parameters, over the limit of 5,000"):
        require_feasible(study, toy_gate(study))


def test_cost_that_raises_anything_is_a_reason_and_not_the_end() -> None:
    def cost(recipe: object) -> dict[str, int]:
        raise RuntimeError("shapes do not match")

    gate = ConstraintGate(toy_study(), replace(load("tests.toy"), target=SimpleNamespace(cost=cost)))
    assert gate.baseline().reason == "cannot be built: RuntimeError: shapes do not match"


def test_quantity_that_the_workload_does_not_count_is_refused() -> None:
    study = toy_study(constraints=["macs <= 5"])
    workload = load("tests.toy")
    silent = SimpleNamespace(cost=lambda recipe: {"parameters": 1})
    with pytest.raises(Uncounted, match=r"macs <= 5 cannot be checked, .* it counts: parameters"):
        ConstraintGate(study, replace(workload, target=silent)).baseline()


def test_conditional_dimensions_follow_the_choice_of_their_parent() -> None:
    study = toy_study(
        constraints=["parameters <= 4"],
        parameters={
            "net.act": {"values": ["relu", "gelu"]},
            "net.width": {"values": [16, 2], "when": {"net.act": "gelu"}},
            "net.depth": {"values": [1, 2]},
        },
    )
    feasibility = smallest(toy_gate(study), study.space, {"net.act": "gelu", "net.width": 16, "net.depth": 2})
    assert feasibility.cost["parameters"] == 4
