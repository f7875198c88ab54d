from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.space.space import Categorical, Dimension, Numeric, Space


def choice(key: str, *values: Any, when: dict[str, tuple[Any, ...]] | None = None) -> Categorical:
    return Categorical(key=key, values=values, when=when or {})


LR = Numeric(key="lr", low=1e-4, high=1e-1, log=True)
NAME = choice("name", "sgd", "adam", "lion")
MOMENTUM = choice("momentum", 0.8, 0.9, 0.99, when={"name": ("sgd",)})
NESTEROV = choice("nesterov", True, False, when={"momentum": (0.9, 0.99)})
WIDTH = Numeric(key="width", low=8, high=32, step=8, integer=True)
CONDITIONAL = Space.of([NESTEROV, MOMENTUM, NAME, WIDTH], {"epochs": 3})


def test_parents_come_before_their_dependents() -> None:
    keys = [dimension.key for dimension in CONDITIONAL.dimensions]
    assert keys.index("name") < keys.index("momentum") < keys.index("nesterov")


def test_circular_conditions_are_refused() -> None:
    with pytest.raises(ValueError, match="circular conditions: a, b"):
        Space.of([choice("a", 1, 2, when={"b": (1,)}), choice("b", 1, 2, when={"a": (1,)})], {})


def test_size_counts_only_configurations_that_exist() -> None:
    # adam, lion: 1 each; sgd: 0.8 alone, 0.9 and 0.99 with 2 each; times 4 widths
    assert CONDITIONAL.size == (2 + 1 + 2 * 2) * 4 == len(list(CONDITIONAL.grid()))


def test_a_continuum_has_no_size() -> None:
    assert Space.of([NAME, LR], {}).size is None


def test_size_of_many_parents_is_counted_without_listing_them() -> None:
    parents = [choice(f"p{n}", 0, 1) for n in range(60)]
    children = [choice(f"c{n}", 0, 1, 2, when={f"p{n}": (1,)}) for n in range(60)]
    assert Space.of([*parents, *children], {}).size == 4**60


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    dimensions: list[Dimension] = []
    for index in range(draw(st.integers(1, 5))):
        when = {}
        for parent in dimensions:
            if draw(st.integers(0, 2)) == 0:
                values = list(parent.grid())
                when[parent.key] = tuple(draw(st.lists(st.sampled_from(values), min_size=1, unique=True)))
        high = draw(st.integers(1, 3))
        kinds: list[Dimension] = [
            Categorical(key=f"d{index}", when=when, values=tuple(range(high + 1))),
            Numeric(key=f"d{index}", when=when, low=0, high=high, integer=True),
        ]
        dimensions.append(draw(st.sampled_from(kinds)))
    return Space.of(dimensions[::-1], {})


@given(space=spaces(), seed=st.integers(0, 99))
def test_size_grid_draw_and_contains_agree(space: Space, seed: int) -> None:
    cells = list(space.grid())
    assert space.size == len(cells) == len({tuple(sorted(cell.items())) for cell in cells})
    assert all(space.contains(cell) for cell in cells)
    assert space.draw(random.Random(seed)) in cells


@pytest.mark.parametrize(
    ("parameters", "contained"),
    [
        ({"name": "adam", "width": 8}, True),
        ({"name": "sgd", "width": 8, "momentum": 0.8}, True),
        ({"name": "sgd", "width": 8}, False),  # momentum exists
        ({"name": "adam", "width": 8, "momentum": 0.8}, False),  # momentum does not
        ({"name": "sgd", "width": 8, "momentum": 0.8, "nesterov": True}, False),
        ({"name": "adam", "width": 12}, False),
        ({"name": "adam", "width": 8, "other": 1}, False),
        ({"name": "adamw", "width": 8}, False),
    ],
)
def test_contains_follows_the_conditions(parameters: dict[str, Any], contained: bool) -> None:
    assert CONDITIONAL.contains(parameters) is contained


def test_draw_repeats_with_its_generator_and_stays_inside() -> None:
    space = Space.of([LR, NAME, MOMENTUM, WIDTH], {})
    first, again = random.Random(3), random.Random(3)
    drawn = [space.draw(first) for _ in range(200)]
    assert drawn == [space.draw(again) for _ in range(200)]
    assert all(space.contains(parameters) for parameters in drawn)
    assert {parameters["name"] for parameters in drawn} == {"sgd", "adam", "lion"}
    below = sum(parameters["lr"] < 3.16e-3 for parameters in drawn)
    assert 70 < below < 130  # the middle of a log-uniform range is its geometric mean


@pytest.mark.parametrize(
    ("dimension", "raw", "value"),
    [
        (Numeric(key="x", low=0.1, high=0.9, step=0.2), 0.32, 0.3),
        (Numeric(key="x", low=0.1, high=0.9, step=0.1), 0.30000000000000004, 0.3),
        (Numeric(key="x", low=8, high=512, log=True, quantum=8, integer=True), 13.0, 16),
        (Numeric(key="x", low=8, high=512, log=True, quantum=8, integer=True), 900.0, 512),
        (Numeric(key="x", low=0.01, high=0.5, log=True, quantum=0.01), 0.0149, 0.01),
        (Numeric(key="x", low=1, high=9, integer=True), 3, 3),
        (Numeric(key="x", low=0.0, high=1.0), 1.5, 1.0),
    ],
)
def test_decode_rounds_and_clips(dimension: Numeric, raw: float, value: float) -> None:
    decoded = dimension.decode(raw)
    assert decoded == value
    assert type(decoded) is type(value)
    assert dimension.contains(decoded)


@pytest.mark.parametrize("value", [True, 8.5, "8", None, 7, 33])
def test_an_integer_range_contains_its_steps_only(value: Any) -> None:
    assert WIDTH.contains(16)
    assert not WIDTH.contains(value)


def test_grid_lists_exact_decimals() -> None:
    assert list(Numeric(key="x", low=0.1, high=0.5, step=0.1).grid()) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_overrides_are_constants_then_parameters_then_edits_of_what_is_off() -> None:
    space = Space.of([WIDTH, choice("toggle.relu", True, False), choice("toggle.norm", True, False)], {"epochs": 3})
    toggles = {"relu": {"activation": "identity"}, "norm": {"norm": "none", "width": 1}}
    kept = space.overrides({"width": 8, "toggle.relu": True, "toggle.norm": True}, toggles)
    assert kept == {"epochs": 3, "width": 8}
    off = space.overrides({"width": 8, "toggle.relu": False, "toggle.norm": False}, toggles)
    assert off == {"epochs": 3, "width": 1, "activation": "identity", "norm": "none"}
