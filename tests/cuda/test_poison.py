"""A worker whose context an error has poisoned takes no further trial."""

from __future__ import annotations

import pytest

from sweeps.runners import protocol
from sweeps.runners.worker import execute
from tests.cuda.pretended import Device
from tests.cuda.scenarios import SCENARIOS
from tests.cuda.test_memory import job_of
from tests.cuda.training import Site

STICKY = (
    "an illegal memory access was encountered",
    "device-side assert triggered",
    "uncorrectable ECC error encountered",
    "unspecified launch failure",
)


def poison_at(gpu: Device, launches: int, error: str) -> None:
    """Poison the context at a launch from now: that one raises, and everything after it."""
    launch = gpu.launch

    def poisoning(operator: str) -> None:
        nonlocal launches
        launches -= 1
        if launches == 0:
            gpu.poison(error)
        gpu.require_sound()
        launch(operator)

    gpu.launch = poisoning  # type: ignore[method-assign]


@pytest.mark.parametrize("error", STICKY)
@pytest.mark.parametrize("execution", ["eager", "graph"])
def test_poisoned_context_is_told_from_a_failed_trial(gpu: Device, site: Site, error: str, execution: str):
    poison_at(gpu, 300, error)
    *_, last = execute(job_of(SCENARIOS["plain"].recipe(site.data_dir, execution=execution), site))
    assert isinstance(last, protocol.DeviceLoss)
    assert error in last.outcome.reason  # the cause, and not what emptying the cache raises after it
