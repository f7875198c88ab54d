"""One job from its checkpoint to its end, in whichever process it was put."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.disk import Unwritable
from sweeps.runners.protocol import End, Epoch, Event, Job, Note, Preemption
from sweeps.runners.watchdog import Hung, Watch, hung, timed_out
from sweeps.trial.trial import Outcome, Status
from sweeps.workload.loader import load
from sweeps.workload.run import Preempted, Run


def execute(job: Job, watch: Watch | None = None) -> Iterator[Event]:
    """Train or evaluate `job`, yielding its epochs as they end and, last, an End or that it has Left.

    An error of the workload is an outcome, not an exception: the worker stays fit for the next job. `watch` ends the
    job where it makes no progress.
    """
    clock = _Stopwatch()
    measured: dict[str, dict[str, float]] = {}
    watch = watch or Watch()
    stuck = hung(job.folder)
    if stuck:  # in a process that has been ended for it
        yield End(timed_out(job, stuck), clock.lap())
        return
    try:
        run = open_run(job, watch)
        if note := _refused(run):
            yield Note(note)
        watch.progress()
        if job.evaluate is None:
            for epoch, metrics in _epochs(job, run):
                watch.progress()
                yield Epoch(epoch, metrics, clock.lap())
        else:
            measured = _evaluated(job, run, job.evaluate)
    except Preempted:
        yield Preemption()
    except Unwritable as error:
        yield Preemption(str(error))
    except Hung as error:
        yield End(timed_out(job, "".join(traceback.format_exception(error))), clock.lap())
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a foreign workload raises is its trial's outcome)
        yield End(failure(error), clock.lap())
    else:
        yield End(Outcome(Status.COMPLETE), clock.lap(), measured)
    finally:
        watch.close()


def failure(error: BaseException) -> Outcome:
    """The outcome that an exception of a workload stands for."""
    status = Status.OUT_OF_MEMORY if _out_of_memory(error) else Status.FAILED
    first_line = (str(error).splitlines() or [""])[0]
    return Outcome(status, f"{type(error).__name__}: {first_line}", "".join(traceback.format_exception(error)))


def _epochs(job: Job, run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    workload = load(job.workload)
    for metrics in workload.train(workload.schema.validate(job.settings), run):
        if job.until is not None and run.epoch >= job.until:  # nothing was saved, or it would have left
            raise Preempted
        run.epoch += 1
        yield run.epoch, _numbers(metrics)


def _evaluated(job: Job, run: Run, entries: tuple[Any, ...]) -> dict[str, dict[str, float]]:
    workload = load(job.workload)
    if run.restored is None or run.refused:
        raise FileNotFoundError(
            f"no intact checkpoint of its last epoch in {job.folder}: there is no model to evaluate"
        )
    recipe = workload.schema.validate(job.settings)
    return {name: _numbers(metrics) for name, metrics in workload.evaluate(recipe, run, entries)}


def open_run(job: Job, watch: Watch | None = None) -> Run:
    """The handle that the workload of `job` trains with, at its latest intact checkpoint."""
    saved = CheckpointFolder(job.folder / "checkpoint").restore()
    return Run(
        seed=job.seed,
        split_seed=job.split_seed,
        device=job.device,
        data_dir=job.data_dir,
        folder=job.folder,
        access=job.access,
        final=job.final,
        restored=saved.folder if saved else None,
        epoch=saved.epoch if saved else 0,
        refused=saved.refused if saved else (),
        runs_dir=job.runs_dir,
        stop_file=job.stop_file,
        until=job.until,
        on_saved=watch.progress if watch else None,
    )


def _refused(run: Run) -> str:
    """What to say, and to write into the trial's log, of checkpoints that are damaged."""
    if not run.refused:
        return ""
    epochs = " and ".join(map(str, run.refused))
    text = (
        f"the checkpoint of epoch {epochs} does not match its SHA-256 and is not used: goes on from epoch {run.epoch}"
    )
    run.log(text)
    return text


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
