"""What a step asks of the device: no wait, no copy, and no more operators than now."""

from __future__ import annotations

import pytest

from tests.cuda.ceilings import COPIES, EPOCH_WAITS, OPERATORS, WAITS
from tests.cuda.pretended import Device
from tests.cuda.scenarios import GRAPHS, SCENARIOS
from tests.cuda.training import Site, step_counts

STEPS = [name for name, scenario in SCENARIOS.items() if scenario.has_even_steps]


@pytest.mark.parametrize("name", STEPS)
def test_step_asks_no_more_of_the_device_than_recorded(gpu: Device, site: Site, name: str):
    if name == "technique.text_head":
        pytest.importorskip("wordllama")
    counts = step_counts(SCENARIOS[name], site, gpu)
    assert counts.waits <= WAITS.get(name, 0), counts.places
    assert counts.copies <= COPIES.get(name, 0)
    assert counts.operators <= OPERATORS[name], counts.by_operator
    assert counts.epoch_waits <= EPOCH_WAITS.get(name, EPOCH_WAITS["plain"]), counts.places


@pytest.mark.parametrize("name", [name for name in GRAPHS if name in STEPS])
def test_step_of_a_graph_asks_no_more_of_the_device_than_recorded(gpu: Device, site: Site, name: str):
    counts = step_counts(SCENARIOS[name], site, gpu, execution="graph")
    assert (counts.waits, counts.copies) == (0, COPIES.get(name, 0)), counts.places
    assert counts.operators <= OPERATORS[f"graph of {name}"], counts.by_operator
    assert counts.epoch_waits <= EPOCH_WAITS.get(f"graph of {name}", EPOCH_WAITS["plain"]), counts.places
