"""A probe: two epochs of a recipe in a process of their own, for what an epoch takes in time and memory."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sweeps.runners.protocol import End, Epoch, Event, Job, Preemption
from sweeps.runners.worker import execute

EPOCHS = 2  # the first one pays for imports, data and warm-up
TIMEOUT_S = 900.0
GPU_MEMORY = "gpu_memory_mib"
"""The metric by which a workload tells of its peak of GPU memory."""


@dataclass(frozen=True)
class Probe:
    """What the epochs of a probe took; `error` says why there is nothing to tell.

    `first_s` is the time to the end of the first epoch, imports included, `epoch_s` that of the second. `memory_mib` is
    the peak resident memory of the process, `gpu_memory_mib` what the workload itself reports, if it does.
    """

    epoch_s: float | None = None
    first_s: float | None = None
    memory_mib: float | None = None
    gpu_memory_mib: float | None = None
    error: str = ""


def probe(job: Job, threads: int = 1, timeout_s: float = TIMEOUT_S) -> Probe:
    """Train `job` for two epochs in a fresh process of `threads` threads and a folder that is thrown away.

    A recipe of one epoch is trained twice. Whatever goes wrong is in `error`.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-probe-") as scratch:
        job = replace(job, folder=Path(scratch))
        try:
            done = subprocess.run(
                [sys.executable, "-m", "sweeps.runners.probe"],
                input=pickle.dumps(job),
                capture_output=True,
                timeout=timeout_s,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": str(threads),
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
            )
        except subprocess.TimeoutExpired:
            return Probe(error=f"the probe did not finish {EPOCHS} epochs within {timeout_s:g} s")
    if done.returncode:
        return Probe(error=_died(done.returncode, done.stderr.decode(errors="replace")))
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def measure(job: Job) -> Probe:
    """Train `job` in this process until two epochs have ended."""
    laps: list[Epoch] = []
    for attempt in range(EPOCHS):
        folder = job.folder / str(attempt)
        folder.mkdir()
        for event in execute(replace(job, folder=folder)):
            if isinstance(event, Epoch):
                laps.append(event)
            elif reason := _why_not(event):
                return Probe(error=reason)
            if len(laps) == EPOCHS:
                return told(laps)
    return Probe(error="the workload yielded no epoch")


def _why_not(event: Event) -> str:
    """Why there is no epoch to measure, if so."""
    if isinstance(event, End):
        return event.outcome.reason
    return event.reason if isinstance(event, Preemption) else ""


def told(laps: list[Epoch]) -> Probe:
    """What two epochs in this process say: the second is the measure, for the first one pays for the start."""
    first, second = laps
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Probe(second.seconds, first.seconds, peak_kib / 1024, second.metrics.get(GPU_MEMORY))


def _died(code: int, stderr: str) -> str:
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"the process of the probe {how}" + (f": {last}" if last else "")


if __name__ == "__main__":
    asked = pickle.loads(sys.stdin.buffer.read())
    sys.stdout.write("\n" + json.dumps(asdict(measure(asked))) + "\n")
