"""One job from its checkpoint to its end, in whichever process it was put."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from sweeps import workload as workloads
from sweeps.checkpoint import CheckpointFolder
from sweeps.runners.base import End, Epoch, Job
from sweeps.trial import Outcome, Run, Status


def execute(job: Job) -> Iterator[Epoch | End]:
    """Train or evaluate `job`, yielding its epochs as they end and, last, an End.

    An error of the workload is an outcome, not an exception: the worker stays fit for the next job.
    """
    clock = _Stopwatch()
    measured: dict[str, dict[str, float]] = {}
    try:
        if job.evaluate is None:
            for epoch, metrics in _epochs(job):
                yield Epoch(epoch, metrics, clock.lap())
        else:
            measured = _evaluated(job, job.evaluate)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a foreign workload raises is its trial's outcome)
        yield End(failure(error), clock.lap())
    else:
        yield End(Outcome(Status.COMPLETE), clock.lap(), measured)


def failure(error: BaseException) -> Outcome:
    """The outcome that an exception of a workload stands for."""
    status = Status.OUT_OF_MEMORY if _out_of_memory(error) else Status.FAILED
    first_line = (str(error).splitlines() or [""])[0]
    return Outcome(status, f"{type(error).__name__}: {first_line}", "".join(traceback.format_exception(error)))


def _epochs(job: Job) -> Iterator[tuple[int, dict[str, float]]]:
    workload = workloads.load(job.workload)
    run = open_run(job)
    for metrics in workload.train(workload.schema.validate(job.settings), run):
        run.epoch += 1
        yield run.epoch, _numbers(metrics)


def _evaluated(job: Job, entries: tuple[Any, ...]) -> dict[str, dict[str, float]]:
    workload, run = workloads.load(job.workload), open_run(job)
    if run.restored is None:
        raise FileNotFoundError(f"no intact checkpoint in {job.folder}: there is no model to evaluate")
    recipe = workload.schema.validate(job.settings)
    return {name: _numbers(metrics) for name, metrics in workload.evaluate(recipe, run, entries)}


def open_run(job: Job) -> Run:
    """The handle that the workload of `job` trains with, at its latest intact checkpoint."""
    saved = CheckpointFolder(job.folder / "checkpoint").restore()
    restored, epoch = saved or (None, 0)
    return Run(
        seed=job.seed,
        split_seed=job.split_seed,
        device=job.device,
        data_dir=job.data_dir,
        folder=job.folder,
        access=job.access,
        final=job.final,
        restored=restored,
        epoch=epoch,
        runs_dir=job.runs_dir,
    )


def _numbers(metrics: Any) -> dict[str, float]:
    if not isinstance(metrics, Mapping):
        raise TypeError(f"train must yield a mapping of metrics, but yielded {metrics!r}")
    for name, value in metrics.items():
        if not isinstance(value, Real):
            raise TypeError(f"train must yield numbers, but yielded {name}={value!r}")
    return {str(name): float(value) for name, value in metrics.items()}


def _out_of_memory(error: BaseException) -> bool:
    # By name: the engine imports no torch, whose error this is.
    return any(base.__name__ in ("MemoryError", "OutOfMemoryError") for base in type(error).__mro__)


class _Stopwatch:
    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        return elapsed
