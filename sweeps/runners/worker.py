"""Execute one job from its latest checkpoint to its end, as a stream of events, in whichever process calls it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from numbers import Real
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT, WITH_PREDICTIONS
from sweeps.io.disk import Unwritable
from sweeps.runners.protocol import DeviceLoss, End, Epoch, Event, Job, Note, Preemption
from sweeps.runners.watchdog import Hung, Watch, hung, timed_out
from sweeps.trial.trial import Outcome, Status
from sweeps.workload.loader import load
from sweeps.workload.run import DeviceLost, Preempted, Run


def execute(job: Job, watch: Watch | None = None) -> Iterator[Event]:
    """Train or evaluate a job.

    Args:
        job: The job; it resumes from its latest intact checkpoint.
        watch: The watchdog to notify of progress; it is closed at the end.

    Yields:
        An Epoch as each epoch ends, a Note where a checkpoint is damaged, and at last an End, a Preemption or a
        DeviceLoss. An error of the workload becomes one of these with the reason, never an exception. After an End or a
        Preemption the process can take the next job; after a DeviceLoss the runner must end it.
    """
    clock = _Stopwatch()
    watch = watch or Watch()
    # The watchdog ends a process without running Python, so the timeout is reported here, by the next process of the
    # trial, instead of training until the same place hangs again.
    if stacks := hung(job.folder):
        yield End(timed_out(job, stacks), clock.lap())
        return
    try:
        last = yield from _events(job, watch, clock)
    finally:
        watch.close()
    # By now the workload's error is gone, with the frames in its traceback and what they hold, such as the memory of a
    # device: whoever takes this event may start another trial there.
    yield last


def _events(job: Job, watch: Watch, clock: _Stopwatch) -> Generator[Event, None, Event]:
    """Yield the events of a job but the last one, and return that."""
    metrics_of_sets: dict[str, dict[str, float]] = {}
    try:
        run = open_run(job, watch)
        if note := _note_on_damage(run):
            yield Note(note)
        watch.progress()  # starts the timer; before it nothing of the workload's own has run
        if job.evaluate is None:
            # Closed at once where the job is stopped: nothing of it may be written when the next one begins.
            with closing(_epochs(job, run)) as epochs:
                for epoch, metrics in epochs:
                    watch.progress()
                    yield Epoch(epoch, metrics, clock.lap())
        else:
            metrics_of_sets = _evaluated(job, run, job.evaluate)
    # Preempted and Hung are no `Exception`s, so that a workload's own `except Exception` lets them through.
    except Preempted:
        return Preemption()
    except Unwritable as error:  # a full disk is not the trial's fault: it stays unfinished and the study ends
        return Preemption(str(error))
    except Hung as error:
        return End(timed_out(job, "".join(traceback.format_exception(error))), clock.lap())
    except DeviceLost as error:
        return DeviceLoss(failure(error), clock.lap())
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a workload raises is its trial's outcome)
        return End(failure(error), clock.lap())
    return End(Outcome(Status.COMPLETE), clock.lap(), metrics_of_sets)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a trial whose workload raised `error`: failed, or out of memory."""
    status = Status.OUT_OF_MEMORY if _out_of_memory(error) else Status.FAILED
    first_line = (str(error).splitlines() or [""])[0]
    return Outcome(status, f"{type(error).__name__}: {first_line}", "".join(traceback.format_exception(error)))


def _epochs(job: Job, run: Run) -> Generator[tuple[int, dict[str, float]]]:
    """Train and yield the number and the metrics of each epoch."""
    workload = load(job.workload)
    with closing(run):
        for metrics in workload.train(workload.schema.validate(job.settings), run):
            # A workload that saves its state has been preempted in `Run.save` or `Run.checkpoint`. One that saves none
            # would train on past the pause: its next epoch has been trained, but is not recorded.
            if job.until is not None and run.epoch >= job.until:
                raise Preempted
            run.epoch += 1
            yield run.epoch, _numbers(metrics)
        run.finish()  # before the end is told: others read the model then


def _evaluated(job: Job, run: Run, entries: tuple[Any, ...]) -> dict[str, dict[str, float]]:
    """Evaluate the trained model and return the metrics of each labelled set."""
    workload = load(job.workload)
    # An older checkpoint may be intact where the last one is damaged, but it is not the model that was trained.
    if run.restored is None or run.refused:
        raise FileNotFoundError(
            f"no intact checkpoint of its last epoch in {job.folder}: there is no model to evaluate"
        )
    recipe = workload.schema.validate(job.settings)
    return {name: _numbers(metrics) for name, metrics in workload.evaluate(recipe, run, entries)}


def open_run(job: Job, watch: Watch | None = None) -> Run:
    """Return the Run that the workload of `job` trains with, at the latest intact checkpoint.

    Each checkpoint that it saves counts as progress for `watch`.
    """
    checkpoint = CheckpointFolder(job.folder / CHECKPOINT).restore()
    return Run(
        seed=job.seed,
        split_seed=job.split_seed,
        device=job.device,
        share=job.share,
        data_dir=job.data_dir,
        folder=job.folder,
        access=job.access,
        final=job.final,
        restored=checkpoint.folder if checkpoint else None,
        epoch=checkpoint.epoch if checkpoint else 0,
        refused=checkpoint.refused if checkpoint else (),
        runs_dir=job.runs_dir,
        stop_file=job.stop_file,
        until=job.until,
        on_saved=watch.progress if watch else None,
        checkpoint_every=job.checkpoint_every,
        keeps_predictions=job.stage in WITH_PREDICTIONS,
    )


def _note_on_damage(run: Run) -> str:
    """Log and return a note on damaged checkpoints; "" where there are none."""
    if not run.refused:
        return ""
    epochs = " and ".join(map(str, run.refused))
    one = len(run.refused) == 1
    damaged = f"checkpoint of epoch {epochs} fails its" if one else f"checkpoints of epochs {epochs} fail their"
    text = f"the {damaged} SHA-256; continuing from epoch {run.epoch}"
    run.log(text)
    return text


def _numbers(metrics: Any) -> dict[str, float]:
    """Return metrics as floats. Raises TypeError for anything but a mapping of numbers."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"train must yield a mapping of metrics, but yielded {metrics!r}")
    for name, value in metrics.items():
        if not isinstance(value, Real):
            raise TypeError(f"train must yield numbers, but yielded {name}={value!r}")
    return {str(name): float(value) for name, value in metrics.items()}


def _out_of_memory(error: BaseException) -> bool:
    # By name: the engine does not import torch, which defines this error.
    return any(base.__name__ in ("MemoryError", "OutOfMemoryError") for base in type(error).__mro__)


class _Stopwatch:
    """Measures the device time between events, by the monotonic clock: the time of day may jump."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the previous call."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        return elapsed
