"""The columns of a search space: what is alike is near, and every coordinate is a valid value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sweeps.space.space import Categorical, Dimension, Numeric, Space
from sweeps.surrogate.features import Features

SPACE = Space.of(
    [
        Numeric(key="lr", low=1e-4, high=1.0, log=True),
        Numeric(key="batch", low=32, high=512, log=True, integer=True, quantum=32),
        Numeric(key="dropout", low=0.0, high=0.5, step=0.1),
        Numeric(key="seen", low=1, high=10**6, integer=True),
        Categorical(key="nesterov", values=(False, True)),
        Categorical(key="optimizer", values=("sgd", "adam", "lion", None)),
        Numeric(key="momentum", low=0.0, high=1.0, when={"optimizer": ("sgd",)}),
        Categorical(key="warm", values=(True, False), when={"optimizer": ("sgd", "adam"), "nesterov": (True,)}),
        Categorical(key="widths", values=([16, 32], [32, 64], [64, 16])),
    ],
    {},
)


def columns(space: Space, *configurations: dict[str, Any]) -> np.ndarray:
    features = Features(space)
    return features.columns(features.coordinates(configurations))


def distances(dimension: Dimension, *values: Any) -> list[float]:
    """The distance of each value from the first."""
    rows = columns(Space.of([dimension], {}), *({dimension.key: value} for value in values))
    return [float(np.linalg.norm(row - rows[0])) for row in rows[1:]]


@pytest.mark.parametrize(
    ("dimension", "values", "expected"),
    [
        (Numeric(key="x", low=2.0, high=10.0), (2.0, 6.0, 10.0), [0.5, 1.0]),
        (Numeric(key="x", low=1e-4, high=1.0, log=True), (1e-4, 1e-2, 1.0), [0.5, 1.0]),
        (Numeric(key="x", low=1, high=5, integer=True), (1, 2, 5), [0.25, 1.0]),
        (Numeric(key="x", low=0.0, high=1.0, step=0.25), (0.0, 0.75, 1.0), [0.75, 1.0]),
        (Numeric(key="x", low=0, high=10**6, integer=True), (0, 250_000, 10**6), [0.25, 1.0]),
        (Categorical(key="x", values=(False, True)), (False, True), [1.0]),
        (Categorical(key="x", values=("a", "b", "c")), ("a", "b", "c"), [1.0, 1.0]),
        (Categorical(key="x", values=(64, 16, 32)), (16, 32, 64), [0.5, 1.0]),
        (Categorical(key="x", values=([1, 5], [1, 7], [2, 5])), ([1, 5], [1, 7], [2, 5]), [1.0, 1.0]),
        (Categorical(key="x", values=([1, 5], [1, 7], [2])), ([1, 5], [1, 7], [2]), [1.0, 1.0]),
    ],
)
def test_distances_are_those_of_the_kind_of_dimension(
    dimension: Dimension, values: tuple[Any, ...], expected: list[float]
) -> None:
    assert distances(dimension, *values) == pytest.approx(expected)


def test_columns_of_a_dimension_share_its_length_scale_and_conditions_share_their_parents() -> None:
    features = Features(SPACE)
    of = dict(enumerate(dimension.key for dimension in SPACE.dimensions))
    assert [of[group] for group in features.groups] == [
        *("lr", "batch", "dropout", "seen", "nesterov", *["optimizer"] * 4, "momentum", "warm", "widths", "widths"),
        *("optimizer", "optimizer"),  # whether momentum and warm exist
    ]


def test_a_value_that_does_not_exist_is_no_value_of_its_own() -> None:
    there, elsewhere, absent = columns(
        Space.of([SPACE.dimensions[5], SPACE.dimensions[6]], {}),
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 1.0},
        {"optimizer": "lion"},
    )
    assert abs(there - elsewhere).max() == 1.0
    assert absent[4] == 0.5
    assert (there[-1], absent[-1]) == (1.0, 0.0)


@pytest.mark.parametrize("how", ["spread", "vary"])
def test_every_coordinate_is_a_valid_configuration_and_comes_back(how: str) -> None:
    features, rng = Features(SPACE), np.random.default_rng(0)
    coordinates = features.spread(rng.random((200, features.dimensions)))
    if how == "vary":
        coordinates = features.vary(coordinates, rng)
    configurations = [features.configuration(row) for row in coordinates]
    assert all(SPACE.contains(configuration) for configuration in configurations)
    again = features.columns(Features(SPACE).coordinates(configurations))
    assert abs(again - features.columns(coordinates)).max() < 1e-6


def test_draws_reach_every_branch_and_value() -> None:
    features, rng = Features(SPACE), np.random.default_rng(0)
    drawn = [features.configuration(row) for row in features.spread(rng.random((400, features.dimensions)))]
    assert {config["optimizer"] for config in drawn} == {"sgd", "adam", "lion", None}
    assert {tuple(config["widths"]) for config in drawn} == {(16, 32), (32, 64), (64, 16)}
    assert {config["dropout"] for config in drawn} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    assert {config.get("warm") for config in drawn} == {None, True, False}


def test_variations_stay_near_and_change_something() -> None:
    features, rng = Features(SPACE), np.random.default_rng(0)
    coordinates = np.repeat(features.spread(rng.random((1, features.dimensions))), 300, axis=0)
    before, after = features.columns(coordinates), features.columns(features.vary(coordinates, rng))
    assert np.median(abs(after[:, 0] - before[:, 0])) < 0.15
    assert (after != before).any(axis=1).all()
    assert after.min() >= 0
    assert after.max() <= 1


def test_values_outside_the_space_are_known_by_what_is_nearest() -> None:
    (above, unknown, missing) = columns(
        Space.of(SPACE.dimensions[:6], {}),
        {"lr": 5.0, "batch": 33, "dropout": 0.0, "seen": 1, "nesterov": True, "optimizer": "sgd"},
        {"lr": 1.0, "batch": 32, "dropout": 0.0, "seen": 1, "nesterov": True, "optimizer": "rmsprop"},
        {"lr": 1.0, "batch": "many", "seen": True},
    )
    assert above[0] == unknown[0] == 1.0
    assert above[1] == unknown[1] == 0.0
    assert unknown[5:].sum() == 0.0
    assert list(missing[1:5]) == [0.5, 0.5, 0.5, 0.5]
