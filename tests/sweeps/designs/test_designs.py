"""The arms that a design makes of a baseline and its components, and those that are not applicable."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.designs import TooLarge, arms, components_of, fraction, path_steps, require_affordable
from sweeps.designs.scaling import Fitted
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.space.space import Categorical, Numeric, Space
from sweeps.trial.arm import Arm
from sweeps.trial.feasibility import Feasibility
from tests.sweeps.support import toy_gate, toy_study

LINEAR = {"net.act": "identity"}
PLAIN = {"momentum": 0.0}
SHALLOW = {"net.depth": 1}
PARTS: dict[str, dict[str, Any]] = {"relu": LINEAR, "momentum": PLAIN, "depth": SHALLOW}
TOGGLES: dict[str, dict[str, Any]] = {"relu": LINEAR, "momentum": PLAIN, "wide": {"net.width": 64}}


def gate(**settings: Any) -> ConstraintGate:
    return toy_gate(toy_study(**settings))


def baseline(**settings: Any) -> Mapping[str, Any]:
    return gate(**settings).baseline().settings


def named(made: tuple[Arm, ...]) -> dict[str, Arm]:
    return {arm.name: arm for arm in made}


@pytest.mark.parametrize("design", ["leave_one_out", "alternatives"])
def test_each_component_by_itself_is_compared_with_the_baseline(design: Any) -> None:
    made = arms(design, baseline(), PARTS, gate().weigh).arms
    lacks = design == "leave_one_out"  # an alternative is another recipe, which lacks nothing
    assert [(arm.name, arm.reference, arm.removed) for arm in made] == [
        ("baseline", "", ()),
        ("relu", "baseline", ("relu",) * lacks),
        ("momentum", "baseline", ("momentum",) * lacks),
        ("depth", "baseline", ("depth",) * lacks),
    ]
    assert all(arm.applicable for arm in made)
    relu, depth = named(made)["relu"], named(made)["depth"]
    assert relu.edits == LINEAR
    assert relu.settings["net"]["act"] == "identity"
    assert relu.settings["momentum"] == 0.9
    assert (made[0].cost["parameters"], depth.cost["parameters"]) == (2 * 64, 64)


def test_add_one_in_starts_from_the_recipe_without_any_component() -> None:
    made = arms("add_one_in", baseline(), PARTS, gate().weigh).arms
    assert [(arm.name, arm.reference, arm.removed) for arm in made] == [
        ("none", "", ("relu", "momentum", "depth")),
        ("only relu", "none", ("momentum", "depth")),
        ("only momentum", "none", ("relu", "depth")),
        ("only depth", "none", ("relu", "momentum")),
        ("baseline", "none", ()),
    ]
    assert named(made)["only relu"].edits == {"net.act": "relu"}
    assert named(made)["baseline"].edits == {"net.act": "relu", "momentum": 0.9, "net.depth": 2}
    assert named(made)["none"].settings["net"] == {**baseline()["net"], "act": "identity", "depth": 1}
    assert named(made)["only depth"].settings["net"]["depth"] == 2


def test_factorial_has_every_combination_fewest_removed_first() -> None:
    made = arms("factorial", baseline(), PARTS, gate().weigh)
    assert [arm.name for arm in made.arms] == [
        "baseline",
        "no relu",
        "no momentum",
        "no depth",
        "no relu, momentum",
        "no relu, depth",
        "no momentum, depth",
        "no relu, momentum, depth",
    ]
    assert made.arms[4].edits == {**LINEAR, **PLAIN}
    assert len({arm.recipe for arm in made.arms}) == 8
    assert (made.generators, made.aliases) == ((), {})


def test_fraction_of_seven_components_has_generators_and_aliases() -> None:
    parts = {name: {name: 0} for name in "abcdefg"}

    def weigh(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> Feasibility:
        return Feasibility({**settings, **overrides}, {})

    made = arms("factorial", dict.fromkeys("abcdefg", 1), parts, weigh)
    assert len(made.arms) == 16
    assert made.generators == ("e = a × b × c", "f = a × b × d", "g = a × c × d")
    assert made.aliases["a:e"] == ["b:c", "f:g"]
    assert made.aliases["f:g"] == ["a:e", "b:c"]


@pytest.mark.parametrize(
    ("part", "settings", "reason"),
    [
        ({"momentum": 0.9}, {}, "changes nothing: the recipe is that of baseline"),
        ({"net.width": 2000}, {}, "cannot be built: a layer of 2000 units does not fit"),
        ({"net.width": "wide"}, {}, "cannot be built: net.width: input should be a valid integer"),
        (
            {"net.width": 64},
            {"constraints": ["parameters <= 500"]},
            "8,192 parameters, over the limit of 500",
        ),
    ],
)
@pytest.mark.parametrize("design", ["leave_one_out", "add_one_in", "factorial"])
def test_component_that_cannot_be_removed_is_kept_with_its_reason_and_the_rest_go_on(
    design: Any, part: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    made = arms(design, baseline(), {"odd": part, "relu": LINEAR, "depth": SHALLOW}, gate(**settings).weigh).arms
    refused = [arm for arm in made if arm.reason]
    assert [arm.name.removeprefix("only ").removeprefix("no ") for arm in refused] == ["odd"]
    assert refused[0].reason.startswith(reason)
    trained = [arm for arm in made if arm.applicable]
    assert len(trained) == {"leave_one_out": 3, "add_one_in": 4, "factorial": 4}[design]
    assert not any("odd" in arm.removed for arm in trained)


def test_component_that_others_switch_off_too_adds_nothing_alone() -> None:
    made = arms("add_one_in", baseline(), {"relu": LINEAR, "all": {**LINEAR, **PLAIN}}, gate().weigh).arms
    assert named(made)["only relu"].reason == "changes nothing: the recipe is that of none"
    assert named(made)["only all"].edits == {"momentum": 0.9}


@pytest.mark.parametrize(
    ("design", "parts", "message"),
    [
        ("factorial", {"relu": LINEAR, "all": {**LINEAR, **PLAIN}}, "'no relu, all' is the same recipe as 'no all'"),
        ("factorial", {"a": LINEAR, "b": {"net.act": "tanh"}}, "a and b cannot both be removed: net.act = 'identity'"),
        ("add_one_in", {"a": LINEAR, "b": {"net": {"act": "tanh"}}}, "a and b cannot both be removed"),
        ("factorial", {"a": {"momentum": 0.9}}, "no component is applicable: a: changes nothing"),
    ],
)
def test_components_that_cannot_be_crossed_are_an_error(design: Any, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arms(design, baseline(), parts, gate().weigh)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("factorial", "'no wide, deep' is not applicable, and no cell may be missing: 1,600 parameters, over"),
        ("add_one_in", "the recipe without wide, deep is not applicable: 1,600 parameters, over"),
    ],
)
def test_combination_over_the_budget_fails_a_design_that_cannot_do_without_it(design: Any, message: str) -> None:
    weigh = gate(constraints=["parameters <= 900"]).weigh
    parts = {"wide": {"net.width": 20}, "deep": {"net.depth": 4}}
    with pytest.raises(ValueError, match=message):
        arms(design, baseline(), parts, weigh)


def test_baseline_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="the baseline of the ablation is not applicable: 128 macs, over"):
        arms("leave_one_out", baseline(), PARTS, gate(constraints=["macs <= 4"]).weigh)


def test_variant_over_the_budget_is_passed_to_fit() -> None:
    def fit(over: Feasibility) -> Fitted:
        return Fitted(Feasibility({**over.settings, "scaled": True}, over.cost), {"scaled": True}, "halved")

    weigh = gate(constraints=["parameters <= 900"]).weigh
    made = named(arms("leave_one_out", baseline(), {"wide": {"net.width": 64}, "relu": LINEAR}, weigh, fit=fit).arms)
    assert made["wide"].applicable
    assert made["wide"].note == "halved"
    assert made["wide"].edits == {"net.width": 64, "scaled": True}
    assert made["wide"].settings["scaled"]
    assert made["relu"].note == ""


@pytest.mark.parametrize(("components", "seeds", "runs"), [(6, 16, 0), (6, 17, 1088), (8, 64, 0), (17, 17, 1088)])
def test_factorial_of_more_than_1024_runs_is_refused_with_their_number(components: int, seeds: int, runs: int) -> None:
    if not runs:
        require_affordable(components, seeds)
        return
    with pytest.raises(TooLarge, match=f"= {runs:,} runs, more than 1,024"):
        require_affordable(components, seeds)


def test_factorial_counts_only_the_components_that_apply() -> None:
    parts = {**PARTS, "odd": {"momentum": 0.9}}
    assert len(arms("factorial", baseline(), parts, gate().weigh, seeds=128).arms) == 8 + 1
    with pytest.raises(TooLarge):
        arms("factorial", baseline(), parts, gate().weigh, seeds=129)


def levels(count: int) -> np.ndarray[Any, Any]:
    """The ±1 matrix of the design for `count` factors: rows are recipes."""
    factors = [f"f{index}" for index in range(count)]
    return np.array([[-1 if factor in removed else 1 for factor in factors] for removed in fraction(factors).removed])


@given(st.integers(1, 24))
def test_fraction_is_balanced_and_keeps_main_effects_clear_of_interactions(count: int) -> None:
    matrix = levels(count)
    assert len({tuple(row) for row in matrix}) == len(matrix)
    assert (matrix[0] == 1).all()
    assert (matrix.sum(axis=0) == 0).all()
    assert (matrix.T @ matrix == len(matrix) * np.eye(count)).all()
    products = [matrix[:, i] * matrix[:, j] for i, j in combinations(range(count), 2)]
    assert not products or (matrix.T @ np.array(products).T == 0).all()


@pytest.mark.parametrize(("count", "recipes"), [(1, 2), (6, 64), (7, 16), (8, 16), (9, 32), (16, 32), (17, 64)])
def test_fraction_is_the_smallest_of_its_resolution(count: int, recipes: int) -> None:
    assert len(levels(count)) == recipes


@pytest.mark.parametrize("count", range(2, 17))
def test_aliases_are_the_interactions_with_equal_columns(count: int) -> None:
    matrix, aliases = levels(count), fraction([f"f{index}" for index in range(count)]).aliases
    pairs = list(combinations(range(count), 2))
    for i, j in pairs:
        product = matrix[:, i] * matrix[:, j]
        equal = [f"f{k}:f{m}" for k, m in pairs if (k, m) != (i, j) and (matrix[:, k] * matrix[:, m] == product).all()]
        assert aliases.get(f"f{i}:f{j}", []) == equal


def test_generators_are_what_the_matrix_does() -> None:
    matrix = levels(9)
    assert fraction([f"f{index}" for index in range(9)]).generators[0] == "f5 = f0 × f1 × f2"
    assert (matrix[:, 5] == matrix[:, 0] * matrix[:, 1] * matrix[:, 2]).all()


@pytest.mark.parametrize(
    ("spec", "components"),
    [
        (["relu", "momentum"], {"relu": LINEAR, "momentum": PLAIN}),
        ({"linear": "relu"}, {"linear": LINEAR}),
        ({"linear": {"net.act": "tanh"}}, {"linear": {"net.act": "tanh"}}),
        ({"both": ["relu", "momentum"]}, {"both": {**LINEAR, **PLAIN}}),
        ({"mixed": ["relu", {"epochs": 2}]}, {"mixed": {**LINEAR, "epochs": 2}}),
        ({"same": ["relu", LINEAR]}, {"same": LINEAR}),
    ],
)
def test_component_is_settings_or_toggles_or_both(spec: Any, components: Mapping[str, Any]) -> None:
    assert components_of(spec, TOGGLES) == components


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["rellu"], "component 'rellu': unknown toggle 'rellu'; did you mean 'relu'"),
        ({"a": ["relu", "rellu"]}, "component 'a': unknown toggle 'rellu'"),
        (
            {"a": ["relu", {"net.act": "tanh"}]},
            "component 'a' contradicts itself: net.act = 'identity' and net.act = 'tanh'",
        ),
        ({"a": ["relu", {"net": {"depth": 1}}]}, "component 'a' contradicts itself: net.act = 'identity' and net ="),
        ({"baseline": "relu"}, "component 'baseline': that is the name of the recipe with all components"),
        ({"none": "relu"}, "component 'none': that is the name of the recipe without any"),
    ],
)
def test_ambiguous_component_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        components_of(spec, TOGGLES)


SPACE = Space.of(
    [
        Categorical(key="toggle.relu", values=(True, False)),
        Numeric(key="lr", low=0.001, high=1.0, log=True),
        Categorical(key="optimizer", values=("sgd", "adam")),
        Numeric(key="momentum", low=0.0, high=0.99, when={"optimizer": ("sgd",)}),
        Numeric(key="beta", low=0.8, high=0.999, when={"optimizer": ("adam",)}),
        Categorical(key="blocks", values=([1, 1], [2, 2])),
    ],
    {},
)
FROM = {"toggle.relu": True, "lr": 0.1, "optimizer": "sgd", "momentum": 0.9, "blocks": [1, 1]}


@pytest.mark.parametrize(
    ("to", "steps"),
    [
        (FROM, {}),
        ({**FROM, "lr": 0.2}, {"lr": {"lr": 0.2}}),
        ({**FROM, "toggle.relu": False}, {"no relu": {"toggle.relu": False}}),
        ({**FROM, "momentum": 0.5, "blocks": [2, 2]}, {"momentum": {"momentum": 0.5}, "blocks": {"blocks": [2, 2]}}),
        (
            {"toggle.relu": True, "lr": 0.2, "optimizer": "adam", "beta": 0.9, "blocks": [1, 1]},
            {"lr": {"lr": 0.2}, "optimizer + beta": {"optimizer": "adam", "beta": 0.9}},
        ),
    ],
)
def test_path_steps_are_the_dimensions_that_differ_with_children_beside_their_parent(
    to: dict[str, Any], steps: dict[str, Any]
) -> None:
    assert path_steps(FROM, to, SPACE) == steps
    assert list(path_steps(FROM, to, SPACE)) == list(steps)


def test_child_of_two_parents_ties_them_together() -> None:
    space = Space.of(
        [
            Categorical(key="a", values=(0, 1)),
            Categorical(key="b", values=(0, 1)),
            Categorical(key="other", values=(0, 1)),
            Categorical(key="c", values=(0, 1), when={"a": (1,), "b": (1,)}),
        ],
        {},
    )
    steps = path_steps({"a": 0, "b": 0, "other": 0}, {"a": 1, "b": 1, "other": 1, "c": 1}, space)
    assert steps == {"a + b + c": {"a": 1, "b": 1, "c": 1}, "other": {"other": 1}}


def test_all_steps_of_a_path_together_make_the_incumbent() -> None:
    to = {"toggle.relu": False, "lr": 0.2, "optimizer": "adam", "beta": 0.9, "blocks": [2, 2]}
    taken = {key: value for step in path_steps(FROM, to, SPACE).values() for key, value in step.items()}
    assert taken == to
