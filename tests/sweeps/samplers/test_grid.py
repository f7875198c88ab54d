"""The walk over a grid: the order of its cells, and the work that it takes to find the next one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.samplers.grid import GridWalk
from sweeps.space.encoding import identity
from sweeps.space.space import Categorical, Numeric, Space
from sweeps.study.study import Study
from sweeps.trial.trial import Outcome, Status
from tests.sweeps.samplers.test_sampler import Bench
from tests.sweeps.support import toy_study

SPACE = Space.of(
    [
        Categorical(key="net", values=("deep", "wide")),
        Numeric(key="depth", low=1, high=3, integer=True, step=1, when={"net": ("deep",)}),
        Categorical(key="blocks", values=([1, 1], [2])),
    ],
    {},
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every cell that any walk over any space has made."""
    cells: list[dict[str, Any]] = []
    grid = Space.grid

    def counting(space: Space) -> Iterator[dict[str, Any]]:
        for cell in grid(space):
            cells.append(cell)
            yield cell

    monkeypatch.setattr(Space, "grid", counting)
    return cells


def test_proposals_of_a_large_grid_make_each_cell_once(tmp_path: Path, made: list[dict[str, Any]]) -> None:
    study = toy_study(
        method="grid", run_cap=10**6, parameters={name: {"min": 1, "max": 1000} for name in ("net.width", "unused")}
    )
    bench = Bench(tmp_path, study)
    made.clear()
    assert len(list(bench.proposals(30))) == 30
    assert len(made) == 30


def test_restart_passes_over_the_cells_that_were_tried_once(tmp_path: Path, made: list[dict[str, Any]]) -> None:
    study = toy_study(
        method="grid", run_cap=10**4, parameters={name: {"min": 1, "max": 100} for name in ("net.width", "unused")}
    )
    first = [job.parameters for job in Bench(tmp_path, study).proposals(20)]
    again = Bench(tmp_path, study)
    made.clear()
    second = [job.parameters for job in again.proposals(20)]
    assert [*first, *second] == list(itertools.islice(study.space.grid(), 40))
    assert len(made) == 40 + 40  # the restarted walk, and the line above


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_cells_of_a_small_space_are_made_once_where_the_sampler_repeats_itself(
    tmp_path: Path, made: list[dict[str, Any]], method: str
) -> None:
    study = toy_study(method=method, run_cap=20, parameters={"net.width": {"min": 1, "max": 20}})
    bench = Bench(tmp_path, study)
    made.clear()
    assert len(list(bench.proposals())) == 20
    assert len(made) == 20


def test_failed_cells_come_after_all_others_least_often_failed_first() -> None:
    cells = list(SPACE.grid())
    walk, failures = GridWalk(SPACE), dict.fromkeys(map(identity, (cells[0], cells[3], cells[5])), 1)
    failures[identity(cells[0])] = 2
    for cell in (cells[5], cells[0], cells[3]):  # in the order in which they failed
        walk.failed(cell, failures[identity(cell)])
    tried: set[str] = set()
    order = []
    for _ in cells:
        order.append(walk.next(tried, failures))
        tried.add(identity(order[-1]))
    assert order == [cells[place] for place in (1, 2, 4, 6, 7, 3, 5, 0)]
    with pytest.raises(LookupError):
        walk.next(tried, failures)


def test_cell_that_never_reached_the_storage_is_met_again() -> None:
    walk, tried = GridWalk(SPACE), set(map(identity, SPACE.grid()))
    lost = walk.next(set(), {})
    assert walk.next(tried - {identity(lost)}, {}) == lost


def _least_failed(space: Space, tried: set[str], failures: dict[str, int]) -> dict[str, Any]:
    """The rule, by looking at every cell."""
    untried = (cell for cell in space.grid() if identity(cell) not in tried)
    return min(untried, key=lambda cell: failures.get(identity(cell), 0))


@pytest.mark.parametrize("seed", range(8))
def test_walk_follows_the_rule_whatever_fails(seed: int) -> None:
    generator, walk = random.Random(seed), GridWalk(SPACE)
    tried: set[str] = set()
    failures: dict[str, int] = {}
    while len(tried) < (SPACE.size or 0):
        cell = walk.next(tried, failures)
        assert cell == _least_failed(SPACE, tried, failures)
        name = identity(cell)
        failures[name] = failures.get(name, 0) + 1
        if generator.random() < 0.5 and failures[name] < 3:
            walk.failed(cell, failures[name])
        else:
            tried.add(name)


def _grid_study() -> Study:
    return toy_study(
        method="grid", run_cap=4, parameters={"net.width": {"values": [8, 2]}, "unused": {"values": [3, 1]}}
    )


def test_failed_trial_of_a_grid_is_tried_again_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path, _grid_study())
    job = bench.sampler.propose()
    assert job is not None
    bench.storage.search.finish(job.number, Outcome(Status.FAILED, "the machine went away"))
    tried = [tuple(job.parameters.values()) for job in Bench(tmp_path, _grid_study()).proposals()]
    assert tried == [(8, 1), (2, 3), (2, 1), (8, 3)]
