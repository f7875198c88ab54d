"""After any end of a trial the worker holds nothing of the device; what would fit is said rightly."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import tune_batch
from sweeps.runners.protocol import Job
from sweeps.runners.worker import execute
from sweeps.trial.trial import Status
from sweeps.workload import Site as Machine
from tests.cuda.pretended import Device
from tests.cuda.pretended.memory import MIB
from tests.cuda.scenarios import SCENARIOS
from tests.cuda.training import Site

FAILS = RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
FULL_FOR_A_LIBRARY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def job_of(recipe: Recipe, site: Site, number: int = 0) -> Job:
    folder = site.folder / f"{number:04d}"
    folder.mkdir()
    return Job(
        "search",
        number,
        recipe.model_dump(mode="json"),
        workload="cifar_sweep",
        seed=3,
        split_seed=1,
        device="cuda",
        data_dir=site.data_dir,
        folder=folder,
        access=frozenset({"train", "validation"}),
    )


def completed(job: Job, gpu: Device) -> Status:
    *_, end = execute(job)
    return end.outcome.status


def stopped(job: Job, gpu: Device) -> Status:
    events = execute(job)
    next(events)
    assert gpu.memory.used > 0
    events.close()
    return Status.PRUNED


def failing(epochs: int, launches: int, error: Exception) -> Callable[[Job, Device], Status]:
    """A job that fails after so many epochs, at one of the launches that follow."""

    def fail(job: Job, gpu: Device) -> Status:
        events = execute(job)
        for _ in range(epochs):
            next(events)
        gpu.fail(launches, type(error)(*error.args))  # a new one, which nothing here keeps
        *_, end = events
        return end.outcome.status

    return fail


ENDS: dict[str, tuple[Callable[[Job, Device], Status], Status]] = {
    "complete": (completed, Status.COMPLETE),
    "stopped": (stopped, Status.PRUNED),
    "failed at its start": (failing(0, 20, FAILS), Status.FAILED),
    "failed": (failing(1, 10, FAILS), Status.FAILED),
    "full at its start": (failing(0, 20, FULL), Status.OUT_OF_MEMORY),
    "full": (failing(1, 10, FULL), Status.OUT_OF_MEMORY),
    "full for a library": (failing(1, 10, FULL_FOR_A_LIBRARY), Status.OUT_OF_MEMORY),
}


@pytest.mark.parametrize("execution", ["eager", "graph"])
@pytest.mark.parametrize("end", ENDS)
def test_worker_holds_nothing_after_any_end(gpu: Device, site: Site, end: str, execution: str):
    finish, status = ENDS[end]
    recipe = SCENARIOS["technique.regularised"].recipe(site.data_dir, execution=execution, epochs=3)
    assert finish(job_of(recipe, site), gpu) is status
    assert (gpu.memory.reserved, gpu.memory.used, gpu.memory.fraction) == (0, 0, 1.0)


def test_advice_after_running_out_of_memory_equals_a_fresh_measurement(gpu: Device, site: Site):
    gpu.memory.total = 16 * MIB
    recipe = SCENARIOS["plain"].recipe(site.data_dir, batch_size=60)
    *_, end = execute(job_of(recipe, site))
    assert end.outcome.status is Status.OUT_OF_MEMORY
    advised = re.search(r"batch_size 60 does not fit: .*; batch_size (\d+) would fit", end.outcome.reason)
    assert advised, end.outcome.reason
    size = int(advised[1])
    assert tune_batch(recipe, Machine(site.data_dir, "cuda")).settings["batch_size"] == size
    assert completed(job_of(recipe.model_copy(update={"batch_size": size}), site, 1), gpu) is Status.COMPLETE


def test_peak_in_the_advice_is_that_of_the_trial_itself(gpu: Device, site: Site):
    larger = SCENARIOS["plain"].recipe(site.data_dir, batch_size=60)
    assert completed(job_of(larger, site), gpu) is Status.COMPLETE
    earlier = gpu.memory.peak
    gpu.fail(200, FULL)
    *_, end = execute(job_of(larger.model_copy(update={"batch_size": 4}), site, 1))
    peak = re.search(r"peak ([\d,]+) MiB", end.outcome.reason)
    assert peak, end.outcome.reason
    assert int(peak[1].replace(",", "")) < 0.5 * earlier / MIB
