"""Training on the pretended device gives the CPU's figures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cuda.pretended import pretended
from tests.cuda.scenarios import GRAPHS, SCENARIOS, Scenario
from tests.cuda.training import Site, train


def assert_alike(rows: list[dict[str, float]], expected: list[dict[str, float]], tolerance: float) -> None:
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert row == pytest.approx(other, rel=tolerance, abs=tolerance, nan_ok=True)


def on_gpu(scenario: Scenario, site: Site, **overrides: Any) -> list[dict[str, float]]:
    with pretended():
        run = site.run("cuda")
        rows = train(scenario.recipe(site.data_dir, **overrides), run)
    log = run.folder / "log.txt"
    assert not log.exists(), log.read_text()  # nothing fell back to another way
    return rows


@pytest.mark.parametrize("name", SCENARIOS)
def test_figures_are_those_of_a_cpu(site: Site, name: str):
    scenario = SCENARIOS[name]
    if name == "technique.text_head":
        pytest.importorskip("wordllama")
    expected = train(scenario.recipe(site.data_dir), site.run("cpu"))
    assert_alike(on_gpu(scenario, site), expected, scenario.tolerance)


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_equals_eager(site: Site, name: str):
    scenario = SCENARIOS[name]
    eager = on_gpu(scenario, site)
    assert_alike(on_gpu(scenario, site, execution="graph"), eager, 1e-6)
