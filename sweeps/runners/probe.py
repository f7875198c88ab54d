"""Probe a recipe: train two epochs in a separate process and measure their time and memory.

The process reads a pickled job from stdin and writes the measurements as JSON into a file, since a workload may print
whatever it likes, even when the process ends.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.io.disk import size_of
from sweeps.io.files import write_atomic
from sweeps.runners.protocol import DeviceLoss, End, Epoch, Event, Job, Preemption
from sweeps.runners.worker import execute
from sweeps.workload.protocol import GPU_MEMORY

EPOCHS = 2  # the first one pays for imports, data and warm-up
TIMEOUT_S = 900.0
KIB = 1024


@dataclass(frozen=True)
class Probe:
    """The measurements of a probe; all are None or empty where it failed.

    Attributes:
        epoch_s: Seconds of the second epoch.
        first_s: Seconds to the end of the first epoch, imports and data loading included.
        memory_mib: Peak resident memory of the process.
        gpu_memory_mib: Peak GPU memory; None unless the workload reports it.
        checkpoint_bytes: The size of a checkpoint; None unless the job pauses after the probe's epochs and saves one.
        metrics: The names of the metrics that the workload yielded.
        error: Why the probe failed; empty where it worked.
    """

    epoch_s: float | None = None
    first_s: float | None = None
    memory_mib: float | None = None
    gpu_memory_mib: float | None = None
    checkpoint_bytes: int | None = None
    metrics: Sequence[str] = ()
    error: str = ""


def probe(job: Job, threads: int = 1, timeout_s: float = TIMEOUT_S) -> Probe:
    """Train `job` for two epochs in a new process and a temporary folder.

    A recipe of one epoch is trained twice.

    Args:
        job: The job to train; its folder is not used.
        threads: Threads of the process (`OMP_NUM_THREADS`).
        timeout_s: Seconds after which the probe is killed.

    Returns:
        The measurements. A failure is never raised: `Probe.error` says what went wrong.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-probe-", ignore_cleanup_errors=True) as scratch:
        measured, log = Path(scratch) / "probe.json", Path(scratch) / "stderr.txt"
        try:
            # A file instead of a pipe: a pipe would stay open as long as any process that the workload has started.
            with log.open("wb") as stderr:
                process = subprocess.run(
                    [sys.executable, "-m", "sweeps.runners.probe", str(measured)],
                    input=pickle.dumps(replace(job, folder=Path(scratch))),
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    timeout=timeout_s,
                    env={
                        **os.environ,
                        "OMP_NUM_THREADS": str(threads),
                        # A workload may have been found through a path that only this process knows.
                        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    },
                )
        except subprocess.TimeoutExpired:
            return Probe(error=f"the probe did not finish {EPOCHS} epochs within {timeout_s:g} s")
        if not measured.exists():  # whatever its exit status: a workload may end the process
            return Probe(error=_exit_reason(process.returncode, log.read_text(encoding="utf-8", errors="replace")))
        content = json.loads(measured.read_text(encoding="utf-8"))
        return Probe(**{**content, "metrics": tuple(content["metrics"])})


def measure(job: Job) -> Probe:
    """Train `job` in this process until two epochs have ended, and return the measurements."""
    epochs: list[Epoch] = []
    for attempt in range(EPOCHS):
        folder = job.folder / str(attempt)  # a second attempt must not resume from the first one's checkpoint
        folder.mkdir()
        events = execute(replace(job, folder=folder))
        for event in events:
            if isinstance(event, Epoch):
                epochs.append(event)
            elif reason := _failure_reason(event):
                return Probe(error=reason)
            if len(epochs) == EPOCHS:
                return replace(summarize(epochs), checkpoint_bytes=_saved(job, folder, events))
    return Probe(error="the workload yielded no epoch")


def _saved(job: Job, folder: Path, events: Iterator[Event]) -> int | None:
    """The size of the checkpoint that a job saves where it pauses now; None if it does not."""
    if job.until != EPOCHS:
        return None
    for _ in events:  # at most an epoch more, of a workload that saves nothing
        pass
    newest = CheckpointFolder(folder / CHECKPOINT).newest()
    return None if newest is None else size_of(newest)


def _failure_reason(event: Event) -> str:
    if isinstance(event, End | DeviceLoss):
        return event.outcome.reason
    return event.reason if isinstance(event, Preemption) else ""


def summarize(epochs: list[Epoch]) -> Probe:
    """Return the measurements of two epochs that were trained in this process."""
    first, second = epochs
    unit = 1 if sys.platform == "darwin" else KIB  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    memory = peak_bytes / KIB**2, second.metrics.get(GPU_MEMORY)
    return Probe(second.seconds, first.seconds, *memory, metrics=tuple(second.metrics))


def _exit_reason(code: int, stderr: str) -> str:
    last_line = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    cause = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"the process of the probe {cause}" + (f": {last_line}" if last_line else "")


if __name__ == "__main__":
    requested_job = pickle.loads(sys.stdin.buffer.read())
    write_atomic(Path(sys.argv[1]), json.dumps(asdict(measure(requested_job))))
